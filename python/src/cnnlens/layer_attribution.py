# SPDX-License-Identifier: Apache-2.0
"""Attribution to the units of a layer instead of the pixels of the picture.

Every function gives a `Map`. With a ``reduce`` it is ``(H, W)`` (``(N, H, W)`` for a batch), enlarged from ``.native``,
the layer's own resolution; with ``reduce=None`` it has one value for each unit, ``(C, h, w)`` or ``(N, C, h, w)``, or
``(K,)`` at a layer without maps. ``layer=None`` is the last layer with a spatial map; ``.layer`` says which it was.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from . import objectives
from ._attribute import asked
from ._progress import Progress, reporter
from .attribution import Path, PathRule, Reduce, reduction
from .maps import Map
from .model import Network


def layer_grad_x_activation(
    net: Network, x: Any, target: objectives.Target = None, *, layer: str | None = None, reduce: Reduce = "sum"
) -> Map:
    """Gradient times activation at a layer: what each unit contributes, to first order.

    Shrikumar et al., "Not Just a Black Box", 2016, arXiv:1605.01713, at a layer.

    Parameters
    ----------
    net : Network
    x
        A picture, a list of them, or a raw float32 array ``(N, C, H, W)``.
    target
        What is explained; ``None``: the class with the highest score.
    layer
        ``None``: the last layer with a spatial map.
    reduce : {"max", "abs", "sum", None}
        Over the layer's channels; None keeps them, at the layer's resolution.
    """
    return _at_layer("layer_grad_x_activation", net, x, target, layer, reduce, {}, {}, None, False)


def layer_integrated_gradients(
    net: Network,
    x: Any,
    target: objectives.Target = None,
    *,
    layer: str | None = None,
    baseline: Any = 0.0,
    steps: int = 50,
    rule: PathRule = "gausslegendre",
    reduce: Reduce = "sum",
    progress: Progress = None,
) -> Map:
    """Integrated gradients of a layer's values, from those for the baseline to those for the picture.

    ``IG_j = (A_j(x) - A_j(b)) * integral of dS/dA_j`` on the straight way between the two in the layer. Where nothing
    passes the layer by, the values add up to ``S(x) - S(b)``; ``.gap`` is what is missing.

    Sundararajan, Taly & Yan, 2017, equation 1, arXiv:1703.01365, applied to the network behind the layer. Parameters as
    for `integrated_gradients` and `layer_grad_x_activation`.
    """
    path = Path(baseline, steps, rule)
    return _at_layer(
        "layer_integrated_gradients", net, x, target, layer, reduce, path.options, path.params, path, progress
    )


def internal_influence(
    net: Network,
    x: Any,
    target: objectives.Target = None,
    *,
    layer: str | None = None,
    baseline: Any = 0.0,
    steps: int = 50,
    rule: PathRule = "gausslegendre",
    reduce: Reduce = "sum",
    progress: Progress = None,
) -> Map:
    """The gradient at a layer, averaged on the straight way from a baseline to the picture.

    Leino et al., "Influence-Directed Explanations for Deep Convolutional Networks", 2018, definition 1.
    arXiv:1802.03788. Parameters as for `integrated_gradients` and `layer_grad_x_activation`.
    """
    path = Path(baseline, steps, rule)
    return _at_layer("internal_influence", net, x, target, layer, reduce, path.options, path.params, path, progress)


def conductance(
    net: Network,
    x: Any,
    target: objectives.Target = None,
    *,
    layer: str | None = None,
    baseline: Any = 0.0,
    steps: int = 50,
    reduce: Reduce = "sum",
    progress: Progress = None,
) -> Map:
    """How much of the change from the baseline's score to the picture's flows through each unit of a layer.

    ``C_j = integral over a of dS/dA_j * dA_j/da`` on the way ``b + a (x - b)``, by the trapezoid rule over the layer's
    own values in ``steps`` pieces. At a layer that everything passes the values add up to ``S(x) - S(b)``; ``.gap`` is
    what is missing of that.

    Dhamdhere, Sundararajan & Yan, "How Important Is a Neuron?", 2018, equation 2. arXiv:1805.12233. Parameters as for
    `integrated_gradients` and `layer_grad_x_activation`.
    """
    path = Path(baseline, steps, "middle")
    params = {key: value for key, value in path.params.items() if key != "rule"}
    return _at_layer("conductance", net, x, target, layer, reduce, path.options, params, path, progress)


def _at_layer(
    method: str,
    net: Network,
    x: Any,
    target: objectives.Target,
    layer: str | None,
    reduce: Reduce,
    options: dict[str, Any],
    params: dict[str, Any],
    path: Path | None,
    progress: Progress,
) -> Map:
    number = reduction(reduce)
    question = asked(net, x, target)
    if path is not None:
        path.check(question)
    n, _, height, width = question.shape
    with reporter(progress, method.replace("_", " ")) as report, question.given.sessions.take() as session:
        shape: tuple[int, ...] = (n, height, width)
        if reduce is None:
            name = session.last_spatial_layer(question.given.array.shape) if layer is None else net._raw.resolve(layer)
            shape = session.shapes([name], [question.given.array.shape])[0]
        out = np.empty(shape, np.float32)
        question.call(session, method, out, {**options, "layer": layer, "reduction": number}, report)
        seen = session.seen()
        native = np.empty(session.native_size(), np.float32)
        session.native_map(native)
    return question.map(
        out,
        method,
        seen,
        params={**params, "layer": layer, "reduce": reduce},
        is_signed=reduce not in ("max", "abs"),
        has_channels=reduce is None,
        native=native,
    )
