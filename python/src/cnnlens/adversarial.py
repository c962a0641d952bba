# SPDX-License-Identifier: Apache-2.0
"""Attacks: the smallest change that makes a network see something else."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, Literal, TypeAlias

import numpy as np

from . import _native, objectives
from ._errors import InvalidArgument
from ._types import AnyArray, Array
from .model import Given, Network, Prediction

Norm: TypeAlias = Literal["inf", "2", "1"]
_NORMS = {"inf": 0, "2": 1, "1": 2}


@dataclasses.dataclass
class AttackResult:
    """What an attack made, checked again on the pictures as they are handed back.

    For one picture the attributes are single values, for a batch lists or arrays with one entry per image.

    Attributes
    ----------
    images
        The changed pictures with the dtype and shape they were given in (uint8 stays uint8); raw input stays a
        float32 array.
    success
        Whether the network now sees something other than ``label`` (or, ``targeted``, sees it).
    prediction : Prediction
        What it sees now.
    label
        The classes whose score was attacked (or, ``targeted``, aimed at).
    linf, l2, l0
        The size of the change, in [0, 1] for pictures and in the tensor's own units for raw input; ``l0`` is the
        number of pixels that differ.
    eps : float
    """

    images: Any
    success: Any
    prediction: Prediction
    label: Any
    linf: Any
    l2: Any
    l0: Any
    eps: float

    def __repr__(self) -> str:
        count = int(np.sum(self.success))
        size = f"linf={np.max(self.linf):.4g}"
        return f"<cnnlens.AttackResult eps={self.eps:.4g}: {count} of {np.size(self.success)} succeeded, {size}>"


class Robustness(list[AttackResult]):
    """One result for each ``eps``: a robustness curve."""

    @property
    def eps(self) -> list[float]:
        return [result.eps for result in self]

    @property
    def success_rate(self) -> list[float]:
        """The fraction of images on which the attack succeeded, for each eps."""
        return [float(np.mean(result.success)) for result in self]

    @property
    def accuracy(self) -> list[float]:
        """The rest."""
        return [1 - rate for rate in self.success_rate]

    def __repr__(self) -> str:
        return "\n".join(
            f"eps {eps:.5f}: {100 * rate:5.1f} % succeed" for eps, rate in zip(self.eps, self.success_rate, strict=True)
        )


def fgsm(
    net: Network,
    x: Any,
    label: Any = None,
    *,
    eps: float | Sequence[float] = 8 / 255,
    targeted: bool = False,
    norm: Norm = "inf",
) -> Any:
    """The fast gradient sign method: one step up the loss.

    Goodfellow, Shlens & Szegedy, "Explaining and Harnessing Adversarial Examples", 2015. arXiv:1412.6572

    Parameters
    ----------
    net : Network
    x
        A picture, a list of them, or a raw float32 array. A picture is attacked at its own resolution: the
        gradient is carried back through crop and resize.
    label
        The true class (int, label, or a list of one per image), or with ``targeted`` the one to reach. ``None``:
        what the network sees now.
    eps
        The size of the change, in units of [0, 1] for pictures. A list gives one result for each.
    targeted
        Step down the loss of ``label`` instead of up.
    norm : {"inf", "2", "1"}
        In which ``eps`` is measured. ``|x' - x| <= eps`` holds exactly, rounding to bytes included.

    Returns
    -------
    AttackResult, or Robustness (a list of them) if ``eps`` is a list
    """
    norm = str(norm)  # type: ignore[assignment]
    if norm not in _NORMS:
        raise InvalidArgument(f"norm is {norm!r}; it must be 'inf', '2' or '1'")
    is_curve = not np.isscalar(eps)
    sizes = [float(size) for size in np.atleast_1d(np.asarray(eps, dtype=float))]
    if not sizes or not all(np.isfinite(size) and size >= 0 for size in sizes):
        raise InvalidArgument(f"eps is {eps!r}; it must be a number from 0 on, or a list of them")
    given = net.given(x)
    classes = _classes(net, given, label, targeted)
    attack = _raw_attack if given.views is None else _picture_attack
    results = [
        _checked(net, given, classes, images, size, targeted)
        for size, images in zip(sizes, attack(given, classes, sizes, targeted, norm), strict=True)
    ]
    return Robustness(results) if is_curve else results[0]


def _classes(net: Network, given: Given, label: Any, targeted: bool) -> list[int]:
    if label is None:
        if targeted:
            raise InvalidArgument("label is None; a targeted attack needs the class to reach")
        return _top(net, given)
    goal = objectives.resolve(net, label, given.count)
    if goal.classes is None:
        raise InvalidArgument(f"label is {label!r}; attacks need classes: ints or labels")
    return goal.classes * given.count if len(goal.classes) == 1 else goal.classes


def _top(net: Network, given: Given) -> list[int]:
    indices = np.empty((given.count, 1), np.int64)
    with given.sessions.take() as session:
        session.predict(given.array, indices, np.empty((given.count, 1), np.float32))
    return [int(index) for index in indices[:, 0]]


def _raw_attack(given: Given, classes: list[int], sizes: list[float], targeted: bool, norm: str) -> list[Any]:
    results = []
    with given.sessions.take() as session:
        for size in sizes:
            out = np.empty_like(given.array)
            session.fgsm(given.array, out, classes, size, int(targeted), _NORMS[norm], 0, 0.0, 0.0)
            results.append(out)
    return results


def _picture_attack(given: Given, classes: list[int], sizes: list[float], targeted: bool, norm: str) -> list[Any]:
    gradient = np.empty_like(given.array)
    with given.sessions.take() as session:
        session.gradient(["input"], [given.array], [gradient], _native.cross_entropy(classes), 0)
    if targeted:
        gradient = -gradient
    directions = [view.adjoint(part) for view, part in zip(given.views or [], gradient, strict=True)]
    originals = [view.image.given for view in given.views or []]
    return [
        [_moved(pixels, direction, size, norm) for pixels, direction in zip(originals, directions, strict=True)]
        for size in sizes
    ]


def _moved(pixels: AnyArray, direction: AnyArray, eps: float, norm: str) -> AnyArray:
    """``pixels`` moved by at most ``eps`` along ``direction``, legal and with the dtype they had."""
    if norm == "inf":
        step = eps * np.sign(direction).astype(np.float64)
    else:
        flat = direction.astype(np.float64)
        length = np.sqrt((flat**2).sum()) if norm == "2" else np.abs(flat).sum()
        step = eps * flat / length if length > 0 else np.zeros_like(flat)
    if pixels.dtype == np.uint8:
        # Towards 0, so that rounding never leaves the ball. (The small number undoes 8/255 * 255 = 7.999...)
        whole = np.trunc(step * 255 + np.sign(step) * 1e-6)
        return np.clip(pixels.astype(np.float64) + whole, 0, 255).astype(np.uint8)
    moved = np.clip(pixels.astype(np.float64) + step, 0, 1).astype(pixels.dtype)
    if norm == "inf":
        # Rounding to the picture's dtype may have left the ball by its last bit.
        too_far = np.abs(moved.astype(np.float64) - pixels.astype(np.float64)) > eps
        moved[too_far] = np.nextafter(moved[too_far], pixels[too_far])
    return moved


def _checked(net: Network, given: Given, classes: list[int], images: Any, eps: float, targeted: bool) -> AttackResult:
    if given.views is None:
        now: Any = images
        before: list[AnyArray] = list(given.array)
        channel_axis = 0
    else:
        now = images[0] if given.is_single else images
        before = [view.image.given for view in given.views]
        channel_axis = 2
    prediction = _predicted(net, given, images)
    hits = np.array([found == wanted for found, wanted in zip(prediction.classes, classes, strict=True)])
    success: Any = hits if targeted else ~hits
    sizes = np.array([_size(a, b, channel_axis) for a, b in zip(before, images, strict=True)])
    linf, l2, l0 = sizes[:, 0], sizes[:, 1], sizes[:, 2].astype(int)
    if given.is_single:
        return AttackResult(
            now, bool(success[0]), prediction, classes[0], float(linf[0]), float(l2[0]), int(l0[0]), eps
        )
    return AttackResult(now, success, prediction, classes, linf, l2, l0, eps)


def _predicted(net: Network, given: Given, images: Any) -> Prediction:
    if given.views is None:
        count = given.array.shape[0]
        with given.sessions.take() as session:
            shape = session.shapes(["logits"], [given.array.shape])[0]
            indices = np.empty((count, min(5, int(np.prod(shape[1:])))), np.int64)
            probabilities: Array = np.empty(indices.shape, np.float32)
            session.predict(images, indices, probabilities)
        return Prediction(net, indices, probabilities, is_single=False)
    return net.predict(images[0] if given.is_single else images)


def _size(before: AnyArray, after: AnyArray, channel_axis: int) -> tuple[float, float, int]:
    """linf, l2 and l0 of a change."""
    unit = 255.0 if before.dtype == np.uint8 else 1.0
    change = (after.astype(np.float64) - before.astype(np.float64)) / unit
    differs = change != 0
    pixels = differs.any(axis=channel_axis) if change.ndim == 3 else differs
    return float(np.abs(change).max(initial=0)), float(np.sqrt((change**2).sum())), int(pixels.sum())
