# SPDX-License-Identifier: Apache-2.0
"""Pixels that take the place of others."""

from __future__ import annotations

from typing import Any

import numpy as np

from ._types import AnyArray, Array

_NEIGHBOURS = [
    (dy, dx, 1 / 6 if dy == 0 or dx == 0 else 1 / 12) for dy in (-1, 0, 1) for dx in (-1, 0, 1) if (dy, dx) != (0, 0)
]


def noisy_linear(picture: Array, removed: AnyArray, noise: float, random: Any) -> Array:
    """Each removed pixel is the weighted mean of its neighbours, plus noise.

    Rong et al., "A Consistent and Efficient Evaluation Strategy for Attribution Methods", 2022, section 4.2.
    arXiv:2202.00449. Weights are 1/6 for the four beside it and 1/12 for those across; at the border those that there
    are count. Where everything is removed the means of the channels stay.

    Parameters
    ----------
    picture
        ``(C, H, W)``.
    removed
        ``(H, W)`` of bool.
    noise
        Standard deviation.
    random
        A NumPy generator.
    """
    result = picture.astype(np.float64)
    if not removed.any():
        return picture.copy()
    if removed.all():
        result[:] = result.mean(axis=(1, 2), keepdims=True)
    else:
        result = np.stack([_harmonic(plane, removed) for plane in result])
    result[:, removed] += noise * random.standard_normal((len(result), int(removed.sum())))
    return result.astype(np.float32)


def _harmonic(plane: AnyArray, removed: AnyArray) -> AnyArray:
    """Solves sum_j w_ij (x_i - x_j) = 0 for the removed pixels i: the weights are symmetric, so by conjugate gradients.

    Hestenes & Stiefel, "Methods of Conjugate Gradients", 1952, divided by the diagonal.
    """
    weights = _neighbours(np.ones_like(plane))

    def laplacian(values: AnyArray) -> AnyArray:
        return np.where(removed, weights * values - _neighbours(values), 0.0)

    x = _guess(plane, removed)
    residual = -laplacian(x)
    step = z = residual / weights
    product = float((residual * z).sum())
    # On average an equation is off by 10^-6 of the picture's range; pixels then are by less than bytes can show.
    goal = 1e-12 * float(removed.sum()) * float(np.ptp(plane)) ** 2
    for _ in range(2000):
        if product <= goal:
            break
        curved = laplacian(step)
        length = product / float((step * curved).sum())
        x = x + length * step
        residual = residual - length * curved
        z = residual / weights
        product, last = float((residual * z).sum()), product
        step = z + product / last * step
    return x


def _neighbours(values: AnyArray) -> AnyArray:
    """The weighted sum of the neighbours that there are."""
    padded = np.pad(values, 1)
    height, width = values.shape
    total = np.zeros_like(values)
    for dy, dx, weight in _NEIGHBOURS:
        total += weight * padded[1 + dy : 1 + dy + height, 1 + dx : 1 + dx + width]
    return total


def _guess(plane: AnyArray, removed: AnyArray) -> AnyArray:
    """The removed pixels from a picture of half the size, so that the solver has little left to do."""
    height, width = plane.shape
    known = ~removed
    if min(height, width) < 4 or removed.sum() < 16:
        return np.where(removed, plane[known].mean(), plane)
    rows, columns = (height + 1) // 2, (width + 1) // 2
    sums, counts = np.zeros((rows, columns)), np.zeros((rows, columns))
    for dy in (0, 1):
        for dx in (0, 1):
            part = known[dy::2, dx::2]
            sums[: part.shape[0], : part.shape[1]] += np.where(part, plane[dy::2, dx::2], 0)
            counts[: part.shape[0], : part.shape[1]] += part
    empty = counts == 0
    half = np.divide(sums, counts, out=np.zeros_like(sums), where=~empty)
    if empty.any():
        half = _guess(half, empty)
    larger = half.repeat(2, axis=0).repeat(2, axis=1)[:height, :width]
    return np.where(removed, larger, plane)


def blurred(array: Array, deviation: float) -> Array:
    """``(N, C, H, W)`` under a Gaussian, cut off at three deviations; at the border the mean is over what there is."""
    rows, columns = (_gaussian(length, deviation) for length in array.shape[2:])
    return np.asarray(rows @ array.astype(np.float64) @ columns.T, np.float32)


def _gaussian(length: int, deviation: float) -> AnyArray:
    offsets = np.arange(length)[:, None] - np.arange(length)
    weights = np.exp(-0.5 * (offsets / deviation) ** 2) * (np.abs(offsets) <= np.ceil(3 * deviation))
    result: AnyArray = weights / weights.sum(axis=1, keepdims=True)
    return result
