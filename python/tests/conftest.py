# SPDX-License-Identifier: Apache-2.0
"""Small networks, made with the onnx package, and one photograph."""

import pathlib
import signal

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import cnnlens as cl

DATA = pathlib.Path(cl.__file__).parent / "data"
LABELS = ["tabby", "tiger cat", "Egyptian cat", "tiger shark", "crane"]


def model_bytes(nodes, weights, inputs, outputs, metadata=None, opset=17):
    """A serialised model from nodes, weights by name, and (name, shape) pairs."""
    graph = helper.make_graph(
        nodes,
        "test",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in inputs],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in outputs],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    if metadata:
        helper.set_model_props(model, metadata)
    return model.SerializeToString()


def small_network(*, size=None, channels=3, softmax=False, metadata=None):
    """Two convolutions, global pooling, five classes: a CAM network."""
    random = np.random.default_rng(7)
    weights = {
        "w1": random.normal(0, 0.4, (8, channels, 3, 3)).astype(np.float32),
        "b1": random.normal(0, 0.1, 8).astype(np.float32),
        "w2": random.normal(0, 0.3, (6, 8, 3, 3)).astype(np.float32),
        "w3": random.normal(0, 1.0, (5, 6)).astype(np.float32),
        "b3": random.normal(0, 0.1, 5).astype(np.float32),
    }
    nodes = [
        helper.make_node("Conv", ["x", "w1", "b1"], ["c1"], "conv1", pads=[1, 1, 1, 1], strides=[2, 2]),
        helper.make_node("Relu", ["c1"], ["r1"], "relu1"),
        helper.make_node("Conv", ["r1", "w2"], ["c2"], "conv2", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c2"], ["r2"], "relu2"),
        helper.make_node("GlobalAveragePool", ["r2"], ["p"], "pool"),
        helper.make_node("Flatten", ["p"], ["f"], "flatten"),
        helper.make_node("Gemm", ["f", "w3", "b3"], ["y"], "dense", transB=1),
    ]
    output = "y"
    if softmax:
        nodes.append(helper.make_node("Softmax", ["y"], ["s"], "softmax", axis=1))
        output = "s"
    shape = ["n", channels, size or "h", size or "w"]
    entries = {"cnnlens.labels": "\n".join(LABELS), **(metadata or {})}
    return model_bytes(nodes, weights, [("x", shape)], [(output, ["n", 5])], entries)


@pytest.fixture(scope="session", autouse=True)
def hears_ctrl_c():
    """A shell's background jobs are deaf to it, and Python then leaves it at that."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def net():
    """Takes pictures of 32 x 32."""
    return cl.load(small_network(size=32))


@pytest.fixture(scope="session")
def free_net():
    """Takes any size."""
    return cl.load(small_network())


@pytest.fixture(scope="session")
def batch():
    return np.random.default_rng(3).random((3, 3, 32, 32), dtype=np.float32)


@pytest.fixture(scope="session")
def photo():
    """uint8 (48, 64, 3)"""
    y, x = np.mgrid[0:48, 0:64]
    planes = [127 + 100 * np.sin(x / 5.0), 127 + 100 * np.cos(y / 7.0), (3 * x + 2 * y) % 256]
    return np.stack(planes, axis=-1).astype(np.uint8)


@pytest.fixture(scope="session")
def cat():
    return DATA / "chelsea.jpg"


@pytest.fixture(scope="session")
def built_in():
    return cl.load("efficientnet-lite0")


assert onnx.__version__
