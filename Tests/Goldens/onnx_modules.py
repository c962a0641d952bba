# SPDX-License-Identifier: Apache-2.0
"""An ONNX file as PyTorch modules, one for each node, under the nodes' own names.

Captum, pytorch-grad-cam and zennit hook modules; so every layer that has a rule must be one, a sum included.
"""

from __future__ import annotations

import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import nn

# zennit imports torchvision, whose compiled operators fit one torch build each and are not needed.
sys.modules.setdefault(
    "torchvision._meta_registrations", types.ModuleType("torchvision._meta_registrations")
)
from zennit.layer import Sum  # noqa: E402


class Add(nn.Module):
    """zennit shares relevance out at its own sum over an axis."""

    def __init__(self) -> None:
        super().__init__()
        self.sum = Sum(dim=-1)

    def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return self.sum(torch.stack([a, b], dim=-1))


class Gate(nn.Module):
    """A product whose second factor counts as a constant on the way back, if `is_gated`."""

    is_gated = False

    def forward(self, x: torch.Tensor, gate: torch.Tensor) -> torch.Tensor:
        if not self.is_gated:
            return x * gate
        return _Gated.apply(x, gate.detach())


class _Gated(torch.autograd.Function):
    """Relevance passes a gate as it passes an activation: unchanged."""

    @staticmethod
    def forward(ctx, x, gate):  # type: ignore[no-untyped-def]
        return x * gate

    @staticmethod
    def backward(ctx, relevance):  # type: ignore[no-untyped-def]
        return relevance, None


class Concat(nn.Module):
    def __init__(self, axis: int) -> None:
        super().__init__()
        self.axis = axis

    def forward(self, *parts: torch.Tensor) -> torch.Tensor:
        return torch.cat(parts, self.axis)


class Mean(nn.Module):
    """ReduceMean over rows and columns, as a pooling that zennit knows."""

    def __init__(self, keeps: bool) -> None:
        super().__init__()
        self.pool, self.keeps = nn.AdaptiveAvgPool2d(1), keeps

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.pool(x) if self.keeps else self.pool(x).flatten(1)


def _symmetric(pads: list[int]) -> tuple[int, int]:
    assert pads[:2] == pads[2:], f"padding {pads}"
    return pads[0], pads[1]


