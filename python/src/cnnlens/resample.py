# SPDX-License-Identifier: Apache-2.0
"""Resizing as a matrix, so that a gradient can be carried back through it exactly."""

from __future__ import annotations

import functools

import numpy as np

from ._types import Array


@functools.lru_cache(maxsize=64)
def matrix(count: int, size: int, start: int, stop: int) -> Array:
    """Rows ``start:stop`` of the ``size`` x ``count`` matrix that resizes one axis.

    Pillow's bilinear filter: a triangle as wide as the reduction, so that it does not alias. Along both axes
    it is ``rows @ picture @ columns.T``; its adjoint is the same with the matrices transposed. (Pillow itself
    rounds to bytes after each axis when it is given bytes.)
    """
    scale = count / size
    reach = max(scale, 1.0)
    centers = (np.arange(size) + 0.5) * scale
    positions = np.arange(count) + 0.5
    # Pillow cuts the window to whole pixels before it evaluates the triangle.
    first = np.maximum(np.floor(centers - reach + 0.5), 0)[:, None]
    last = np.minimum(np.floor(centers + reach + 0.5), count)[:, None]
    inside = (positions - 0.5 >= first) & (positions - 0.5 < last)
    weights = np.maximum(0.0, 1.0 - np.abs(positions - centers[:, None]) / reach) * inside
    weights /= weights.sum(axis=1, keepdims=True)
    result = np.ascontiguousarray(weights[start:stop], dtype=np.float32)
    result.flags.writeable = False
    return result
