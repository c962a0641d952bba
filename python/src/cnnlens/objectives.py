# SPDX-License-Identifier: Apache-2.0
"""What a network is asked about: a class, a unit, a channel, or a sum of such things.

Wherever a function takes a ``target`` it may be ``None`` (the class with the highest score), an ``int``, a label
(``"tabby"``: a unique part of one is enough), a list of these for a batch, a string such as ``"conv5:12"``
(channel 12) or ``"conv5:12@6,6"`` (its unit at row 6, column 6), or an `Objective`.
"""

from __future__ import annotations

import dataclasses
import difflib
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, SupportsFloat, TypeAlias, Union

import numpy as np

from . import _native
from ._errors import InvalidArgument, NotFound
from ._types import AnyArray, Array

if TYPE_CHECKING:
    from .model import Network

ClassLike: TypeAlias = Union[int, str, "np.integer[Any]"]
Target: TypeAlias = Union[ClassLike, "Objective", Sequence[ClassLike], AnyArray, None]


_SCALES = {"sum": 0, "mean": 1, "relative": 2}


@dataclasses.dataclass(frozen=True, eq=False)
class _Term:
    """One elementary objective: what ``make`` builds once the network is known, and what it is called."""

    kind: str
    text: str
    arguments: tuple[Any, ...]

    def make(self, net: Network) -> _native.Objective:
        if self.kind in ("logit", "probability"):
            classes = [class_index(net, item) for item in self.arguments[0]]
            return getattr(_native, self.kind)(classes)  # type: ignore[no-any-return]
        layer, *rest = self.arguments
        return getattr(_native, self.kind)(net._raw.resolve(layer), *rest)  # type: ignore[no-any-return]


class Objective:
    """A number that a network gives to each image. Objectives combine with ``+``, ``-`` and ``*`` a number.

    Examples
    --------
    >>> cl.logit("tabby") - cl.logit("tiger cat")
    logit(tabby) - logit(tiger cat)
    """

    __slots__ = ("_terms",)

    def __init__(self, terms: Sequence[tuple[float, _Term]]) -> None:
        self._terms = tuple(terms)

    def __add__(self, other: Objective) -> Objective:
        if not isinstance(other, Objective):
            return NotImplemented
        return Objective(self._terms + other._terms)

    def __sub__(self, other: Objective) -> Objective:
        return self + -other

    def __mul__(self, factor: SupportsFloat) -> Objective:
        if isinstance(factor, Objective):
            return NotImplemented
        return Objective([(float(factor) * weight, term) for weight, term in self._terms])

    __rmul__ = __mul__

    def __neg__(self) -> Objective:
        return self * -1.0

    def __repr__(self) -> str:
        text = ""
        for weight, term in self._terms:
            size = abs(weight)
            sign = "-" if weight < 0 else "+"
            text += f" {sign} " if text else ("-" if weight < 0 else "")
            text += term.text if size == 1 else f"{size:g} * {term.text}"
        return text

    def _make(self, net: Network) -> _native.Objective:
        if len(self._terms) == 1 and self._terms[0][0] == 1:
            return self._terms[0][1].make(net)
        return _native.sum([term.make(net) for _, term in self._terms], [weight for weight, _ in self._terms])


def _objective(kind: str, text: str, *arguments: Any) -> Objective:
    return Objective([(1.0, _Term(kind, text, arguments))])


def _classes(target: ClassLike | Sequence[ClassLike] | AnyArray) -> list[ClassLike]:
    return list(target) if isinstance(target, (list, tuple, np.ndarray)) else [target]  # type: ignore[list-item]


def logit(target: ClassLike | Sequence[ClassLike]) -> Objective:
    """The score of a class before the softmax. A list has one class per image of a batch."""
    return _objective("logit", f"logit({_words(target)})", _classes(target))


def prob(target: ClassLike | Sequence[ClassLike]) -> Objective:
    """The probability of a class. Its gradient vanishes where the network is certain; `logit`'s does not."""
    return _objective("probability", f"prob({_words(target)})", _classes(target))


def unit(layer: str, channel: int, position: tuple[int, int] | None = None) -> Objective:
    """One unit of a layer, at ``position = (y, x)``; without one, in the middle."""
    y, x = (-1, -1) if position is None else _position(position)
    place = "" if position is None else f"@{y},{x}"
    return _objective("unit", f"{layer}:{channel}{place}", layer, _count(channel, "channel"), y, x)


def channel(layer: str, channel: int) -> Objective:
    """The mean of one channel of a layer."""
    return _objective("channel", f"{layer}:{channel}", layer, _count(channel, "channel"))


