# SPDX-License-Identifier: Apache-2.0
"""The style of pictures: transferred to another's content, or as a texture. What `cnnlens.synthesis` says holds here,
too."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from . import _native, _walks
from ._errors import InvalidArgument
from ._progress import Progress
from ._types import Array
from .model import Network
from .pictures import Picture


def style_transfer(
    net: Network,
    content: Any,
    style: Any,
    *,
    content_layers: Sequence[str] | str,
    style_layers: Sequence[str] | str,
    content_weight: float = 5.0,
    style_weight: float = 100.0,
    tv_weight: float = 1e-3,
    num_iterations: int = 1000,
    image_size: int | tuple[int, int] = 512,
    init: Any = "random",
    optimizer: Literal["lbfgs", "adam"] = "lbfgs",
    learning_rate: float = 10,
    style_scale: float = 1.0,
    style_blend_weights: Sequence[float] | None = None,
    style_masks: Sequence[Any] | None = None,
    original_colors: bool = False,
    scales: Sequence[int] | None = None,
    seed: int = 0,
    resume: Picture | None = None,
    progress: Progress = None,
) -> Picture:
    """The content of one picture in the style of others.

    Gatys, Ecker & Bethge, "Image Style Transfer Using Convolutional Neural Networks", 2016. Options and weights are
    those of Johnson's neural-style; the weights are made for VGG networks that see colours in 0...255.

    Parameters
    ----------
    net : Network
        One that takes any size, up to its deepest layer named here.
    content, style
        Pictures. ``style`` may be a list; ``content`` None makes a texture.
    content_layers, style_layers
        Names of layers: ``["block4_conv2"]``, and the first of each block, say.
    content_weight, style_weight, tv_weight : float
        Of the losses; the total variation counts colours in 0...255.
    num_iterations : int
        At each scale.
    image_size : int
        The longer side of the result; without content its side, or ``(height, width)``.
    init : "random", "image" or a picture
        Noise, the content, or something else to begin with.
    optimizer : {"lbfgs", "adam"}
    learning_rate : float
        Of Adam, in units of 1/255.
    style_scale : float
        The longer side of the styles, over that of the result.
    style_blend_weights : list of float
        One for each style.
    style_masks : list of arrays
        One for each style, ``(H, W)`` in [0, 1], of any size, or None: where in the result it counts.
    original_colors : bool
        Whether the result takes its brightness alone, and its colours from the content.
    scales : list of int
        Longer sides to work at, from coarse to fine; the last should be ``image_size``.
    resume : Picture
        Goes on where that one stopped.

    Returns
    -------
    Picture
        ``.history`` is the loss.
    """
    start = time.perf_counter()
    _walks.check_net(net)
    photo = None if content is None else _walks.picture_of(net, content, "content")
    styles = [
        _walks.picture_of(net, item, "style") for item in (style if isinstance(style, (list, tuple)) else [style])
    ]
    if not styles:
        raise InvalidArgument("the list of styles is empty")
    if photo is None:
        height, width = _walks.sides_of(image_size, "image_size")
    else:
        height, width = _walks.longer_side(photo, _walks.whole(image_size, "image_size", 1))
    options: dict[str, Any] = {
        "optimizer": _walks.choice(optimizer, "optimizer", {"lbfgs": 3, "adam": 2}),
        "steps": _walks.whole(num_iterations, "num_iterations"),
        "seed": _walks.seed_of(seed),
        "content_weight": _walks.positive(content_weight, "content_weight", can_be_zero=True),
        "style_weight": _walks.positive(style_weight, "style_weight", can_be_zero=True),
        "tv_weight": _walks.positive(tv_weight, "tv_weight", can_be_zero=True),
        "rate": _walks.positive(learning_rate, "learning_rate") / 255,
        "style_scale": _walks.positive(style_scale, "style_scale"),
        "center": _walks.mean_colour(net),
        "content_layers": [net._raw.resolve(name) for name in _walks.names_of(content_layers, "content_layers")],
        "style_layers": [net._raw.resolve(name) for name in _walks.names_of(style_layers, "style_layers")],
        "blend_weights": None if style_blend_weights is None else [float(number) for number in style_blend_weights],
    }
    if style_masks is not None:
        options["masks"] = [_mask(mask) for mask in style_masks]
    if scales is not None:
        sides = [_walks.whole(side, "scales", 1) for side in scales]
        if not sides or sides != sorted(sides):
            raise InvalidArgument(f"scales is {scales!r}; it must be sides from coarse to fine")
        options["scales"] = [side / max(height, width) for side in sides]
    if isinstance(init, str):
        if init not in ("random", "image") or (init == "image" and photo is None):
            raise InvalidArgument(f"init is {init!r}; it must be 'random', 'image' (the content) or a picture")
        if init == "image":
            options["start"] = photo
    else:
        options["start"] = _walks.picture_of(net, init, "init")

    def make(index: int, session: _native.Session, out: Array, extra: dict[str, Any]) -> bool:
        return session.style_transfer(out, photo, styles, {**options, **extra})

    method = "texture" if photo is None else "style_transfer"
    shape = (1, net.preprocess.channels, height, width)
    walks = _walks.run(net, 1, shape, make, _walks.checkpoint_of(resume, False), progress, "style", lowers=True)
    picture = walks.picture(
        method,
        is_batch=False,
        label=", ".join(options["style_layers"]),
        params={key: value for key, value in options.items() if key not in ("masks", "start", "seed")},
        seed=seed,
        start=start,
    )
    if original_colors and photo is not None:
        colours = _walks.resized(photo, (height, width))[0].transpose(1, 2, 0)
        change = (picture._data - np.broadcast_to(colours, picture.shape)) @ _walks.LUMA
        picture._data = np.clip(colours + change[:, :, None], 0, 1).astype(np.float32)
    return picture


def texture(
    net: Network,
    style: Any,
    *,
    layers: Sequence[str] | str,
    size: int | tuple[int, int] = 256,
    num_iterations: int = 1000,
    style_weight: float = 100.0,
    tv_weight: float = 0.0,
    optimizer: Literal["lbfgs", "adam"] = "lbfgs",
    learning_rate: float = 10,
    style_scale: float = 1.0,
    scales: Sequence[int] | None = None,
    seed: int = 0,
    resume: Picture | None = None,
    progress: Progress = None,
) -> Picture:
    """A picture with the texture of another, from noise.

    Gatys, Ecker & Bethge, "Texture Synthesis Using Convolutional Neural Networks", 2015. arXiv:1505.07376. Parameters
    as for `style_transfer`.
    """
    return style_transfer(
        net,
        None,
        style,
        content_layers=(),
        style_layers=layers,
        content_weight=0.0,
        style_weight=style_weight,
        tv_weight=tv_weight,
        num_iterations=num_iterations,
        image_size=size,
        optimizer=optimizer,
        learning_rate=learning_rate,
        style_scale=style_scale,
        scales=scales,
        seed=seed,
        resume=resume,
        progress=progress,
    )


def _mask(mask: Any) -> Array:
    if mask is None:
        return np.ones((1, 1, 1, 1), np.float32)
    weights = np.asarray(mask, np.float32)
    if weights.ndim != 2 or weights.size == 0 or not np.isfinite(weights).all() or weights.min() < 0:
        raise InvalidArgument(f"a mask of shape {weights.shape} came; masks are (H, W), in [0, 1]")
    return np.ascontiguousarray(weights[None, None])
