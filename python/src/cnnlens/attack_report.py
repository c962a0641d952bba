# SPDX-License-Identifier: Apache-2.0
"""What attacks do to a network, and what defences help."""

from __future__ import annotations

import dataclasses
import html
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from . import adversarial, blackbox
from ._attack import sizes_of
from ._errors import InvalidArgument
from ._progress import Progress, reporter
from .model import Network

Attack: TypeAlias = str | Callable[..., Any]
_ATTACKS: dict[str, Callable[..., Any]] = {
    "fgsm": adversarial.fgsm,
    "pgd": adversarial.pgd,
    "square": blackbox.square,
    "nes": blackbox.nes,
}


@dataclasses.dataclass(frozen=True)
class ReportRow:
    """One defence against one attack of one size."""

    defence: str
    attack: str
    eps: float
    accuracy: float
    """The share of all images that are still seen as their label; with eps 0, without any attack."""
    l2: float
    """The mean length of the changes."""


class AttackReport(Sequence[ReportRow]):
    """The accuracy that is left, for each defence, attack and eps. Prints as a table."""

    def __init__(self, rows: Sequence[ReportRow], images: int, adaptive: bool) -> None:
        self.rows = list(rows)
        self.images = images
        self.adaptive = adaptive

    def __getitem__(self, index: Any) -> Any:
        return self.rows[index]

    def __len__(self) -> int:
        return len(self.rows)

    def accuracy(self, defence: str, attack: str, eps: float) -> float:
        """One number of the table. The defence is named as in the table; ``"none"`` is the network itself."""
        for row in self.rows:
            if row.defence == defence and row.attack == attack and np.isclose(row.eps, eps):
                return row.accuracy
        raise InvalidArgument(f"the report has no ({defence!r}, {attack!r}, {eps:g}); it has {self._keys()}")

    def _keys(self) -> str:
        return ", ".join(f"({row.defence!r}, {row.attack!r}, {row.eps:.4g})" for row in self.rows)

    def _table(self) -> list[list[str]]:
        sizes = sorted({row.eps for row in self.rows})
        lines = [["defence", "attack", *(_size(eps) for eps in sizes)]]
        for key in dict.fromkeys((row.defence, row.attack) for row in self.rows):
            values = {row.eps: f"{100 * row.accuracy:.0f} %" for row in self.rows if (row.defence, row.attack) == key}
            lines.append([*key, *(values.get(eps, "") for eps in sizes)])
        return lines

    def _caption(self) -> str:
        kind = "attacks know the defence" if self.adaptive else "attacks were made without the defence"
        return f"accuracy on {self.images} image{'s' if self.images != 1 else ''} by eps; {kind}"

    def __repr__(self) -> str:
        lines = self._table()
        widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
        text = [
            "  ".join(
                cell.ljust(width) if column < 2 else cell.rjust(width)
                for column, (cell, width) in enumerate(zip(line, widths, strict=True))
            ).rstrip()
            for line in lines
        ]
        return "\n".join([*text, self._caption()])

    def _repr_html_(self) -> str:
        head, *body = self._table()
        rows = [f"<tr>{''.join(f'<th>{html.escape(cell)}</th>' for cell in head)}</tr>"]
        rows += [f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in line)}</tr>" for line in body]
        return f"<table>{''.join(rows)}</table><p>{html.escape(self._caption())}</p>"


def _size(eps: float) -> str:
    levels = eps * 255
    return f"{levels:.0f}/255" if abs(levels - round(levels)) < 1e-6 else f"{eps:.4g}"


