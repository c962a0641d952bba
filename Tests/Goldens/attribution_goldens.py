#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes attribution/NETWORK*.npz: what Captum, pytorch-grad-cam and zennit say of small networks and EfficientNet-Lite0.

    attribution_goldens.py

Made with Python 3.11, torch 2.13.0 (CPU), captum 0.9.0, grad-cam 1.5.7, zennit 0.5.1, numpy 2.4.6 and Pillow 13.0.0, all in
float64. The networks are the committed ONNX files, run by PyTorch node by node (onnx_modules.py). Maps are taken before
a peer scales, rectifies or enlarges them. See README.md for the entries.
"""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from onnx_modules import Gate, Network
from torch import nn

from captum import attr  # isort: skip
import pytorch_grad_cam  # isort: skip
from PIL import Image  # isort: skip
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget  # isort: skip
from zennit import composites, rules  # isort: skip
from zennit import layer as zennit_layer  # isort: skip
from zennit import types as zennit_types  # isort: skip

HERE = Path(__file__).parent
DATA = HERE.parents[1] / "python" / "src" / "cnnlens" / "data"
STEPS = 20
#: Bounds of the box rule.
LOW, HIGH = -5.0, 5.0
#: A layer whose maps everything passes.
LAYERS = {
    "plain": "/features/features.4/Relu",
    "residual": "/middle/relu/Relu",
    "inverted-residual": "/second/layers/layers.6/Conv",
    "inception": "/middle/Concat",
    "dense": "/norm/norm.1/Relu",
    "squeeze-excite": "/gated/Mul",
    "efficientnet-lite0": "blocks.4.2/add",
}
#: Where Captum's guided backprop, which knows nn.ReLU alone, applies.
RELU_ONLY = {"plain", "residual", "inception", "dense"}


def summed(x: torch.Tensor) -> np.ndarray:
    """H×W: the sum over the channels of 1×C×H×W."""
    return x.detach()[0].sum(0).numpy()


def gradients(net: Network, x: torch.Tensor, target: int) -> dict[str, np.ndarray]:
    golden = {
        "saliency": attr.Saliency(net).attribute(x, target=target)[0].amax(0).numpy(),
        "grad_x_input": summed(attr.InputXGradient(net).attribute(x, target=target)),
        "occlusion": attr.Occlusion(net).attribute(
            x, sliding_window_shapes=(3, 16, 12), strides=(3, 8, 5), target=target, perturbations_per_eval=16
        )[0, 0].numpy(),
    }  # fmt: skip
    names = {"left": "riemann_left", "right": "riemann_right", "middle": "riemann_middle"}
    names |= {"trapezoid": "riemann_trapezoid", "gausslegendre": "gausslegendre"}
    for rule, method in names.items():
        values = attr.IntegratedGradients(net).attribute(x, baselines=0, target=target, n_steps=STEPS, method=method)
        # Captum's trapezoid weights sum to (n - 1) / n.
        golden[f"integrated_gradients/{rule}"] = summed(values) * (STEPS / (STEPS - 1) if rule == "trapezoid" else 1)
    return golden


def layers(net: Network, name: str, x: torch.Tensor, target: int) -> dict[str, np.ndarray]:
    module = net.layers[LAYERS[name]]
    activations = attr.LayerActivation(net, module).attribute(x)
    row, column = activations.shape[2] // 2, activations.shape[3] // 2
    unit = (int(activations[0, :, row, column].argmax()), row, column)
    path = {"baselines": 0, "target": target, "n_steps": STEPS}
    golden = {
        "unit": np.array(unit, np.int32),
        "unit_gradient": summed(attr.NeuronGradient(net, module).attribute(x, neuron_selector=unit)),
        "layer_grad_x_activation": attr.LayerGradientXActivation(net, module).attribute(x, target=target),
        "layer_integrated_gradients": attr.LayerIntegratedGradients(net, module).attribute(x, **path),
        "internal_influence": attr.InternalInfluence(net, module).attribute(x, **path),
        "conductance": conductance(net, module, x, target),
        "grad_cam": summed(attr.LayerGradCam(net, module).attribute(x, target=target)),
    }
    if name in RELU_ONLY:
        guided = attr.GuidedGradCam(net, module).attribute(x, target=target, interpolate_mode="bilinear")
        golden["guided_grad_cam"] = summed(guided)
    return {key: np.asarray(value.detach() if torch.is_tensor(value) else value) for key, value in golden.items()}


def conductance(net: Network, module: nn.Module, x: torch.Tensor, target: int) -> torch.Tensor:
    """By the trapezoid rule on STEPS pieces; Captum takes each piece's gradient where it begins."""

    def along(pieces: int) -> tuple[torch.Tensor, torch.Tensor]:
        places = torch.linspace(0, 1, pieces + 1, dtype=x.dtype).view(-1, 1, 1, 1)
        kept: list[torch.Tensor] = []
        handle = module.register_forward_hook(lambda module, inputs, output: kept.append(output))
        scores = net((places * x).requires_grad_())[:, target]
        handle.remove()
        (slopes,) = torch.autograd.grad(scores.sum(), kept[0])
        changes = kept[0][1:] - kept[0][:-1]
        starts = (slopes[:-1] * changes).sum(0, keepdim=True)
        return ((slopes[:-1] + slopes[1:]) / 2 * changes).sum(0, keepdim=True), starts

    result, starts = along(STEPS)
    captum = attr.LayerConductance(net, module).attribute(x, 0, target, n_steps=STEPS, method="riemann_trapezoid")
    assert torch.dist(starts, captum) < 1e-6 * captum.norm()
    return result.detach()


