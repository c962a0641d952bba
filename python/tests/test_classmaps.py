# SPDX-License-Identifier: Apache-2.0
import pathlib

import numpy as np
import pytest
from conftest import model_bytes, small_network
from onnx import helper

import cnnlens as cl

NETWORKS = pathlib.Path(__file__).parents[2] / "Tests" / "Goldens" / "networks"


def caffenet_like(channels=4, sizes=(227, 13, 6)):
    """CaffeNet's strides, kernels and paddings: 227 -> 6 x 6 before the dense layers; with few channels."""
    random = np.random.default_rng(0)
    c = channels
    weights = {
        "w1": random.normal(0, 0.1, (c, 3, 11, 11)),
        "w2": random.normal(0, 0.2, (c, c, 5, 5)),
        "w3": random.normal(0, 0.3, (c, c, 3, 3)),
        "f6": random.normal(0, 0.2, (8, c * 36)),
        "b6": random.normal(0, 0.2, 8),
        "f8": random.normal(0, 0.5, (5, 8)),
    }
    pool = {"kernel_shape": [3, 3], "strides": [2, 2]}
    nodes = [
        helper.make_node("Conv", ["x", "w1"], ["c1"], "conv1", strides=[4, 4]),
        helper.make_node("Relu", ["c1"], ["r1"], "relu1"),
        helper.make_node("MaxPool", ["r1"], ["p1"], "pool1", ceil_mode=1, **pool),
        helper.make_node("Conv", ["p1", "w2"], ["c2"], "conv2", pads=[2, 2, 2, 2]),
        helper.make_node("MaxPool", ["c2"], ["p2"], "pool2", ceil_mode=1, **pool),
        helper.make_node("Conv", ["p2", "w3"], ["c3"], "conv3", pads=[1, 1, 1, 1]),
        helper.make_node("MaxPool", ["c3"], ["p3"], "pool3", ceil_mode=1, **pool),
        helper.make_node("Flatten", ["p3"], ["f"], "flatten"),
        helper.make_node("Gemm", ["f", "f6", "b6"], ["d6"], "fc6", transB=1),
        helper.make_node("Relu", ["d6"], ["r6"], "relu6"),
        helper.make_node("Gemm", ["r6", "f8"], ["d8"], "fc8", transB=1),
        helper.make_node("Softmax", ["d8"], ["y"], "prob", axis=1),
    ]
    floats = {name: value.astype(np.float32) for name, value in weights.items()}
    return cl.load(model_bytes(nodes, floats, [("x", ["n", 3, sizes[0], sizes[0]])], [("y", ["n", 5])]))


def vgg_like():
    """Five poolings by two: 224 -> 7 x 7 before the dense layers."""
    random = np.random.default_rng(1)
    weights = {"w": random.normal(0, 0.3, (4, 3, 3, 3)), "f6": random.normal(0, 0.1, (8, 4 * 49)), "f8": np.eye(5, 8)}
    nodes = [helper.make_node("Conv", ["x", "w"], ["c"], "conv", pads=[1, 1, 1, 1])]
    last = "c"
    for index in range(5):
        nodes.append(
            helper.make_node("MaxPool", [last], [f"p{index}"], f"pool{index}", kernel_shape=[2, 2], strides=[2, 2])
        )
        last = f"p{index}"
    nodes += [
        helper.make_node("Flatten", [last], ["f"], "flatten"),
        helper.make_node("MatMul", ["f", "f6t"], ["d6"], "fc6"),
        helper.make_node("Relu", ["d6"], ["r6"], "relu6"),
        helper.make_node("Gemm", ["r6", "f8"], ["y"], "fc8", transB=1),
    ]
    floats = {name: value.astype(np.float32) for name, value in weights.items()}
    floats["f6t"] = np.ascontiguousarray(floats.pop("f6").T)
    return cl.load(model_bytes(nodes, floats, [("x", ["n", 3, 224, 224])], [("y", ["n", 5])]))


