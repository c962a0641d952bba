# SPDX-License-Identifier: Apache-2.0
"""The way from a picture to a map, which every attribution method goes."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from . import _native, objectives
from ._errors import InvalidArgument
from ._progress import Progress, reporter
from ._types import Array
from .maps import Map
from .model import Given, Network


@dataclasses.dataclass
class Question:
    """A picture and what is asked about it, checked."""

    net: Network
    given: Given
    goal: objectives.Resolved
    start: float

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """N, C, H, W."""
        n, c, h, w = self.given.array.shape
        return n, c, h, w

    def call(
        self, session: _native.Session, method: str, out: Array, options: dict[str, Any], progress: Any = None
    ) -> None:
        """Runs one native method on the whole batch."""
        if progress is not None:
            options = {**options, "progress": progress}
        session.attribute(method, self.given.array, out, self.goal.native, options)

    def map(
        self,
        data: Array,
        method: str,
        seen: tuple[list[float], list[int], str | None, list[float] | None],
        *,
        params: dict[str, Any],
        is_signed: bool,
        has_channels: bool = False,
        native: Array | None = None,
        seed: int | None = None,
    ) -> Map:
        """``data``, ``(N, ...)``, as the result of a method; ``seen`` is what the session said of it."""
        given, (scores, targets, layer, gaps) = self.given, seen
        return Map(
            given.unbatched(data),
            method=method,
            network=self.net.name,
            is_batch=not given.is_single,
            has_channels=has_channels,
            is_signed=is_signed,
            layer=layer,
            params=params,
            seed=seed,
            seconds=time.perf_counter() - self.start,
            image=seen_pictures(given),
            native=None if native is None else given.unbatched(native),
            gap=None if gaps is None else _one_or_all(gaps, given),
            **described(self.net, given, self.goal, scores, targets),
        )


def asked(net: Network, x: Any, target: objectives.Target) -> Question:
    """Checks a method's first three arguments."""
    start = time.perf_counter()
    if not isinstance(net, Network):
        raise InvalidArgument(f"net is a {type(net).__name__}; it must be a Network, from cl.load")
    given = net.given(x)
    if given.array.ndim != 4:
        raise InvalidArgument(f"x has shape {given.array.shape}; maps need (N, C, H, W)")
    if not np.isfinite(given.array).all():
        wrong = np.argwhere(~np.isfinite(given.array))
        place = tuple(int(number) for number in wrong[0])
        raise InvalidArgument(f"x has {len(wrong)} values that are not finite numbers, the first at {place}")
    return Question(net, given, objectives.resolve(net, target, given.count), start)


def attribute(
    method: str,
    net: Network,
    x: Any,
    target: objectives.Target,
    options: dict[str, Any],
    *,
    params: dict[str, Any],
    is_signed: bool,
    keeps_channels: bool = False,
    has_native: bool = False,
    seed: int | None = None,
    progress: Progress = False,
    check: Callable[[Question], None] | None = None,
) -> Map:
    """One native method, whose result is ``(N, H, W)``, or ``(N, C, H, W)`` where the channels are kept.

    Parameters
    ----------
    options
        Fields of the method's options in C.
    params
        What the result says of them, in Python's words.
    has_native
        Whether there is a map at a layer's own resolution as well.
    progress
        False where the method takes no such callback.
    check
        Looks at the question before anything is computed.
    """
    question = asked(net, x, target)
    if check is not None:
        check(question)
    n, channels, height, width = question.shape
    out = np.empty((n, channels, height, width) if keeps_channels else (n, height, width), np.float32)
    native: Array | None = None
    with reporter(progress, method.replace("_", " ")) as report, question.given.sessions.take() as session:
        question.call(session, method, out, options, report)
        seen = session.seen()
        if has_native:
            native = np.empty(session.native_size(), np.float32)
            session.native_map(native)
    return question.map(
        out, method, seen, params=params, is_signed=is_signed, has_channels=keeps_channels, native=native, seed=seed
    )


def seen_pictures(given: Given) -> Array | None:
    """What the network saw, for `Map.image`."""
    if given.views is None:
        return None
    pictures = np.stack([view.picture() for view in given.views])
    return pictures[0] if given.is_single else pictures


def described(
    net: Network, given: Given, goal: objectives.Resolved, scores: list[float], targets: list[int]
) -> dict[str, Any]:
    """Target, label and score as results report them: one for a single picture, a list for a batch."""
    target: Any
    label: Any
    if goal.objective is not None:
        target, label = goal.objective, repr(goal.objective)
        if not given.is_single:
            label = [label] * given.count
    else:
        target, label = targets, [net.label(index) for index in targets]
        if given.is_single:
            target, label = targets[0], label[0]
    return {"target": target, "label": label, "score": _one_or_all(scores, given)}


def _one_or_all(numbers: list[float], given: Given) -> Any:
    return numbers[0] if given.is_single else np.array(numbers, np.float32)


def choice(value: Any, name: str, allowed: Sequence[Any]) -> int:
    """The place of ``value`` among the allowed ones."""
    for index, item in enumerate(allowed):
        if type(value) is type(item) and value == item:
            return index
    words = ", ".join(repr(item) for item in allowed)
    raise InvalidArgument(f"{name} is {value!r}; it must be one of {words}")


def whole(value: Any, name: str, low: int, high: int | None = None) -> int:
    """``value`` as an int, if it is a whole number in the range."""
    is_whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    if not is_whole or value < low or (high is not None and value > high):
        limits = f"from {low} on" if high is None else f"{low} to {high}"
        raise InvalidArgument(f"{name} is {value!r}; it must be a whole number {limits}")
    return int(value)


def real(value: Any, name: str, low: float | None = None, high: float | None = None) -> float:
    """``value`` as a finite float, if it is one in the range."""
    try:
        number = float(value) if not isinstance(value, (bool, str)) else float("nan")
    except (TypeError, ValueError):
        number = float("nan")
    is_inside = (low is None or number >= low) and (high is None or number <= high)
    if not np.isfinite(np.float32(number)) or not is_inside:
        limits = f" from {low:g} on" if high is None and low is not None else ""
        limits = f" in {low:g}...{high:g}" if high is not None and low is not None else limits
        raise InvalidArgument(f"{name} is {value!r}; it must be a finite number{limits}")
    return number
