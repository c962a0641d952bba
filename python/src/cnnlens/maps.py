# SPDX-License-Identifier: Apache-2.0
"""Maps: arrays that remember what they are, and can be drawn.

The data is never normalised; drawings have a scale, and the manifest beside a saved one says which.
"""

from __future__ import annotations

import io
import json
import os
import pathlib
import sys
from collections.abc import Iterator, Sequence
from typing import Any, Literal, TypeAlias

import numpy as np

from . import colormaps
from ._errors import InvalidArgument
from ._types import AnyArray, Array

Mode: TypeAlias = Literal["heat", "blend", "mask", "alpha"]
MODES = ("heat", "blend", "mask", "alpha")


class Map:
    """Where in a picture a network looks. ``np.asarray(m)`` is the data.

    Attributes
    ----------
    method : str
        Which function made it.
    target : int, list of int or Objective
        The class (one per image for a batch), or what else was asked.
    label : str or list of str
        The target in words.
    score : float or ndarray
        The objective's value, one per image.
    layer : str or None
        The layer that a method of the CAM family looked at.
    params : dict
        The method's other arguments.
    seed : int or None
        For methods that draw random numbers.
    seconds : float
        How long it took.
    image : ndarray or None
        What the network saw: ``(H, W, 3)`` float32 in [0, 1], ``(N, H, W, 3)`` for a batch; None for raw input.
    native : ndarray or None
        A CAM at its layer's own resolution.
    gap : float or ndarray or None
        Of methods whose values should add up to something: what is missing, one per image.
    """

    def __init__(
        self,
        data: Array,
        *,
        method: str,
        target: Any,
        label: Any,
        score: Any,
        network: str,
        is_batch: bool,
        has_channels: bool = False,
        is_signed: bool = True,
        layer: str | None = None,
        params: dict[str, Any] | None = None,
        seed: int | None = None,
        seconds: float = 0.0,
        image: Array | None = None,
        native: Array | None = None,
        gap: Any = None,
    ) -> None:
        self._data = data
        self.method, self.network = method, network
        self.target, self.label, self.score = target, label, score
        self.layer, self.params, self.seed, self.seconds = layer, dict(params or {}), seed, seconds
        self.image, self.native, self.gap = image, native, gap
        self._is_batch, self._has_channels, self._is_signed = is_batch, has_channels, is_signed

    # -- an array

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> AnyArray:
        if dtype is not None and np.dtype(dtype) != self._data.dtype:
            if copy is False:
                raise ValueError(f"a Map is {self._data.dtype}; as {np.dtype(dtype)} it is a copy")
            return self._data.astype(dtype)
        return self._data.copy() if copy else self._data

    @property
    def shape(self) -> tuple[int, ...]:
        return self._data.shape

    @property
    def dtype(self) -> np.dtype[np.float32]:
        return self._data.dtype

    @property
    def ndim(self) -> int:
        return self._data.ndim

    def __len__(self) -> int:
        return len(self._data)

    def __getitem__(self, index: Any) -> Any:
        return self._data[index]

    def __repr__(self) -> str:
        size = "×".join(str(number) for number in self.shape)
        layer = f" at {self.layer}" if self.layer else ""
        labels = self.label if isinstance(self.label, str) else f"{len(self.label)} images"
        return (
            f"<cnnlens.Map {self.method}{layer} of '{labels}': {size}, {self._data.min():.3g}...{self._data.max():.3g}>"
        )

    # -- a drawing

    @property
    def is_signed(self) -> bool:
        """Whether values below 0 mean something."""
        return self._is_signed

    @property
    def limit(self) -> float:
        """Where the colour scale of drawings ends (see `cnnlens.colormaps.limit`)."""
        return colormaps.limit(self._data)

    def parts(self) -> list[Array]:
        """``(H, W)`` or ``(C, H, W)``, one per image."""
        return list(self._data) if self._is_batch else [self._data]

    def pictures(self) -> list[Array | None]:
        """What the network saw, one per image."""
        if self.image is None:
            return [None] * len(self.parts())
        return list(self.image) if self._is_batch else [self.image]

    def colored(self, limit: float | None = None) -> list[Array]:
        """One ``(H, W, 3)`` drawing per image, in [0, 1], all on one scale, which ends at ``limit``."""
        return [self._color(part, self.limit if limit is None else limit) for part in self.parts()]

    def _color(self, part: Array, limit: float) -> Array:
        if not self._has_channels:
            return colormaps.color(part, limit, is_signed=self._is_signed)
        if len(part) == 3:  # one value per colour channel: a picture around grey
            scaled = part / limit if limit > 0 else np.zeros_like(part)
            return np.asarray(np.clip(0.5 + 0.5 * scaled, 0, 1).transpose(1, 2, 0), np.float32)
        flat = np.atleast_2d(part.sum(axis=0) if part.ndim == 3 else part)
        return colormaps.color(flat, colormaps.limit(flat), is_signed=True)

    def drawn(self, mode: Mode = "heat", *, alpha: float = 0.5, limit: float | None = None) -> list[Array]:
        """One ``(H, W, 3)`` picture per image, in [0, 1].

        Parameters
        ----------
        mode : {"heat", "blend", "mask", "alpha"}
            The map in colours alone; laid over the picture; the picture with everything darkened that the map does not
            point at; or the map in colours over the picture, as opaque as it is strong.
        alpha
            For ``"blend"``: 0 is the picture alone, 1 the map alone. Where a signed map is 0 the picture stays.
        limit
            Where the scale ends; ``None``: at the strongest values but 0.5 %.
        """
        if mode not in MODES:
            raise InvalidArgument(f"mode is {mode!r}; it must be one of {', '.join(repr(item) for item in MODES)}")
        if not 0 <= alpha <= 1:
            raise InvalidArgument(f"alpha is {alpha}; it must be in 0...1")
        end = self.limit if limit is None else _limit(limit)
        drawings = self.colored(end)
        if mode == "heat":
            return drawings
        tiles = []
        for part, drawing, picture in zip(self.parts(), drawings, self.pictures(), strict=True):
            if picture is None:
                raise InvalidArgument(
                    "the map was made from a raw array: there is no picture to lay it over; use .save or .show"
                )
            strength: Any = part if part.ndim == 2 else np.abs(part).sum(axis=0)
            if drawing.shape != picture.shape:
                raise InvalidArgument(
                    f"the map is {drawing.shape[0]}×{drawing.shape[1]} and the picture {picture.shape[0]}×"
                    f"{picture.shape[1]}; draw it as heat"
                )
            strength = np.clip(np.abs(strength) / (end or 1.0), 0, 1)[:, :, None]
            if mode == "mask":
                positive = np.where((part if part.ndim == 2 else part.sum(axis=0))[:, :, None] > 0, strength, 0)
                tiles.append(np.asarray(picture * positive, np.float32))
                continue
            weight: Any = alpha
            if mode == "alpha":
                weight = strength
            elif self._is_signed and not self._has_channels:
                weight = alpha * strength**0.5
            tiles.append(np.asarray((1 - weight) * picture + weight * drawing, np.float32))
        return tiles

    def overlay(self, alpha: float = 0.5, *, mode: Mode = "blend", limit: float | None = None) -> Any:
        """The map laid over the picture, as a ``PIL.Image`` (``np.asarray`` of it is ``(H, W, 3)`` uint8).

        Parameters
        ----------
        alpha, mode, limit
            See `drawn`.
        """
        return _image(_beside(self.drawn(mode, alpha=alpha, limit=limit)))

    def figure(self, mode: Mode = "heat", *, limit: float | None = None) -> Any:
        """A matplotlib ``Figure`` with the picture, the map and its scale. Needs no display."""
        from ._figures import figure

        return figure([self], mode, None if limit is None else _limit(limit))

    def show(self, mode: Mode = "heat", *, limit: float | None = None) -> Any:
        """Shows it: inline in a notebook, in the desktop's viewer where there is one. Gives the figure otherwise."""
        return _show(self.figure(mode, limit=limit))

    def save(self, path: str | os.PathLike[str]) -> pathlib.Path:
        """Writes a drawing (PNG), the data (``.npy``) and how both came about (``.json``), side by side.

        Returns
        -------
        Path
            Where the PNG is.
        """
        target = _png_path(path)
        _image(_beside(self.colored())).save(target)
        np.save(target.with_suffix(".npy"), self._data)
        target.with_suffix(".json").write_text(
            json.dumps(self.manifest(), indent=2, default=str) + "\n", encoding="utf-8"
        )
        return target

    def manifest(self) -> dict[str, Any]:
        """Everything but the data, ready for JSON."""
        from . import __version__

        target = self.target
        if not isinstance(target, (int, list)):
            target = repr(target)
        limit = self.limit
        return {
            "cnnlens": __version__,
            "network": self.network,
            "method": self.method,
            "target": target,
            "label": self.label,
            "score": np.asarray(self.score).tolist(),
            "layer": self.layer,
            "params": self.params,
            "seed": self.seed,
            "gap": None if self.gap is None else np.asarray(self.gap).tolist(),
            "seconds": self.seconds,
            "shape": list(self.shape),
            "drawn": {"from": -limit if self._is_signed else 0.0, "to": limit, "clipped": True},
        }

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        _image(_beside(self.colored())).save(buffer, "PNG")
        return buffer.getvalue()


