# SPDX-License-Identifier: Apache-2.0
"""The networks: seeded random weights that behave like trained ones, exported once into a cache folder."""

from __future__ import annotations

import copy
import json
import sys
import types
import warnings
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[2]

#: Name in the table, and the side of the picture.
NETWORKS = {
    "alexnet": ("AlexNet", 224),
    "squeezenet1_1": ("SqueezeNet 1.1", 224),
    "mobilenet_v2": ("MobileNetV2", 224),
    "efficientnet_lite0": ("EfficientNet-Lite0", 224),
    "googlenet": ("GoogLeNet", 224),
    "densenet121": ("DenseNet-121", 224),
    "resnet50": ("ResNet-50", 224),
    "vgg16": ("VGG-16", 224),
    "vgg19_512": ("VGG-19 trunk @512", 512),
    "mobilenet_v3_large": ("MobileNetV3-L", 224),
    "efficientnet_b0": ("EfficientNet-B0", 224),
    "resnext50_32x4d": ("ResNeXt-50", 224),
    "convnext_tiny": ("ConvNeXt-T", 224),
}

#: The largest batch for which there are pictures and references.
LARGEST_BATCH = {name: 1 if side == 512 else 8 for name, (_, side) in NETWORKS.items()}

#: Changes when what `make` writes does.
FORMAT = 1


def stub_torchvision() -> None:
    """The compiled operators of torchvision fit one PyTorch each; its Python models, used here, fit any."""
    warnings.filterwarnings("ignore")
    name = "torchvision._meta_registrations"
    sys.modules.setdefault(name, types.ModuleType(name))


def goldens() -> Any:
    """The module that makes weights lively and pictures like photographs."""
    stub_torchvision()
    sys.path.append(str(ROOT / "Tests" / "Goldens"))
    import real_networks

    return real_networks


def build(name: str) -> Any:
    stub_torchvision()
    import timm
    import torch
    import torchvision

    torch.manual_seed(0)
    if name == "vgg19_512":
        model = torchvision.models.vgg19(weights=None).features
    elif name == "googlenet":
        model = torchvision.models.googlenet(weights=None, aux_logits=False, init_weights=False)
    elif name == "efficientnet_lite0":
        model = timm.create_model(name, pretrained=False)
    else:
        model = getattr(torchvision.models, name)(weights=None)
    side = NETWORKS[name][1]
    goldens().make_lively(model, (3, side, side))
    return model.eval().requires_grad_(False)


def load(folder: Path) -> Any:
    """The PyTorch module that `make` saved."""
    stub_torchvision()
    import torch

    return torch.load(folder / "model.pt", weights_only=False)


def make(name: str, cache: Path) -> Path:
    """The folder of a network, made if it is not there.

    ``model.onnx`` and ``model.pt``, ``images.npy``, ``forward.npy`` and ``gradient.npy`` (what PyTorch computes in
    float64, image by image), and ``network.json``.
    """
    folder = cache / name
    notes = folder / "network.json"
    if notes.exists() and json.loads(notes.read_text())["format"] == FORMAT:
        return folder
    print(f"making {NETWORKS[name][0]}", file=sys.stderr, flush=True)
    import torch

    model = build(name)
    side, count = NETWORKS[name][1], LARGEST_BATCH[name]
    images = goldens().photograph_like(count, side, side, seed=5)
    folder.mkdir(parents=True, exist_ok=True)
    torch.save(model, folder / "model.pt")
    torch.onnx.export(
        model, (images[:1],), str(folder / "model.onnx"), dynamo=False, opset_version=17, input_names=["image"],
        output_names=["output"], dynamic_axes={"image": {0: "n"}, "output": {0: "n"}},
    )  # fmt: skip
    macs = multiply_accumulates(model, images[:1])
    outputs, gradients, classes = reference(model, images)
    np.save(folder / "images.npy", images.numpy())
    np.save(folder / "forward.npy", outputs)
    np.save(folder / "gradient.npy", gradients)
    written = {"format": FORMAT, "name": name, "macs": macs, "classes": classes, "outputs": outputs.shape[1:]}
    notes.write_text(json.dumps(written) + "\n")
    return folder


def reference(model: Any, images: Any) -> tuple[Any, Any, list[int]]:
    """Outputs, input gradients of the top class (of the mean output for a trunk), and those classes."""
    import torch

    double = copy.deepcopy(model).double()
    outputs, gradients, classes = [], [], []
    for image in images:
        point = image[None].double().requires_grad_()
        output = double(point)
        if output.ndim == 2:
            classes.append(int(output.argmax()))
            score = output[0, classes[-1]]
        else:
            score = output.mean()
        gradients.append(torch.autograd.grad(score, point)[0].numpy())
        outputs.append(output.detach().numpy())
    return np.concatenate(outputs), np.concatenate(gradients), classes


def multiply_accumulates(model: Any, image: Any) -> int:
    """Those of convolutions and dense layers, for one picture."""
    import torch

    counts: list[int] = []

    def count(module: Any, inputs: Any, output: Any) -> None:
        per_output = module.weight[0].numel() if isinstance(module, torch.nn.Conv2d) else module.in_features
        counts.append(output.numel() * per_output)

    kinds = (torch.nn.Conv2d, torch.nn.Linear)
    hooks = [module.register_forward_hook(count) for module in model.modules() if isinstance(module, kinds)]
    with torch.inference_mode():
        model(image)
    for hook in hooks:
        hook.remove()
    return sum(counts)