class Network(nn.Module):
    """Runs a file's nodes in order; `layers[name]` is the module of a node."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        graph = onnx.load(path).graph
        constants = {entry.name: numpy_helper.to_array(entry) for entry in graph.initializer}
        self.input = next(entry.name for entry in graph.input if entry.name not in constants)
        self.output = graph.output[0].name
        self.layers: dict[str, nn.Module] = {}
        self.calls: list[tuple[nn.Module, list[str], str]] = []
        shapes: set[str] = set()  # what only says how large something is
        for node in graph.node:
            if node.op_type == "Constant":
                constants[node.output[0]] = numpy_helper.to_array(node.attribute[0].t)
                continue
            if node.op_type == "Cast" and node.input[0] in constants:  # weights of half the size
                constants[node.output[0]] = constants[node.input[0]].astype(np.float32)
                continue
            if node.op_type == "Shape" or (node.op_type != "Reshape" and set(node.input) & shapes):
                shapes.update(node.output)
                continue
            attributes = {entry.name: onnx.helper.get_attribute_value(entry) for entry in node.attribute}
            module = _module(node.op_type, attributes, [constants.get(name) for name in node.input])
            self.add_module(f"node{len(self.calls)}", module)
            self.layers[node.name] = module
            inputs = [name for name in node.input if name and name not in constants and name not in shapes]
            self.calls.append((module, inputs, node.output[0]))
        self.eval()
        for parameter in self.parameters():
            parameter.requires_grad_(False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        values = {self.input: x}
        for module, inputs, output in self.calls:
            values[output] = module(*(values[name] for name in inputs))
        return values[self.output]


def _module(kind: str, attributes: dict[str, Any], weights: list[np.ndarray | None]) -> nn.Module:
    makers: dict[str, Callable[[], nn.Module]] = {
        "Relu": nn.ReLU,
        "Sigmoid": nn.Sigmoid,
        "HardSwish": nn.Hardswish,
        "HardSigmoid": nn.Hardsigmoid,
        "Clip": nn.ReLU6,
        "Flatten": nn.Flatten,
        "Reshape": nn.Flatten,  # of N×C×H×W, in these networks
        "GlobalAveragePool": lambda: nn.AdaptiveAvgPool2d(1),
        "Add": Add,
        "Mul": Gate,
        "Concat": lambda: Concat(attributes["axis"]),
        "ReduceMean": lambda: Mean(attributes.get("keepdims", 1) == 1),
        "MaxPool": lambda: nn.MaxPool2d(
            attributes["kernel_shape"], attributes["strides"], _symmetric(attributes.get("pads", [0] * 4)),
            ceil_mode=bool(attributes.get("ceil_mode", 0)),
        ),
        "AveragePool": lambda: nn.AvgPool2d(
            attributes["kernel_shape"], attributes["strides"], _symmetric(attributes.get("pads", [0] * 4)),
            ceil_mode=bool(attributes.get("ceil_mode", 0)),
            count_include_pad=bool(attributes.get("count_include_pad", 0)),
        ),
        "Conv": lambda: _convolution(attributes, weights),
        "Gemm": lambda: _linear(weights),
        "BatchNormalization": lambda: _normalization(attributes, weights),
    }  # fmt: skip
    if kind == "Clip":
        assert [float(bound) for bound in weights[1:] if bound is not None] == [0, 6]
    return makers[kind]()


def _tensor(values: np.ndarray | None) -> torch.Tensor:
    assert values is not None
    return torch.from_numpy(values.copy())


class Convolution(nn.Conv2d):
    """With any padding, and that inside, so that a rule that replaces the input does not replace the padding."""

    pads: tuple[int, ...] | None = None  # top, left, bottom, right; None: as much as keeps size / stride

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.pads is None:
            sizes = zip(x.shape[2:], self.stride, self.kernel_size, strict=True)
            totals = [max((-(-size // step) - 1) * step + kernel - size, 0) for size, step, kernel in sizes]
            top, left = (total // 2 for total in totals)
            bottom, right = totals[0] - top, totals[1] - left
        else:
            top, left, bottom, right = self.pads
        return super().forward(nn.functional.pad(x, (left, right, top, bottom)))


def _convolution(attributes: dict[str, Any], weights: list[np.ndarray | None]) -> nn.Module:
    kernel, groups, is_same = _tensor(weights[1]), attributes.get("group", 1), "auto_pad" in attributes
    assert not is_same or attributes["auto_pad"] == b"SAME_UPPER"
    module = Convolution(
        kernel.shape[1] * groups, kernel.shape[0], tuple(kernel.shape[2:]), tuple(attributes.get("strides", [1, 1])),
        0, tuple(attributes.get("dilations", [1, 1])), groups, len(weights) > 2,
    )  # fmt: skip
    module.pads = None if is_same else tuple(attributes.get("pads", [0] * 4))
    module.weight.data = kernel
    if len(weights) > 2:
        module.bias.data = _tensor(weights[2])
    return module


def _linear(weights: list[np.ndarray | None]) -> nn.Module:
    matrix = _tensor(weights[1])  # outputs × inputs: transB
    module = nn.Linear(matrix.shape[1], matrix.shape[0])
    module.weight.data, module.bias.data = matrix, _tensor(weights[2])
    return module


def _normalization(attributes: dict[str, Any], weights: list[np.ndarray | None]) -> nn.Module:
    scale, shift, mean, variance = (_tensor(values) for values in weights[1:5])
    module = nn.BatchNorm2d(len(scale), eps=attributes.get("epsilon", 1e-5))
    module.weight.data, module.bias.data = scale, shift
    module.running_mean, module.running_var = mean, variance
    return module
