# SPDX-License-Identifier: Apache-2.0
"""The way from a picture to its adversarial twin, which every attack goes.

A picture is attacked at its own resolution: resizing and cropping are part of the network there, and what comes back
has the dtype it was given in. Of bytes the attack itself makes bytes, so that nothing is lost when they are saved.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal, TypeAlias

import numpy as np

from . import objectives
from ._errors import InvalidArgument
from ._progress import Progress, reporter
from ._types import AnyArray, Array
from .model import Given, Network, Prediction, _Sessions
from .preprocess import View

Norm: TypeAlias = Literal["inf", "2", "1"]
NORMS = {"inf": 0, "2": 1, "1": 2}
Bounds: TypeAlias = tuple[float, float] | None


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
        number of pixels that differ. NaN (and -1) where there was no original.
    eps : float or None
        None for attacks that look for the smallest change.
    queries
        How many pictures the network was shown on the way.
    method : str
    is_complete : bool
        False where Ctrl-C or ``progress`` stopped the attack; these are the pictures it had reached.
    """

    images: Any
    success: Any
    prediction: Prediction
    label: Any
    linf: Any
    l2: Any
    l0: Any
    eps: float | None
    queries: Any = 0
    method: str = ""
    is_complete: bool = True

    def __repr__(self) -> str:
        count = int(np.sum(self.success))
        eps = "" if self.eps is None else f" eps={self.eps:.4g}"
        size = f"linf={np.max(self.linf):.4g}, l2={np.max(self.l2):.4g}"
        state = "" if self.is_complete else ", stopped"
        return f"<cnnlens.AttackResult {self.method}{eps}: {count} of {np.size(self.success)} succeeded, {size}{state}>"


class Robustness(list[AttackResult]):
    """One result for each ``eps``: a robustness curve."""

    @property
    def eps(self) -> list[float]:
        return [float("nan") if result.eps is None else result.eps for result in self]

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


# ---- arguments


def norm_number(norm: Any, *allowed: str) -> int:
    allowed = allowed or tuple(NORMS)
    if str(norm) not in allowed:
        words = ", ".join(repr(word) for word in allowed)
        raise InvalidArgument(f"norm is {norm!r}; it must be one of {words}")
    return NORMS[str(norm)]


def sizes_of(eps: float | Sequence[float]) -> tuple[list[float], bool]:
    """Every eps, and whether there was a list of them."""
    try:
        numbers = np.asarray(eps, dtype=float)
    except (TypeError, ValueError):
        numbers = np.array(float("nan"))
    sizes = [float(size) for size in np.atleast_1d(numbers).ravel()]
    if not sizes or not all(np.isfinite(size) and size >= 0 for size in sizes):
        raise InvalidArgument(f"eps is {eps!r}; it must be a number from 0 on, or a list of them")
    return sizes, numbers.ndim > 0


def whole(value: Any, name: str, low: int = 1) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or not low <= value <= 1 << 24:
        raise InvalidArgument(f"{name} is {value!r}; it must be a whole number from {low} to {1 << 24}")
    return int(value)


def real(value: Any, name: str, low: float = 0.0, high: float = float("inf"), *, includes_low: bool = False) -> float:
    try:
        number = float(value) if not isinstance(value, (bool, str)) else float("nan")
    except (TypeError, ValueError):
        number = float("nan")
    if not np.isfinite(number) or number > high or not (number > low or (includes_low and number == low)):
        limit = f"{'from' if includes_low else 'above'} {low:g}" + (f" up to {high:g}" if np.isfinite(high) else " on")
        raise InvalidArgument(f"{name} is {value!r}; it must be a number {limit}")
    return number


def seed_of(seed: Any) -> int:
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or not 0 <= seed < 1 << 63:
        raise InvalidArgument(f"seed is {seed!r}; it must be a whole number from 0 on")
    return int(seed)


def _classes(net: Network, given: Given, label: Any, targeted: bool) -> list[int] | None:
    if label is None:
        if targeted:
            raise InvalidArgument("label is None; a targeted attack needs the class to reach")
        return None
    goal = objectives.resolve(net, label, given.count)
    if goal.classes is None:
        raise InvalidArgument(f"label is {label!r}; attacks need classes: ints or labels")
    return goal.classes * given.count if len(goal.classes) == 1 else goal.classes


# ---- what is attacked


@dataclasses.dataclass
class _Group:
    """Images that go through the network together."""

    places: list[int]
    """In the caller's batch."""
    array: Array
    """(n, C, H, W): raw, or the pictures' own pixels in [0, 1]."""
    sessions: _Sessions
    levels: int
    """255 where the pictures are bytes."""


