# SPDX-License-Identifier: Apache-2.0
"""Figures of maps, with matplotlib but without pyplot: no global state, no display."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from . import colormaps
from ._errors import InvalidArgument

if TYPE_CHECKING:
    from .maps import Map

_SIDE = 2.6  # inches


def figure(maps: Sequence[Map]) -> Any:
    """One row per image: the picture, if there is one, then each map with its scale."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise InvalidArgument("figures need matplotlib: pip install 'cnnlens[plot]'") from None
    pictures = maps[0].pictures()
    has_picture = pictures[0] is not None
    rows, columns = len(pictures), len(maps) + has_picture
    height, width = maps[0].parts()[0].shape[-2:]
    tall = _SIDE * min(max(height / max(width, 1), 0.4), 2.5)
    result = Figure(figsize=(_SIDE * columns + 0.2, (tall + 0.85) * rows), dpi=120, layout="constrained")
    FigureCanvasAgg(result)
    # Every picture row has a thin row of scales under it, so that pictures and maps are of one size.
    grid = result.add_gridspec(2 * rows, columns, height_ratios=[1, 0.04] * rows)
    for row in range(rows):
        if has_picture:
            axis = result.add_subplot(grid[2 * row, 0])
            axis.imshow(np.clip(np.asarray(pictures[row]), 0, 1), interpolation="nearest")
            _label(axis, _title(maps[0], row))
        for column, part in enumerate(maps, start=int(has_picture)):
            axis = result.add_subplot(grid[2 * row, column])
            axis.imshow(part.colored()[row], interpolation="nearest")
            _label(axis, _name(part) if has_picture else f"{_name(part)}\n{_title(part, row)}")
            if part.parts()[row].ndim == 2:
                _scale(result, result.add_subplot(grid[2 * row + 1, column]), part)
    return result


def _label(axis: Any, title: str) -> None:
    axis.set_title(title, fontsize=9)
    axis.set_xticks([])
    axis.set_yticks([])


def _scale(result: Any, axis: Any, part: Map) -> None:
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import ListedColormap, Normalize

    limit = part.limit
    colors = ListedColormap(colormaps.table("diverging" if part.is_signed else "sequential"))
    scale = ScalarMappable(Normalize(-limit if part.is_signed else 0.0, limit or 1.0), colors)
    bar = result.colorbar(scale, cax=axis, orientation="horizontal")
    axis.tick_params(labelsize=6)
    axis.xaxis.get_offset_text().set_fontsize(6)
    bar.locator.set_params(nbins=3)
    bar.formatter.set_powerlimits((-2, 3))
    bar.update_ticks()


def _name(part: Map) -> str:
    return part.method + (f"\nat {_cut(part.layer)}" if part.layer else "")


def _cut(line: str) -> str:
    """Long node names: the end tells them apart."""
    return line if len(line) <= 34 else "…" + line[-33:]


def _title(part: Map, row: int) -> str:
    label = part.label if isinstance(part.label, str) else part.label[row]
    score = float(np.asarray(part.score).reshape(-1)[row])
    return f"{textwrap.shorten(str(label), 32, placeholder='…')}\nscore {score:.3g}"
