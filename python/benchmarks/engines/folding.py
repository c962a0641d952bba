# SPDX-License-Identifier: Apache-2.0
"""Batch normalization folded into the convolution before it."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn


def fold(model: Any, image: Any) -> Any:
    """Folds in place; ``image`` is sent through once to see which normalization reads which convolution.

    ``torch.fx.experimental.optimization.fuse`` leaves timm's ``BatchNormAct2d``, a normalization with its activation,
    as it is. What is folded here keeps its place in the module tree, so that hooks by name still work. A convolution
    that something else reads too would be folded wrongly; the comparison before any timing would tell.
    """
    names = {module: name for name, module in model.named_modules()}
    producers: list[tuple[Any, nn.Conv2d]] = []
    pairs: list[tuple[nn.Conv2d, Any]] = []

    def after_convolution(module: nn.Conv2d, inputs: Any, output: Any) -> None:
        producers.append((output, module))

    def before_normalization(module: Any, inputs: Any) -> None:
        pairs.extend((convolution, module) for output, convolution in producers if output is inputs[0])

    hooks: list[Any] = []
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            hooks.append(module.register_forward_hook(after_convolution))
        elif isinstance(module, nn.BatchNorm2d):
            hooks.append(module.register_forward_pre_hook(before_normalization))
    with torch.no_grad():
        model(image)
    for hook in hooks:
        hook.remove()

    for convolution, normalization in pairs:
        model.set_submodule(names[convolution], nn.utils.fuse_conv_bn_eval(convolution, normalization))
        model.set_submodule(names[normalization], getattr(normalization, "act", nn.Identity()))
    return model