class Panel(Sequence[Map]):
    """Several maps of one picture in one figure. ``panel["grad_cam"]`` or ``panel[0]`` is one of them."""

    def __init__(self, maps: Sequence[Map]) -> None:
        self.maps = list(maps)

    def __len__(self) -> int:
        return len(self.maps)

    def __iter__(self) -> Iterator[Map]:
        return iter(self.maps)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, str):
            for part in self.maps:
                if part.method == index:
                    return part
            raise InvalidArgument(f"no map '{index}'; there are {', '.join(part.method for part in self.maps)}")
        return self.maps[index]

    @property
    def image(self) -> Array | None:
        return self.maps[0].image

    @property
    def target(self) -> Any:
        return self.maps[0].target

    @property
    def label(self) -> Any:
        return self.maps[0].label

    @property
    def score(self) -> Any:
        return self.maps[0].score

    def __repr__(self) -> str:
        return f"<cnnlens.Panel of '{self.label}': {', '.join(part.method for part in self.maps)}>"

    def figure(self, mode: Mode = "heat", *, share_scale: bool = False) -> Any:
        """A matplotlib ``Figure``: the picture, then a map for each method. Needs no display.

        Parameters
        ----------
        mode
            See `Map.drawn`.
        share_scale
            One scale for all maps, so that they can be compared; for maps of one unit.
        """
        from ._figures import figure

        return figure(self.maps, mode, max(part.limit for part in self.maps) if share_scale else None)

    def show(self, mode: Mode = "heat", *, share_scale: bool = False) -> Any:
        """As `Map.show`."""
        return _show(self.figure(mode, share_scale=share_scale))

    def save(self, path: str | os.PathLike[str], mode: Mode = "heat", *, share_scale: bool = False) -> pathlib.Path:
        """Writes the figure as a PNG."""
        target = _png_path(path)
        self.figure(mode, share_scale=share_scale).savefig(target)
        return target

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        self.figure().savefig(buffer, format="png")
        return buffer.getvalue()


