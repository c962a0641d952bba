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
from .model import Network, Prediction, Summary, from_torch, get_num_threads, load, set_num_threads
from .objectives import Objective, channel, direction, group, layer, logit, prob, region, unit
from .objects import boxes, iou, segment
from .perturbation import occlusion, rise
from .preprocess import Preprocess
from .segments import SegmentMap, feature_ablation, kernel_shap, lime, shapley

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
    "Prediction",
    "Preprocess",
    "Robustness",
    "SanityCheck",
    "SegmentMap",
    "Summary",
    "Table",
    "__version__",
    "attack_report",
    "boundary",
    "boxes",
    "cam",
    "channel",
    "class_map",
    "compare",
    "completeness",
    "conductance",
    "cw",
    "deconvnet",
    "deepfool",
    "defend",
    "deletion",
    "direction",
    "evolve_fool",
    "explain",
    "feature_ablation",
    "fgsm",
    "fool",
    "from_torch",
    "fullgrad",
    "get_num_threads",
    "grad_cam",
    "grad_x_input",
    "group",
    "guided_backprop",
    "guided_grad_cam",
    "hopskipjump",
    "infidelity",
    "insertion",
    "integrated_gradients",
    "internal_influence",
    "iou",
    "kernel_shap",
    "layer",
    "layer_grad_x_activation",
    "layer_integrated_gradients",
    "lbfgs_attack",
    "lime",
    "load",
    "logit",
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
    "shapley",
    "smoothgrad",
    "square",
    "unit",
]
