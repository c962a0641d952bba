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
from .explain import explain
from .fooling import evolve_fool, fool
from .layer_attribution import conductance, internal_influence, layer_grad_x_activation, layer_integrated_gradients
from .maps import Map, Panel
from .model import Network, Prediction, Summary, from_torch, get_num_threads, load, set_num_threads
from .objectives import Objective, channel, direction, group, layer, logit, prob, region, unit
from .perturbation import occlusion
from .preprocess import Preprocess

__version__: str = _native.version()

__all__ = [
    "AttackReport",
    "AttackResult",
    "Cancelled",
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
    "Summary",
    "__version__",
    "attack_report",
    "boundary",
    "cam",
    "channel",
    "conductance",
    "cw",
    "deconvnet",
    "deepfool",
    "defend",
    "direction",
    "evolve_fool",
    "explain",
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
    "integrated_gradients",
    "internal_influence",
    "layer",
    "layer_grad_x_activation",
    "layer_integrated_gradients",
    "lbfgs_attack",
    "load",
    "logit",
    "nes",
    "occlusion",
    "one_pixel",
    "pgd",
    "prob",
    "region",
    "saliency",
    "set_num_threads",
    "smoothgrad",
    "square",
    "unit",
]
