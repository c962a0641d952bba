# SPDX-License-Identifier: Apache-2.0
"""cnnlens: look inside convolutional networks, and attack them.

>>> import cnnlens as cl
>>> net = cl.load("efficientnet-lite0")
>>> net.predict("cat.jpg")
>>> cl.grad_cam(net, "cat.jpg", "tabby").save("why.png")
"""

from . import _native, defend
from ._errors import Cancelled, Error, InvalidArgument, ModelError, NotFound, OutOfMemory
from .adversarial import AttackResult, Robustness, cw, deepfool, fgsm, lbfgs_attack, pgd
from .attack_report import AttackReport, attack_report
from .attribution import deconvnet, grad_x_input, guided_backprop, integrated_gradients, saliency, smoothgrad
from .blackbox import boundary, hopskipjump, nes, one_pixel, square
from .cams import cam, fullgrad, grad_cam, guided_grad_cam
from .classmaps import ClassMap, class_map
from .comparison import Table, compare
from .dreams import deepdream, dream_zoom
from .explain import explain
from .fooling import evolve_fool, fool
from .layer_attribution import conductance, internal_influence, layer_grad_x_activation, layer_integrated_gradients
from .maps import Map, Panel
from .metrics import (
    Curve,
    SanityCheck,
    completeness,
    deletion,
    infidelity,
    insertion,
    max_sensitivity,
    pointing_game,
    road,
    sanity_check,
)
from .model import (
    Network,
    Prediction,
    Summary,
    from_torch,
    get_num_threads,
    get_precision,
    load,
    set_num_threads,
    set_precision,
)
from .objectives import (
    Objective,
    alignment,
    channel,
    direction,
    distance,
    diversity,
    gram_distance,
    group,
    layer,
    logit,
    lp_norm,
    prob,
    region,
    total_variation,
    unit,
)
from .objects import boxes, iou, segment
from .perturbation import occlusion, rise
from .pictures import Picture
from .preprocess import Preprocess
from .relevance import lrp
from .segments import SegmentMap, feature_ablation, kernel_shap, lime, shapley
from .style import style_transfer, texture
from .synthesis import class_model, invert, visualize

__version__: str = _native.version()

__all__ = [
    "AttackReport",
    "AttackResult",
    "Cancelled",
    "ClassMap",
    "Curve",
    "Error",
    "InvalidArgument",
    "Map",
    "ModelError",
    "Network",
    "NotFound",
    "Objective",
    "OutOfMemory",
    "Panel",
    "Picture",
    "Prediction",
    "Preprocess",
    "Robustness",
    "SanityCheck",
    "SegmentMap",
    "Summary",
    "Table",
    "__version__",
    "alignment",
    "attack_report",
    "boundary",
    "boxes",
    "cam",
    "channel",
    "class_map",
    "class_model",
    "compare",
    "completeness",
    "conductance",
    "cw",
    "deconvnet",
    "deepdream",
    "deepfool",
    "defend",
    "deletion",
    "direction",
    "distance",
    "diversity",
    "dream_zoom",
    "evolve_fool",
    "explain",
    "feature_ablation",
    "fgsm",
    "fool",
    "from_torch",
    "fullgrad",
    "get_num_threads",
    "get_precision",
    "grad_cam",
    "grad_x_input",
    "gram_distance",
    "group",
    "guided_backprop",
    "guided_grad_cam",
    "hopskipjump",
    "infidelity",
    "insertion",
    "integrated_gradients",
    "internal_influence",
    "invert",
    "iou",
    "kernel_shap",
    "layer",
    "layer_grad_x_activation",
    "layer_integrated_gradients",
    "lbfgs_attack",
    "lime",
    "load",
    "logit",
    "lp_norm",
    "lrp",
    "max_sensitivity",
    "nes",
    "occlusion",
    "one_pixel",
    "pgd",
    "pointing_game",
    "prob",
    "region",
    "rise",
    "road",
    "saliency",
    "sanity_check",
    "segment",
    "set_num_threads",
    "set_precision",
    "shapley",
    "smoothgrad",
    "square",
    "style_transfer",
    "texture",
    "total_variation",
    "unit",
    "visualize",
]
