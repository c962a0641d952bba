# SPDX-License-Identifier: Apache-2.0
"""What the functions that make pictures share: running walks, understanding pictures, and checking numbers."""

from __future__ import annotations

import operator
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from . import _native, images, objectives, resample
from ._errors import InvalidArgument
from ._progress import Progress, reporter
from ._types import Array
from .model import Network
from .pictures import Picture

OPTIMIZERS = {"gradient": 0, "momentum": 1, "adam": 2, "lbfgs": 3}
LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)  # ITU-R 601

Size = int | tuple[int, int] | None
Report = Callable[[int, int, float], Any] | None


class Walks:
    """What one or several walks gave."""

    def __init__(self, net: Network, lowers: bool) -> None:
        self.net = net
        self.sign = np.float32(-1 if lowers else 1)
        self.results: list[Array] = []
        self.histories: list[Array] = []
        self.checkpoints: list[bytes] = []
        self.is_complete = True

    def picture(
        self, method: str, *, is_batch: bool, label: Any, params: dict[str, Any], seed: int, start: float
    ) -> Picture:
        planes = np.concatenate(self.results)
        data = np.broadcast_to(planes, (len(planes), 3, *planes.shape[2:])).transpose(0, 2, 3, 1)
        longest = max(len(history) for history in self.histories)
        histories = np.full((len(self.histories), longest), np.nan, np.float32)
        for row, history in zip(histories, self.histories, strict=True):
            row[: len(history)] = self.sign * history
        is_single = len(self.histories) == 1
        return Picture(
            data if is_batch else data[0],
            method=method,
            network=self.net.name,
            label=label,
            history=histories[0] if is_single else histories,
            is_complete=self.is_complete,
            params=params,
            seed=int(seed),
            seconds=time.perf_counter() - start,
            checkpoint=self.checkpoints[0] if is_single and self.checkpoints else None,
        )


def run(
    net: Network,
    count: int,
    shape: tuple[int, ...],
    make: Callable[[int, _native.Session, Array, dict[str, Any]], bool],
    checkpoint: bytes | None,
    progress: Progress,
    what: str,
    *,
    lowers: bool = False,
    resumes: bool = True,
) -> Walks:
    walks = Walks(net, lowers)
    with reporter(progress, what) as report, net._seeing().take() as session:
        for index in range(count):
            out = np.empty(shape, np.float32)
            extra: dict[str, Any] = {"progress": part_of(report, index, count, lowers)}
            if checkpoint is not None:
                extra["checkpoint"] = checkpoint
            # What was not begun stays grey.
            if not walks.is_complete:
                out[:] = 0.5
                walks.results.append(out)
                walks.histories.append(np.empty(0, np.float32))
                continue
            walks.is_complete = make(index, session, out, extra)
            walks.results.append(out)
            walks.histories.append(np.frombuffer(session.history(), np.float32))
            if resumes:
                walks.checkpoints.append(session.checkpoint())
    return walks


def part_of(report: Report, index: int, count: int, lowers: bool) -> Report:
    if report is None:
        return None
    sign = -1.0 if lowers else 1.0
    return lambda step, steps, value: report(index * steps + step, count * steps, sign * value)


def checkpoint_of(resume: Picture | None, is_list: bool) -> bytes | None:
    if resume is None:
        return None
    if not isinstance(resume, Picture) or resume.checkpoint is None or is_list:
        raise InvalidArgument("resume must be one Picture that the same function made, and only one can be made then")
    return resume.checkpoint


# ---- what is asked for


def goal_of(net: Network, goal: Any) -> tuple[_native.Objective | None, str]:
    if goal is None:
        raise InvalidArgument("the objective is None; name a class, a channel such as 'conv5:12', or an Objective")
    resolved = objectives.resolve(net, goal, 1)
    if resolved.objective is not None:
        return resolved.native, repr(resolved.objective)
    return resolved.native, net.label((resolved.classes or [0])[0])


def codes_at(net: Network, planes: Array, names: list[str]) -> list[Array]:
    found = net._run(net._seeing(), [planes], names)
    return [found[name] for name in names]


def picture_of(net: Network, given: Any, name: str) -> Array:
    """``(1, C, H, W)`` in [0, 1], at the picture's own size."""
    if isinstance(given, Picture):
        given = np.asarray(given)
    if isinstance(given, (list, tuple)):
        raise InvalidArgument(f"{name} is a list; one picture is wanted")
    if isinstance(given, np.ndarray) and given.ndim == 4 and given.dtype == np.float32 and len(given) == 1:
        return undone(net, given)
    colour = images.read(given).colour
    return np.ascontiguousarray(
        colour[None] if net.preprocess.channels == 3 else np.tensordot(LUMA, colour, 1)[None, None]
    )


