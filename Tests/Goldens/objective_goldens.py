#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes objectives/NETWORK-FAMILY.npz: what PyTorch says of every objective, and of its gradient at the input.

    objective_goldens.py

Made with Python 3.11, torch 2.13.0 (CPU), onnx 1.23.2, zennit 0.5.1 and numpy 2.4.6, all in float64 by autograd. The
networks are the committed ONNX files, run by PyTorch node by node (onnx_modules.py). See README.md for the entries.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from onnx_modules import Network
from torch.nn import functional

HERE = Path(__file__).parent
#: The layer that is asked about.
LAYERS = {
    "plain": "/features/features.4/Relu",
    "residual": "/middle/relu/Relu",
    "squeeze-excite": "/gated/Mul",
}
#: Three classes for a batch of three, and what the questions about places are.
CLASSES = [7, 0, 4]
CHANNEL, POSITION, ROWS, COLUMNS = 3, [2, 5], [1, 6], [2, 5]
DECAY = 3.0

#: From logits N×K and activations N×C×h×w and the input N×3×H×W: one number for each picture.
Formula = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]


def gram(a: torch.Tensor, weights: torch.Tensor | None = None) -> torch.Tensor:
    """N×C×C; Gatys, Ecker & Bethge 2016, divided by the values that count."""
    if weights is None:
        weights = torch.ones_like(a[0, 0])
    return torch.einsum("ncyx,ndyx->ncd", a * weights, a * weights) / (a.shape[1] * (weights**2).sum())


def variation(x: torch.Tensor, beta: float) -> torch.Tensor:
    """Mahendran & Vedaldi 2015, section 3.2, over the pixels with a neighbour to the right and one below."""
    across, down = torch.diff(x, dim=3)[:, :, :-1], torch.diff(x, dim=2)[:, :, :, :-1]
    return ((across**2 + down**2) ** (beta / 2)).sum((1, 2, 3))


def norm(x: torch.Tensor, p: float, center: torch.Tensor | float = 0.0) -> torch.Tensor:
    return (x - center).abs().pow(p).sum((1, 2, 3))


def diversity(a: torch.Tensor) -> torch.Tensor:
    """Each picture's share of the mean over ordered pairs."""
    flat = gram(a).flatten(1)
    cosines = functional.cosine_similarity(flat[:, None], flat[None], dim=2)
    count = len(a)
    return -(cosines.sum(1) - cosines.diagonal()) / (count * (count - 1))


def alignment(a: torch.Tensor, decay: float) -> torch.Tensor:
    """Lucid's: each picture's share of the sum over ordered pairs."""
    flat, places = a.flatten(1), torch.arange(len(a), dtype=a.dtype)
    squares = (flat[:, None] - flat[None]).pow(2).sum(2)
    return -0.5 * (squares / decay ** (places[:, None] - places[None]).abs()).sum(1)