# ---- pictures on screen and disk


def _limit(value: Any) -> float:
    number = float(value) if isinstance(value, (int, float, np.number)) else float("nan")
    if not np.isfinite(number) or number <= 0:
        raise InvalidArgument(f"limit is {value!r}; it must be a finite number above 0")
    return number


def _beside(tiles: list[Array]) -> Array:
    """Pictures of one height next to each other."""
    gap = np.ones((tiles[0].shape[0], 4, 3), np.float32)
    row = [tiles[0]]
    for tile in tiles[1:]:
        row += [gap, tile]
    return np.concatenate(row, axis=1)


def _image(picture: Array) -> Any:
    try:
        from PIL import Image
    except ImportError:
        raise InvalidArgument("drawing needs Pillow: pip install 'cnnlens[images]'") from None
    return Image.fromarray(colormaps.to_bytes(picture))


def _png_path(path: str | os.PathLike[str]) -> pathlib.Path:
    target = pathlib.Path(path)
    if target.suffix.lower() != ".png":
        if target.suffix:
            raise InvalidArgument(f"'{target.name}' ends in {target.suffix}; pictures are saved as .png")
        target = target.with_suffix(".png")
    target.parent.mkdir(parents=True, exist_ok=True)
    return target


def _show(figure: Any) -> Any:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    shell = sys.modules.get("IPython")
    if shell is not None and type(shell.get_ipython()).__name__ == "ZMQInteractiveShell":
        from IPython.display import Image as Inline
        from IPython.display import display

        display(Inline(data=buffer.getvalue()))
        return None
    if os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY") or sys.platform in ("darwin", "win32"):
        from PIL import Image

        Image.open(buffer).show()
    return figure