def cams(net: Network, name: str, x: torch.Tensor, target: int) -> dict[str, np.ndarray]:
    module = net.layers[LAYERS[name]]
    golden: dict[str, np.ndarray] = {}
    peers = {"hirescam": "HiResCAM", "xgradcam": "XGradCAM", "layercam": "LayerCAM", "gradcam": "GradCAM"}
    for variant, peer in (peers | {"eigencam": "EigenCAM"}).items():
        with getattr(pytorch_grad_cam, peer)(model=net, target_layers=[module]) as cam:
            whole, raw = cam.get_cam_image, []
            cam.get_cam_image = lambda *args, whole=whole, raw=raw: raw.append(whole(*args)) or raw[-1]
            cam(input_tensor=x.clone().requires_grad_(), targets=[ClassifierOutputTarget(target)])
        golden[f"cam/{variant}"] = np.asarray(raw[0][0])
    with torch.no_grad():
        kept: list[torch.Tensor] = []
        handle = module.register_forward_hook(lambda module, inputs, output: kept.append(output))
        score = net(x)[0, target]
        handle.remove()
        golden["cam/gradcam++"] = grad_cam_plus_plus(net, module, x, target)
        golden["cam/scorecam"] = score_cam(net, x, kept[0], target)
        golden["cam/ablationcam"] = ablation_cam(net, module, x, kept[0], score, target)
    golden["fullgrad"] = full_grad(net, x, target)
    return golden


def grad_cam_plus_plus(net: Network, module: nn.Module, x: torch.Tensor, target: int) -> np.ndarray:
    """Chattopadhay et al. 2018, equations 10 and 19. (The peer adds 1e-6 to a divisor as small as squared gradients.)"""
    kept: list[torch.Tensor] = []
    handle = module.register_forward_hook(lambda module, inputs, output: kept.append(output))
    with torch.enable_grad():
        score = net(x.clone().requires_grad_())[0, target]
        handle.remove()
        (slope,) = torch.autograd.grad(score, kept[0])
    maps = kept[0].detach()
    divisor = 2 * slope**2 + maps.sum((2, 3), keepdim=True) * slope**3
    share = torch.where(divisor != 0, slope**2 / torch.where(divisor != 0, divisor, 1), 0)
    return ((share * slope.clamp(min=0)).sum((2, 3), keepdim=True) * maps)[0].sum(0).numpy()


