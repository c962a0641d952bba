# SPDX-License-Identifier: Apache-2.0
"""Defences: the same network, with something done to its pictures first.

Each function gives a network that treats what the old one would have seen, resized and cropped, before it sees it;
they may be nested. Raw float32 arrays pass untouched. Gradients, and so attacks, go through a defence as if it were
not there (straight-through: Athalye, Carlini & Wagner, "Obfuscated Gradients Give a False Sense of Security", 2018,
arXiv:1802.00420), while the forward pass is defended: what attacks on such a network find holds against the defence.
"""

from __future__ import annotations

import dataclasses
import io
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np

from . import resample
from ._attack import real, seed_of, whole
from ._errors import InvalidArgument
from ._types import Array
from .model import Network


@dataclasses.dataclass(frozen=True)
class Defence:
    """What is done to each picture: ``(C, H, W)`` float32 in [0, 1] in, the same out."""

    name: str
    change: Callable[[Array], Array]

    def __call__(self, picture: Array) -> Array:
        return np.asarray(np.clip(self.change(picture), 0, 1), np.float32)

    def __repr__(self) -> str:
        return self.name


def _defended(net: Network, name: str, change: Callable[[Array], Array]) -> Network:
    if not isinstance(net, Network):
        raise InvalidArgument(f"net is a {type(net).__name__}; it must be a Network, from cl.load")
    earlier = net.preprocess.change
    defence = Defence(name, change)
    if earlier is not None:
        inner, outer = earlier, defence
        defence = Defence(f"{inner!r}, {name}", lambda picture: outer(inner(picture)))
    return Network(net._raw, labels=net.labels, preprocess=dataclasses.replace(net.preprocess, change=defence))


def jpeg(net: Network, quality: int = 75) -> Network:
    """JPEG compression and decompression.

    Dziugaite, Ghahramani & Roy, "A Study of the Effect of JPG Compression on Adversarial Images", 2016.
    arXiv:1608.00853. Needs Pillow: ``pip install 'cnnlens[images]'``.

    Parameters
    ----------
    quality
        1 to 95, as Pillow has it.
    """
    quality = whole(quality, "quality")
    if quality > 100:
        raise InvalidArgument(f"quality is {quality}; it must be 1 to 100")
    try:
        from PIL import Image
    except ImportError:
        raise InvalidArgument("jpeg needs Pillow: pip install 'cnnlens[images]'") from None

    def change(picture: Array) -> Array:
        bytes_ = np.rint(picture * 255).astype(np.uint8)
        stored = Image.fromarray(bytes_[0] if len(bytes_) == 1 else np.ascontiguousarray(bytes_.transpose(1, 2, 0)))
        file = io.BytesIO()
        stored.save(file, "JPEG", quality=quality)
        with Image.open(file) as loaded:
            pixels = np.asarray(loaded, np.float32) / np.float32(255)
        return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)

    return _defended(net, f"jpeg {quality}", change)


def bits(net: Network, depth: int = 4) -> Network:
    """Fewer bits a value: ``round(x (2^depth - 1)) / (2^depth - 1)``.

    Xu, Evans & Qi, "Feature Squeezing", 2018, section III-A. arXiv:1704.01155

    Parameters
    ----------
    depth
        1 to 8.
    """
    depth = whole(depth, "depth")
    if depth > 8:
        raise InvalidArgument(f"depth is {depth}; it must be 1 to 8")
    steps = np.float32(2**depth - 1)
    return _defended(net, f"bits {depth}", lambda picture: np.rint(picture * steps) / steps)


