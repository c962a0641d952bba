# SPDX-License-Identifier: Apache-2.0
"""Numbers to colours: one sequence for maps without a sign, one that diverges from white for maps with one."""

from __future__ import annotations

import functools

import numpy as np
import numpy.typing as npt

from ._types import Array

# inferno (S. van der Walt & N. Smith, CC0) and RdBu (C. Brewer, Apache-2.0), at equal distances.
_ANCHORS = {
    "sequential": "000004 1b0c41 4a0c6b 781c6d a52c60 cf4446 ed6925 fb9b06 f7d13d fcffa4",
    "diverging": "053061 2166ac 4393c3 92c5de d1e5f0 f7f7f7 fddbc7 f4a582 d6604d b2182b 67001f",
}


@functools.cache
def table(name: str) -> Array:
    """256 colours, ``(256, 3)`` in [0, 1]."""
    anchors = np.array([list(bytes.fromhex(color)) for color in _ANCHORS[name].split()]) / 255
    places = np.linspace(0, 1, len(anchors))
    steps = np.linspace(0, 1, 256)
    columns = [np.interp(steps, places, anchors[:, channel]) for channel in range(3)]
    return np.stack(columns, axis=1).astype(np.float32)


def color(values: Array, limit: float, *, is_signed: bool) -> Array:
    """Colours for values: 0...limit, or -limit...limit. ``(..., 3)`` float32 in [0, 1]. A limit of 0 draws 0."""
    scaled = np.clip(values / limit, -1, 1) if limit > 0 else np.zeros_like(values)
    place = (scaled + 1) / 2 if is_signed else np.maximum(scaled, 0)
    colors = table("diverging" if is_signed else "sequential")
    return colors[np.rint(place * 255).astype(np.intp)]


def limit(values: Array) -> float:
    """Where the colour scale ends: only the 0.5 % strongest values lie beyond it; 0 for a map of zeros."""
    sizes = np.abs(values)
    sizes = sizes[np.isfinite(sizes)]
    if sizes.size == 0:
        return 0.0
    # A map with few values other than 0 must not be drawn as empty.
    return float(np.quantile(sizes, 0.995)) or float(sizes.max())


def to_bytes(picture: Array) -> npt.NDArray[np.uint8]:
    return np.asarray(np.rint(np.clip(picture, 0, 1) * 255), dtype=np.uint8)
