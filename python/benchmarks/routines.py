# SPDX-License-Identifier: Apache-2.0
"""Whole routines: what a user calls, in cnnlens and in Captum or PyTorch. A new one is one entry of `ROUTINES`."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from . import walks

if TYPE_CHECKING:
    from .engines import Call, Case

#: The layer of Grad-CAM: the module in PyTorch, and what of it stands in the exported file.
LAST_LAYERS = {
    "resnet50": ("layer4", "/layer4/layer4.2/relu_2/Relu"),
    "vgg16": ("features.29", "/features/features.29/Relu"),
}


@dataclasses.dataclass(frozen=True)
class Routine:
    title: str
    #: (cnnlens, net, image (1, 3, H, W), target, network's name) -> map
    cnnlens: Callable[[Any, Any, Any, int, str], Any]
    #: (captum.attr, module, image, target, network's name) -> attributions
    captum: Callable[[Any, Any, Any, int, str], Any]
    #: The function of cnnlens; while there is none the routine is left out.
    needs: str
    #: Smallest cosine of the angle between the two results. Occlusion windows differ at the border, noise by its seed;
    #: -1: walks that start from other noise, whose objectives are compared with PyTorch's by the tests.
    agreement: float
    networks: tuple[str, ...] = ("resnet50", "vgg16")
    #: Whether one call takes seconds, which `--quick` has not.
    is_long: bool = False

    def with_cnnlens(self, net: Any, case: Case) -> Call:
        import cnnlens as cl

        image, target, name = case.images[:1], next(iter(case.classes), -1), case.notes["name"]
        return lambda: self.cnnlens(cl, net, image, target, name)

    def with_pytorch(self, module: Any, image: Any, case: Case) -> Call:
        import captum.attr

        target, name = next(iter(case.classes), -1), case.notes["name"]
        return lambda: self.captum(captum.attr, module, image, target, name)


def flattened(attributions: Any) -> Any:
    """(1, H, W), the channels summed, of what Captum gives for (1, 3, H, W)."""
    return attributions.sum(dim=1).detach()


def captum_saliency(captum: Any, module: Any, image: Any, target: int, name: str) -> Any:
    return captum.Saliency(module).attribute(image.requires_grad_(), target=target).amax(dim=1).detach()


def captum_grad_cam(captum: Any, module: Any, image: Any, target: int, name: str) -> Any:
    layer = module.get_submodule(LAST_LAYERS[name][0])
    small = captum.LayerGradCam(module, layer).attribute(image, target=target, relu_attributions=True)
    return captum.LayerAttribution.interpolate(small, tuple(image.shape[2:]), "bilinear").detach()


def captum_smoothgrad(captum: Any, module: Any, image: Any, target: int, name: str) -> Any:
    noise = 0.15 * float(image.max() - image.min())
    method = captum.NoiseTunnel(captum.Saliency(module))
    options = {"nt_type": "smoothgrad", "nt_samples": 25, "nt_samples_batch_size": 5, "stdevs": noise}
    return method.attribute(image.requires_grad_(), target=target, **options).amax(dim=1).detach()


def captum_integrated_gradients(captum: Any, module: Any, image: Any, target: int, name: str) -> Any:
    method = captum.IntegratedGradients(module)
    return flattened(method.attribute(image, target=target, n_steps=50, internal_batch_size=8))


def captum_occlusion(captum: Any, module: Any, image: Any, target: int, name: str) -> Any:
    import torch

    options = {"sliding_window_shapes": (3, 15, 15), "strides": (3, 8, 8), "perturbations_per_eval": 8}
    with torch.inference_mode():
        return captum.Occlusion(module).attribute(image.detach(), target=target, **options)[:, 0]


def superpixels(image: Any, count: int) -> Any:
    """(H, W) of whole numbers: ``count`` parts of about one size and of ragged form, as SLIC makes them."""
    height, width = image.shape[2:]
    columns = max(1, round((count * width / height) ** 0.5))
    rows = -(-count // columns)
    y, x = np.mgrid[0:height, 0:width]
    ragged = np.sin(y / 5.0) * 2, np.sin(x / 5.0) * 2
    row = np.clip((y + ragged[1]) * rows / height, 0, rows - 1).astype(np.int64)
    column = np.clip((x + ragged[0]) * columns / width, 0, columns - 1).astype(np.int64)
    return np.unique(np.minimum(row * columns + column, count - 1), return_inverse=True)[1].reshape(height, width)


def captum_ablation(captum: Any, module: Any, image: Any, target: int, name: str) -> Any:
    import torch

    mask = torch.from_numpy(superpixels(image, 160))[None, None]
    with torch.inference_mode():
        method = captum.FeatureAblation(module)
        return method.attribute(image.detach(), target=target, feature_mask=mask, perturbations_per_eval=8)[:, 0]


def captum_lime(captum: Any, module: Any, image: Any, target: int, name: str) -> Any:
    import torch

    mask = torch.from_numpy(superpixels(image, 50))[None, None]
    torch.manual_seed(0)
    options = {"feature_mask": mask, "n_samples": 200, "perturbations_per_eval": 8}
    with torch.inference_mode():
        return captum.Lime(module).attribute(image.detach(), target=target, **options)[:, 0]


def convolutions(net: Any) -> list[str]:
    """The names of a network's convolutions, in order."""
    return [name for name, row in net.layers.items() if row.kind == "Conv"]