def score_cam(net: Network, x: torch.Tensor, maps: torch.Tensor, target: int) -> np.ndarray:
    """Wang et al. 2020, definition 3. (The peer enlarges with aligned corners, which pixels of pictures are not.)"""
    masks = nn.functional.interpolate(maps, x.shape[2:], mode="bilinear", align_corners=False)[0]
    low, high = masks.amin((1, 2), keepdim=True), masks.amax((1, 2), keepdim=True)
    masks = torch.where(high > low, (masks - low) / (high - low).clamp(min=1e-300), 0)
    scores = torch.cat([net(x * mask)[:, target] for mask in masks])
    return (scores.softmax(0)[:, None, None] * maps[0]).sum(0).numpy()


def ablation_cam(
    net: Network, module: nn.Module, x: torch.Tensor, maps: torch.Tensor, score: torch.Tensor, target: int
) -> np.ndarray:
    """Desai & Ramaswamy 2020, equation 4. (The peer sets a map to 0 only where no value is negative.)"""
    weights = []
    for channel in range(maps.shape[1]):

        def remove(module: nn.Module, inputs: Any, output: torch.Tensor, channel: int = channel) -> torch.Tensor:
            output = output.clone()
            output[:, channel] = 0
            return output

        handle = module.register_forward_hook(remove)
        weights.append((score - net(x)[0, target]) / score)
        handle.remove()
    return (torch.stack(weights)[:, None, None] * maps[0]).sum(0).numpy()


def full_grad(net: Network, x: torch.Tensor, target: int) -> np.ndarray:
    """Srinivas & Fleuret 2019, equations 3 and 7, with psi = |.|, summed over channels, scaled to 0...1, enlarged."""
    kept: list[tuple[torch.Tensor, torch.Tensor]] = []

    def keep(module: nn.Module, inputs: Any, output: torch.Tensor) -> None:
        bias = module.bias
        if isinstance(module, nn.BatchNorm2d):
            bias = module.bias - module.running_mean * module.weight / (module.running_var + module.eps).sqrt()
        if bias is not None and output.ndim == 4 and output[0, 0].numel() > 1:
            kept.append((output, bias.view(1, -1, 1, 1)))

    handles = [m.register_forward_hook(keep) for m in net.modules() if isinstance(m, nn.Conv2d | nn.BatchNorm2d)]
    point = x.clone().requires_grad_()
    score = net(point)[0, target]
    for handle in handles:
        handle.remove()
    slopes = torch.autograd.grad(score, [point, *(output for output, _ in kept)])
    total = torch.zeros(1, 1, *x.shape[2:], dtype=x.dtype)
    for slope, factor in zip(slopes, [x, *(bias for _, bias in kept)], strict=True):
        part = (slope * factor).abs().sum(1, keepdim=True)
        span = part.max() - part.min()
        part = (part - part.min()) / span if span > 0 else torch.zeros_like(part)
        total += nn.functional.interpolate(part, x.shape[2:], mode="bilinear", align_corners=False)
    return total[0, 0].numpy()


