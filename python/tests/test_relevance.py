# SPDX-License-Identifier: Apache-2.0
"""Layer-wise relevance propagation; agreement with zennit is in test_attribution_goldens.py."""

import numpy as np
import pytest
from conftest import model_bytes
from onnx import helper

import cnnlens as cl

PRESETS = (
    "epsilon",
    "gamma",
    "z-plus",
    "alpha-beta",
    "epsilon-plus",
    "epsilon-plus-flat",
    "epsilon-gamma-box",
    "epsilon-alpha2-beta1",
    "epsilon-alpha2-beta1-flat",
)


@pytest.mark.parametrize("rule", PRESETS)
def test_a_map_knows_what_is_missing(net, photo, rule):
    found = cl.lrp(net, photo, 2, rule=rule)
    assert found.shape == (32, 32) and found.is_signed and found.target == 2
    assert found.params["rule"] == rule
    assert found.gap == pytest.approx(found.score - np.asarray(found, np.float64).sum(), abs=1e-4)
    kept = cl.lrp(net, [photo, photo], 2, rule=rule, reduce=None)
    assert kept.shape == (2, 3, 32, 32) and kept.gap.shape == (2,)
    np.testing.assert_allclose(np.asarray(kept)[1].sum(0), np.asarray(found), rtol=1e-3, atol=1e-5)


def test_biases_take_their_share(built_in, cat):
    counted = cl.lrp(built_in, cat, "tabby")
    without = cl.lrp(built_in, cat, "tabby", bias=False)
    assert 0 < without.gap < 0.99 * counted.gap
    with pytest.raises(cl.InvalidArgument, match="larger epsilon"):
        cl.lrp(built_in, cat, "tabby", rule="epsilon", bias=False)


def test_a_map_lies_on_the_cat(built_in, cat):
    """Its eyes and its nose hold most of what there is."""
    parts = [(90, 144, 40, 105), (95, 150, 175, 224), (165, 205, 85, 150)]
    is_cat = np.zeros((224, 224), bool)
    for top, bottom, left, right in parts:
        is_cat[top:bottom, left:right] = True
    for rule in ("epsilon", "epsilon-plus", "epsilon-gamma-box", "epsilon-alpha2-beta1"):
        relevance = np.abs(np.asarray(cl.lrp(built_in, cat, "tabby", rule=rule)))
        assert relevance[is_cat].mean() > 1.5 * relevance[~is_cat].mean(), rule


def test_the_batch_decides_nothing(net, batch):
    together = np.asarray(cl.lrp(net, batch, [0, 1, 2], rule="gamma"))
    for n in range(3):
        np.testing.assert_array_equal(together[n], np.asarray(cl.lrp(net, batch[n : n + 1], n, rule="gamma"))[0])
    threads = cl.get_num_threads()
    try:
        cl.set_num_threads(1)
        np.testing.assert_array_equal(together, np.asarray(cl.lrp(net, batch, [0, 1, 2], rule="gamma")))
    finally:
        cl.set_num_threads(threads)


def test_default_is_the_preset_in_full(net, batch):
    expected = np.asarray(cl.lrp(net, batch, 1))
    for rule in ("epsilon-plus-flat", ("z-plus", "epsilon", "flat")):
        np.testing.assert_array_equal(expected, np.asarray(cl.lrp(net, batch, 1, rule=rule)))
    # A dense layer that sees the picture first is a first layer as well.
    first = cl.lrp(net, batch, 1, rule=("z-plus", "epsilon", None))
    assert not np.array_equal(expected, np.asarray(first))