def undone(net: Network, raw: Array) -> Array:
    """A network's own input as the picture it came from."""
    steps = net.preprocess
    mean, std = (np.array(numbers, np.float32)[:, None, None] for numbers in (steps.mean, steps.std))
    planes = (raw * std + mean) / np.float32(steps.scale)
    if planes.shape[1] != steps.channels or planes.min() < -0.01 or planes.max() > 1.01:
        raise InvalidArgument(
            f"the raw input {raw.shape} is no picture under {steps}: it becomes {planes.min():.2f}...{planes.max():.2f}"
        )
    return np.ascontiguousarray(np.clip(planes[:, ::-1] if steps.order == "BGR" else planes, 0, 1), np.float32)


def planes_of(net: Network, picture: Array) -> Array:
    planes = picture.transpose(2, 0, 1)[None]
    return np.ascontiguousarray(planes if net.preprocess.channels == 3 else planes[:, :1])


def resized(planes: Array, sides: tuple[int, int]) -> Array:
    height, width = planes.shape[2:]
    if (height, width) == sides:
        return planes
    rows, columns = (resample.matrix(old, new, 0, new) for old, new in zip((height, width), sides, strict=True))
    return np.ascontiguousarray(np.clip(rows @ planes @ columns.T, 0, 1), np.float32)


def longer_side(planes: Array, side: int) -> tuple[int, int]:
    height, width = planes.shape[2:]
    return max(1, round(height * side / max(height, width))), max(1, round(width * side / max(height, width)))


# ---- numbers


def check_net(net: Any) -> None:
    if not isinstance(net, Network):
        raise InvalidArgument(f"net is a {type(net).__name__}; it must be a Network, from cl.load")
    if len(net.input_shape) != 4:
        raise InvalidArgument(f"'{net.name}' takes {net.input_shape}, no pictures")


def mean_colour(net: Network) -> list[float]:
    """The mean colour in [0, 1], red first."""
    steps = net.preprocess
    mean = [min(max(number / steps.scale, 0.0), 1.0) for number in steps.mean]
    if len(mean) == 1:
        return mean * 3
    return mean[::-1] if steps.order == "BGR" else mean


def shape_of(net: Network, size: Size, number: int = 1) -> tuple[int, int, int, int]:
    height, width = net._default_shape(next(iter(net.inputs)))[2:] if size is None else sides_of(size, "size")
    return number, net.preprocess.channels, height, width


def sides_of(size: Any, name: str) -> tuple[int, int]:
    sides = tuple(size) if isinstance(size, (tuple, list)) else (size, size)
    if len(sides) != 2:
        raise InvalidArgument(f"{name} is {size!r}; it must be a whole number or (height, width)")
    return whole(sides[0], name, 1), whole(sides[1], name, 1)


def whole(value: Any, name: str, least: int = 0) -> int:
    try:
        if isinstance(value, (bool, np.bool_)):
            raise TypeError
        number = operator.index(value)
    except TypeError:
        raise InvalidArgument(f"{name} is {value!r}; it must be a whole number from {least} on") from None
    if not least <= number <= 10**9:
        raise InvalidArgument(f"{name} is {number}; it must be a whole number from {least} on, up to a billion")
    return number


def seed_of(value: Any) -> int:
    try:
        number = operator.index(value)
    except TypeError:
        raise InvalidArgument(f"seed is {value!r}; it must be a whole number") from None
    if not 0 <= number < 2**64:
        raise InvalidArgument(f"seed is {number}; it must be 0 to 2**64 - 1")
    return number


def positive(value: Any, name: str, *, can_be_zero: bool = False) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise InvalidArgument(f"{name} is {value!r}; it must be a number") from None
    if not (np.isfinite(number) and (number > 0 or (can_be_zero and number == 0))):
        allowed = "from 0 on" if can_be_zero else "above 0"
        raise InvalidArgument(f"{name} is {value!r}; it must be a finite number {allowed}")
    return number


def choice(value: Any, name: str, allowed: dict[Any, int]) -> int:
    if not isinstance(value, (str, type(None))) or value not in allowed:
        words = ", ".join(repr(word) for word in allowed)
        raise InvalidArgument(f"{name} is {value!r}; it must be one of {words}")
    return allowed[value]


def names_of(names: Sequence[str] | str, what: str) -> list[str]:
    found: list[Any] = list(names) if isinstance(names, (list, tuple)) else [names]
    if not all(isinstance(name, str) for name in found):
        raise InvalidArgument(f"{what} is {names!r}; it must be a name or a list of names")
    return found