def questions(numbers: dict[str, torch.Tensor], target: int) -> dict[str, dict[str, Formula]]:
    (row, column), (top, bottom), (left, right) = POSITION, ROWS, COLUMNS
    code, codes, vector = numbers["code"], numbers["codes"], numbers["vector"]
    center = numbers["center"][:, None, None]

    def each(values: torch.Tensor) -> torch.Tensor:
        return values.gather(1, torch.tensor(CLASSES)[:, None])[:, 0]

    units: dict[str, Formula] = {
        "top": lambda z, a, x: z.amax(1),
        "logit": lambda z, a, x: z[:, target],
        "prob": lambda z, a, x: z.softmax(1)[:, target],
        "cross_entropy": lambda z, a, x: functional.cross_entropy(z, torch.tensor([CLASSES[0]]), reduction="none"),
        "unit": lambda z, a, x: a[:, CHANNEL, row, column],
        "unit in the middle": lambda z, a, x: a[:, CHANNEL, a.shape[2] // 2, a.shape[3] // 2],
        "channel": lambda z, a, x: a[:, CHANNEL].mean((1, 2)),
        "layer": lambda z, a, x: (a**2).sum((1, 2, 3)) / 2,
        "region": lambda z, a, x: a[:, :, top:bottom, left:right].mean((1, 2, 3)),
        "region of a channel": lambda z, a, x: a[:, CHANNEL, top:bottom, left:right].mean((1, 2)),
        "direction": lambda z, a, x: torch.einsum("ncyx,c->nyx", a, vector).mean((1, 2)),
        "direction at a position": lambda z, a, x: a[:, :, row, column] @ vector,
        "group": lambda z, a, x: (a * numbers["mask"]).sum((1, 2, 3)),
    }
    matching: dict[str, Formula] = {
        "distance": lambda z, a, x: (a - code).pow(2).sum((1, 2, 3)),
        "mean distance": lambda z, a, x: (a - code).pow(2).mean((1, 2, 3)),
        "relative distance": lambda z, a, x: (a - code).pow(2).sum((1, 2, 3)) / code.pow(2).sum(),
        "gram_distance": lambda z, a, x: (gram(a) - numbers["gram"]).pow(2).mean((1, 2)),
        "gram_distance under a mask": lambda z, a, x: (
            (gram(a, numbers["weights"]) - numbers["gram"]).pow(2).mean((1, 2))
        ),
        "guide": lambda z, a, x: torch.einsum("ncp,cq->npq", a.flatten(2), numbers["guide"].flatten(1)).amax(2).sum(1),
        "style and content": lambda z, a, x: (
            100 * (gram(a) - numbers["gram"]).pow(2).mean((1, 2))
            + 5 * (a - code).pow(2).mean((1, 2, 3))
            + 0.001 * variation(x, 2)
        ),
    }
    priors: dict[str, Formula] = {
        "total_variation 2": lambda z, a, x: variation(x, 2),
        "total_variation 1": lambda z, a, x: variation(x, 1),
        "total_variation 3": lambda z, a, x: variation(x, 3),
        "total_variation of the layer": lambda z, a, x: variation(a, 2),
        "lp_norm 2": lambda z, a, x: norm(x, 2, center),
        "lp_norm 6": lambda z, a, x: norm(x, 6, 0.25),
        "lp_norm 3": lambda z, a, x: norm(x, 3),
        "lp_norm of the layer": lambda z, a, x: norm(a, 6),
        "logit less priors": lambda z, a, x: z[:, target] - 0.0005 * norm(x, 2, center) - 0.0002 * variation(x, 2),
    }
    batches: dict[str, Formula] = {
        "logits": lambda z, a, x: each(z),
        "probs": lambda z, a, x: each(z.softmax(1)),
        "distances": lambda z, a, x: (a - codes).pow(2).sum((1, 2, 3)),
    }
    neighbours: dict[str, Formula] = {
        "diversity": lambda z, a, x: diversity(a),
        "alignment": lambda z, a, x: alignment(a, DECAY),
    }
    return {
        "units": units,
        "matching": matching,
        "priors": priors,
        "batches": batches,
        "neighbours": neighbours,
    }


def answer(net: Network, layer: str, formula: Formula, image: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
    """One number for each picture, and the gradient of their sum."""
    kept: list[torch.Tensor] = []
    handle = net.layers[layer].register_forward_hook(lambda module, inputs, output: kept.append(output))
    point = image.clone().requires_grad_()
    logits = net(point)
    handle.remove()
    values = formula(logits, kept[0], point)
    (slope,) = torch.autograd.grad(values.sum(), point)
    return values.detach().numpy(), slope.numpy()


def write(name: str, folder: Path) -> dict[str, Any]:
    net, layer = Network(HERE / "networks" / name / "torchscript.onnx").double(), LAYERS[name]
    golden = np.load(HERE / "networks" / name / "golden.npz")
    random = np.random.default_rng(8)
    first, target = golden["input"], int(golden["target"][0])
    # The picture, mirrored and upside down, each with noise of its own.
    images = np.concatenate([first, first[..., ::-1], first[:, :, ::-1]])
    images[1:] += random.normal(0, 0.2, images[1:].shape).astype(np.float32)

    kept: list[torch.Tensor] = []
    handle = net.layers[layer].register_forward_hook(lambda module, inputs, output: kept.append(output))
    net(torch.from_numpy(images).double())
    handle.remove()
    a = kept[0].numpy()
    shape, spread = a.shape[1:], a.std()
    numbers = {
        "code": random.normal(0, spread, shape),
        "codes": random.normal(0, spread, a.shape),
        "vector": random.normal(size=shape[0]),
        "mask": random.normal(size=shape),
        "weights": random.random(shape[1:]),
        "gram": np.cov(random.normal(0, spread, (shape[0], 60))) / shape[0],
        "guide": random.normal(0, spread, (shape[0], 5, 3)),
        "center": random.normal(0, 0.3, 3),
    }
    single = {key: values.astype(np.float32) for key, values in numbers.items()}
    double = {key: torch.from_numpy(values).double() for key, values in single.items()}
    needs = {
        "units": ["vector", "mask"],
        "matching": ["code", "weights", "gram", "guide"],
        "priors": ["center"],
        "batches": ["codes"],
        "neighbours": [],
    }
    for family, formulas in questions(double, target).items():
        image = images if family in ("batches", "neighbours") else first
        entries = {"input": image} | {key: single[key] for key in needs[family]}
        for key, formula in formulas.items():
            values, slope = answer(net, layer, formula, torch.from_numpy(image).double())
            assert values.shape == (len(image),) and np.isfinite(slope).all() and np.abs(slope).max() > 0, (name, key)
            entries[f"{key}/value"], entries[f"{key}/gradient"] = values, slope.astype(np.float32)
        path = folder / f"{name}-{family}.npz"
        np.savez_compressed(path, **entries)
        assert path.stat().st_size < 200_000, path
    return {"layer": layer, "target": target}


def main() -> None:
    torch.set_num_threads(1)  # the same bits everywhere
    folder = HERE / "objectives"
    folder.mkdir(exist_ok=True)
    facts = {
        "classes": CLASSES, "channel": CHANNEL, "position": POSITION, "rows": ROWS, "columns": COLUMNS, "decay": DECAY,
        "networks": {name: write(name, folder) for name in LAYERS},
    }  # fmt: skip
    (folder / "facts.json").write_text(json.dumps(facts, indent=1) + "\n")


if __name__ == "__main__":
    main()
