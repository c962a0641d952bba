# SPDX-License-Identifier: Apache-2.0
import _thread
import threading

import numpy as np
import pytest
from conftest import model_bytes, small_network
from onnx import helper

import cnnlens as cl


def naive(net, x, target, window, stride, fill):
    """Window after window through the whole network."""
    (wh, ww), (sh, sw) = window, stride
    n, _, h, w = x.shape
    maps = np.empty((n, h, w), np.float32)
    for k in range(n):
        base = np.float64(net(x[k : k + 1])[0, target[k]])
        sums, counts = np.zeros((h, w)), np.zeros((h, w))
        for top in range(0, h - wh + sh, sh):
            for left in range(0, w - ww + sw, sw):
                hidden = x[k : k + 1].copy()
                place = np.s_[top : min(top + wh, h), left : min(left + ww, w)]
                hidden[(0, slice(None), *place)] = fill[k][(slice(None), *place)]
                sums[place] += base - np.float64(net(hidden)[0, target[k]])
                counts[place] += 1
        maps[k] = sums / counts
    return maps


@pytest.mark.parametrize(
    ("window", "stride"), [((8, 8), (4, 4)), ((5, 9), (3, 7)), ((32, 1), (32, 1)), ((32, 32), (8, 8))]
)
def test_equals_every_window_through_the_whole_network(net, batch, window, stride):
    target = net(batch).argmax(1)
    fill = np.full((3, 3, 32, 32), 0.25, np.float32)
    found = cl.occlusion(net, batch, window=window, stride=stride, fill=0.25, exact=True)
    assert found.target == target.tolist() and found.method == "occlusion"
    np.testing.assert_array_equal(np.asarray(found), naive(net, batch, target, window, stride, fill))