def attack_report(
    net: Network,
    images: Any,
    attacks: Sequence[Attack] | Mapping[str, Callable[..., Any]] = ("fgsm", "pgd"),
    eps: float | Sequence[float] = (2 / 255, 8 / 255),
    defences: Sequence[Callable[[Network], Network]] | Mapping[str, Callable[[Network], Network]] = (),
    *,
    labels: Sequence[Any] | None = None,
    adaptive: bool = True,
    progress: Progress = None,
) -> AttackReport:
    """The accuracy that attacks of several sizes leave, with and without defences.

    Parameters
    ----------
    net : Network
    images
        A picture or a list of them.
    attacks
        Names (``"fgsm"``, ``"pgd"``, ``"square"``, ``"nes"``) or functions like `pgd`: called with the network, the
        pictures, their labels and ``eps=``.
    eps
        One size or several.
    defences
        Functions from a network to a defended one, such as ``cl.defend.jpeg`` or
        ``lambda net: cl.defend.bits(net, 3)``. The network itself is always in the table, as ``"none"``.
    labels
        The true classes, one for each image; by default what the undefended network sees.
    adaptive
        Attack each defended network itself, through its defence. False: the pictures that deceive the undefended
        network are shown to the others.
    progress
        See `pgd`; a step is one cell of the table.

    Returns
    -------
    AttackReport

    Examples
    --------
    >>> cl.attack_report(net, photographs, eps=[1 / 255, 4 / 255], defences=[cl.defend.jpeg, cl.defend.median])
    """
    pictures = list(images) if isinstance(images, (list, tuple)) else [images]
    if not pictures:
        raise InvalidArgument("the list of images is empty")
    sizes, _ = sizes_of(eps)
    runs = {name: _attack(item) for name, item in _named(attacks, "attack").items()}
    nets = {"none": net}
    for name, make in _named(defences, "defence").items():
        if isinstance(make, Network):
            raise InvalidArgument(
                f"defence '{name}' is a Network; give the function that makes it: lambda net: cl.defend.bits(net, 3)"
            )
        defended = make(net)
        if not isinstance(defended, Network):
            raise InvalidArgument(f"defence '{name}' gave a {type(defended).__name__}; it must give a Network")
        change = defended.preprocess.change
        nets[repr(change) if change is not None and name in ("<lambda>", getattr(make, "__name__", "")) else name] = (
            defended
        )
    truth = list(labels) if labels is not None else [top[0] for top in net.predict(pictures, 1).indices]
    if len(truth) != len(pictures):
        raise InvalidArgument(f"{len(truth)} labels came for {len(pictures)} images; give one for each")
    truth = [_class(net, label) for label in truth]

    rows: list[ReportRow] = []
    total = len(nets) * len(runs) * len(sizes)
    made: dict[tuple[str, float], Any] = {}
    with reporter(progress, "attack report") as report:
        for defence, defended in nets.items():
            clean = _accuracy(defended, pictures, truth)
            for attack, run in runs.items():
                rows.append(ReportRow(defence, attack, 0.0, clean, 0.0))
                for size in sizes:
                    key = (attack, size)
                    if adaptive or key not in made:
                        made[key] = run(defended, pictures, truth, eps=size)
                    found = made[key]
                    if not getattr(found, "is_complete", True):  # attacks of others may not say
                        return AttackReport(rows, len(pictures), adaptive)
                    accuracy = _accuracy(defended, list(found.images), truth)
                    rows.append(ReportRow(defence, attack, size, accuracy, float(np.mean(found.l2))))
                    done = sum(row.eps > 0 for row in rows)
                    if report is not None and report(done, total, accuracy) is False:
                        return AttackReport(rows, len(pictures), adaptive)
    return AttackReport(rows, len(pictures), adaptive)


def _named(items: Any, word: str) -> dict[str, Any]:
    if isinstance(items, Mapping):
        return dict(items)
    items = [items] if isinstance(items, str) or callable(items) else list(items)
    names: dict[str, Any] = {}
    for item in items:
        name = item if isinstance(item, str) else getattr(item, "__name__", word)
        while name in names:
            name += "'"
        names[name] = item
    return names


def _attack(item: Attack) -> Callable[..., Any]:
    if callable(item):
        return item
    if item not in _ATTACKS:
        raise InvalidArgument(f"no attack {item!r}; allowed are {', '.join(_ATTACKS)}, or a function")
    function = _ATTACKS[item]
    assert "eps" in inspect.signature(function).parameters
    return function


def _class(net: Network, label: Any) -> int:
    from . import objectives

    return objectives.class_index(net, label)


def _accuracy(net: Network, pictures: list[Any], truth: list[int]) -> float:
    seen = [top[0] for top in net.predict(pictures, 1).indices]
    return float(np.mean([a == b for a, b in zip(seen, truth, strict=True)]))
