# SPDX-License-Identifier: Apache-2.0
"""Pictures that walk along a gradient, as one writes them in PyTorch: what cnnlens's routines are timed against.

They take (captum, module, image (1, 3, H, W), target, network's name); the module is in the column's own layout.
"""

from __future__ import annotations

from typing import Any

import numpy as np

STEPS = 10
#: The mean colour of ImageNet's pictures.
MEAN = (0.485, 0.456, 0.406)


def photo(image: Any) -> Any:
    """(H, W, 3) in [0, 1] from a raw input, for routines that take pictures."""
    plane = np.asarray(image)[0].transpose(1, 2, 0)
    return np.ascontiguousarray((plane - plane.min()) / max(float(np.ptp(plane)), 1e-6), dtype=np.float32)


def pgd(captum: Any, module: Any, image: Any, target: int, name: str) -> Any:
    """The change that ten signed steps of 2/255 inside 8/255 make, in the input's own units."""
    import torch

    eps, step = 8 / 255, 2 / 255
    label = torch.tensor([target])
    x = image.detach()
    for _ in range(STEPS):
        x = x.requires_grad_()
        loss = torch.nn.functional.cross_entropy(module(x), label)
        (gradient,) = torch.autograd.grad(loss, x)
        x = torch.clamp(x.detach() + step * gradient.sign(), image.detach() - eps, image.detach() + eps)
    return (x - image.detach()).contiguous()


def class_model(captum: Any, module: Any, image: Any, target: int, name: str) -> Any:
    """Simonyan's: from the mean colour, the score minus 0.01 |x - mean|^2, steps of one length, inside [0, 1]."""
    import torch

    mean = torch.tensor(MEAN)[:, None, None]
    deviation = torch.tensor([0.229, 0.224, 0.225])[:, None, None]
    x = torch.zeros_like(image) + mean
    velocity = torch.zeros_like(x)
    for _ in range(STEPS):
        x = x.detach().requires_grad_()
        value = module((x - mean) / deviation)[0, target] - 0.01 * ((x - mean) ** 2).sum()
        (gradient,) = torch.autograd.grad(value, x)
        velocity = 0.8 * velocity + gradient / (gradient.square().mean().sqrt() + 1e-12)
        x = torch.clamp(x.detach() + 0.01 / 5 * velocity, 0, 1)
    return (x - mean).contiguous()


def _rolled_walk(value: Any, x: Any, steps: int, rate: float, jitter: int) -> Any:
    """Gradient steps of one mean length on a picture that is rolled each time."""
    import torch

    for _ in range(steps):
        dy, dx = (int(torch.randint(-jitter, jitter + 1, ())) for _ in range(2))
        seen = torch.roll(x, (dy, dx), (2, 3)).requires_grad_()
        (gradient,) = torch.autograd.grad(value(seen), seen)
        x = torch.roll((seen + rate * gradient / gradient.abs().mean()).detach(), (-dy, -dx), (2, 3))
    return x


def deepdream(captum: Any, module: Any, image: Any, target: int, name: str) -> Any:
    """Four octaves of ten steps up to 512 pixels, for the energy of GoogLeNet's inception4c."""
    import torch
    from torch.nn.functional import interpolate

    def energy(x: Any) -> Any:
        for part in ("conv1", "maxpool1", "conv2", "conv3", "maxpool2", "inception3a", "inception3b", "maxpool3"):
            x = getattr(module, part)(x)
        for part in ("inception4a", "inception4b", "inception4c"):
            x = getattr(module, part)(x)
        return (x**2).sum() / 2

    torch.manual_seed(0)
    base = interpolate(image.detach(), (512, 512), mode="bilinear")
    octaves = [interpolate(base, (round(512 / 1.4**k),) * 2, mode="bilinear", antialias=True) for k in range(4)]
    detail = torch.zeros_like(octaves[-1])
    for octave in octaves[::-1]:
        detail = interpolate(detail, octave.shape[2:], mode="bilinear")
        detail = _rolled_walk(energy, octave + detail, STEPS, 1.5 / 255, 32) - octave
    return (octaves[0] + detail).contiguous()


def _variation(x: Any) -> Any:
    below, beside = x[..., 1:, :-1] - x[..., :-1, :-1], x[..., :-1, 1:] - x[..., :-1, :-1]
    return (below**2 + beside**2).sum()


def inversion(captum: Any, module: Any, image: Any, target: int, name: str) -> Any:
    """Mahendran & Vedaldi's loss from VGG-16's conv4_3, Adam."""
    import torch

    trunk = module.features[:22]
    with torch.no_grad():
        code = trunk(image)
    scale = (code**2).sum()
    torch.manual_seed(0)
    x = (torch.randn_like(image) * 0.05).requires_grad_()
    optimizer = torch.optim.Adam([x], lr=0.02)
    for _ in range(STEPS):
        optimizer.zero_grad()
        loss = ((trunk(x) - code) ** 2).sum() / scale + 1e-6 * (x.abs() ** 6).sum() + 1e-6 * _variation(x)
        loss.backward()
        optimizer.step()
    return x.detach().contiguous()


#: VGG-19's trunk by torchvision's numbers: conv1_1, 2_1, 3_1, 4_1, 5_1 and conv4_2.
STYLE, CONTENT = (0, 5, 10, 19, 28), 21


def style(captum: Any, module: Any, image: Any, target: int, name: str) -> Any:
    """Gatys's losses at 512 pixels, Adam."""
    import torch
    from torch.nn.functional import mse_loss

    layers = list(module.children())[: STYLE[-1] + 1]
    if len(layers) == 1:
        layers = list(layers[0].children())[: STYLE[-1] + 1]

    def features(x: Any) -> dict[int, Any]:
        found = {}
        for index, layer in enumerate(layers):
            x = torch.relu(x) if isinstance(layer, torch.nn.ReLU) else layer(x)
            if index in STYLE or index == CONTENT:
                found[index] = x
        return found

    def gram(a: Any) -> Any:
        flat = a.reshape(a.shape[1], -1)
        return flat @ flat.t() / flat.numel()

    torch.manual_seed(0)
    with torch.no_grad():
        content = features(image)[CONTENT]
        textures = {index: gram(value) for index, value in features(image.flip(3)).items() if index in STYLE}
    x = torch.randn_like(image).requires_grad_()
    optimizer = torch.optim.Adam([x], lr=0.02)
    for _ in range(STEPS):
        optimizer.zero_grad()
        found = features(x)
        loss = 5 * mse_loss(found[CONTENT], content) + 1e-3 * _variation(x)
        loss = loss + 100 * sum(mse_loss(gram(found[index]), textures[index]) for index in STYLE)
        loss.backward()
        optimizer.step()
    return x.detach().contiguous()
