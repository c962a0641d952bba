# SPDX-License-Identifier: Apache-2.0
"""Attribution by pieces: what the score makes of segments that are hidden and shown as a whole.

Segments come from scikit-image (``"slic"``, ``"quickshift"``), are squares (``"grid"``), or are the caller's own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, TypeAlias

import numpy as np

from . import objectives
from ._attribute import Question, asked, real, whole
from ._errors import InvalidArgument
from ._progress import Progress, reporter
from ._types import AnyArray, Array
from .maps import Map
from .model import Network

Segmentation: TypeAlias = Literal["slic", "quickshift", "grid"] | int | AnyArray | Callable[[Array], AnyArray]
"""``"slic"`` (50 superpixels), a number of them, ``"quickshift"`` (as LIME's authors have it), ``"grid"`` (7 x 7), an
array of whole numbers ``(H, W)`` or ``(N, H, W)``, or a function of the picture ``(H, W, C)`` that gives one."""

Hide: TypeAlias = Any
"""What a hidden pixel shows: ``"mean"``, its segment's mean; ``"blur"``, the picture under a Gaussian of 10 pixels; a
number in all channels, in the input's units ([0, 1] for a picture); or another picture."""

_GRID = 7
_SUPERPIXELS = 50


class SegmentMap(Map):
    """A map with one value a segment.

    Attributes
    ----------
    segments : ndarray of int
        ``(H, W)``, or ``(N, H, W)`` for a batch: the number of each pixel's segment, from 0.
    weights : ndarray or list of ndarray
        One number for each segment, in units of the score; for a batch one array per image.
    intercept : float, ndarray or None
        The score that is left where every segment is hidden: of the linear model for `lime`, of the network for
        `kernel_shap` and `shapley`.
    fit : float, ndarray or None
        R² of the linear model on its trials, for `lime` and `kernel_shap`.
    """

    def __init__(self, base: Map, segments: AnyArray, weights: list[Array], model: Array | None) -> None:
        self.__dict__.update(vars(base))
        numbers = [None, None] if model is None else [model[:, 0], model[:, 1]]
        columns = [None if column is None or np.isnan(column).any() else column for column in numbers]
        self.segments = segments if self._is_batch else segments[0]
        self.weights: Any = weights if self._is_batch else weights[0]
        self.intercept, self.fit = (
            column if column is None or self._is_batch else float(column[0]) for column in columns
        )
        self._every = segments, weights

    def top(self, count: int = 5, *, positive_only: bool = True) -> AnyArray:
        """Where the segments are that matter most: a mask ``(H, W)``, or ``(N, H, W)`` for a batch.

        Parameters
        ----------
        count
            How many segments at most.
        positive_only
            Whether only those count that speak for the target; otherwise the sizes of the weights decide.
        """
        count = whole(count, "count", 1)
        masks = []
        for labels, weights in zip(*self._every, strict=True):
            order = np.argsort(-(weights if positive_only else np.abs(weights)), kind="stable")[:count]
            chosen = order[weights[order] > 0] if positive_only else order
            masks.append(np.isin(labels, chosen))
        return np.stack(masks) if self._is_batch else masks[0]

    def manifest(self) -> dict[str, Any]:
        result = super().manifest()
        for name in ("intercept", "fit"):
            value = getattr(self, name)
            result[name] = None if value is None else np.asarray(value).tolist()
        return result


def feature_ablation(
    net: Network,
    x: Any,
    target: objectives.Target = None,
    *,
    segments: Segmentation = "slic",
    fill: Hide = "mean",
    exact: bool = False,
    progress: Progress = None,
) -> SegmentMap:
    """How far the score falls where a segment is hidden: score - score without it, at each of its pixels.

    Occlusion (Zeiler & Fergus 2014, section 4.2, arXiv:1311.2901) by segments. Each is a forward pass of what it
    changes.

    Parameters
    ----------
    net : Network
    x
        A picture, a list of them, or a raw float32 array ``(N, C, H, W)``.
    target
        What is explained; ``None``: the class with the highest score of the picture as it is.
    segments
        ``"slic"`` (50 superpixels), a number of them, ``"quickshift"``, ``"grid"``, an array of whole numbers ``(H,
        W)`` or ``(N, H, W)`` at the network's input size, or a function that makes one of the picture ``(H, W, C)``.
    fill
        What a hidden pixel shows: ``"mean"`` of its segment, ``"blur"``, a number in units of the input, or another
        picture.
    exact : bool
        Every score has the bits that ``net(x)`` gives for the picture with a segment hidden. Otherwise, to be done up
        to twice as fast, sums are made in another order, so that scores differ by rounding.
    progress
        ``None``: a line in the terminal where it takes more than 2 seconds; True or False; or a function
        ``(step, steps, value)`` called with the number of segments done, where False as its answer stops.

    Returns
    -------
    SegmentMap
        ``(H, W)`` for one picture, ``(N, H, W)`` for a batch, signed, in units of the score.

    Raises
    ------
    InvalidArgument
        For segments or a filling that are not possible.
    Cancelled
        Where ``progress`` stopped it.
    """
    return _explain("feature_ablation", net, x, target, segments, fill, {"exact": bool(exact)}, progress=progress)


def lime(
    net: Network,
    x: Any,
    target: objectives.Target = None,
    *,
    samples: int = 1000,
    segments: Segmentation = "slic",
    hide: Hide = "mean",
    kernel_width: float = 0.25,
    ridge: float = 1.0,
    seed: int = 0,
    progress: Progress = None,
) -> SegmentMap:
    """LIME: the weights of a linear model of the network around the picture, one for each segment.

    Ribeiro, Singh & Guestrin, "Why Should I Trust You?", 2016. arXiv:1602.04938

    In random trials each segment is shown with probability 1/2, and the score is regressed on which were:
    ``min sum_i pi_i (f(z_i) - b - w·z_i)² + ridge |w|²``, ``pi_i = exp(-d_i² / 2 width²)``, ``d_i`` the cosine distance
    of ``z_i`` to all shown. The paper's score is ``cl.prob(...)``.

    Parameters
    ----------
    net, x, target, segments, progress
        As for `feature_ablation`.
    samples : int
        Trials, each a forward pass.
    hide
        As ``fill`` of `feature_ablation`.
    kernel_width : float
        How fast trials lose weight with their distance, above 0.
    ridge : float
        From 0 on. At 0 a network that is linear in its segments is recovered exactly.
    seed : int

    Returns
    -------
    SegmentMap
        Signed, in units of the score; ``.weights``, ``.intercept``, ``.fit`` (R²), ``.top(k)``.

    Raises
    ------
    InvalidArgument
        For options that are not possible, and for more than 2048 segments.
    Cancelled
        Where ``progress`` stopped it.
    """
    width = real(kernel_width, "kernel_width", 0.0)
    if width == 0:
        raise InvalidArgument(f"kernel_width is {kernel_width!r}; it must be above 0")
    options = {"samples": whole(samples, "samples", 2), "kernel_width": width, "ridge": real(ridge, "ridge", 0.0)}
    return _explain("lime", net, x, target, segments, hide, options, seed=seed, progress=progress)


def kernel_shap(
    net: Network,
    x: Any,
    target: objectives.Target = None,
    *,
    samples: int = 1000,
    segments: Segmentation = "slic",
    hide: Hide = "mean",
    seed: int = 0,
    progress: Progress = None,
) -> SegmentMap:
    """KernelSHAP: Shapley values of the segments, by a regression over random subsets of them.

    Lundberg & Lee, "A Unified Approach to Interpreting Model Predictions", 2017. arXiv:1705.07874

    The weights add up to score(picture) - score(all hidden). Where ``samples`` allow all 2^M - 2 subsets of M segments,
    each is tried once and the values are exact; otherwise subsets are drawn by the kernel, each with its complement.

    Parameters
    ----------
    net, x, target, segments, progress
        As for `feature_ablation`.
    samples : int
        Trials at most, each a forward pass; many times the number of segments.
    hide
        As ``fill`` of `feature_ablation`.
    seed : int

    Returns
    -------
    SegmentMap
        Signed, in units of the score; ``.intercept`` is the score with all hidden, ``.fit`` R².

    Raises
    ------
    InvalidArgument
        For options that are not possible, and for more than 2048 segments.
    Cancelled
        Where ``progress`` stopped it.
    """
    options = {"samples": whole(samples, "samples", 2)}
    return _explain("kernel_shap", net, x, target, segments, hide, options, seed=seed, progress=progress)


def shapley(
    net: Network,
    x: Any,
    target: objectives.Target = None,
    *,
    samples: int = 25,
    segments: Segmentation = "slic",
    hide: Hide = "mean",
    seed: int = 0,
    progress: Progress = None,
) -> SegmentMap:
    """Shapley values of the segments: what each adds to the score, on average over orders in which they appear.

    Castro, Gómez & Tejada, "Polynomial Calculation of the Shapley Value Based on Sampling", 2009.
    doi:10.1016/j.cor.2008.04.004

    The weights add up to score(picture) - score(all hidden), whatever the number of orders.

    Parameters
    ----------
    net, x, target, segments, progress
        As for `feature_ablation`.
    samples : int
        Random orders; each takes as many forward passes as there are segments.
    hide
        As ``fill`` of `feature_ablation`.
    seed : int

    Returns
    -------
    SegmentMap
        Signed, in units of the score; ``.intercept`` is the score with all hidden.

    Raises
    ------
    InvalidArgument
        For options that are not possible.
    Cancelled
        Where ``progress`` stopped it.
    """
    options = {"samples": whole(samples, "samples", 1)}
    return _explain("shapley", net, x, target, segments, hide, options, seed=seed, progress=progress)


def _explain(
    method: str,
    net: Network,
    x: Any,
    target: objectives.Target,
    segments: Segmentation,
    hide: Hide,
    options: dict[str, Any],
    *,
    seed: int | None = None,
    progress: Progress,
) -> SegmentMap:
    question = asked(net, x, target)
    filling = hidden(question, hide, {"mean": 4, "blur": 2})
    labels = segmented(question, segments)
    params = {
        **options,
        "segments": segments if isinstance(segments, (str, int)) else "given",
        "fill" if method == "feature_ablation" else "hide": hide if isinstance(hide, (str, int, float)) else "picture",
    }
    n, _, height, width = question.shape
    out = np.empty((n, height, width), np.float32)
    model = np.empty((n, 2), np.float32) if method != "feature_ablation" else None
    every = {**options, **filling, "segments": labels.astype(np.float32), "model": model}
    if seed is not None:
        every["seed"] = whole(seed, "seed", 0, 2**63 - 1)
    with reporter(progress, method.replace("_", " ")) as report, question.given.sessions.take() as session:
        question.call(session, method, out, every, report)
        seen = session.seen()
    result = question.map(out, method, seen, params=params, is_signed=True, seed=seed)
    # Every pixel of a segment has its number, so any of them will do.
    weights = [part.reshape(-1)[np.unique(numbers, return_index=True)[1]] for part, numbers in zip(out, labels)]
    return SegmentMap(result, labels, weights, model)


# ---- segments and fillings, for every method that has some


def segmented(question: Question, segments: Segmentation) -> AnyArray:
    """``(N, H, W)`` int64 labels, from 0 on in each image."""
    n, _, height, width = question.shape
    if callable(segments):
        labels = np.stack([_labels(segments(_picture(question, index)), height, width) for index in range(n)])
    elif isinstance(segments, str) or (isinstance(segments, (int, np.integer)) and not isinstance(segments, bool)):
        labels = np.stack([_made(segments, _picture(question, index)) for index in range(n)])
    else:
        given = np.asarray(segments)
        if given.ndim == 3 and given.shape[0] != n:
            raise InvalidArgument(
                f"segments has shape {given.shape}; for {n} images it must be ({n}, {height}, {width})"
            )
        parts = given if given.ndim == 3 else [given]
        labels = np.stack([_labels(part, height, width) for part in parts])
        labels = np.broadcast_to(labels, (n, height, width))
    return np.stack([np.unique(part, return_inverse=True)[1].reshape(part.shape) for part in labels])


def _labels(given: Any, height: int, width: int) -> AnyArray:
    labels = np.asarray(given)
    if labels.shape != (height, width):
        raise InvalidArgument(
            f"segments has shape {labels.shape}; it must be ({height}, {width}), the network's input size"
        )
    is_number = labels.dtype.kind in "biuf" and bool(np.isfinite(labels).all())
    if not is_number or (labels != np.round(labels)).any():
        raise InvalidArgument(f"segments is {labels.dtype}; it must hold whole numbers, one for each segment")
    return labels.astype(np.int64)


def _picture(question: Question, index: int) -> Array:
    """``(H, W, C)`` in [0, 1]: what the network sees; of raw input, between its least and its largest number."""
    array = question.given.array[index].transpose(1, 2, 0)
    if question.given.views is None:
        low, high = float(array.min()), float(array.max())
        array = (array - low) / (high - low) if high > low else np.zeros_like(array)
    return np.ascontiguousarray(array, dtype=np.float32)


def _made(segments: str | int, picture: Array) -> AnyArray:
    height, width, channels = picture.shape
    if segments == "grid":
        rows, columns = (np.arange(length) * min(_GRID, length) // length for length in (height, width))
        return np.asarray(rows[:, None] * _GRID + columns)
    if isinstance(segments, str) and segments not in ("slic", "quickshift"):
        raise InvalidArgument(
            f"segments is {segments!r}; it must be 'slic', 'quickshift', 'grid', a number of superpixels, an array, or"
            " a function that makes one"
        )
    if not isinstance(segments, str):
        segments = whole(segments, "segments", 1, height * width)
    try:
        from skimage import segmentation
    except ImportError:
        raise InvalidArgument(
            f"segments={segments!r} needs scikit-image: pip install 'cnnlens[segments]'; segments='grid' needs nothing"
        ) from None
    is_colour = channels == 3
    if segments == "quickshift":
        # The numbers of lime_image. Quickshift wants three channels; it jitters, so it has a seed.
        colour = picture if is_colour else np.repeat(picture.mean(2, keepdims=True), 3, axis=2)
        made = segmentation.quickshift(
            colour.astype(np.float64), kernel_size=4, max_dist=200, ratio=0.2, rng=42, convert2lab=is_colour
        )
    else:
        count = segments if isinstance(segments, int) else _SUPERPIXELS
        made = segmentation.slic(
            picture, n_segments=count, compactness=10, start_label=0, convert2lab=is_colour, channel_axis=2
        )
    return np.asarray(made, dtype=np.int64)


def hidden(question: Question, hide: Hide, words: dict[str, int]) -> dict[str, Any]:
    """The fields ``fill``, ``value`` and ``picture`` of a method's options."""
    if isinstance(hide, str) and hide in words:
        return {"fill": words[hide]}
    if isinstance(hide, (int, float, np.integer, np.floating)) and not isinstance(hide, bool):
        return {"fill": 0, "value": real(hide, "what is hidden shows")}
    if hide is None or isinstance(hide, (str, bool)):
        allowed = ", ".join(repr(word) for word in words)
        raise InvalidArgument(f"what is hidden shows {hide!r}; it must be {allowed}, a finite number, or a picture")
    if isinstance(hide, np.ndarray) and hide.dtype.kind == "f" and hide.shape == question.shape[1:]:
        hide = np.ascontiguousarray(hide, dtype=np.float32)[None]
    array = question.net.given(hide).array
    if array.shape[1:] != question.shape[1:] or array.shape[0] not in (1, question.shape[0]):
        raise InvalidArgument(f"what is hidden shows a picture of {array.shape}; the input is {question.shape}")
    return {"fill": 3, "picture": array}
