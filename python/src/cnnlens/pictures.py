# SPDX-License-Identifier: Apache-2.0
"""Pictures that were made, with what is known about how."""

from __future__ import annotations

import io
import json
import math
import os
import pathlib
from typing import Any

import numpy as np

from . import colormaps
from ._errors import InvalidArgument
from ._types import AnyArray, Array


class Picture:
    """A picture, or several of one size. ``np.asarray(p)`` is ``(H, W, 3)`` float32 in [0, 1], ``(N, H, W, 3)`` for
    several.

    Attributes
    ----------
    method : str
        Which function made it.
    label : str or list of str
        What was asked for, in words; one for each of several pictures.
    history : ndarray
        The objective's value at each step (the loss, where one is lowered); ``(N, steps)`` for several pictures made
        one after the other.
    is_complete : bool
        False where it was stopped, by ``progress`` or Ctrl-C.
    params : dict
        The method's other arguments.
    seed : int
    seconds : float
    checkpoint : bytes or None
        From where to go on: pass the picture as ``resume=`` with the same arguments and more steps.
    error : float, list of float or None
        What an inversion did not reach: the distance of the codes over the length of the code wanted.
    """

    def __init__(
        self,
        data: Array,
        *,
        method: str,
        network: str,
        label: Any,
        history: Array,
        is_complete: bool = True,
        params: dict[str, Any] | None = None,
        seed: int = 0,
        seconds: float = 0.0,
        checkpoint: bytes | None = None,
        error: Any = None,
    ) -> None:
        self._data = np.ascontiguousarray(np.clip(data, 0, 1), dtype=np.float32)
        self.method, self.network, self.label = method, network, label
        self.history, self.is_complete = history, is_complete
        self.params, self.seed, self.seconds = dict(params or {}), seed, seconds
        self.checkpoint, self.error = checkpoint, error

    # -- an array

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> AnyArray:
        if dtype is not None and np.dtype(dtype) != self._data.dtype:
            if copy is False:
                raise ValueError(f"a Picture is {self._data.dtype}; as {np.dtype(dtype)} it is a copy")
            return self._data.astype(dtype)
        return self._data.copy() if copy else self._data

    @property
    def shape(self) -> tuple[int, ...]:
        return self._data.shape

    @property
    def ndim(self) -> int:
        return self._data.ndim

    @property
    def dtype(self) -> np.dtype[np.float32]:
        return self._data.dtype

    def __len__(self) -> int:
        return len(self._data)

    def __getitem__(self, index: Any) -> Any:
        return self._data[index]

    def __repr__(self) -> str:
        size = "×".join(str(number) for number in self.shape[:-1])
        label = self.label if isinstance(self.label, str) else f"{len(self.label)} pictures"
        state = "" if self.is_complete else ", stopped"
        return f"<cnnlens.Picture {self.method} of '{label}': {size}, {self.history.shape[-1]} steps{state}>"

    # -- a picture

    def grid(self, columns: int | None = None, gap: int = 4) -> Array:
        """Several pictures as one, row by row, ``(H, W, 3)``."""
        if self._data.ndim == 3:
            return self._data
        n, height, width, _ = self._data.shape
        across = columns if columns is not None else math.ceil(math.sqrt(n))
        if across < 1:
            raise InvalidArgument(f"columns is {columns}; it must be at least 1")
        down = math.ceil(n / across)
        sheet = np.ones((down * (height + gap) - gap, across * (width + gap) - gap, 3), np.float32)
        for index, picture in enumerate(self._data):
            y, x = index // across * (height + gap), index % across * (width + gap)
            sheet[y : y + height, x : x + width] = picture
        return sheet

    def to_pil(self) -> Any:
        """A ``PIL.Image``; several pictures become one sheet."""
        try:
            from PIL import Image
        except ImportError:
            raise InvalidArgument("to_pil needs Pillow: pip install 'cnnlens[images]'") from None
        return Image.fromarray(colormaps.to_bytes(self.grid()))

    def save(self, path: str | os.PathLike[str]) -> pathlib.Path:
        """Writes the picture, in the format that the name's ending says (PNG if it has none), and how it came about
        (``.json``) beside it.

        Returns
        -------
        Path
            Where the picture is.
        """
        target = pathlib.Path(path)
        if not target.suffix:
            target = target.with_suffix(".png")
        picture = self.to_pil()
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            picture.save(target)
        except ValueError as error:
            raise InvalidArgument(f"'{target.name}' cannot be written: {error}; .png and .jpg can") from None
        text = json.dumps(self.manifest(), indent=2, default=str)
        target.with_suffix(".json").write_text(text + "\n", encoding="utf-8")
        return target

    def manifest(self) -> dict[str, Any]:
        """Everything but the pixels, ready for JSON."""
        from . import __version__

        return {
            "cnnlens": __version__,
            "network": self.network,
            "method": self.method,
            "label": self.label,
            "params": self.params,
            "seed": self.seed,
            "seconds": self.seconds,
            "shape": list(self.shape),
            "is_complete": self.is_complete,
            "error": self.error,
            "history": self.history.tolist(),
        }

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        self.to_pil().save(buffer, "PNG")
        return buffer.getvalue()
