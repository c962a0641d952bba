# SPDX-License-Identifier: Apache-2.0
"""Several methods at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np

from . import attribution, cams, layer_attribution, objectives, perturbation, relevance, segments
from ._attribute import Question, asked
from ._errors import InvalidArgument
from .maps import Map, Panel
from .model import Network

Method: TypeAlias = str | Callable[..., Map]

# In the order of CNNLENS_METHOD_; None: not one that shares a forward pass.
_SHARED = (
    "saliency",
    "grad_x_input",
    "guided_backprop",
    "deconvnet",
    None,
    "grad_cam",
    "guided_grad_cam",
    "cam",
)
_UNSIGNED = ("saliency", "grad_cam")
_LAYERED = ("grad_cam", "guided_grad_cam", "cam")
DEFAULT_METHODS = ("saliency", "guided_backprop", "grad_cam", "guided_grad_cam")


def known_methods() -> dict[str, Callable[..., Map]]:
    """Every attribution method by name: functions of ``(net, x, target=None, **options)``."""
    found: dict[str, Callable[..., Map]] = {}
    for module in (attribution, cams, layer_attribution, perturbation, relevance, segments):
        for name, function in vars(module).items():
            is_own = getattr(function, "__module__", "") == module.__name__
            if is_own and not name.startswith("_") and _gives_a_map(function):
                found[name] = function
    return found


def _gives_a_map(function: Any) -> bool:
    return getattr(function, "__annotations__", {}).get("return") in ("Map", "SegmentMap")


METHODS = tuple(known_methods())


def explain(
    net: Network,
    image: Any,
    target: objectives.Target = None,
    methods: Sequence[Method] | Method = DEFAULT_METHODS,
    *,
    layer: str | None = None,
) -> Panel:
    """One figure: the picture and what several methods make of it.

    Saliency, gradient times input, guided backprop, deconvnet, CAM, Grad-CAM and guided Grad-CAM share a forward pass,
    and those that go back by the same rule share the way back; their maps are those of the functions of the same name.

    Parameters
    ----------
    net : Network
    image
        A picture, a list of them, or a raw float32 array ``(N, C, H, W)``.
    target
        What is explained; ``None``: the class with the highest score.
    methods
        Names of attribution methods, or functions ``f(net, image, target)`` that give a `Map`: a method with
        options is ``functools.partial(cl.grad_cam, variant="layercam")``.
    layer
        For the methods that look at one; ``None``: the last layer with a spatial map.

    Returns
    -------
    Panel
        The maps, in the order of ``methods``. One choice of class for all of them.
    """
    wanted = [methods] if isinstance(methods, str) or callable(methods) else list(methods)
    known = known_methods()
    unknown = [item for item in wanted if not callable(item) and item not in known]
    if unknown or not wanted:
        raise InvalidArgument(f"methods is {methods!r}; it is a list of functions or of {', '.join(known)}")
    question = asked(net, image, target)
    shared = [item for item in wanted if item in _SHARED]
    maps = dict(zip(shared, _together(question, shared, layer), strict=True)) if shared else {}
    if target is None:
        first = next(iter(maps.values()), None)
        target = first.target if first is not None else question.net.predict(question.given, 1).classes
        if question.given.is_single and isinstance(target, list):
            target = target[0]
    panel = []
    for item in wanted:
        if isinstance(item, str) and item in maps:
            panel.append(maps[item])
            continue
        method = known[item] if isinstance(item, str) else item
        options = {"layer": layer} if layer is not None and isinstance(item, str) and _takes_layer(method) else {}
        panel.append(method(net, image, target, **options))
    return Panel(panel)


def _takes_layer(method: Callable[..., Map]) -> bool:
    return "layer" in getattr(method, "__annotations__", {})


def _together(question: Question, names: list[Any], layer: str | None) -> list[Map]:
    """The maps of methods that share a forward pass."""
    given = question.given
    n, _, height, width = question.shape
    outs = [np.empty((n, height, width), np.float32) for _ in names]
    result = []
    with given.sessions.take() as session:
        resolved = None if layer is None else question.net._raw.resolve(layer)
        numbers = [_SHARED.index(name) for name in names]
        session.explain(numbers, given.array, outs, question.goal.native, resolved)
        for index, (name, out) in enumerate(zip(names, outs, strict=True)):
            session.select(index)
            native = None
            if name in _LAYERED:
                native = np.empty(session.native_size(), np.float32)
                session.native_map(native)
            options = {"layer": layer} if name in ("grad_cam", "guided_grad_cam") else {}
            result.append(
                question.map(out, name, session.seen(), params=options, is_signed=name not in _UNSIGNED, native=native)
            )
    return result
