# SPDX-License-Identifier: Apache-2.0
"""Answers of the tiny networks, with every gradient rule."""

from __future__ import annotations

import copy
import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from torch import nn

from generate import EXPORTERS, describe, export, logits_and_gradient
from real_networks import make_lively, photograph_like
from small_networks import NETWORKS, WITH_RELU_RULES, lrn_for_dynamo, lrn_for_torchscript


class _GuidedReLU(torch.autograd.Function):
    """Springenberg et al., "Striving for Simplicity" (2015), figure 1: both signs must agree."""

    @staticmethod
    def forward(ctx, x):  # type: ignore[no-untyped-def]
        ctx.save_for_backward(x)
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx, gradient):  # type: ignore[no-untyped-def]
        (x,) = ctx.saved_tensors
        return torch.where((x > 0) & (gradient > 0), gradient, torch.zeros_like(gradient))


class _DeconvnetReLU(torch.autograd.Function):
    """Zeiler and Fergus, "Visualizing and Understanding" (2014): the gradient is rectified."""

    @staticmethod
    def forward(ctx, x):  # type: ignore[no-untyped-def]
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx, gradient):  # type: ignore[no-untyped-def]
        return gradient.clamp(min=0)


def with_relu(model: nn.Module, rule: type[torch.autograd.Function]) -> nn.Module:
    class Rectifier(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return rule.apply(x)

    changed = copy.deepcopy(model)
    for parent in list(changed.modules()):
        for name, child in parent.named_children():
            if isinstance(child, nn.ReLU):
                setattr(parent, name, Rectifier())
    return changed


def middle_answers(
    model: nn.Module, image: torch.Tensor, target: int
) -> tuple[np.ndarray, np.ndarray]:
    """What leaves the module called `middle`, and the target logit's gradient there."""
    double, kept = copy.deepcopy(model).double(), []
    double.middle.register_forward_hook(lambda module, inputs, output: kept.append(output))
    logits = double(image.double().requires_grad_())
    (gradient,) = torch.autograd.grad(logits[0, target], kept[0])
    return kept[0].detach().numpy().astype(np.float32), gradient.numpy().astype(np.float32)


def find_tensor(path: Path, image: np.ndarray, activation: np.ndarray) -> str | None:
    """The name under which an exported file computes this activation."""
    model = onnx.load(path)
    names = [name for node in model.graph.node for name in node.output if name]
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    found = session.run(names, {"image": image})
    for name, values in zip(names, found, strict=True):
        if getattr(values, "shape", None) == activation.shape and np.allclose(
            values, activation, rtol=1e-4, atol=1e-4
        ):
            return name
    return None


def remove_traces(path: Path) -> None:
    """Drops where in the exporting program each node came from: half of the bytes."""
    model = onnx.load(path, load_external_data=False)
    for node in model.graph.node:
        del node.metadata_props[:]
        node.ClearField("doc_string")
    for value in (*model.graph.value_info, *model.graph.input, *model.graph.output):
        del value.metadata_props[:]
    onnx.save(model, path)


def write(name: str, folder: Path) -> None:
    network, size = NETWORKS[name]
    torch.manual_seed(0)
    model = network()
    make_lively(model, (3, size, size))
    image = photograph_like(1, size, size, seed=5)
    logits, gradient, target = logits_and_gradient(model, image)
    activation, middle_gradient = middle_answers(model, image, target)
    golden = {
        "input": image.numpy(),
        "target": np.array([target], np.int32),
        "logits": logits,
        "gradient": gradient,
        "middle": activation,
        "middle_gradient": middle_gradient,
    }
    if name in WITH_RELU_RULES:
        for rule, function in (("guided", _GuidedReLU), ("deconvnet", _DeconvnetReLU)):
            changed = with_relu(model, function).double()
            point = image.double().requires_grad_()
            (values,) = torch.autograd.grad(changed(point)[0, target], point)
            golden[rule] = values.numpy().astype(np.float32)

    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    np.savez(folder / "golden.npz", **golden)
    facts: dict[str, object] = {"target": target, "middle": {}}
    for exporter in EXPORTERS:
        path = folder / f"{exporter}.onnx"
        try:
            export(model, image, path, exporter, {torch.ops.goldens.lrn.default: lrn_for_dynamo})
            remove_traces(path)
            facts["middle"][exporter] = find_tensor(path, image.numpy(), activation)
            description = describe(path, image.numpy(), logits)
        except Exception as error:
            path.unlink(missing_ok=True)
            print(f"{name} {exporter}: {type(error).__name__}: {str(error).splitlines()[0]}")
            continue
        assert description["onnxruntime_difference"] < 1e-4, (name, exporter, description)
        print(name, exporter, description["bytes"], description["operators"])
    if name == "plain":
        torch.onnx.export(
            model, (image,), str(folder / "external.onnx"), input_names=["image"],
            output_names=["logits"], external_data=True, verbose=False,
        )  # fmt: skip
        remove_traces(folder / "external.onnx")
    (folder / "golden.json").write_text(json.dumps(facts, indent=1) + "\n")


def write_all(folder: Path) -> None:
    torch.onnx.register_custom_op_symbolic("goldens::lrn", lrn_for_torchscript, 9)
    for name in NETWORKS:
        write(name, folder / name)
