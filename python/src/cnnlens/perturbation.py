# SPDX-License-Identifier: Apache-2.0
"""Attribution by trial: what happens to the score when part of a picture is hidden.

Only what a change reaches is computed again, and the numbers are those of a whole pass but for rounding.
"""

from __future__ import annotations

import numbers
import operator
from typing import Any, Literal

import numpy as np

from . import objectives
from ._attribute import Question, asked, attribute, real, whole
from ._errors import InvalidArgument
from ._progress import Progress
from .maps import Map
from .model import Network
from .segments import Hide, hidden

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
    exact: bool = False,
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
    exact : bool
        Every score has the bits that ``net(x)`` gives for the picture with the window hidden. Otherwise, to be done up
        to twice as fast, sums are made in another order, so that scores differ by rounding.
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
        {"window": size, "stride": step, "fill": kind, "value": value, "exact": bool(exact)},
        params={"window": list(size), "stride": list(step), "fill": fill if kind else value, "exact": bool(exact)},
        is_signed=True,
        progress=progress,
        check=check,
    )


def rise(
    net: Network,
    x: Any,
    target: objectives.Target = None,
    *,
    masks: int = 4000,
    cells: int = 7,
    p: float = 0.5,
    fill: Hide = 0.0,
    seed: int = 0,
    progress: Progress = None,
) -> Map:
    """RISE: random masks, each weighted by the score of what it shows.

    Petsiuk, Das & Saenko, "RISE: Randomized Input Sampling for Explanation of Black-box Models", 2018, equation 6 and
    section 3.3. arXiv:1806.07421

    ``1/(p N) sum_i score(x * M_i + fill * (1 - M_i)) M_i`` over N masks M_i: grids of ``cells`` x ``cells``, each
    cell 1 with probability p, enlarged bilinearly to one cell more than the picture and shifted by less than a cell.
    The paper's score is ``cl.prob(...)``; with a logit, what all masks have in common stands out less.

    Parameters
    ----------
    net : Network
    x
        A picture, a list of them, or a raw float32 array ``(N, C, H, W)``.
    target
        What is explained; ``None``: the class with the highest score of the picture as it is.
    masks : int
        How many, each a forward pass. The error falls with the square root.
    cells : int
        Along each axis, at most as many as the input has pixels.
    p : float
        Above 0, at most 1.
    fill
        What a hidden pixel shows: a number in units of the input (the paper's 0), ``"mean"``, ``"blur"`` (a Gaussian of
        10 pixels), or another picture.
    seed : int
    progress
        ``None``: a line in the terminal where it takes more than 2 seconds; True or False; or a function
        ``(step, steps, value)`` called with the number of masks done, where False as its answer stops.

    Returns
    -------
    Map
        ``(H, W)`` for one picture, ``(N, H, W)`` for a batch, in units of the score.

    Raises
    ------
    InvalidArgument
        For options that are not possible.
    Cancelled
        Where ``progress`` stopped it.
    """
    question = asked(net, x, target)
    most = min(question.shape[2:])
    if isinstance(cells, int) and cells > most:
        raise InvalidArgument(f"cells is {cells}; on this input it must be 1...{most}")
    share = real(p, "p", 0.0, 1.0)
    if share == 0:
        raise InvalidArgument(f"p is {p!r}; it must be above 0")
    options = {"masks": whole(masks, "masks", 1), "cells": whole(cells, "cells", 1), "p": share}
    result = attribute(
        "rise",
        net,
        x,
        target,
        {**options, **hidden(question, fill, {"mean": 1, "blur": 2}), "seed": whole(seed, "seed", 0, 2**63 - 1)},
        params={**options, "fill": fill if isinstance(fill, (str, int, float)) else "picture"},
        is_signed=True,
        seed=seed,
        progress=progress,
    )
    # A probability is never negative, nor is then the map.
    result._is_signed = bool((result._data < 0).any())
    return result


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
