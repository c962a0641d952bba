# SPDX-License-Identifier: Apache-2.0
"""The CAM family: the maps of a layer, weighted by what they mean for the target.

Maps are in their own units, never rescaled; ``.native`` is the map at the layer's resolution and ``.layer`` says which
layer it was. The backward pass stops at that layer.
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

from . import objectives
from ._attribute import attribute, choice
from ._progress import Progress
from .maps import Map
from .model import Network

Variant: TypeAlias = Literal[
    "gradcam", "gradcam++", "hirescam", "xgradcam", "layercam", "eigencam", "scorecam", "ablationcam"
]
VARIANTS = ("gradcam", "gradcam++", "hirescam", "xgradcam", "layercam", "eigencam", "scorecam", "ablationcam")


def cam(net: Network, x: Any, target: objectives.Target = None) -> Map:
    """Class activation map: the last maps, weighted by what the class makes of each.

    Zhou et al., "Learning Deep Features for Discriminative Localization", 2016. arXiv:1512.04150. For networks
    that pool globally and are linear after it; `grad_cam` is for the others. ``.native`` is the map before it was
    enlarged.
    """
    return attribute("cam", net, x, target, {}, params={}, is_signed=True, has_native=True)


def grad_cam(
    net: Network,
    x: Any,
    target: objectives.Target = None,
    *,
    layer: str | None = None,
    variant: Variant = "gradcam",
    relu: bool = True,
    upsample: Literal["bilinear", "nearest"] | None = "bilinear",
    progress: Progress = None,
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
        How the maps are weighted:

        - ``"gradcam"``: by the mean gradient.
        - ``"gradcam++"``: by the positive gradients, each position of a class counting alike (arXiv:1710.11063).
        - ``"hirescam"``: unit by unit with the gradient (arXiv:2011.08891).
        - ``"xgradcam"``: by the gradients weighted with each unit's share of its map (arXiv:2008.02312).
        - ``"layercam"``: unit by unit with the positive gradient (doi:10.1109/TIP.2021.3089943).
        - ``"eigencam"``: the maps' first principal component; asks for no class (arXiv:2008.00299).
        - ``"scorecam"``: by the softmax of the scores of the picture seen through each map (arXiv:1910.01279); a
          forward pass for each channel.
        - ``"ablationcam"``: by the share of the score lost without the map (doi:10.1109/WACV45572.2020.9093360); a
          pass behind the layer for each channel.
    relu
        Whether negative values become 0, as in the paper.
    upsample
        How the map is enlarged to the input's size; ``None``: it is not. ``.native`` is the layer's own map anyway.
    progress
        For the variants that take many passes; see `cnnlens.occlusion`.
    """
    kind = choice(variant, "variant", VARIANTS)
    place = choice(upsample, "upsample", ("bilinear", "nearest", None))
    result = attribute(
        "grad_cam",
        net,
        x,
        target,
        {"layer": layer, "keeps_positive": int(bool(relu)), "upsample": min(place, 1), "variant": kind},
        params={"layer": layer, "variant": variant, "relu": bool(relu), "upsample": upsample},
        is_signed=not relu,
        has_native=True,
        progress=progress,
    )
    if upsample is None and result.native is not None:
        result._data = result.native
    return result


def guided_grad_cam(net: Network, x: Any, target: objectives.Target = None, *, layer: str | None = None) -> Map:
    """Grad-CAM times guided backprop: fine detail where the class is.

    Selvaraju et al., "Grad-CAM", 2017, section 3.2. arXiv:1610.02391. Guided backprop is summed over
    the channels; ``layer`` as for `grad_cam`. ``.native`` is Grad-CAM at the layer's resolution.
    """
    return attribute(
        "guided_grad_cam",
        net,
        x,
        target,
        {"layer": layer},
        params={"layer": layer},
        is_signed=True,
        has_native=True,
    )


def fullgrad(net: Network, x: Any, target: objectives.Target = None) -> Map:
    """What the picture and every bias of the network contribute.

    ``psi(dS/dx * x) + sum over layers and channels of psi(dS/db * b)``: psi is the absolute value, scaled to 0...1 for
    each layer (its channels summed) and enlarged to the picture. The unscaled terms add up to the score for networks of
    convolutions, dense layers, normalisations, ReLU and pooling; ``.gap`` is what is missing of that.

    Srinivas & Fleuret, "Full-Gradient Representation for Neural Network Visualization", 2019, equations 3 and 7.
    arXiv:1905.00780. Parameters as for `cam`.
    """
    return attribute("fullgrad", net, x, target, {}, params={}, is_signed=False)
