# SPDX-License-Identifier: Apache-2.0
"""How alike two maps are, whatever their units: what sanity checks measure."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ._types import AnyArray


def rank(a: AnyArray, b: AnyArray) -> float:
    """Spearman's correlation of the pixels: of their ranks, equal values sharing the mean of theirs.

    1 for two constant maps, 0 where only one is constant.
    """
    return _correlation(_ranks(a), _ranks(b))


def ssim(a: AnyArray, b: AnyArray, window: int = 7) -> float:
    """Structural similarity, each map scaled to 0...1 first.

    Wang, Bovik, Sheikh & Simoncelli, "Image Quality Assessment", 2004, equation 13, over square windows (smaller ones
    on smaller maps), with sample covariances and K1 = 0.01, K2 = 0.03. doi:10.1109/TIP.2003.819861
    """
    a, b = _scaled(a), _scaled(b)
    window = min(window, *a.shape)
    window -= 1 - window % 2
    count = window * window
    bias = count / (count - 1) if count > 1 else 1.0
    mean_a, mean_b = _means(a, window), _means(b, window)
    variance_a = bias * (_means(a * a, window) - mean_a**2)
    variance_b = bias * (_means(b * b, window) - mean_b**2)
    covariance = bias * (_means(a * b, window) - mean_a * mean_b)
    c1, c2 = 0.01**2, 0.03**2
    similarity = ((2 * mean_a * mean_b + c1) * (2 * covariance + c2)) / (
        (mean_a**2 + mean_b**2 + c1) * (variance_a + variance_b + c2)
    )
    return float(similarity.mean())


def hog(a: AnyArray, b: AnyArray, cell: int = 16) -> float:
    """Pearson's correlation of histograms of oriented gradients, of 9 orientations in cells of 16 x 16 pixels.

    Dalal & Triggs, "Histograms of Oriented Gradients for Human Detection", 2005, section 6: blocks of 3 x 3 cells,
    normalised, cut off at 0.2 and normalised again. doi:10.1109/CVPR.2005.177
    """
    return _correlation(histograms(_scaled(a), cell), histograms(_scaled(b), cell))


MEASURES: dict[str, Callable[[AnyArray, AnyArray], float]] = {"rank": rank, "ssim": ssim, "hog": hog}


def histograms(picture: AnyArray, cell: int = 16, orientations: int = 9, block: int = 3) -> AnyArray:
    """The descriptor of a grey picture; cells become smaller where fewer than ``block`` fit along an axis."""
    cell = max(1, min(cell, *(length // block for length in picture.shape)))
    down, across = np.zeros_like(picture), np.zeros_like(picture)
    down[1:-1] = picture[2:] - picture[:-2]
    across[:, 1:-1] = picture[:, 2:] - picture[:, :-2]
    strength = np.hypot(down, across)
    angle = np.rad2deg(np.arctan2(down, across)) % 180
    rows, columns = (length // cell for length in picture.shape)
    inside = np.s_[: rows * cell, : columns * cell]
    bins = np.minimum((angle[inside] * orientations / 180).astype(int), orientations - 1)
    y, x = np.indices(bins.shape) // cell
    cells = np.zeros((rows, columns, orientations))
    np.add.at(cells, (y, x, bins), strength[inside] / cell**2)
    block = min(block, rows, columns)
    blocks = np.lib.stride_tricks.sliding_window_view(cells, (block, block), axis=(0, 1))
    blocks = blocks.transpose(0, 1, 3, 4, 2).reshape(blocks.shape[0], blocks.shape[1], -1)

    def normalized(values: AnyArray) -> AnyArray:
        result: AnyArray = values / np.sqrt((values**2).sum(2, keepdims=True) + 1e-5**2)
        return result

    return normalized(np.minimum(normalized(blocks), 0.2)).reshape(-1)


def _correlation(a: AnyArray, b: AnyArray) -> float:
    a, b = a - a.mean(), b - b.mean()
    power = float(np.sqrt((a * a).sum() * (b * b).sum()))
    if power > 0:
        return float((a * b).sum() / power)
    return 1.0 if not (a.any() or b.any()) else 0.0


def _ranks(values: AnyArray) -> AnyArray:
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return (last - (counts - 1) / 2)[places.reshape(-1)]


def _scaled(values: AnyArray) -> AnyArray:
    low, high = values.min(), values.max()
    return (values - low) / (high - low) if high > low else np.zeros_like(values)


def _means(values: AnyArray, window: int) -> AnyArray:
    """The mean of every window that lies inside, by differences of running sums."""
    sums = np.pad(values, ((1, 0), (1, 0))).cumsum(0).cumsum(1)
    total = sums[window:, window:] - sums[:-window, window:] - sums[window:, :-window] + sums[:-window, :-window]
    result: AnyArray = total / window**2
    return result
