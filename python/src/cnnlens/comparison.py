# SPDX-License-Identifier: Apache-2.0
"""Many methods, many pictures, many measures: one table."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from . import metrics as _metrics
from . import objectives
from ._errors import InvalidArgument
from ._types import AnyArray
from .metrics import Method, function
from .model import Network

Metric: TypeAlias = str | Callable[..., Any]

_BEST: dict[str, Callable[[AnyArray], Any]] = {
    "deletion": np.argmin,
    "insertion": np.argmax,
    "road": np.argmin,
    "infidelity": np.argmin,
    "max_sensitivity": np.argmin,
    "completeness": lambda column: np.argmin(np.abs(column)),
}


class Table:
    """Rows of methods, columns of measures. ``np.asarray(table)`` is ``(methods, measures)``: means over the images.

    Attributes
    ----------
    methods, metrics : list of str
    values : ndarray
        ``(methods, measures, images)``.
    maps : list of list of Map
        For each method, those of the images.

    Examples
    --------
    >>> table = cl.compare(net, ["cat.jpg"], ["saliency", "grad_cam"], ["deletion", "insertion"])
    >>> table["grad_cam", "deletion"]
    """

    def __init__(self, methods: list[str], metrics: list[str], values: AnyArray, maps: list[list[Any]]) -> None:
        self.methods, self.metrics, self.values, self.maps = methods, metrics, values, maps

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> AnyArray:
        means: AnyArray = self.values.mean(axis=2)
        return means if dtype is None else means.astype(dtype)

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.methods), len(self.metrics)

    def __len__(self) -> int:
        return len(self.methods)

    def __iter__(self) -> Iterator[str]:
        return iter(self.methods)

    def __getitem__(self, key: Any) -> Any:
        """A number by ``[method, metric]``, a row as a dict by ``[method]``; names or places."""
        if isinstance(key, tuple) and len(key) == 2:
            row, column = _place(self.methods, key[0], "method"), _place(self.metrics, key[1], "metric")
            return float(self.values[row, column].mean())
        row = _place(self.methods, key, "method")
        return {name: float(self.values[row, column].mean()) for column, name in enumerate(self.metrics)}

    def to_dict(self) -> dict[str, dict[str, float]]:
        """``{method: {metric: mean}}``."""
        return {method: self[method] for method in self.methods}

    def _cells(self) -> list[list[str]]:
        means = np.asarray(self)
        rows = [["", *self.metrics]]
        best = [
            int(_BEST[name](means[:, column])) if name in _BEST and len(means) > 1 else -1
            for column, name in enumerate(self.metrics)
        ]
        for row, method in enumerate(self.methods):
            cells = [f"{means[row, c]:.4g}" + ("*" if best[c] == row else " ") for c in range(len(self.metrics))]
            rows.append([method, *cells])
        return rows

    def __repr__(self) -> str:
        rows = self._cells()
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
        lines = [
            "  ".join(
                [f"{row[0]:<{widths[0]}}", *(f"{cell:>{width}}" for cell, width in zip(row[1:], widths[1:]))]
            ).rstrip()
            for row in rows
        ]
        count = self.values.shape[2]
        return "\n".join([*lines, f"means over {count} image{'s' if count != 1 else ''}; * is the best of a column"])

    def _repr_html_(self) -> str:
        head, *body = self._cells()
        lines = [f"<tr>{''.join(f'<th>{html.escape(cell)}</th>' for cell in head)}</tr>"]
        for name, *cells in body:
            numbers = "".join(
                f"<td><b>{cell[:-1]}</b></td>" if cell.endswith("*") else f"<td>{cell.strip()}</td>" for cell in cells
            )
            lines.append(f"<tr><th>{html.escape(name)}</th>{numbers}</tr>")
        return f"<table>{''.join(lines)}</table>"


def compare(
    net: Network,
    images: Any,
    methods: Sequence[Method] | Mapping[str, Method],
    metrics: Sequence[Metric] | Mapping[str, Metric] = ("deletion", "insertion"),
    *,
    target: objectives.Target = None,
) -> Table:
    """Every measure of every method's map of every picture.

    Parameters
    ----------
    net : Network
    images
        A picture, a list of them, or a raw float32 array ``(N, C, H, W)``.
    methods
        Names of attribution functions, functions ``method(net, x, target)``, or a dict of names and functions.
    metrics
        Names among ``deletion``, ``insertion``, ``road``, ``infidelity``, ``completeness``, ``max_sensitivity``;
        functions ``metric(net, x, map, target)`` that give a number; or a dict of names and functions.
    target
        One class for all images or a list with one each; ``None``: the best of each.

    Returns
    -------
    Table
        Prints aligned; ``table[method, metric]``, ``.to_dict()``, ``np.asarray(table)``, ``.values`` by image.
    """
    rows, columns = _named(methods, "methods"), _named(metrics, "metrics")
    explainers = {name: function(method) for name, method in rows.items()}
    measures = {name: _measure(name, metric) for name, metric in columns.items()}
    pictures = _pictures(net, images)
    goals = _goals(target, len(pictures))
    values = np.empty((len(rows), len(columns), len(pictures)))
    maps: list[list[Any]] = []
    for row, explain in enumerate(explainers.values()):
        maps.append([])
        for place, (picture, goal) in enumerate(zip(pictures, goals, strict=True)):
            result = explain(net, picture, goal)
            maps[-1].append(result)
            for column, measure in enumerate(measures.values()):
                found = measure(net, picture, result, goal, explain)
                values[row, column, place] = float(found) if isinstance(found, _metrics.Curve) else np.mean(found)
    return Table(list(rows), list(columns), values, maps)


def _measure(name: str, metric: Metric) -> Callable[..., Any]:
    if callable(metric):
        return lambda net, x, map, target, method: metric(net, x, map, target)
    if metric == "max_sensitivity":
        return lambda net, x, map, target, method: _metrics.max_sensitivity(net, x, method, target)
    if metric not in _BEST:
        raise InvalidArgument(f"metric is {metric!r}; it must be one of {', '.join(_BEST)}, or a function")
    measure = getattr(_metrics, metric)
    return lambda net, x, map, target, method: measure(net, x, map, target)


def _named(given: Any, name: str) -> dict[str, Any]:
    if isinstance(given, Mapping):
        found = dict(given)
    else:
        items = [given] if isinstance(given, str) or callable(given) else list(given)
        found = {item if isinstance(item, str) else _metrics._name(item): item for item in items}
        if len(found) != len(items):
            raise InvalidArgument(f"{name} has two of one name; pass a dict with a name for each")
    if not found:
        raise InvalidArgument(f"{name} is empty")
    return found


def _pictures(net: Network, images: Any) -> list[Any]:
    if isinstance(images, np.ndarray) and images.ndim == 4:
        return [images[index : index + 1] for index in range(len(images))]
    pictures = list(images) if isinstance(images, (list, tuple)) else [images]
    if not pictures:
        raise InvalidArgument("the list of images is empty")
    return pictures


def _goals(target: Any, count: int) -> list[Any]:
    if isinstance(target, (list, tuple, np.ndarray)):
        if len(target) != count:
            raise InvalidArgument(f"{len(target)} targets came for {count} images; pass one for all, or one each")
        return list(target)
    return [target] * count


def _place(names: list[str], key: Any, what: str) -> int:
    if isinstance(key, (int, np.integer)) and not isinstance(key, bool) and -len(names) <= key < len(names):
        return int(key) % len(names)
    if key in names:
        return names.index(key)
    raise InvalidArgument(f"no {what} {key!r}; there are {', '.join(names)}")
