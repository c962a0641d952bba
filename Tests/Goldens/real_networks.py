# SPDX-License-Identifier: Apache-2.0
"""Published architectures with seeded random weights that behave like trained ones."""

from __future__ import annotations

import sys
import types

import numpy as np
import torch
from torch import nn

# torchvision's compiled operators fit one torch build each. Only its Python models are used, so
# their registration is replaced by nothing and any torch will do.
sys.modules.setdefault(
    "torchvision._meta_registrations", types.ModuleType("torchvision._meta_registrations")
)
import timm  # noqa: E402
import torchvision  # noqa: E402

TORCHVISION = [
    "alexnet", "squeezenet1_1", "mobilenet_v2", "resnet50", "googlenet", "densenet121",
    "efficientnet_b0", "mobilenet_v3_large", "shufflenet_v2_x1_0", "mnasnet1_0", "inception_v3",
    "resnext50_32x4d", "regnet_y_400mf", "convnext_tiny", "vgg16_bn",
]  # fmt: skip

TIMM = [
    "tf_efficientnetv2_b0", "ghostnet_100", "repvgg_a0", "mobilenetv4_conv_small",
    "convnextv2_atto", "resnetv2_50", "hrnet_w18_small", "dla34", "cspresnet50", "eca_nfnet_l0",
    "regnetx_002", "res2net50_26w_4s", "skresnet18", "xception41", "inception_resnet_v2", "dpn68",
    "fbnetc_100", "lcnet_050", "tinynet_a", "ese_vovnet19b_dw", "resnest14d", "hardcorenas_a",
    "selecsls42b", "mixnet_s", "efficientnetv2_rw_t", "edgenext_xx_small", "coatnet_nano_rw_224",
]  # fmt: skip


def photograph_like(count: int, height: int, width: int, seed: int) -> torch.Tensor:
    """Random pictures with detail at every scale, mean 0 and deviation 1: N×3×H×W."""
    generator = torch.Generator().manual_seed(seed)
    total = torch.zeros(count, 3, height, width)
    size = 2
    while size <= max(height, width):
        noise = torch.randn(count, 3, size, size, generator=generator)
        total += nn.functional.interpolate(noise, (height, width), mode="bilinear")
        size *= 2
    total -= total.mean(dim=(1, 2, 3), keepdim=True)
    return total / total.std(dim=(1, 2, 3), keepdim=True)


def build(name: str) -> tuple[nn.Module, tuple[int, int, int]]:
    """The network in evaluation mode, and the shape of one input."""
    torch.manual_seed(0)
    if name == "inception_v3":
        return torchvision.models.inception_v3(aux_logits=False, init_weights=False), (3, 299, 299)
    if name == "googlenet":
        return torchvision.models.googlenet(aux_logits=False, init_weights=False), (3, 224, 224)
    if name in TORCHVISION:
        return getattr(torchvision.models, name)(weights=None), (3, 224, 224)
    model = timm.create_model(name, pretrained=False)
    return model, model.default_cfg["input_size"]


def make_lively(model: nn.Module, shape: tuple[int, int, int]) -> None:
    """Replaces initial values under which parts of a network cannot be seen from outside.

    Fresh networks hide errors: gains that start at 0 or 1e-6 switch whole branches off, and
    without trained statistics activations fade, so that logits hardly depend on the input.
    """
    torch.manual_seed(1)
    norms = [m for m in model.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    for module in model.modules():
        if not norms and isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            if module.bias is not None:
                nn.init.normal_(module.bias, std=0.05)
    for name, parameter in model.named_parameters():
        last = name.rsplit(".", 1)[-1]
        if last in ("layer_scale", "gamma", "skipinit_gain"):
            nn.init.uniform_(parameter, 0.2, 0.6)
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm | nn.LayerNorm | nn.GroupNorm):
            if module.weight is not None:
                nn.init.uniform_(module.weight, 0.7, 1.3)
                nn.init.normal_(module.bias, std=0.2)

    # Statistics as after training: the average over a batch, with dropout switched off.
    model.eval()
    for norm in norms:
        norm.train()
        norm.momentum = None
        norm.reset_running_stats()
    with torch.no_grad():
        model(photograph_like(8, *shape[1:], seed=2))
        model.eval()
        logits = model(photograph_like(2, *shape[1:], seed=3))
        *_, last = (m for m in model.modules() if isinstance(m, nn.Conv2d | nn.Linear))
        last.weight *= 2 / logits.std()
        if last.bias is not None:
            nn.init.normal_(last.bias, std=0.1)
    for parameter in model.parameters():
        parameter.requires_grad_(False)


def input_dependence(model: nn.Module, shape: tuple[int, int, int]) -> float:
    """How far logits of two pictures differ, relative to their spread: 0 dead, about 1.4 random."""
    with torch.no_grad():
        first, second = model(photograph_like(2, *shape[1:], seed=4)).numpy().astype(np.float64)
    return float((first - second).std() / first.std())
