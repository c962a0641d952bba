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
    from .maps import Map, Mode

_SIDE = 2.6  # inches
_COLUMNS = 5
_PLAIN = ("gradcam", "mean", "gausslegendre")  # what a method's name says already


def figure(maps: Sequence[Map], mode: Mode = "heat", limit: float | None = None) -> Any:
    """The picture, if there is one, then each map with its scale; one row per image, or several for many maps."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise InvalidArgument("figures need matplotlib: pip install 'cnnlens[plot]'") from None
    pictures = maps[0].pictures()
    first = pictures[0]
    has_picture = first is not None
    tiles = len(maps) + has_picture
    columns = min(tiles, _COLUMNS) if len(pictures) == 1 else tiles
    lines = -(-tiles // columns)  # rows for each image
    height, width = first.shape[:2] if first is not None else maps[0].parts()[0].shape[-2:]
    tall = _SIDE * min(max(height / max(width, 1), 0.4), 2.5)
    rows = lines * len(pictures)
    result = Figure(figsize=(_SIDE * columns + 0.2, (tall + 0.85) * rows + 0.15), dpi=120, layout="constrained")
    FigureCanvasAgg(result)
    # Every row has a thin row of scales under it, so that pictures and maps are of one size.
    grid = result.add_gridspec(2 * rows, columns, height_ratios=[1, 0.04] * rows)
    drawings = [part.drawn(mode, limit=limit) for part in maps]
    for image, picture in enumerate(pictures):
        if has_picture:
            axis = result.add_subplot(grid[2 * image * lines, 0])
            axis.imshow(np.clip(np.asarray(picture), 0, 1), interpolation="nearest")
            _label(axis, _title(maps[0], image))
        for place, (part, drawing) in enumerate(zip(maps, drawings, strict=True), start=int(has_picture)):
            row, column = image * lines + place // columns, place % columns
            axis = result.add_subplot(grid[2 * row, column])
            axis.imshow(drawing[image], interpolation="nearest")
            _label(axis, _name(part) if has_picture else f"{_name(part)}\n{_title(part, image)}")
            if part.parts()[image].ndim == 2 and mode != "mask":
                _scale(
                    result, result.add_subplot(grid[2 * row + 1, column]), part, part.limit if limit is None else limit
                )
    return result


def _label(axis: Any, title: str) -> None:
    axis.set_title(title, fontsize=9)
    axis.set_xticks([])
    axis.set_yticks([])


def _scale(result: Any, axis: Any, part: Map, limit: float) -> None:
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import ListedColormap, Normalize

    colors = ListedColormap(colormaps.table("diverging" if part.is_signed else "sequential"))
    scale = ScalarMappable(Normalize(-limit if part.is_signed else 0.0, limit or 1.0), colors)
    bar = result.colorbar(scale, cax=axis, orientation="horizontal")
    axis.tick_params(labelsize=6)
    axis.xaxis.get_offset_text().set_fontsize(6)
    bar.locator.set_params(nbins=3)
    bar.formatter.set_powerlimits((-2, 3))
    bar.update_ticks()


def _name(part: Map) -> str:
    name = part.method
    for key in ("variant", "kind", "rule"):
        value = part.params.get(key)
        if isinstance(value, str) and value not in _PLAIN:
            name += f" ({value})"
    return name + (f"\nat {_cut(part.layer)}" if part.layer else "")


def _cut(line: str) -> str:
    """Long node names: the end tells them apart."""
    return line if len(line) <= 34 else "…" + line[-33:]


def _title(part: Map, row: int) -> str:
    label = part.label if isinstance(part.label, str) else part.label[row]
    score = float(np.asarray(part.score).reshape(-1)[row])
    return f"{textwrap.shorten(str(label), 32, placeholder='…')}\nscore {score:.3g}"