def layer(name: str) -> Objective:
    """Half the sum of the squares of a layer: what DeepDream raises."""
    return _objective("layer", f"layer({name})", name)


def direction(layer: str, vector: Any, position: tuple[int, int] | None = None) -> Objective:
    """The mean over positions of ``<activations, vector>``, or its value at ``position = (y, x)``; ``vector`` has one
    number per channel."""
    numbers = _floats(vector)
    if numbers.ndim != 1:
        raise InvalidArgument(f"vector has shape {numbers.shape}; it needs one number per channel")
    if position is None:
        return _objective("direction", f"direction({layer})", layer, numbers)
    y, x = _position(position)
    return _objective("direction_at", f"direction({layer})@{y},{x}", layer, numbers, y, x)


def group(layer: str, mask: Any) -> Objective:
    """``<activations, mask>``; ``mask`` has the shape ``(C, H, W)`` of one image's activations."""
    return _objective("group", f"group({layer})", layer, _floats(mask))


def region(layer: str, rows: tuple[int, int], columns: tuple[int, int], channel: int | None = None) -> Objective:
    """The mean of a rectangle of a layer, ``rows[0] <= y < rows[1]`` and ``columns[0] <= x < columns[1]``, of one
    channel or, without one, of all."""
    (top, bottom), (left, right) = _position(rows), _position(columns)
    if top >= bottom or left >= right:
        raise InvalidArgument(f"rows are {rows!r} and columns {columns!r}; both must be (first, behind the last)")
    number = -1 if channel is None else _count(channel, "channel")
    place = f"{layer}{'' if channel is None else f':{channel}'}"
    text = f"region({place}, {top}:{bottom}, {left}:{right})"
    return _objective("region", text, layer, number, top, left, bottom - top, right - left)


def distance(layer: str, code: Any, scale: Literal["sum", "mean", "relative"] = "sum") -> Objective:
    """The squared distance of a layer's activations to ``code``: a sum, a mean, or over ``|code|^2``.

    Mahendran & Vedaldi 2015, equation 1. arXiv:1412.0035. ``code`` has the shape of the layer for one picture, or for
    each of a batch.
    """
    if scale not in _SCALES:
        raise InvalidArgument(f"scale is {scale!r}; it must be 'sum', 'mean' or 'relative'")
    return _objective("distance", f"distance({layer})", layer, _floats(code), _SCALES[scale])


def gram_distance(layer: str, gram: Any, mask: Any = None) -> Objective:
    """The mean squared difference between ``F F^T / (C P)``, ``F`` being the layer's ``C`` maps of ``P`` pixels, and
    ``gram``: ``(C, C)``. ``mask`` (a weight for each pixel of the layer) says where.

    Gatys, Ecker & Bethge, "Image Style Transfer Using Convolutional Neural Networks", 2016.
    """
    weights = None if mask is None else _floats(mask)
    return _objective("gram_distance", f"gram_distance({layer})", layer, _floats(gram), weights)


def total_variation(beta: float = 2.0, layer: str = "input") -> Objective:
    """The sum over pixels of ``(dx^2 + dy^2)^(beta / 2)``. Subtracted, it smoothes.

    Mahendran & Vedaldi 2015, section 3.2. arXiv:1412.0035
    """
    if not 0 < float(beta) < np.inf:
        raise InvalidArgument(f"beta is {beta!r}; it must be above 0")
    return _objective("total_variation", f"total_variation({layer})", layer, float(beta))


def lp_norm(p: float = 2.0, center: Any = 0.0, layer: str = "input") -> Objective:
    """The sum of ``|x - center|^p``, with one center for each channel or for all. Subtracted, it keeps values small.

    Simonyan et al. 2013 (``p=2``), arXiv:1312.6034; Mahendran & Vedaldi 2015 (``p=6``), arXiv:1412.0035
    """
    if not 1 <= float(p) < np.inf:
        raise InvalidArgument(f"p is {p!r}; it must be at least 1")
    return _objective("norm", f"lp_norm({layer}, {p:g})", layer, float(p), _floats(np.atleast_1d(center)))


def diversity(layer: str) -> Objective:
    """Minus the mean cosine between the Gram matrices of a layer for the pictures of a batch: added, the pictures show
    different things.

    Olah, Mordvintsev & Schubert, "Feature Visualization", 2017. doi:10.23915/distill.00007
    """
    return _objective("diversity", f"diversity({layer})", layer)


