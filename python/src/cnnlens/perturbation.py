# SPDX-License-Identifier: Apache-2.0
"""Attribution by trial: what happens to the score when part of a picture is hidden.

Only what a change reaches is computed again, and the numbers are those of a whole pass.
"""

from __future__ import annotations

import numbers
import operator
from typing import Any, Literal

import numpy as np

from . import objectives
from ._attribute import Question, attribute
from ._errors import InvalidArgument
from ._progress import Progress
from .maps import Map
from .model import Network

_FILLS = {"mean": 1, "blur": 2}
_LARGEST = float(np.finfo(np.float32).max)


def occlusion(
    net: Network,
    x: Any,
    target: objectives.Target = None,
    *,
    window: int | tuple[int, int] = 32,
    stride: int | tuple[int, int] = 8,
    fill: float | Literal["mean", "blur"] = 0.0,
    progress: Progress = None,
) -> Map:
    """How far the score falls where a sliding window hides the picture.

    Zeiler & Fergus, "Visualizing and Understanding Convolutional Networks", 2014, section 4.2. arXiv:1311.2901

    The value of a pixel is the mean of score - score with the window hidden, over the windows that cover it, in units
    of the score; positive where the picture speaks for the target.

    Parameters
    ----------
    net : Network
    x
        A picture, a list of them, or a raw float32 array ``(N, C, H, W)``.
    target
        What is explained; ``None``: the class with the highest score of the picture as it is.
    window : int or (int, int)
        Height and width of the window, in pixels of the network's input; at most the input's.
    stride : int or (int, int)
        Its steps down and across, 1 to the window's size. The last windows end at the border.
    fill : float, "mean" or "blur"
        What a hidden pixel shows: a number in all channels, in [0, 1] for a picture and in the tensor's own units
        otherwise; the mean of each channel of the picture; or the picture under a Gaussian of 10 pixels.
    progress
        ``None``: a line in the terminal where it takes more than 2 seconds; True or False; or a function
        ``(step, steps, value)`` called with the number of windows done, where False as its answer stops.

    Returns
    -------
    Map
        ``(H, W)`` for one picture, ``(N, H, W)`` for a batch, signed.

    Raises
    ------
    InvalidArgument
        For a window, stride or fill that is not possible.
    Cancelled
        Where ``progress`` stopped it.
    """
    size, step = _pair(window, "window"), _pair(stride, "stride")
    kind, value = _fill(fill)

    def check(question: Question) -> None:
        for name, sides, limits in (("window", size, question.shape[2:]), ("stride", step, size)):
            for number, limit, side in zip(sides, limits, ("high", "wide")):
                if not 1 <= number <= limit:
                    allowed = f"1 to {limit}, the {'input' if name == 'window' else 'window'}'s size"
                    raise InvalidArgument(f"{name} is {number} pixels {side}; it must be {allowed}")

    return attribute(
        "occlusion",
        net,
        x,
        target,
        {"window": size, "stride": step, "fill": kind, "value": value},
        params={"window": list(size), "stride": list(step), "fill": fill if kind else value},
        is_signed=True,
        progress=progress,
        check=check,
    )


def _pair(given: Any, name: str) -> tuple[int, int]:
    try:
        pair = tuple(given) if isinstance(given, (tuple, list)) else (given, given)
        height, width = (operator.index(side) for side in pair)
    except (TypeError, ValueError):
        raise InvalidArgument(f"{name} is {given!r}; it must be a whole number or (height, width)") from None
    return height, width


def _fill(given: Any) -> tuple[int, float]:
    if isinstance(given, str) and given in _FILLS:
        return _FILLS[given], 0.0
    if isinstance(given, numbers.Real) and not isinstance(given, bool) and abs(float(given)) <= _LARGEST:
        return 0, float(given)
    raise InvalidArgument(f"fill is {given!r}; it must be a finite number, 'mean' or 'blur'")