def dream_layer(net: Any) -> str:
    """GoogLeNet's inception4c: the third concatenation behind the third pooling."""
    names: list[str] = [name for name, row in net.layers.items() if row.kind == "Concat"]
    return names[4]


ROUTINES = {
    "saliency": Routine(
        "Saliency", lambda cl, net, x, target, name: cl.saliency(net, x, target), captum_saliency, "saliency", 0.99
    ),
    "grad_cam": Routine(
        "Grad-CAM",
        lambda cl, net, x, target, name: cl.grad_cam(net, x, target, layer=LAST_LAYERS[name][1]),
        captum_grad_cam,
        "grad_cam",
        0.99,
    ),
    "integrated_gradients": Routine(
        "Integrated gradients, 50 steps",
        lambda cl, net, x, target, name: cl.integrated_gradients(net, x, target, steps=50),
        captum_integrated_gradients,
        "integrated_gradients",
        0.99,
        is_long=True,
    ),
    "smoothgrad": Routine(
        "SmoothGrad, 25 samples",
        lambda cl, net, x, target, name: cl.smoothgrad(net, x, target, n=25, noise=0.15),
        captum_smoothgrad,
        "smoothgrad",
        0.5,
        is_long=True,
    ),
    "occlusion": Routine(
        "Occlusion, 15×15, stride 8",
        lambda cl, net, x, target, name: cl.occlusion(net, x, target, window=15, stride=8),
        captum_occlusion,
        "occlusion",
        0.9,
        is_long=True,
    ),
    "feature_ablation": Routine(
        "Feature ablation, 160 superpixels",
        lambda cl, net, x, target, name: cl.feature_ablation(net, x, target, segments=superpixels(x, 160), fill=0.0),
        captum_ablation,
        "feature_ablation",
        0.9,
        is_long=True,
    ),
    "lime": Routine(
        "LIME, 200 samples, 50 superpixels",
        lambda cl, net, x, target, name: cl.lime(net, x, target, samples=200, segments=superpixels(x, 50), hide=0.0),
        captum_lime,
        "lime",
        0.3,
        is_long=True,
    ),
    "pgd": Routine(
        "PGD, 10 steps",
        lambda cl, net, x, target, name: (
            cl.pgd(net, x, target, eps=8 / 255, step=2 / 255, steps=walks.STEPS, random_start=False).images - x
        ),
        walks.pgd,
        "pgd",
        # Signs of gradients near zero differ, and the ways part: 0.98 after one step, 0.12 after ten.
        0.05,
        networks=("resnet50",),
    ),
    "class_model": Routine(
        "Class model, 10 steps",
        lambda cl, net, x, target, name: (
            np.asarray(cl.class_model(net, target, steps=walks.STEPS, progress=False))
            - np.asarray(walks.MEAN, np.float32)
        ).transpose(2, 0, 1)[None],
        walks.class_model,
        "class_model",
        0.05,
        networks=("resnet50",),
    ),
    "deepdream": Routine(
        "DeepDream, 4 octaves of 10 steps to 512 px",
        lambda cl, net, x, target, name: np.asarray(
            cl.deepdream(net, walks.photo(x), dream_layer(net), size=512, clip=False, progress=False)
        ).transpose(2, 0, 1)[None],
        walks.deepdream,
        "deepdream",
        -1,
        networks=("googlenet",),
        is_long=True,
    ),
    "inversion": Routine(
        "Inversion of conv4_3, 10 steps",
        lambda cl, net, x, target, name: np.asarray(
            cl.invert(net, walks.photo(x), convolutions(net)[9], steps=walks.STEPS, optimizer="adam", progress=False)
        ).transpose(2, 0, 1)[None],
        walks.inversion,
        "invert",
        -1,
        networks=("vgg16",),
        is_long=True,
    ),
    "style": Routine(
        "Style transfer at 512 px, 10 iterations",
        lambda cl, net, x, target, name: np.asarray(
            cl.style_transfer(
                net,
                walks.photo(x),
                walks.photo(x)[:, ::-1],
                content_layers=[convolutions(net)[9]],
                style_layers=[convolutions(net)[index] for index in (0, 2, 4, 8, 12)],
                num_iterations=walks.STEPS,
                optimizer="adam",
                progress=False,
            )
        ).transpose(2, 0, 1)[None],
        walks.style,
        "style_transfer",
        -1,
        networks=("vgg19_512",),
        is_long=True,
    ),
}


def agreement(found: Any, expected: Any) -> float:
    """The cosine of the angle between two maps, which scale does not change."""
    a, b = (np.asarray(values, np.float64).ravel() for values in (found, expected))
    if a.shape != b.shape or not a.any() or not b.any():
        return 0.0
    return float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))