def relevance(net: Network, x: torch.Tensor, target: int) -> dict[str, np.ndarray]:
    """zennit's presets; its rules for all layers, with biases and (as it calls it) zeroed ones."""
    others = [
        (zennit_types.Activation, rules.Pass()),
        (zennit_layer.Sum, rules.Norm()),
        (zennit_types.AvgPool, rules.Norm()),
        (zennit_types.BatchNorm, rules.Pass()),
    ]

    def everywhere(rule: Any) -> Any:
        return composites.LayerMapComposite([*others, (zennit_types.Linear, rule)])

    def presets(zero: list[str] | None) -> dict[str, Any]:
        epsilon, plus = rules.Epsilon(zero_params=zero), rules.ZPlus(zero_params=zero)
        kinds = [(zennit_types.Convolution, plus), (nn.Linear, epsilon)]
        square = [(zennit_types.Linear, rules.WSquare(zero_params=["bias"]))]
        return {
            "epsilon": everywhere(epsilon),
            "gamma": everywhere(rules.Gamma(zero_params=zero)),
            "alpha-beta": everywhere(rules.AlphaBeta(zero_params=zero)),
            "z-plus, epsilon, w-square": composites.SpecialFirstLayerMapComposite([*others, *kinds], square),
        }

    low, high = torch.full_like(x, LOW), torch.full_like(x, HIGH)
    chosen = presets(None) | {
        "epsilon-plus": composites.EpsilonPlus(),
        "epsilon-plus-flat": composites.EpsilonPlusFlat(),
        "epsilon-alpha2-beta1": composites.EpsilonAlpha2Beta1(),
        "epsilon-alpha2-beta1-flat": composites.EpsilonAlpha2Beta1Flat(),
        "epsilon-gamma-box": composites.EpsilonGammaBox(low=low, high=high),
    }
    # Without biases its gamma asks for the sign of the output with its bias, which its divisors then need not have, and
    # epsilon divides by numbers near 0.
    without = presets(["bias"])
    chosen |= {f"{name}, no biases": without[name] for name in ("alpha-beta", "z-plus, epsilon, w-square")}
    for module in net.modules():
        if isinstance(module, Gate):
            module.is_gated = True
    golden = {}
    for name, composite in chosen.items():
        point = x.clone().requires_grad_()
        with composite.context(net) as changed:
            logits = changed(point)
            seed = torch.zeros_like(logits)
            seed[0, target] = logits[0, target].detach()
            (values,) = torch.autograd.grad(logits, point, seed)
        golden[f"lrp/{name}"] = summed(values)
    for module in net.modules():
        if isinstance(module, Gate):
            module.is_gated = False
    return golden


def picture() -> np.ndarray:
    """64×64×3 uint8: the middle of the built-in cat."""
    cat = Image.open(DATA / "chelsea.jpg").convert("RGB")
    side = min(cat.size)
    left, top = (cat.width - side) // 2, (cat.height - side) // 2
    return np.asarray(cat.crop((left, top, left + side, top + side)).resize((64, 64), Image.Resampling.BICUBIC))


def write(name: str, folder: Path) -> dict[str, Any]:
    extra: dict[str, np.ndarray] = {}
    if name == "efficientnet-lite0":
        net, pixels = Network(DATA / "efficientnet-lite0.onnx").double(), picture()
        extra["picture"] = pixels
        x = torch.from_numpy(((pixels.astype(np.float32) - 127) / 128).transpose(2, 0, 1)[None].copy()).double()
        target = int(net(x)[0].argmax())
    else:
        net = Network(HERE / "networks" / name / "torchscript.onnx").double()
        golden = np.load(HERE / "networks" / name / "golden.npz")
        x, target = torch.from_numpy(golden["input"]).double(), int(golden["target"][0])
    parts = {
        "": gradients(net, x, target) | layers(net, name, x, target) | cams(net, name, x, target),
        "-relevance": relevance(net, x, target),
    }
    for suffix, part in parts.items():
        for key, values in part.items():
            assert np.isfinite(values).all() and np.abs(values).max() > 0, (name, key)
            part[key] = values.astype(np.int32 if values.dtype.kind == "i" else np.float32)
        np.savez_compressed(folder / f"{name}{suffix}.npz", **part, **({} if suffix else extra))
    score = float(net(x)[0, target].detach())
    return {"target": target, "layer": LAYERS[name], "score": score, "steps": STEPS, "low": LOW, "high": HIGH}


def main() -> None:
    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)  # the same bits everywhere
    folder = HERE / "attribution"
    folder.mkdir(exist_ok=True)
    facts = {name: write(name, folder) for name in LAYERS}
    (folder / "facts.json").write_text(json.dumps(facts, indent=1) + "\n")


if __name__ == "__main__":
    main()
