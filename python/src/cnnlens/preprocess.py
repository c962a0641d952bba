# SPDX-License-Identifier: Apache-2.0
"""How a picture becomes a network's input."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np

from . import images, resample
from ._errors import InvalidArgument
from ._types import AnyArray, Array

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclasses.dataclass(frozen=True)
class Preprocess:
    """How a picture becomes a network's input: resized, cropped, ``(scale * picture - mean) / std``.

    Belongs to a network (``net.preprocess``). Called with a picture it gives the raw array that the picture
    becomes: ``net.preprocess(image)`` is ``(1, C, H, W)`` float32.

    Parameters
    ----------
    size
        Pixels of the side of the result, or ``(height, width)``.
    resize
        ``"shorter"``: the shorter side becomes ``size``, the shape of the picture stays. ``"exact"``: both
        sides, the shape does not. ``None``: not resized.
    crop
        ``"center"``: the middle ``size`` x ``size``. ``None``: not cropped.
    order
        The network's channel order, ``"RGB"`` or ``"BGR"``.
    scale
        1 for networks that expect [0, 1] before normalisation, 255 for those that expect bytes.
    mean, std
        One number per channel, in the units after ``scale`` and in the network's channel order. One number
        each: the network sees grey.
    change
        What happens to the resized and cropped picture, ``(C, H, W)`` in [0, 1], before it is normalised: a defence
        from `cnnlens.defend`. Gradients pass as if there were none.
    """

    size: int | tuple[int, int] | None = 224
    resize: Literal["shorter", "exact"] | None = "shorter"
    crop: Literal["center"] | None = "center"
    order: Literal["RGB", "BGR"] = "RGB"
    scale: float = 1.0
    mean: tuple[float, ...] = IMAGENET_MEAN
    std: tuple[float, ...] = IMAGENET_STD
    change: Callable[[Array], Array] | None = None

    def __post_init__(self) -> None:
        for name in ("mean", "std"):
            numbers = getattr(self, name)
            numbers = tuple(np.atleast_1d(np.asarray(numbers, dtype=float)).tolist())
            object.__setattr__(self, name, numbers)
        if len(self.mean) not in (1, 3) or len(self.mean) != len(self.std):
            raise InvalidArgument(
                f"mean has {len(self.mean)} and std {len(self.std)} numbers; both need 3, or 1 for grey"
            )
        if not all(number > 0 for number in self.std):
            raise InvalidArgument(f"std is {self.std}; every number must be above 0")
        for name, allowed in (
            ("resize", ("shorter", "exact", None)),
            ("crop", ("center", None)),
            ("order", ("RGB", "BGR")),
        ):
            if getattr(self, name) not in allowed:
                raise InvalidArgument(f"{name} is {getattr(self, name)!r}; it must be one of {allowed}")
        if self.size is None:
            if self.resize or self.crop:
                raise InvalidArgument("size is None; then resize and crop must be None too")
        elif min(self.height_and_width) < 1:
            raise InvalidArgument(f"size is {self.size}; it must be at least 1")

    def __repr__(self) -> str:
        fields = [field.name for field in dataclasses.fields(self)]
        shown = [name for name in fields if name != "change" or self.change is not None]
        return f"Preprocess({', '.join(f'{name}={getattr(self, name)!r}' for name in shown)})"

    @property
    def channels(self) -> int:
        """3, or 1 for a network that sees grey."""
        return len(self.mean)

    @property
    def height_and_width(self) -> tuple[int, int]:
        size = self.size if self.size is not None else 0
        return (size, size) if isinstance(size, int) else (int(size[0]), int(size[1]))

    def __call__(self, image: Any) -> Array:
        """The network's own input for a picture, or for a list of pictures.

        Returns
        -------
        ndarray
            ``(N, C, H, W)`` float32.
        """
        pictures = [image] if images.is_single(image) else list(image)
        seen = np.stack([self.view(images.read(picture)).pixels for picture in pictures])
        if self.order == "BGR":
            seen = seen[:, ::-1]
        mean = np.array(self.mean, np.float32)[:, None, None]
        std = np.array(self.std, np.float32)[:, None, None]
        return np.ascontiguousarray((np.float32(self.scale) * seen - mean) / std)

    def view(self, image: images.Image) -> View:
        """The part of a picture that the network sees."""
        height, width = image.colour.shape[1:]
        rows, columns = self._matrices(height, width)
        view = View(image, rows, columns, self.channels)
        if self.change is not None:
            view.pixels = np.ascontiguousarray(self.change(view.pixels), np.float32)
        return view

    def _matrices(self, height: int, width: int) -> tuple[Array, Array]:
        if self.size is None:
            return resample.matrix(height, height, 0, height), resample.matrix(width, width, 0, width)
        wanted = self.height_and_width
        sizes = (height, width)
        if self.resize == "exact":
            sizes = wanted
        elif self.resize == "shorter":
            # torchvision's rounding. Sides of different length: the smallest picture that covers both.
            factor = max(wanted[0] / height, wanted[1] / width)
            sizes = (max(wanted[0], int(height * factor + 1e-9)), max(wanted[1], int(width * factor + 1e-9)))
        windows = [(0, size) for size in sizes]
        if self.crop == "center":
            if sizes[0] < wanted[0] or sizes[1] < wanted[1]:
                raise InvalidArgument(
                    f"the picture is {height}×{width} but a crop of {wanted[0]}×{wanted[1]} is wanted;"
                    ' give the network a Preprocess with resize="shorter"'
                )
            starts = [round((size - want) / 2) for size, want in zip(sizes, wanted, strict=True)]
            windows = [(start, start + want) for start, want in zip(starts, wanted, strict=True)]
        return (
            resample.matrix(height, sizes[0], *windows[0]),
            resample.matrix(width, sizes[1], *windows[1]),
        )


class View:
    """What a network sees of one picture, in [0, 1], and the way back from there.

    Attributes
    ----------
    pixels
        ``(C, H, W)`` float32 in [0, 1]: the resized and cropped picture, RGB or grey.
    rows, columns
        The matrices that do it: ``rows @ picture @ columns.T``.
    """

    def __init__(self, image: images.Image, rows: Array, columns: Array, channels: int) -> None:
        self.image = image
        self.rows, self.columns = rows, columns
        colour = image.colour if channels == 3 else np.tensordot(_LUMA, image.colour, 1)[None]
        self.pixels: Array = np.asarray(np.clip(rows @ colour @ columns.T, 0.0, 1.0), np.float32)

    def picture(self) -> Array:
        """``(H, W, 3)`` float32 in [0, 1]."""
        return np.ascontiguousarray(np.broadcast_to(self.pixels, (3, *self.pixels.shape[1:])).transpose(1, 2, 0))

    def adjoint(self, gradient: Array) -> AnyArray:
        """A gradient with respect to ``pixels``, carried back to the picture as it was given."""
        full: Array = np.asarray(self.rows.T @ gradient @ self.columns, np.float32)
        if len(full) == 1:
            full = np.asarray(_LUMA[:, None, None] * full, np.float32)
        return self.image.adjoint(full)


_LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)  # ITU-R 601, as Pillow's convert("L")


def from_metadata(metadata: Callable[[str], str | None], shape: Sequence[int]) -> Preprocess:
    """What a model file says about its pictures, else ImageNet's numbers at the size that the network takes."""

    def entry(key: str) -> str | None:
        return metadata(f"cnnlens.preprocess.{key}")

    channels = shape[1] if len(shape) == 4 else 3
    fixed = (shape[2], shape[3]) if len(shape) == 4 and shape[2] > 0 and shape[3] > 0 else (224, 224)
    size: int | tuple[int, int] = fixed[0] if fixed[0] == fixed[1] else fixed
    mean, std = entry("mean"), entry("std")
    if mean is None or std is None:
        if channels == 1:
            return Preprocess(size=size, mean=(0.0,), std=(1.0,))
        return Preprocess(size=size)

    def choice(key: str, default: str) -> Any:
        value = entry(key) or default
        return None if value.lower() == "none" else value

    numbers = entry("size")
    if numbers is not None:
        sides = tuple(int(number) for number in numbers.replace("x", ",").split(","))
        size = sides[0] if len(sides) == 1 else (sides[0], sides[1])
    return Preprocess(
        size=size,
        resize=choice("resize", "shorter"),
        crop=choice("crop", "center"),
        order=choice("order", "RGB"),
        scale=float(entry("scale") or 1),
        mean=tuple(float(number) for number in mean.split(",")),
        std=tuple(float(number) for number in std.split(",")),
    )
