# SPDX-License-Identifier: Apache-2.0
"""Class scores at every position of a picture of any size."""

from __future__ import annotations

import dataclasses
import time
from typing import Any

import numpy as np

from . import objectives, resample
from ._attribute import asked, described, seen_pictures
from ._errors import InvalidArgument
from ._types import Array
from .maps import Map, Mode
from .model import Network


class ClassMap(Map):
    """The scores of one class at every position; drawn, they are enlarged to the picture.

    Attributes
    ----------
    scores : ndarray
        Those of all classes, ``(K, h, w)``, or ``(N, K, h, w)`` for a batch.
    """

    scores: Array
    size: tuple[int, int]

    def enlarged(self) -> Array:
        """The map at the size of the input, bilinear: ``(H, W)``, or ``(N, H, W)`` for a batch."""
        height, width = self._data.shape[-2:]
        rows, columns = (
            resample.matrix(old, new, 0, new) for old, new in ((height, self.size[0]), (width, self.size[1]))
        )
        return np.asarray(rows @ self._data @ columns.T, np.float32)

    def drawn(self, mode: Mode = "heat", *, alpha: float = 0.5, limit: float | None = None) -> list[Array]:
        """As `Map.drawn`, enlarged to the picture."""
        larger = Map.__new__(Map)
        larger.__dict__.update(vars(self))
        larger._data = self.enlarged()
        return larger.drawn(mode, alpha=alpha, limit=self.limit if limit is None else limit)


def class_map(
    net: Network, image: Any, target: objectives.Target = None, *, size: int | tuple[int, int] | None = None
) -> ClassMap:
    """Class scores at every position: the network's dense layers become convolutions, and slide.

    Sermanet et al., "OverFeat", 2014, section 3.5, arXiv:1312.6229. Long, Shelhamer & Darrell, "Fully Convolutional
    Networks for Semantic Segmentation", 2015, section 3.1, arXiv:1411.4038

    A dense layer on maps of h x w becomes one filter of h x w for each output; a global pooling becomes one over
    windows of the size that the maps have at the network's own size. There the only position has the network's own
    logits. A VGG-16 (224 pixels) gives 6 x 6 positions for 384 pixels. Near a border convolutions see padding, so
    that a position's scores are not quite those of the picture cropped there.

    Parameters
    ----------
    net : Network
        One that takes pictures and gives class scores. Its own size is what its file says, else what `Preprocess` does.
    image
        A picture, a list of them, or a raw float32 array ``(N, C, H, W)`` of any size from the network's own on.
    target
        A class, or a list with one per image; ``None``: the one with the highest score anywhere.
    size
        Pixels of the shorter side that the picture is resized to, uncropped, or its ``(height, width)``; ``None``: the
        network's own preprocessing. Not for raw arrays, which have a size.

    Returns
    -------
    ClassMap
        ``(h, w)`` for one picture, ``(N, h, w)`` for a batch: class scores before the softmax. ``.scores`` has all
        classes.

    Raises
    ------
    InvalidArgument
        For networks with something else behind their last maps, or that end in maps anyway; for sizes below the
        network's.
    """
    start = time.perf_counter()
    if not isinstance(net, Network):
        raise InvalidArgument(f"net is a {type(net).__name__}; it must be a Network, from cl.load")
    own = net.preprocess.height_and_width if net.preprocess.size is not None else (0, 0)
    declared = net.input_shape
    if len(declared) == 4:
        own = (declared[2] or own[0], declared[3] or own[1])
    sliding = Network(net._raw.fully_convolutional(*own), labels=net.labels, preprocess=_resizing(net, size))
    if size is not None and isinstance(image, np.ndarray) and image.ndim == 4:
        raise InvalidArgument(f"size is {size} but a raw array came, which has a size: {image.shape}")
    question = asked(sliding, image, None)
    given, (height, width) = question.given, question.shape[2:]
    if height < own[0] or width < own[1]:
        raise InvalidArgument(f"the input is {height}×{width}; '{net.name}' needs at least {own[0]}×{own[1]}")
    goal = objectives.resolve(net, target, given.count)
    if goal.objective is not None:
        raise InvalidArgument(f"target is {target!r}; class maps are about classes: pass an int or a label")
    output = sliding.outputs[0]
    with given.sessions.take() as session:
        scores = np.empty(session.shapes([output], [given.array.shape])[0], np.float32)
        session.run([output], [given.array], [scores])
    classes = scores.max(axis=(2, 3)).argmax(1).tolist() if goal.classes is None else goal.classes
    classes = list(np.broadcast_to(np.asarray(classes), (given.count,)).tolist())
    data = np.stack([part[index] for part, index in zip(scores, classes, strict=True)])
    highest = [float(part.max()) for part in data]
    named = objectives.Resolved(goal.native, None, classes)
    result = ClassMap(
        given.unbatched(data),
        method="class_map",
        network=net.name,
        is_batch=not given.is_single,
        params={"size": size if size is None or isinstance(size, int) else list(size)},
        seconds=time.perf_counter() - start,
        image=seen_pictures(given),
        **described(net, given, named, highest, classes),
    )
    result.scores, result.size = given.unbatched(scores), (height, width)
    return result


def _resizing(net: Network, size: Any) -> Any:
    """The network's preprocessing at another size."""
    if size is None:
        return net.preprocess
    sides = size if isinstance(size, tuple) else (size,)
    is_size = len(sides) in (1, 2) and all(
        isinstance(side, (int, np.integer)) and not isinstance(side, bool) and side >= 1 for side in sides
    )
    if not is_size:
        raise InvalidArgument(f"size is {size!r}; it must be a whole number from 1 on, or (height, width)")
    if len(sides) == 2:
        return dataclasses.replace(net.preprocess, size=(int(sides[0]), int(sides[1])), resize="exact", crop=None)
    return dataclasses.replace(net.preprocess, size=int(sides[0]), resize="shorter", crop=None)
