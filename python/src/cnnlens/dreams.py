# SPDX-License-Identifier: Apache-2.0
"""DeepDream: what a network begins to see in a picture, made stronger. What `cnnlens.synthesis` says holds here."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from . import _native, _walks, objectives, resample
from ._errors import InvalidArgument, NotFound
from ._progress import Progress
from ._types import Array
from .model import Network
from .pictures import Picture


def deepdream(
    net: Network,
    image: Any,
    layer_or_objective: Any,
    *,
    steps: int = 10,
    octaves: int = 4,
    octave_scale: float = 1.4,
    step_size: float = 1.5,
    jitter: int = 32,
    guide: Any = None,
    clip: bool = True,
    size: int | None = None,
    tile: int | None = None,
    seed: int = 0,
    progress: Progress = None,
) -> Picture:
    """What a network begins to see in a picture, made stronger.

    Mordvintsev, Olah & Tyka, "Inceptionism: Going Deeper into Neural Networks", 2015, with the numbers of their
    notebook: from coarse to fine, the picture is rolled by a random number of pixels, moved along the gradient
    divided by its mean absolute value, and rolled back; the detail invented at one size is enlarged and carried to
    the next.

    Parameters
    ----------
    net : Network
    image
        The picture to begin with. It keeps its size, so the network must take any, up to the layer at least.
    layer_or_objective
        The name of a layer, whose energy is raised; or an objective, as in `visualize`.
    steps : int
        Of each octave.
    octaves : int
        How many sizes, each ``octave_scale`` times the one before.
    step_size : float
        The mean change of a pixel in one step, in units of 1/255.
    jitter : int
        The most pixels the picture is rolled by.
    guide
        A picture: each place becomes more like the place of the guide that it resembles most at the layer.
    clip : bool
        Whether colours stay in [0, 1] all the way.
    size : int, optional
        The longer side the picture is first resized to.

    tile : int, optional
        The side of tiles whose gradients are computed one after the other, in pixels: the same picture up to rounding,
        with less memory and more time. For one layer whose units do not see the whole picture.

    Returns
    -------
    Picture
        Of the size of ``image``, or of ``size``.
    """
    start = time.perf_counter()
    _walks.check_net(net)
    options = {
        "steps": _walks.whole(steps, "steps"),
        "octaves": _walks.whole(octaves, "octaves", 1),
        "octave_scale": _walks.positive(octave_scale, "octave_scale"),
        "step_size": _walks.positive(step_size, "step_size") / 255,
        "jitter": _walks.whole(jitter, "jitter"),
        "is_clamped": int(bool(clip)),
        "tile": 0 if tile is None else _walks.whole(tile, "tile", 1),
        "seed": _walks.seed_of(seed),
    }
    if octave_scale <= 1:
        raise InvalidArgument(f"octave_scale is {octave_scale}; it must be above 1")
    planes = _walks.picture_of(net, image, "image")
    if size is not None:
        planes = _walks.resized(planes, _walks.longer_side(planes, _walks.whole(size, "size", 1)))
    goal, text = _dream_goal(net, layer_or_objective, guide)

    def make(index: int, session: _native.Session, out: Array, extra: dict[str, Any]) -> bool:
        return session.deepdream(out, planes, goal, {**options, **extra})

    walks = _walks.run(net, 1, planes.shape, make, None, progress, "deepdream", resumes=False)
    return walks.picture(
        "deepdream",
        is_batch=False,
        label=text,
        params={
            "steps": steps,
            "octaves": octaves,
            "octave_scale": octave_scale,
            "step_size": step_size,
            "jitter": jitter,
            "guide": guide is not None,
            "clip": clip,
            "size": size,
        },
        seed=seed,
        start=start,
    )


def dream_zoom(
    net: Network, image: Any, layer_or_objective: Any, *, frames: int = 24, zoom: float = 1.05, **options: Any
) -> Iterator[Picture]:
    """Dreams of dreams: each frame is the one before, seen a little closer and dreamt on.

    Parameters
    ----------
    net, image, layer_or_objective, **options
        As for `deepdream`.
    frames : int
        How many.
    zoom : float
        How much closer each frame is.

    Yields
    ------
    Picture
        All of one size.
    """
    number, factor = _walks.whole(frames, "frames", 1), _walks.positive(zoom, "zoom")
    if factor < 1:
        raise InvalidArgument(f"zoom is {zoom}; it must be at least 1")
    current: Any = image
    for index in range(number):
        frame = deepdream(net, current, layer_or_objective, **options)
        yield frame
        if not frame.is_complete:
            return
        options = {**options, "seed": options.get("seed", 0) + index + 1, "size": None}
        current = _closer(np.asarray(frame), factor)


def _dream_goal(net: Network, target: Any, guide: Any) -> tuple[_native.Objective | None, str]:
    layer = None
    if isinstance(target, str):
        try:
            layer = net._raw.resolve(target)
        except NotFound:
            if ":" not in target and target not in net.labels:
                raise
    if guide is None:
        return _walks.goal_of(net, objectives.layer(layer) if layer is not None else target)
    if layer is None:
        raise InvalidArgument(f"guide came with {target!r}; a guide needs the name of a layer with maps")
    code = net.activations(guide, layer)[layer]
    if code.ndim != 4 or len(code) != 1:
        raise InvalidArgument(
            f"'{layer}' is {code.shape} for the guide; a guide is one picture and needs a layer with maps"
        )
    return _native.guide(layer, code), f"{layer}, guided"


def _closer(picture: Array, factor: float) -> Array:
    """The middle of ``(H, W, 3)`` at the size of the whole."""
    sides = []
    for count in picture.shape[:2]:
        # A window of the enlarged axis.
        size = max(count, round(count * factor))
        first = (size - count) // 2
        sides.append(resample.matrix(count, size, first, first + count))
    rows, columns = sides
    seen: Array = np.einsum("yi,ijc,xj->yxc", rows, picture, columns, optimize=True)
    return np.clip(seen, 0, 1).astype(np.float32)