def _own_pixels(view: View) -> Array:
    """(C, H, W) float32 in [0, 1], one channel for grey; opacity is left out."""
    given = view.image.given
    unit = given.astype(np.float32) / np.float32(255) if given.dtype == np.uint8 else given.astype(np.float32)
    return np.ascontiguousarray(unit[None] if unit.ndim == 2 else unit[:, :, :3].transpose(2, 0, 1))


def _groups(net: Network, given: Given) -> Iterator[_Group]:
    if given.views is None:
        yield _Group(list(range(given.count)), given.array, given.sessions, 0)
        return
    together: dict[Any, list[int]] = {}
    for place, view in enumerate(given.views):
        pixels = view.image.given
        is_clear = pixels.ndim == 3 and pixels.shape[2] == 4
        # (What shines through is the picture's own, so such a picture goes alone.)
        together.setdefault((pixels.shape, pixels.dtype.str, place if is_clear else -1), []).append(place)
    for places in together.values():
        views = [given.views[place] for place in places]
        levels = 255 if views[0].image.given.dtype == np.uint8 else 0
        yield _Group(places, np.stack([_own_pixels(view) for view in views]), net._seeing_picture(views[0]), levels)


def _as_given(before: AnyArray, own: Array, after: Array, norm: str, eps: float | None) -> AnyArray:
    """``after`` with the dtype, channels and layout of the picture ``before``, whose own pixels are ``own``."""
    if before.dtype == np.uint8:
        changed = np.rint(after * np.float32(255)).astype(np.uint8)
    else:
        # The change alone, so that a double that was rounded to float32 on the way in stays what it was.
        change = after.astype(np.float64) - own.astype(np.float64)
        exact = before.astype(np.float64)
        exact = exact[None] if exact.ndim == 2 else exact.transpose(2, 0, 1)
        changed = np.clip(exact + change, 0, 1).astype(before.dtype)
        target = exact.astype(before.dtype)
        while norm == "inf" and eps is not None:
            too_far = np.abs(changed.astype(np.float64) - exact) > eps
            if not too_far.any():
                break
            changed[too_far] = np.nextafter(changed[too_far], target[too_far])
    if before.ndim == 2:
        return np.asarray(changed[0])
    result = changed.transpose(1, 2, 0)
    return np.ascontiguousarray(np.concatenate([result, before[:, :, 3:]], axis=2) if before.shape[2] == 4 else result)


# ---- the call


def attack(
    net: Network,
    x: Any,
    label: Any,
    name: str,
    options: dict[str, Any],
    *,
    sizes: Sequence[float | None] = (None,),
    is_curve: bool = False,
    targeted: bool = False,
    norm: str = "inf",
    bounds: Bounds = None,
    start: Any = None,
    seed: int = 0,
    progress: Progress = False,
) -> Any:
    """One native attack, for each of the sizes: an `AttackResult`, or `Robustness` if ``is_curve``."""
    if not isinstance(net, Network):
        raise InvalidArgument(f"net is a {type(net).__name__}; it must be a Network, from cl.load")
    given = net.given(x)
    classes = _classes(net, given, label, targeted)
    low, high = _bounds(bounds, given)
    starts = None if start is None else _starts(net, start, given)
    images: list[list[Any]] = [[None] * given.count for _ in sizes]
    seen = [[0] * given.count for _ in sizes]
    queries = [[0] * given.count for _ in sizes]
    stop = Stop()
    with reporter(progress, name.replace("_", " ")) as report:
        for group in _groups(net, given):
            goal = {
                "is_targeted": int(targeted),
                "labels": None if classes is None else [classes[place] for place in group.places],
                "is_clamped": int(low is not None),
                "low": low or 0.0,
                "high": 1.0 if high is None else high,
                "levels": group.levels,
                "seed": seed_of(seed),
                "progress": stop.listening(report),
            }
            if starts is not None:
                options = {**options, "start": np.stack([starts[place] for place in group.places])}
            for index, results, (scores, targets) in _runs(name, group, goal, options, sizes, stop):
                for row, place in enumerate(group.places):
                    own, after = group.array[row], results[row]
                    if given.views is not None:
                        after = _as_given(given.views[place].image.given, own, after, norm, sizes[index])
                    images[index][place], seen[index][place] = after, targets[row]
                    queries[index][place] = int(scores[row])
    found = [
        _checked(net, given, seen[index], images[index], size, targeted, queries[index], name, not stop.is_wanted)
        for index, size in enumerate(sizes)
    ]
    return Robustness(found) if is_curve else found[0]


class Stop:
    """Whether an attack is to end: Ctrl-C or ``progress`` asked for it. The others that belong to it then end after a
    step each."""

    def __init__(self) -> None:
        self.is_wanted = False

    def listening(self, report: Callable[[int, int, float], Any] | None) -> Callable[[int, int, float], bool]:
        def listens(step: int, steps: int, value: float) -> bool:
            if report is not None and report(step, steps, value) is False:
                self.is_wanted = True
            return not self.is_wanted

        return listens