def test_rules_by_hand():
    """Two inputs, one output: x = (3, -1), w = (2, 4), b = 1, z = 3."""
    nodes = [helper.make_node("Flatten", ["x"], ["f"]), helper.make_node("Gemm", ["f", "w", "b"], ["y"], transB=1)]
    values = {"w": np.array([[2, 4]], np.float32), "b": np.array([1], np.float32)}
    net = cl.load(model_bytes(nodes, values, [("x", [1, 2, 1, 1])], [("y", [1, 1])]))
    x = np.array([3, -1], np.float32).reshape(1, 2, 1, 1)
    expected = {
        "epsilon": (6, -4),
        # 6 + 0.5 * 6 and -4, of 6 - 4 + 1 + 0.5 * (6 + 1)
        "gamma": (3 * 9 / 6.5, 3 * -4 / 6.5),
        "z-plus": (3 * 6 / 7, 0),
        # twice the positive part less the negative
        "alpha-beta": (2 * 3 * 6 / 7, -3),
        "flat": (1.5, 1.5),
        "w-square": (3 * 4 / 20, 3 * 16 / 20),
        # x w - low w: (3 + 2) 2 and (-1 + 2) 4
        "z-box": (3 * 10 / 14, 3 * 4 / 14),
    }
    for rule, relevance in expected.items():
        rules = ("epsilon", "epsilon", rule)
        found = cl.lrp(net, x, 0, rule=rules, gamma=0.5, low=-2, high=5, reduce=None)
        np.testing.assert_allclose(np.asarray(found).ravel(), relevance, rtol=1e-5, err_msg=rule)
    found = cl.lrp(net, x, 0, rule="epsilon", epsilon=2.0, reduce=None)
    np.testing.assert_allclose(np.asarray(found).ravel(), (3 * 6 / 5, 3 * -4 / 5), rtol=1e-5)


def test_a_skip_connection_shares_in_proportion():
    """Three quarters and one quarter of relu(3 x) + x; all of it reaches x."""
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"], "conv"),
        helper.make_node("Relu", ["c"], ["r"], "relu"),
        helper.make_node("Add", ["r", "x"], ["s"], "sum"),
        helper.make_node("Flatten", ["s"], ["y"], "flatten"),
    ]
    values = {"w": np.full((1, 1, 1, 1), 3, np.float32)}
    net = cl.load(model_bytes(nodes, values, [("x", [1, 1, 1, 2])], [("y", [1, 2])]))
    x = np.array([2, 5], np.float32).reshape(1, 1, 1, 2)
    np.testing.assert_allclose(np.asarray(cl.lrp(net, x, 1, rule="epsilon"))[0, 0], (0, 20), rtol=1e-5)


def test_bounds_are_the_pictures(net, photo, batch):
    found = cl.lrp(net, photo, 1, rule="epsilon-gamma-box")
    again = cl.lrp(net, photo, 1, rule="epsilon-gamma-box", low=[0, 0, 0], high=1.0)
    np.testing.assert_array_equal(np.asarray(found), np.asarray(again))
    with pytest.raises(cl.InvalidArgument, match=r"raw array.*low and high"):
        cl.lrp(net, batch, 1, rule="epsilon-gamma-box")
    assert cl.lrp(net, batch, 1, rule="epsilon-gamma-box", low=0, high=1).shape == (3, 32, 32)
    with pytest.raises(cl.InvalidArgument, match="bounds that hold"):
        cl.lrp(net, batch, 1, rule="epsilon-gamma-box", low=0.5, high=1)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"rule": "epsilonplus"}, "rule is 'epsilonplus'; it must be one of 'epsilon', 'gamma'"),
        ({"rule": ("z-plus", "epsilon")}, "2 parts"),
        ({"rule": ("z-plus", None, None)}, "dense layers is None"),
        ({"rule": ("z-box", "epsilon", None), "low": 0, "high": 1}, "see the picture first"),
        ({"epsilon": 0}, "epsilon is 0.0; it must be a finite number above 0"),
        ({"epsilon": float("nan")}, "epsilon is nan"),
        ({"rule": "gamma", "gamma": -1}, "gamma is -1"),
        ({"rule": "alpha-beta", "alpha": 0.5}, "alpha is 0.5"),
        ({"rule": "gamma", "gamma": float("inf")}, "gamma is inf"),
        ({"rule": "epsilon-gamma-box", "low": [0, 0], "high": 1}, "3 channels"),
        ({"rule": "epsilon-gamma-box", "low": 1, "high": 0}, "low must be below high"),
        ({"rule": "epsilon-gamma-box", "low": "no", "high": 0}, "low is 'no'"),
        ({"bias": 2}, "bias is 2"),
        ({"reduce": "mean"}, "reduce is 'mean'"),
    ],
)
def test_wrong_arguments_say_what_is_right(net, batch, wrong, said):
    with pytest.raises(cl.InvalidArgument, match=said):
        cl.lrp(net, batch, 1, **wrong)
