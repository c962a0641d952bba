# SPDX-License-Identifier: Apache-2.0
"""Attribution: where in a picture a network looks.

Every function takes ``(net, x, target=None)``. ``x`` is a picture, a list of them, or a raw float32 array
``(N, C, H, W)`` (see `cnnlens.images`); ``target`` is explained in `cnnlens.objectives`, ``None`` is the class with
the highest score. Every function gives a `Map`: ``(H, W)`` for one picture, ``(N, H, W)`` for a batch, at the
network's input resolution, in units of the score per unit of input; ``reduce=None`` keeps the channels:
``(C, H, W)`` or ``(N, C, H, W)``. A picture's input is in [0, 1]. They raise `InvalidArgument` for input or
options that are not allowed and `NotFound` for labels and layers
that do not exist.
"""

from __future__ import annotations

import time
from typing import Any, Literal, TypeAlias

import numpy as np

from . import objectives
from ._errors import InvalidArgument
from ._types import Array
from .maps import Map
from .model import Given, Network

Reduce: TypeAlias = Literal["max", "abs", "sum"] | None

_METHODS = ("saliency", "grad_x_input", "guided_backprop", "deconvnet", "cam", "grad_cam", "guided_grad_cam")
_REDUCTIONS = {"max": 1, "abs": 2, "sum": 3, None: 4}
_UPSAMPLINGS = {"bilinear": 0, "nearest": 1, None: 1}


def saliency(net: Network, x: Any, target: objectives.Target = None, *, reduce: Reduce = "max") -> Map:
    """The absolute gradient of the score: how much each pixel would change it.

    Simonyan, Vedaldi & Zisserman, "Deep Inside Convolutional Networks", 2013, section 3. arXiv:1312.6034

    Parameters
    ----------
    net : Network
    x
        A picture, a list of them, or a raw float32 array ``(N, C, H, W)``.
    target
        What is explained; ``None``: the class with the highest score.
    reduce : {"max", "abs", "sum", None}
        One number a pixel: the largest absolute value over the channels (the paper's), their absolute sum, their
        signed sum, or None to keep the channels.
    """
    return _gradient_map("saliency", net, x, target, reduce)


def grad_x_input(net: Network, x: Any, target: objectives.Target = None, *, reduce: Reduce = "sum") -> Map:
    """Gradient times input: what each pixel contributes, to first order.

    Shrikumar et al., "Not Just a Black Box", 2016. arXiv:1605.01713. For a picture the input is the picture in
    [0, 1], so black contributes nothing. Parameters as for `saliency`.
    """
    return _gradient_map("grad_x_input", net, x, target, reduce)


def guided_backprop(net: Network, x: Any, target: objectives.Target = None, *, reduce: Reduce = "sum") -> Map:
    """The gradient with only positive contributions passing each active ReLU on the way back.

    Springenberg, Dosovitskiy, Brox & Riedmiller, "Striving for Simplicity", 2015. arXiv:1412.6806. Parameters as
    for `saliency`.
    """
    return _gradient_map("guided_backprop", net, x, target, reduce)


def deconvnet(net: Network, x: Any, target: objectives.Target = None, *, reduce: Reduce = "sum") -> Map:
    """The gradient with each ReLU applied to what comes back instead of to its own input.

    Zeiler & Fergus, "Visualizing and Understanding Convolutional Networks", 2014. arXiv:1311.2901. Parameters as
    for `saliency`.
    """
    return _gradient_map("deconvnet", net, x, target, reduce)


def cam(net: Network, x: Any, target: objectives.Target = None) -> Map:
    """Class activation map: the last maps, weighted by what the class makes of each.

    Zhou et al., "Learning Deep Features for Discriminative Localization", 2016. arXiv:1512.04150. For networks
    that pool globally and are linear after it; `grad_cam` is for the others. ``.native`` is the map before it was
    enlarged.
    """
    return _attribute("cam", net, x, target, params={})


