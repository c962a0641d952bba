#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes networks exported from PyTorch with the answers that cnnlens must reproduce.

    generate.py small                 the tiny networks committed in networks/
    generate.py networks CACHE        published architectures, about 8 GB, never committed
    generate.py networks CACHE --only alexnet resnet50

Made with Python 3.11, torch 2.13.0, torchvision 0.29.2, timm 1.0.31, onnx 1.23.2, onnxscript 0.7.2,
onnxruntime 1.31.1 and numpy 2.4.6; other versions may export other graphs.
See README.md for the files.
"""

from __future__ import annotations

import argparse
import collections
import copy
import json
import time
import traceback
import warnings
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from torch import nn

EXPORTERS = ("torchscript", "dynamo", "torchscript-opset9")


def export_as_before(model: nn.Module, image: torch.Tensor, path: Path) -> None:
    """As years ago: opset 9, weights listed as inputs too, batch normalization not folded."""
    torch.onnx.export(
        model, (image,), str(path), dynamo=False, opset_version=9, input_names=["image"],
        output_names=["logits"], keep_initializers_as_inputs=True, do_constant_folding=False,
        training=torch.onnx.TrainingMode.PRESERVE,
    )  # fmt: skip


def export(
    model: nn.Module,
    image: torch.Tensor,
    path: Path,
    exporter: str,
    translations: dict[object, object] | None = None,
) -> str:
    """Exports with a free batch size if the exporter manages that; returns "dynamic" or "fixed"."""
    if exporter == "torchscript-opset9":
        export_as_before(copy.deepcopy(model), image, path)
        return "fixed"
    # The exporter specialises a dynamic dimension whose example is 1.
    pair = torch.cat([image, image.flip(3)])
    common = {"input_names": ["image"], "output_names": ["logits"], "external_data": False}
    if exporter == "dynamo" and translations:
        common["custom_translation_table"] = translations
    attempts = {
        "dynamic": (pair, {"dynamic_shapes": ({0: torch.export.Dim("n", min=1, max=64)},)})
        if exporter == "dynamo"
        else (image, {"dynamic_axes": {"image": {0: "n"}, "logits": {0: "n"}}}),
        "fixed": (image, {}),
    }
    for batch, (example, options) in attempts.items():
        try:
            torch.onnx.export(
                model, (example,), str(path), dynamo=exporter == "dynamo", verbose=False,
                **common, **options,
            )  # fmt: skip
            return batch
        except Exception:
            if batch == "fixed":
                raise
            print(f"  {exporter}: no free batch size: {traceback.format_exc(limit=0)[:200]}")
    raise AssertionError("unreachable")


def logits_and_gradient(
    model: nn.Module, image: torch.Tensor
) -> tuple[np.ndarray, np.ndarray, int]:
    """Logits, and the gradient of the largest with respect to the image, computed in float64."""
    double = copy.deepcopy(model).double()
    point = image.double().requires_grad_()
    logits = double(point)
    target = int(logits[0].argmax())
    (gradient,) = torch.autograd.grad(logits[0, target], point)
    return (
        logits.detach().numpy().astype(np.float32),
        gradient.numpy().astype(np.float32),
        target,
    )


def distance_in_float32(model: nn.Module, image: torch.Tensor, gradient: np.ndarray, target: int) -> float:
    """How far PyTorch's own float32 gradient is from the float64 one, relative L2.

    Near a kink a rounding error decides whether a unit passes its gradient, so that two correct float32 gradients of a
    deep network of rectifiers differ by the square root of what their activations differ by.
    """
    point = image.clone().requires_grad_()
    (single,) = torch.autograd.grad(model(point)[0, target], point)
    return float(np.linalg.norm(single.numpy() - gradient) / np.linalg.norm(gradient))


def describe(path: Path, image: np.ndarray, logits: np.ndarray) -> dict[str, object]:
    """What is in an exported file, and how far another engine's logits are from the golden ones."""
    model = onnx.load(path)
    operators = collections.Counter(node.op_type for node in model.graph.node)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {session.get_inputs()[0].name: image})
    return {
        "file": path.name,
        "bytes": path.stat().st_size,
        "opset": {entry.domain or "ai.onnx": entry.version for entry in model.opset_import},
        "operators": dict(sorted(operators.items())),
        "onnxruntime_difference": float(np.abs(found - logits).max()),
    }


def write_network(name: str, folder: Path) -> dict[str, object]:
    from real_networks import build, input_dependence, make_lively, photograph_like

    model, shape = build(name)
    make_lively(model, shape)
    image = photograph_like(1, *shape[1:], seed=5)
    logits, gradient, target = logits_and_gradient(model, image)
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "input.npy", image.numpy())
    np.save(folder / "logits.npy", logits)
    np.save(folder / "gradient.npy", gradient)
    entry: dict[str, object] = {
        "shape": [1, *shape],
        "target": target,
        "logits_deviation": float(logits.std()),
        "gradient_largest": float(np.abs(gradient).max()),
        "float32_distance": distance_in_float32(model, image, gradient, target),
        "input_dependence": input_dependence(model, shape),
        "exports": {},
        "failures": {},
    }
    for exporter in EXPORTERS:
        path = folder / f"{name}-{exporter}.onnx"
        started = time.monotonic()
        try:
            batch = export(model, image, path, exporter)
            description = describe(path, image.numpy(), logits)
            entry["exports"][exporter] = {"batch": batch, **description}
        except Exception as error:
            traceback.print_exc(limit=2)
            entry["failures"][exporter] = f"{type(error).__name__}: {error}"[:500]
        print(f"  {exporter}: {time.monotonic() - started:.0f} s", flush=True)
    return entry


def write_networks(cache: Path, only: list[str] | None) -> None:
    """One folder a network and a manifest of all; networks in the manifest are kept."""
    from real_networks import TIMM, TORCHVISION

    cache.mkdir(parents=True, exist_ok=True)
    manifest_path = cache / "manifest.json"
    manifest = json.loads(manifest_path.read_text()) if manifest_path.exists() else {}
    for name in only or TORCHVISION + TIMM:
        if name in manifest and not only:
            continue
        print(name, flush=True)
        try:
            manifest[name] = write_network(name, cache / name)
        except Exception as error:
            traceback.print_exc(limit=3)
            manifest[name] = {"failures": {"all": f"{type(error).__name__}: {error}"[:500]}}
        manifest_path.write_text(json.dumps(manifest, indent=1) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    networks = commands.add_parser("networks", help="published architectures, into a cache folder")
    networks.add_argument("cache", type=Path)
    networks.add_argument("--only", nargs="+", metavar="NAME")
    commands.add_parser("small", help="tiny networks, into networks/ beside this file")
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    if options.command == "networks":
        write_networks(options.cache, options.only)
    else:
        from small_goldens import write_all

        write_all(Path(__file__).parent / "networks")


if __name__ == "__main__":
    main()