def median(net: Network, size: int = 3) -> Network:
    """The median of each channel in a window.

    Xu, Evans & Qi, "Feature Squeezing", 2018, section III-B. arXiv:1704.01155

    Parameters
    ----------
    size
        Of the window, in pixels; the picture is mirrored at its edges.
    """
    size = whole(size, "size")

    def change(picture: Array) -> Array:
        _, height, width = picture.shape
        if size > min(height, width):
            raise InvalidArgument(f"size is {size}; the pictures are {height}×{width}")
        before, after = size // 2, (size - 1) // 2
        padded = np.pad(picture, ((0, 0), (before, after), (before, after)), mode="symmetric")
        windows = np.lib.stride_tricks.sliding_window_view(padded, (size, size), axis=(1, 2))
        return np.asarray(np.median(windows.reshape(*picture.shape, size * size), axis=-1), np.float32)

    return _defended(net, f"median {size}", change)


def tv(net: Network, weight: float = 0.1, *, steps: int = 50) -> Network:
    """The picture with less total variation: the minimum of ``|y - x|^2 / 2 + weight TV(y)``, all channels together.

    Rudin, Osher & Fatemi, 1992, by the dual steps of Chambolle, "An Algorithm for Total Variation Minimization and
    Applications", 2004; as a defence Guo et al., "Countering Adversarial Images Using Input Transformations", 2018,
    arXiv:1711.00117 (there some pixels are dropped at random first).

    Parameters
    ----------
    weight
        How much is smoothed.
    steps
        Of the algorithm.
    """
    weight, steps = real(weight, "weight"), whole(steps, "steps")
    return _defended(net, f"tv {weight:g}", lambda picture: smoothed(picture, weight, steps))


def smoothed(picture: Array, weight: float, steps: int) -> Array:
    """Chambolle's algorithm on ``(C, H, W)``; the variation of a pixel is the length of all its differences."""
    x = picture.astype(np.float64)
    dual = np.zeros((2, *x.shape))
    tau = 0.125  # where the paper proves that it converges

    def divergence(p: Any) -> Any:
        result = np.zeros_like(x)
        result[:, :-1] += p[0][:, :-1]
        result[:, 1:] -= p[0][:, :-1]
        result[:, :, :-1] += p[1][:, :, :-1]
        result[:, :, 1:] -= p[1][:, :, :-1]
        return result

    for _ in range(steps):
        y = divergence(dual) - x / weight
        slope = np.zeros_like(dual)
        slope[0][:, :-1] = np.diff(y, axis=1)
        slope[1][:, :, :-1] = np.diff(y, axis=2)
        length = np.sqrt((slope**2).sum(axis=(0, 1), keepdims=True))
        dual = (dual + tau * slope) / (1 + tau * length)
    return np.asarray(x - weight * divergence(dual), np.float32)


def randomize(net: Network, seed: int = 0, *, smallest: float = 0.875) -> Network:
    """The picture made smaller by a random factor, somewhere on black.

    Xie et al., "Mitigating Adversarial Effects Through Randomization", 2018. arXiv:1711.01991. (There
    pictures grow, for networks that take any size; here what the network sees keeps its size.)

    Parameters
    ----------
    seed
        With the picture itself it decides the size and the place: the same picture is always treated alike, one that
        differs by a little is not.
    smallest
        The least factor.
    """
    seed, smallest = seed_of(seed), real(smallest, "smallest", high=1)

    def change(picture: Array) -> Array:
        _, height, width = picture.shape
        # What it looks like from afar, for the last bits of a picture depend on who resized it.
        coarse = resample.matrix(height, 8, 0, 8) @ picture @ resample.matrix(width, 8, 0, 8).T
        random = np.random.default_rng([seed, zlib.crc32(np.rint(coarse * 255).astype(np.int16).tobytes())])
        factor = random.uniform(smallest, 1)
        h, w = max(1, round(factor * height)), max(1, round(factor * width))
        top, left = int(random.integers(0, height - h + 1)), int(random.integers(0, width - w + 1))
        result = np.zeros_like(picture)
        rows, columns = resample.matrix(height, h, 0, h), resample.matrix(width, w, 0, w)
        result[:, top : top + h, left : left + w] = rows @ picture @ columns.T
        return result

    return _defended(net, f"randomize {seed}", change)