def grad_cam(
    net: Network,
    x: Any,
    target: objectives.Target = None,
    *,
    layer: str | None = None,
    variant: Literal["gradcam"] = "gradcam",
    relu: bool = True,
    upsample: Literal["bilinear", "nearest"] | None = "bilinear",
) -> Map:
    """Grad-CAM: a layer's maps, weighted by the mean gradient of the score with respect to each.

    Selvaraju et al., "Grad-CAM", 2017. arXiv:1610.02391

    Parameters
    ----------
    net : Network
    x
        A picture, a list of them, or a raw float32 array ``(N, C, H, W)``.
    target
        What is explained; ``None``: the class with the highest score.
    layer
        ``None``: the last layer with a spatial map. ``.layer`` of the result says which.
    variant
        ``"gradcam"``.
    relu
        Whether negative values become 0, as in the paper.
    upsample
        How the map is enlarged to the input's size; ``None``: it is not.
    """
    if variant != "gradcam":
        raise InvalidArgument(f"variant is {variant!r}; it must be 'gradcam'")
    if upsample not in _UPSAMPLINGS:
        raise InvalidArgument(f"upsample is {upsample!r}; it must be 'bilinear', 'nearest' or None")
    params = {"layer": layer, "variant": variant, "relu": bool(relu), "upsample": upsample}
    result = _attribute("grad_cam", net, x, target, params=params, layer=layer, relu=bool(relu), upsample=upsample)
    if upsample is None and result.native is not None:
        result._data = result.native
    return result


def guided_grad_cam(net: Network, x: Any, target: objectives.Target = None, *, layer: str | None = None) -> Map:
    """Grad-CAM times guided backprop: fine detail where the class is.

    Selvaraju et al., "Grad-CAM", 2017, section 3.2. arXiv:1610.02391. Guided backprop is summed over
    the channels; ``layer`` as for `grad_cam`. ``.native`` is Grad-CAM at the layer's resolution.
    """
    return _attribute("guided_grad_cam", net, x, target, params={"layer": layer}, layer=layer)


# ---- what they share


def _reduction(reduce: Any) -> int:
    if reduce not in _REDUCTIONS:
        raise InvalidArgument(f"reduce is {reduce!r}; it must be 'max', 'abs', 'sum' or None")
    return _REDUCTIONS[reduce]


def _gradient_map(method: str, net: Network, x: Any, target: objectives.Target, reduce: Reduce) -> Map:
    _reduction(reduce)
    return _attribute(method, net, x, target, params={"reduce": reduce}, reduce=reduce)


def _attribute(
    method: str,
    net: Network,
    x: Any,
    target: objectives.Target,
    *,
    params: dict[str, Any],
    reduce: Reduce = "sum",
    layer: str | None = None,
    relu: bool = False,
    upsample: str | None = "bilinear",
) -> Map:
    start = time.perf_counter()
    if not isinstance(net, Network):
        raise InvalidArgument(f"net is a {type(net).__name__}; it must be a Network, from cl.load")
    given = net.given(x)
    if given.array.ndim != 4:
        raise InvalidArgument(f"x has shape {given.array.shape}; maps need (N, C, H, W)")
    goal = objectives.resolve(net, target, given.count)
    n, channels, height, width = given.array.shape
    out = np.empty((n, channels, height, width) if reduce is None else (n, height, width), np.float32)
    native: Array | None = None
    with given.sessions.take() as session:
        session.attribute(
            _METHODS.index(method),
            given.array,
            out,
            goal.native,
            _REDUCTIONS[reduce],
            layer,
            int(relu),
            _UPSAMPLINGS[upsample],
        )
        scores, targets, chosen = session.seen()
        if method in ("cam", "grad_cam", "guided_grad_cam"):
            native = np.empty(session.native_size(), np.float32)
            session.native_map(native)
    return Map(
        given.unbatched(out),
        method=method,
        network=net.name,
        is_batch=not given.is_single,
        has_channels=reduce is None,
        is_signed=reduce not in ("max", "abs") and not relu,
        layer=chosen,
        params=params,
        seconds=time.perf_counter() - start,
        image=seen(given),
        native=None if native is None else given.unbatched(native),
        **described(net, given, goal, scores, targets),
    )


def seen(given: Given) -> Array | None:
    """What the network saw, for `Map.image`."""
    if given.views is None:
        return None
    pictures = np.stack([view.picture() for view in given.views])
    return pictures[0] if given.is_single else pictures


def described(
    net: Network, given: Given, goal: objectives.Resolved, scores: list[float], targets: list[int]
) -> dict[str, Any]:
    """Target, label and score as results report them: one for a single picture, a list for a batch."""
    target: Any
    label: Any
    if goal.objective is not None:
        target, label = goal.objective, repr(goal.objective)
        if not given.is_single:
            label = [label] * given.count
    else:
        target, label = targets, [net.label(index) for index in targets]
        if given.is_single:
            target, label = targets[0], label[0]
    score = scores[0] if given.is_single else np.array(scores, np.float32)
    return {"target": target, "label": label, "score": score}
