# SPDX-License-Identifier: Apache-2.0
"""From a map to an object: boxes and masks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, TypeAlias

import numpy as np

from . import images
from ._attribute import choice, real, whole
from ._errors import InvalidArgument
from ._types import AnyArray
from .maps import Map

Box: TypeAlias = tuple[int, int, int, int, float]


def boxes(map: Any, threshold: float = 0.2, *, min_area: int = 1) -> Any:
    """Boxes around what is above a fraction of the map's maximum, the largest first.

    Zhou et al., "Learning Deep Features for Discriminative Localization", 2016, section 3.2: above 20 % of the maximum,
    the largest connected component. arXiv:1512.04150

    Parameters
    ----------
    map
        A `Map` or an array, ``(H, W)``, or ``(N, H, W)`` for a batch; channels are summed.
    threshold : float
        Of the maximum, in 0...1. Values below 0 speak against the target and are never inside.
    min_area : int
        Components of fewer pixels are left out.

    Returns
    -------
    list of (x0, y0, x1, y1, score)
        In pixels of the map; x1 and y1 are the first column and row outside. Sorted by the number of pixels of the
        component, pixels that touch at a corner being connected; the score is the largest value in it. No boxes where
        the map has nothing above 0. For a batch one list per image.
    """
    threshold = real(threshold, "threshold", 0.0, 1.0)
    min_area = whole(min_area, "min_area", 1)
    values = plain(map)
    if values.ndim == 2:
        return _boxes(values, threshold, min_area)
    return [_boxes(part, threshold, min_area) for part in values]


def _boxes(values: AnyArray, threshold: float, min_area: int) -> list[Box]:
    highest = float(values.max())
    if highest <= 0:
        return []
    labels, count = components((values >= threshold * highest) & (values > 0))
    found = []
    for number in range(1, count + 1):
        rows, columns = np.nonzero(labels == number)
        if len(rows) < min_area:
            continue
        score = float(values[rows, columns].max())
        box = (int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1, score)
        found.append((len(rows), box))
    return [box for _, box in sorted(found, key=lambda pair: (-pair[0], -pair[1][4], pair[1]))]


def components(mask: AnyArray) -> tuple[AnyArray, int]:
    """Numbers the connected components of a mask from 1 on, in the order of their first pixels; diagonals connect.

    Runs of a row are joined with those they touch in the row above (Rosenfeld & Pfaltz, "Sequential Operations in
    Digital Picture Processing", 1966).

    Returns
    -------
    labels : ndarray of int
        0 outside.
    count : int
    """
    parents: list[int] = []

    def root(run: int) -> int:
        while parents[run] != run:
            parents[run] = parents[parents[run]]
            run = parents[run]
        return run

    edges = np.diff(np.pad(mask.astype(np.int8), ((0, 0), (1, 1))), axis=1)
    runs: list[tuple[int, int, int]] = []  # row, first column, column behind the last
    above: list[int] = []
    for row, steps in enumerate(edges):
        here = []
        for start, stop in zip(np.nonzero(steps == 1)[0].tolist(), np.nonzero(steps == -1)[0].tolist(), strict=True):
            number = len(parents)
            parents.append(number)
            runs.append((row, start, stop))
            here.append(number)
            for other in above:
                if runs[other][1] <= stop and start <= runs[other][2]:
                    a, b = root(other), root(number)
                    parents[max(a, b)] = min(a, b)
        above = here
    labels = np.zeros(mask.shape, np.int64)
    numbers: dict[int, int] = {}
    for run, (row, start, stop) in enumerate(runs):
        labels[row, start:stop] = numbers.setdefault(root(run), len(numbers) + 1)
    return labels, len(numbers)


def iou(a: Any, b: Any) -> float:
    """Intersection over union of two boxes ``(x0, y0, x1, y1)`` or of two masks ``(H, W)``.

    0 where both are empty. A fifth number of a box, its score, is ignored.
    """
    first, second = np.asarray(a), np.asarray(b)
    if first.ndim == 2 or second.ndim == 2:
        if first.shape != second.shape:
            raise InvalidArgument(f"masks of {first.shape} and {second.shape} came; they must have one shape")
        both, either = np.logical_and(first, second).sum(), np.logical_or(first, second).sum()
        return float(both / either) if either else 0.0
    for name, box in (("a", first), ("b", second)):
        is_box = box.ndim == 1 and box.shape[0] in (4, 5) and box.dtype.kind in "iuf"
        if not is_box or not np.isfinite(box[:4]).all() or box[2] < box[0] or box[3] < box[1]:
            raise InvalidArgument(f"{name} is {box.tolist()!r}; it must be a box (x0, y0, x1, y1) or a mask (H, W)")
    sizes = np.minimum(first[2:4], second[2:4]) - np.maximum(first[:2], second[:2])
    common = float(np.prod(np.maximum(sizes, 0)))
    areas = float(np.prod(first[2:4] - first[:2])) + float(np.prod(second[2:4] - second[:2]))
    return common / (areas - common) if areas > common else float(areas > 0)


def segment(
    map: Any,
    image: Any = None,
    *,
    method: Literal["grabcut", "threshold"] = "grabcut",
    foreground: float = 0.95,
    background: float = 0.30,
    iterations: int = 5,
) -> AnyArray:
    """A mask of the object that a map points at.

    Simonyan, Vedaldi & Zisserman, "Deep Inside Convolutional Networks", 2013, section 3.2. arXiv:1312.6034. Colours
    of the object are learnt where the map is above its 95 % quantile, those around it below the 30 % quantile; GrabCut
    (Rother, Kolmogorov & Blake 2004) finds the object with them, of which the component with the most of the map is
    kept.

    Parameters
    ----------
    map
        A `Map` or an array, ``(H, W)``, or ``(N, H, W)`` for a batch; channels are summed. Absolute values count, so
        that a saliency map may be signed.
    image
        The picture, ``(H, W, 3)`` in [0, 1] or uint8, at the map's size; ``None``: what the map remembers.
    method
        ``"grabcut"`` (needs OpenCV), or ``"threshold"``: what is above the ``foreground`` quantile.
    foreground, background : float
        Quantiles, the first larger.
    iterations : int

    Returns
    -------
    ndarray of bool
        ``(H, W)``, or ``(N, H, W)`` for a batch.
    """
    choice(method, "method", ("grabcut", "threshold"))
    high, low = real(foreground, "foreground", 0.0, 1.0), real(background, "background", 0.0, 1.0)
    if low >= high:
        raise InvalidArgument(f"background is {background} and foreground {foreground}; the first must be the smaller")
    iterations = whole(iterations, "iterations", 1)
    values = np.abs(plain(map))
    if values.ndim == 2:
        return _segment(
            values, _picture(map, image, values.shape) if method == "grabcut" else None, high, low, iterations
        )
    pictures = map.pictures() if image is None and isinstance(map, Map) else image
    if method == "grabcut" and (pictures is None or len(pictures) != len(values)):
        raise InvalidArgument(f"image must have one picture for each of {len(values)} maps")
    masks = []
    for index, part in enumerate(values):
        picture = _picture(None, pictures[index], part.shape) if method == "grabcut" else None
        masks.append(_segment(part, picture, high, low, iterations))
    return np.stack(masks)


def _segment(values: AnyArray, picture: AnyArray | None, high: float, low: float, iterations: int) -> AnyArray:
    if not values.any():
        raise InvalidArgument("the map is zero everywhere; it points at nothing")
    sure = (values >= np.quantile(values, high)) & (values > 0)
    if picture is None:
        return _heaviest(sure, values)
    try:
        import cv2
    except ImportError:
        raise InvalidArgument(
            "segment with GrabCut needs OpenCV: pip install 'cnnlens[objects]'; method='threshold' needs nothing"
        ) from None
    seeds = np.full(values.shape, cv2.GC_PR_BGD, np.uint8)
    seeds[values <= np.quantile(values, low)] = cv2.GC_BGD
    seeds[sure] = cv2.GC_FGD
    cv2.setRNGSeed(0)  # its mixtures of colours start from random clusters
    models = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.grabCut(np.ascontiguousarray(picture[:, :, ::-1]), seeds, None, *models, iterations, cv2.GC_INIT_WITH_MASK)
    return _heaviest((seeds == cv2.GC_FGD) | (seeds == cv2.GC_PR_FGD), values)


def _heaviest(mask: AnyArray, values: AnyArray) -> AnyArray:
    labels, count = components(mask)
    sums = np.bincount(labels.reshape(-1), values.reshape(-1), count + 1)
    sums[0] = -1
    return np.asarray(labels == int(np.argmax(sums)))


def _picture(map: Any, image: Any, shape: Sequence[int]) -> AnyArray:
    """``(H, W, 3)`` uint8."""
    if image is None and isinstance(map, Map):
        image = map.image
    if image is None:
        raise InvalidArgument("there is no picture to segment: the map was made from a raw array; pass image=")
    colour = images.read(image).colour
    if colour.shape[1:] != tuple(shape):
        raise InvalidArgument(
            f"the picture is {colour.shape[1]}×{colour.shape[2]} but the map {shape[0]}×{shape[1]};"
            " pass it at the map's size"
        )
    return np.round(255 * colour.transpose(1, 2, 0)).astype(np.uint8)


def plain(map: Any) -> AnyArray:
    """A map as ``(H, W)`` or ``(N, H, W)`` float64, channels summed."""
    try:
        values = np.asarray(map, dtype=np.float64)
    except (TypeError, ValueError):
        raise InvalidArgument(f"map is a {type(map).__name__}; it must be a Map or an array of numbers") from None
    if isinstance(map, Map) and map._has_channels:
        values = values.sum(axis=-3)
    if values.ndim not in (2, 3) or not values.size:
        raise InvalidArgument(f"map has shape {values.shape}; it must be (H, W), or (N, H, W) for a batch")
    if not np.isfinite(values).all():
        raise InvalidArgument("map has numbers that are not finite")
    return values