def _runs(
    name: str, group: _Group, goal: dict[str, Any], options: dict[str, Any], sizes: Sequence[float | None], stop: Stop
) -> Iterator[tuple[int, Array, tuple[list[float], list[int]]]]:
    """The number of a size, the pictures, and what the session counted and meant."""
    with group.sessions.take() as session:
        if name == "fgsm":  # one gradient for all sizes
            outs = [np.empty_like(group.array) for _ in sizes]
            if not session.attack(name, group.array, outs, goal, {**options, "epsilons": list(sizes)}):
                stop.is_wanted = True
            for index, out in enumerate(outs):
                yield index, out, (session.seen()[0], session.seen()[1])
            return
        for index, size in enumerate(sizes):
            out = np.empty_like(group.array)
            own = options if size is None else {**options, "epsilon": size}
            if not session.attack(name, group.array, [out], goal, own):
                stop.is_wanted = True
            yield index, out, (session.seen()[0], session.seen()[1])


def _bounds(bounds: Bounds, given: Given) -> tuple[float | None, float | None]:
    if given.views is not None:
        if bounds is not None:
            raise InvalidArgument(f"bounds is {bounds!r}; pictures are in [0, 1], bounds are for raw arrays")
        return 0.0, 1.0
    if bounds is None:
        return None, None
    try:
        low, high = (float(number) for number in bounds)
    except (TypeError, ValueError):
        raise InvalidArgument(f"bounds is {bounds!r}; it must be (low, high)") from None
    if not (np.isfinite(low) and np.isfinite(high) and low < high):
        raise InvalidArgument(f"bounds is {bounds!r}; it must be (low, high) with low below high")
    return low, high


def _starts(net: Network, start: Any, given: Given) -> list[Array]:
    """The pixels of the pictures to start from."""
    other = net.given(start)
    if (other.views is None) != (given.views is None) or other.count != given.count:
        raise InvalidArgument("start must be of the same kind as x, one for each image")
    if other.views is None or given.views is None:
        pixels, wanted = list(other.array), list(given.array)
    else:
        pixels, wanted = [_own_pixels(view) for view in other.views], [_own_pixels(view) for view in given.views]
    for one, two in zip(pixels, wanted, strict=True):
        if one.shape != two.shape:
            raise InvalidArgument(f"start has shape {one.shape} (channels first) where x has {two.shape}")
    return pixels


# ---- the result


def _checked(
    net: Network,
    given: Given,
    classes: list[int],
    images: list[Any],
    eps: float | None,
    targeted: bool,
    queries: list[int],
    name: str,
    is_complete: bool,
) -> AttackResult:
    before = list(given.array) if given.views is None else [view.image.given for view in given.views]
    channel_axis = 0 if given.views is None else 2
    now: Any = np.stack(images) if given.views is None else images
    prediction = predicted(net, given, now)
    hits = np.array([found == wanted for found, wanted in zip(prediction.classes, classes, strict=True)])
    success: Any = hits if targeted else ~hits
    sizes = np.array([size_of(a, b, channel_axis) for a, b in zip(before, images, strict=True)])
    linf, l2, l0 = sizes[:, 0], sizes[:, 1], sizes[:, 2].astype(int)
    if given.is_single:
        numbers = (float(linf[0]), float(l2[0]), int(l0[0]))
        return AttackResult(
            images[0], bool(success[0]), prediction, classes[0], *numbers, eps, queries[0], name, is_complete
        )
    return AttackResult(now, success, prediction, classes, linf, l2, l0, eps, np.array(queries), name, is_complete)


def predicted(net: Network, given: Given, images: Any) -> Prediction:
    if given.views is None:
        with given.sessions.take() as session:
            shape = session.shapes(["logits"], [given.array.shape])[0]
            indices = np.empty((given.count, min(5, int(np.prod(shape[1:])))), np.int64)
            probabilities: Array = np.empty(indices.shape, np.float32)
            session.predict(images, indices, probabilities)
        return Prediction(net, indices, probabilities, is_single=False)
    return net.predict(images[0] if given.is_single else images)


def size_of(before: AnyArray, after: AnyArray, channel_axis: int) -> tuple[float, float, int]:
    """linf, l2 and l0 of a change."""
    unit = 255.0 if before.dtype == np.uint8 else 1.0
    change = (after.astype(np.float64) - before.astype(np.float64)) / unit
    differs = change != 0
    pixels = differs.any(axis=channel_axis) if change.ndim == 3 else differs
    return float(np.abs(change).max(initial=0)), float(np.sqrt((change**2).sum())), int(pixels.sum())
