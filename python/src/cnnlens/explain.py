# SPDX-License-Identifier: Apache-2.0
"""Several methods at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from . import attribution, objectives
from ._errors import InvalidArgument
from .maps import Panel
from .model import Network

METHODS = ("saliency", "grad_x_input", "guided_backprop", "deconvnet", "cam", "grad_cam", "guided_grad_cam")
DEFAULT_METHODS = ("saliency", "guided_backprop", "grad_cam", "guided_grad_cam")


def explain(
    net: Network,
    image: Any,
    target: objectives.Target = None,
    methods: Sequence[str] = DEFAULT_METHODS,
    *,
    layer: str | None = None,
) -> Panel:
    """One figure: the picture and what several methods make of it.

    Parameters
    ----------
    net : Network
    image
        A picture, a list of them, or a raw float32 array ``(N, C, H, W)``.
    target
        What is explained; ``None``: the class with the highest score.
    methods
        Names of functions of `cnnlens.attribution`.
    layer
        For the methods that look at one; ``None``: the last layer with a spatial map.
    """
    names = [methods] if isinstance(methods, str) else list(methods)
    unknown = [name for name in names if name not in METHODS]
    if unknown or not names:
        raise InvalidArgument(f"methods is {methods!r}; it is a list of {', '.join(METHODS)}")
    maps = []
    for name in names:
        takes_layer = name in ("grad_cam", "guided_grad_cam")
        options = {"layer": layer} if takes_layer else {}
        result = getattr(attribution, name)(net, image, target, **options)
        # One choice of class for all methods.
        target = result.target if target is None else target
        maps.append(result)
    return Panel(maps)
