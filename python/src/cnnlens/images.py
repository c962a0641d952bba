# SPDX-License-Identifier: Apache-2.0
"""What counts as a picture.

A picture is a path, a ``PIL.Image``, a uint8 array ``(H, W)``, ``(H, W, 3)`` or ``(H, W, 4)``, or a float array
``(H, W)`` or ``(H, W, 3)`` in [0, 1]. A 4-D float32 array is no picture but a network's own input. Grey becomes
three equal channels; transparent pixels are laid on white; a file's EXIF orientation is applied.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from ._errors import InvalidArgument, NotFound
from ._types import AnyArray, Array

ALLOWED = (
    "allowed are a path, a PIL.Image, uint8 (H, W), (H, W, 3) or (H, W, 4), float (H, W, 3) in [0, 1],"
    " a list of these, or the network's own input as a float32 array (N, C, H, W)"
)


class Image:
    """One picture: as it was given, and as RGB in [0, 1].

    Attributes
    ----------
    given
        The pixels with their own dtype and shape.
    colour
        ``(3, H, W)`` float32 in [0, 1].
    """

    def __init__(self, given: AnyArray) -> None:
        self.given = given
        unit = given.astype(np.float32) / np.float32(255) if given.dtype == np.uint8 else given.astype(np.float32)
        if unit.ndim == 2:
            unit = np.repeat(unit[:, :, None], 3, axis=2)
        if unit.shape[2] == 4:
            opacity = unit[:, :, 3:]
            unit = unit[:, :, :3] * opacity + (1 - opacity)
        self.colour: Array = np.ascontiguousarray(unit.transpose(2, 0, 1))

    def adjoint(self, gradient: Array) -> AnyArray:
        """A gradient with respect to ``colour`` as one with respect to ``given`` (in units of [0, 1])."""
        result = gradient.transpose(1, 2, 0)
        if self.given.ndim == 2:
            return np.asarray(result.sum(axis=2))
        if self.given.shape[2] == 4:  # opacity itself is left alone
            opacity = self.given[:, :, 3:].astype(np.float32) / np.float32(255)
            return np.concatenate([result * opacity, np.zeros_like(opacity)], axis=2)
        return result


def is_single(value: Any) -> bool:
    """False for a list of pictures."""
    return not isinstance(value, (list, tuple))


def read(value: Any) -> Image:
    """The picture that ``value`` is, or an error that says what came, what is allowed and the fix."""
    if isinstance(value, Image):
        return value
    if isinstance(value, (str, os.PathLike)):
        return Image(_from_file(value))
    if isinstance(value, np.ndarray):
        return Image(_checked(value))
    if type(value).__module__.partition(".")[0] == "PIL":
        return Image(_from_pillow(value))
    hint = ""
    if hasattr(value, "detach"):
        hint = "; from a torch tensor: x.detach().numpy()"
    raise InvalidArgument(f"a {type(value).__name__} is no image{hint}; {ALLOWED}")


def _checked(array: AnyArray) -> AnyArray:
    came = f"{array.dtype} {array.shape}"
    is_float = np.issubdtype(array.dtype, np.floating)
    if array.ndim == 4:
        if is_float:
            fix = "as the network's own input it must be float32: x.astype(np.float32)"
        else:
            fix = "pass a list of (H, W, 3) arrays: list(x)"
        raise InvalidArgument(f"an array of {came} is no image; {fix}")
    if array.ndim not in (2, 3):
        raise InvalidArgument(f"an array of {came} is no image; {ALLOWED}")
    if array.ndim == 3 and array.shape[2] not in (3, 4):
        fix = ALLOWED
        if array.shape[0] in (1, 3, 4):
            fix = "channels come last: x.transpose(1, 2, 0)"
        elif array.shape[2] == 1:
            fix = "drop the last axis: x[:, :, 0]"
        raise InvalidArgument(f"an array of {came} is no image; {fix}")
    if array.size == 0:
        raise InvalidArgument(f"an array of {came} is empty")
    if array.dtype == np.uint8:
        return array
    if not is_float:
        fix = "x.astype(np.uint8) for values 0...255, or a float array in [0, 1]"
        raise InvalidArgument(f"an image of {came} came; images are uint8 or float: {fix}")
    if array.ndim == 3 and array.shape[2] == 4:
        raise InvalidArgument(
            f"an image of {came} came; with an alpha channel it must be uint8: (x * 255).astype(np.uint8)"
        )
    low, high = float(array.min()), float(array.max())
    if not (np.isfinite(low) and np.isfinite(high)):
        raise InvalidArgument(f"the image ({came}) holds NaN or infinity; np.nan_to_num(x) replaces them")
    if low < 0 or high > 1:
        fix = "x / 255" if low >= 0 and high <= 255 else "(x - x.min()) / (x.max() - x.min())"
        raise InvalidArgument(f"the image ({came}) has values in {low:g}...{high:g}; float images are in [0, 1]: {fix}")
    return array


def _from_file(path: str | os.PathLike[str]) -> AnyArray:
    pillow = _pillow()
    try:
        with pillow.open(path) as picture:
            return _from_pillow(picture, upright=True)
    except FileNotFoundError:
        raise NotFound(f"no image file '{os.fspath(path)}'") from None
    except IsADirectoryError:
        raise InvalidArgument(f"'{os.fspath(path)}' is a folder, not an image file") from None
    except OSError as error:
        raise InvalidArgument(f"'{os.fspath(path)}' cannot be read as an image: {error}") from None


def _from_pillow(picture: Any, *, upright: bool = False) -> AnyArray:
    if upright:
        from PIL import ImageOps

        picture = ImageOps.exif_transpose(picture)
    if picture.mode in ("I;16", "I;16L", "I;16B", "I;16N"):
        return (np.asarray(picture).astype(np.float32) / np.float32(65535)).clip(0, 1)
    if picture.mode == "F":
        return _checked(np.asarray(picture))
    if picture.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in picture.info:
        return np.asarray(picture.convert("RGBA"))
    if picture.mode in ("L", "1"):
        return np.asarray(picture.convert("L"))
    return np.asarray(picture.convert("RGB"))


def _pillow() -> Any:
    try:
        from PIL import Image as pillow
    except ImportError:
        raise InvalidArgument(
            "reading image files needs Pillow: pip install 'cnnlens[images]'; or pass a NumPy array"
        ) from None
    return pillow