@pytest.fixture(scope="module")
def deep():
    """3x3 layers of many channels, one behind the other: those that are computed in squares of outputs."""
    random, nodes, weights, channels = np.random.default_rng(5), [], {}, 3
    for index in range(6):
        weights[f"w{index}"] = random.normal(0, (2 / (9 * channels)) ** 0.5, (32, channels, 3, 3)).astype(np.float32)
        nodes.append(
            helper.make_node("Conv", [f"r{index - 1}" if index else "x", f"w{index}"], [f"c{index}"], pads=[1, 1, 1, 1])
        )
        nodes.append(helper.make_node("Relu", [f"c{index}"], [f"r{index}"]))
        channels = 32
    weights["dense"] = random.normal(size=(32, 5)).astype(np.float32)
    nodes += [
        helper.make_node("GlobalAveragePool", ["r5"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node("Gemm", ["flat", "dense"], ["y"]),
    ]
    return cl.load(model_bytes(nodes, weights, [("x", ("n", 3, 48, 48))], [("y", ("n", 5))]))


def test_exact_scores_have_the_bits_of_whole_passes(deep):
    x = np.random.default_rng(6).random((1, 3, 48, 48), dtype=np.float32)
    expected = naive(deep, x, [1], (8, 8), (8, 8), np.zeros_like(x))
    exact = cl.occlusion(deep, x, 1, window=8, exact=True)
    np.testing.assert_array_equal(np.asarray(exact), expected)
    quick = cl.occlusion(deep, x, 1, window=8)
    np.testing.assert_allclose(np.asarray(quick), expected, rtol=0, atol=2e-6 * abs(deep(x)[0, 1]))
    assert exact.manifest()["params"]["exact"] is True and quick.manifest()["params"]["exact"] is False
    cells = np.arange(48)[:, None] // 8 * 6 + np.arange(48) // 8
    ablated = cl.feature_ablation(deep, x, 1, segments=cells, fill=0.0, exact=True)
    np.testing.assert_array_equal(np.asarray(ablated), expected)
    about = cl.feature_ablation(deep, x, 1, segments=cells, fill=0.0)
    np.testing.assert_array_equal(np.asarray(about), np.asarray(quick))


def test_segments_of_one_image_are_nothing_to_another(deep):
    """Small segments want other layers to be quick than large ones."""
    x = np.random.default_rng(7).random((3, 3, 48, 48), dtype=np.float32)
    rows, columns = np.mgrid[:48, :48]
    segments = np.stack([rows // 6 * 8 + columns // 6, rows // 40, rows // 3 * 16 + columns // 3])
    together = np.asarray(cl.feature_ablation(deep, x, 1, segments=segments))
    for n in range(3):
        alone = np.asarray(cl.feature_ablation(deep, x[n : n + 1], 1, segments=segments[n]))
        np.testing.assert_array_equal(together[n], alone[0])


def test_fills(net, batch):
    x = batch[:1]
    means = x[0].mean((1, 2), dtype=np.float64).astype(np.float32)
    fill = np.broadcast_to(means[:, None, None], x.shape[1:])[None]
    expected = naive(net, x, [2], (8, 8), (8, 8), fill)
    np.testing.assert_allclose(
        np.asarray(cl.occlusion(net, x, 2, window=8, fill="mean")), expected, rtol=1e-4, atol=1e-6
    )
    offsets = np.arange(32)[:, None] - np.arange(32)
    weights = np.exp(-0.5 * offsets**2 / 100.0) * (abs(offsets) <= 30)
    weights /= weights.sum(1, keepdims=True)
    blurred = np.einsum("yY,xX,cYX->cyx", weights, weights, x[0].astype(np.float64)).astype(np.float32)[None]
    expected = naive(net, x, [2], (8, 8), (8, 8), blurred)
    np.testing.assert_allclose(
        np.asarray(cl.occlusion(net, x, 2, window=8, fill="blur")), expected, rtol=1e-3, atol=1e-5
    )
    with pytest.raises(AssertionError):
        np.testing.assert_allclose(np.asarray(cl.occlusion(net, x, 2, window=8)), expected, rtol=1e-3, atol=1e-5)


def test_pictures_are_filled_in_picture_units(net, photo):
    seen = net.given(photo).array
    grey = np.full_like(seen, 0.5)
    scores = {}

    def picture(array):
        return array[0].transpose(1, 2, 0)

    base = net.activations(picture(seen), "logits")["logits"][0, 1]
    scores = net.activations(picture(grey), "logits")["logits"][0, 1]
    found = cl.occlusion(net, photo, 1, window=32, stride=32, fill=0.5)
    np.testing.assert_allclose(np.asarray(found), base - scores, rtol=1e-4, atol=1e-6)
    assert found.image.shape == (32, 32, 3) and np.asarray(found).shape == (32, 32)
    listed = cl.occlusion(net, [photo, photo], 1, window=32, stride=32, fill=0.5)
    np.testing.assert_array_equal(np.asarray(listed)[1], np.asarray(found))


def test_nothing_matters_to_a_constant_network():
    weights = {"w": np.zeros((5, 3), np.float32), "b": np.arange(5, dtype=np.float32)}
    nodes = [
        helper.make_node("GlobalAveragePool", ["x"], ["p"], "pool"),
        helper.make_node("Flatten", ["p"], ["f"], "flatten"),
        helper.make_node("Gemm", ["f", "w", "b"], ["y"], "dense", transB=1),
    ]
    net = cl.load(model_bytes(nodes, weights, [("x", ["n", 3, "h", "w"])], [("y", ["n", 5])]))
    found = cl.occlusion(net, np.random.default_rng(0).random((1, 3, 20, 24), dtype=np.float32), window=6, stride=3)
    assert not np.asarray(found).any() and found.target == [4]


def test_objectives(net, batch):
    x = batch[:1]
    both = np.asarray(cl.occlusion(net, x, cl.logit(0) - cl.logit(1), window=8))
    parts = [np.asarray(cl.occlusion(net, x, target, window=8)) for target in (0, 1)]
    np.testing.assert_allclose(both, parts[0] - parts[1], rtol=1e-3, atol=1e-5)
    per_image = np.asarray(cl.occlusion(net, batch, [2, 0, 1], window=8))
    np.testing.assert_array_equal(per_image[0], np.asarray(cl.occlusion(net, x, 2, window=8))[0])
    np.testing.assert_array_equal(per_image[2], np.asarray(cl.occlusion(net, batch[2:], 1, window=8))[0])


def test_the_softmax_is_left_out(batch):
    plain, soft = cl.load(small_network(size=32)), cl.load(small_network(size=32, softmax=True))
    a, b = (np.asarray(cl.occlusion(net, batch[:1], 3, window=16)) for net in (plain, soft))
    np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"window": 33}, r"window is 33 pixels high.*1 to 32"),
        ({"window": (8, 0)}, r"window is 0 pixels wide.*1 to 32"),
        ({"window": 2.5}, r"window is 2.5.*whole number"),
        ({"window": (1, 2, 3)}, "window"),
        ({"window": 8, "stride": 0}, r"stride is 0.*1 to 8"),
        ({"window": 8, "stride": (8, 9)}, r"stride is 9 pixels wide.*1 to 8"),
        ({"window": 8, "fill": float("nan")}, r"fill is nan.*finite"),
        ({"window": 8, "fill": "grey"}, r"fill is 'grey'.*'mean' or 'blur'"),
        ({"window": 8, "fill": 1e39}, "fill"),
        ({"window": 8, "progress": 3}, "progress is 3"),
    ],
)
def test_wrong_arguments_say_what_is_right(net, batch, wrong, said):
    with pytest.raises(cl.InvalidArgument, match=said):
        cl.occlusion(net, batch, **wrong)


def test_progress_is_reported_and_can_stop(net, batch, capsys):
    steps = []
    cl.occlusion(net, batch[:1], window=8, stride=4, progress=lambda step, total, value: steps.append((step, total)))
    assert steps[-1] == (49, 49) and steps == sorted(steps)
    with pytest.raises(cl.Cancelled):
        cl.occlusion(net, batch[:1], window=8, stride=4, progress=lambda *_: False)
    with pytest.raises(ZeroDivisionError):
        cl.occlusion(net, batch[:1], window=8, stride=4, progress=lambda *_: 1 / 0)
    cl.occlusion(net, batch[:1], window=8, stride=4, progress=True)
    assert "occlusion 49/49" in capsys.readouterr().err
    cl.occlusion(net, batch[:1], window=8, stride=4)
    assert capsys.readouterr().err == ""


def test_ctrl_c(built_in, cat):
    threading.Timer(0.3, _thread.interrupt_main).start()
    with pytest.raises(KeyboardInterrupt):
        cl.occlusion(built_in, cat, window=8, stride=2)


def test_where_a_cat_is(built_in, cat):
    found = cl.occlusion(built_in, cat, "tabby", window=48, stride=24, fill="mean")
    assert np.asarray(found).max() > 0 and found.label == "tabby"