def alignment(layer: str, decay: float = 2.0) -> Objective:
    """Minus half the sum of ``|a_m - a_n|^2 / decay^|m - n|`` over the pictures of a batch: added, neighbours show the
    same thing at the same place."""
    if not 0 < float(decay) < np.inf:
        raise InvalidArgument(f"decay is {decay!r}; it must be above 0")
    return _objective("alignment", f"alignment({layer})", layer, float(decay))


def _floats(values: Any) -> Array:
    try:
        return np.ascontiguousarray(values, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise InvalidArgument(f"numbers are wanted: {error}") from None


def _count(value: int, name: str) -> int:
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, np.integer)) or value < 0:
        raise InvalidArgument(f"{name} is {value!r}; it must be a whole number from 0 on")
    return int(value)


def _position(position: tuple[int, int]) -> tuple[int, int]:
    try:
        y, x = position
    except (TypeError, ValueError):
        raise InvalidArgument(f"{position!r} came; it must be two whole numbers") from None
    return _count(y, "y"), _count(x, "x")


def _words(target: Any) -> str:
    return ", ".join(str(item) for item in _classes(target))


# ---- from what a caller may pass to what the engine takes


def class_index(net: Network, target: ClassLike) -> int:
    """The number of a class given by number or by (part of) its label."""
    if isinstance(target, str):
        return _labelled(net, target)
    if isinstance(target, (bool, np.bool_)) or not isinstance(target, (int, np.integer)):
        raise InvalidArgument(
            f"target is {target!r}; it must be None, an int, a label, an objective, or a list of ints and labels"
        )
    count = net.class_count
    if target < 0 or (count is not None and target >= count):
        limit = f"0...{count - 1}" if count is not None else "0 and up"
        raise InvalidArgument(f"class {target} does not exist; '{net.name}' has classes {limit}")
    return int(target)


def _labelled(net: Network, text: str) -> int:
    labels = net.labels
    if not labels:
        raise NotFound(
            f"target is '{text}' but '{net.name}' has no labels; pass a number, or cl.load(..., labels=[...])"
        )
    wanted = text.strip().casefold()
    folded = [label.casefold() for label in labels]
    found = [index for index, label in enumerate(folded) if label == wanted]
    found = found or [index for index, label in enumerate(folded) if wanted and wanted in label]
    if len(found) == 1:
        return found[0]
    if found:
        some = ", ".join(f"{index} '{labels[index]}'" for index in found[:8])
        more = f" and {len(found) - 8} more" if len(found) > 8 else ""
        raise InvalidArgument(f"'{text}' is part of {len(found)} labels: {some}{more}; say which, or pass its number")
    near = difflib.get_close_matches(wanted, folded, n=3)
    hint = f"; did you mean {', '.join(repr(labels[folded.index(label)]) for label in near)}?" if near else ""
    raise NotFound(f"no label '{text}'{hint} ({len(labels)} labels: net.labels)")


_PLACE = re.compile(r"(?P<layer>.+):(?P<channel>\d+)(?:@(?P<y>\d+),(?P<x>\d+))?")


@dataclasses.dataclass(frozen=True)
class Resolved:
    """A target as the engine takes it, and as a result reports it."""

    native: _native.Objective | None
    """None: the highest score of each image."""
    objective: Objective | None
    """What was asked, if it is not about classes."""
    classes: list[int] | None
    """One for all images or one per image, if it is."""


def resolve(net: Network, target: Target, images: int) -> Resolved:
    """Understands whatever a ``target`` may be, for a batch of ``images``."""
    if target is None:
        return Resolved(None, None, None)
    if isinstance(target, str):
        place = _PLACE.fullmatch(target.strip())
        if place and target.strip().casefold() not in (label.casefold() for label in net.labels):
            number = int(place["channel"])
            target = (
                channel(place["layer"], number)
                if place["y"] is None
                else unit(place["layer"], number, (int(place["y"]), int(place["x"])))
            )
    if isinstance(target, Objective):
        terms = target._terms
        if len(terms) == 1 and terms[0][0] == 1 and terms[0][1].kind == "logit":
            return resolve(net, terms[0][1].arguments[0], images)
        return Resolved(target._make(net), target, None)
    items = _classes(target)
    is_list = isinstance(target, (list, tuple, np.ndarray))
    if is_list and len(items) != images and len(items) != 1:
        raise InvalidArgument(
            f"{len(items)} targets came for {images} image{'s' if images != 1 else ''}; pass one for all, or one each"
        )
    if any(isinstance(item, Objective) for item in items):
        raise InvalidArgument("an objective stands for the whole batch; lists hold ints and labels")
    classes = [class_index(net, item) for item in items]
    return Resolved(_native.logit(classes), None, classes)