@pytest.mark.parametrize(("size", "positions"), [(227, 1), (259, 2), (291, 3), (451, 8)])
def test_caffenet_slides(size, positions):
    net, x = caffenet_like(), np.random.default_rng(2).random((1, 3, size, size), dtype=np.float32)
    found = cl.class_map(net, x, 3)
    assert found.shape == (1, positions, positions) and found.scores.shape == (1, 5, positions, positions)
    if positions == 1:
        logits = net.run(x, "logits")["logits"]
        np.testing.assert_allclose(found.scores[:, :, 0, 0], logits, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("size", "positions"), [(224, 1), (256, 2), (384, 6)])
def test_vgg_slides(size, positions):
    net, x = vgg_like(), np.random.default_rng(2).random((2, 3, size, size), dtype=np.float32)
    found = cl.class_map(net, x, [3, 1])
    assert found.shape == (2, positions, positions) and found.target == [3, 1]
    if positions == 1:
        np.testing.assert_allclose(found.scores[:, :, 0, 0], net(x), rtol=1e-4, atol=1e-5)
    # Away from the padding a position has the scores of the picture cropped there (steps of 32 pixels).
    if positions == 6:
        inner = cl.class_map(net, x[:, :, 32:256, 64:288].copy(), [3, 1])
        assert np.abs(found.scores[:, :, 1, 2] - inner.scores[:, :, 0, 0]).max() < 0.1 * np.abs(found.scores).max()


@pytest.mark.parametrize("path", sorted(NETWORKS.glob("*/torchscript.onnx")), ids=lambda path: path.parent.name)
def test_at_its_own_size_a_network_is_itself(path):
    net, golden = cl.load(path), np.load(path.parent / "golden.npz")
    if path.parent.name == "pooling":  # sums behind its last maps
        with pytest.raises(cl.InvalidArgument, match="behind the last maps"):
            cl.class_map(net, golden["input"])
        return
    found = cl.class_map(net, golden["input"])
    np.testing.assert_allclose(found.scores[:, :, 0, 0], golden["logits"], rtol=1e-3, atol=1e-4)
    assert found.target == golden["logits"].argmax(1).tolist() and found.score[0] == pytest.approx(found[0, 0, 0])


def test_pictures(built_in, cat):
    found = cl.class_map(built_in, cat, "tabby", size=288)
    assert found.shape == (3, 8) and found.scores.shape == (1000, 3, 8) and found.label == "tabby"
    height, width = found.image.shape[:2]
    assert min(height, width) == 288 and found.enlarged().shape == (height, width)
    assert np.asarray(found.overlay()).shape == (height, width, 3)
    assert found.score == np.asarray(found).max()


def test_free_sizes_take_the_preprocessings(photo):
    net = cl.load(small_network(), preprocess=cl.Preprocess(size=32))
    x = np.random.default_rng(0).random((1, 3, 48, 32), dtype=np.float32)
    assert cl.class_map(net, x).shape == (1, 9, 1)
    assert cl.class_map(net, photo).shape == (1, 1) and cl.class_map(net, photo, size=40).shape[0] == 5


@pytest.mark.parametrize(
    ("x", "wrong", "said"),
    [
        (np.zeros((1, 3, 16, 32), np.float32), {}, "16×32.*at least 32×32"),
        (np.zeros((1, 3, 48, 48), np.float32), {"size": 40}, "raw array"),
        (np.zeros((40, 40, 3)), {"size": 0}, "size is 0"),
        (np.zeros((40, 40, 3)), {"size": "large"}, "size is 'large'"),
        (np.zeros((40, 40, 3)), {"size": 20}, "at least 32×32"),
        (np.zeros((40, 40, 3)), {"target": 9}, "class 9"),
        (np.zeros((40, 40, 3)), {"target": "conv1:2"}, "class maps are about classes"),
    ],
)
def test_wrong_arguments_say_what_is_right(net, x, wrong, said):
    with pytest.raises(cl.InvalidArgument, match=said):
        cl.class_map(net, x, **wrong)


def test_networks_that_end_in_maps_need_none():
    nodes = [helper.make_node("Conv", ["x", "w"], ["y"], "conv")]
    weights = {"w": np.ones((2, 3, 1, 1), np.float32)}
    net = cl.load(model_bytes(nodes, weights, [("x", [1, 3, 8, 8])], [("y", [1, 2, 8, 8])]))
    with pytest.raises(cl.InvalidArgument, match="ends in maps"):
        cl.class_map(net, np.zeros((1, 3, 8, 8), np.float32))
