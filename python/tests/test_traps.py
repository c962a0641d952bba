# SPDX-License-Identifier: Apache-2.0
"""What goes wrong elsewhere, and identities that any correct method obeys.

The first part holds traps found in other libraries' attribution code: each test fails for the library that has it.
"""

import functools

import numpy as np
import pytest
from conftest import model_bytes, small_network
from onnx import helper

import cnnlens as cl


def flat_network(weights, bias, shape=("n", 1, 1, 10)):
    """A dense layer over a picture, K x inputs."""
    nodes = [
        helper.make_node("Flatten", ["x"], ["f"], "flatten"),
        helper.make_node("Gemm", ["f", "w", "b"], ["y"], "dense", transB=1),
    ]
    values = {"w": np.asarray(weights, np.float32), "b": np.asarray(bias, np.float32)}
    return cl.load(model_bytes(nodes, values, [("x", list(shape))], [("y", ["n", len(weights)])]))


def homogeneous_network():
    """Convolutions without biases, ReLU, maximum and mean pooling, a skip connection, a concatenation."""
    rng = np.random.default_rng(11)
    weights = {
        "w1": rng.normal(0, 0.3, (8, 3, 3, 3)),
        "w2": rng.normal(0, 0.2, (8, 8, 3, 3)),
        "w3": rng.normal(0, 0.3, (4, 8, 1, 1)),
        "w4": rng.normal(0, 0.5, (5, 12)),
    }
    nodes = [
        helper.make_node("Conv", ["x", "w1"], ["c1"], "conv1", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c1"], ["r1"], "relu1"),
        helper.make_node("MaxPool", ["r1"], ["p1"], "pool1", kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Conv", ["p1", "w2"], ["c2"], "conv2", pads=[1, 1, 1, 1]),
        helper.make_node("Add", ["c2", "p1"], ["s"], "skip"),
        helper.make_node("Relu", ["s"], ["r2"], "relu2"),
        helper.make_node("Conv", ["r2", "w3"], ["c3"], "conv3"),
        helper.make_node("Concat", ["c3", "r2"], ["cat"], "concat", axis=1),
        helper.make_node("GlobalAveragePool", ["cat"], ["g"], "global"),
        helper.make_node("Flatten", ["g"], ["f"], "flatten"),
        helper.make_node("MatMul", ["f", "w4t"], ["y"], "dense"),
    ]
    values = {name: value.astype(np.float32) for name, value in weights.items()}
    values["w4t"] = np.ascontiguousarray(values.pop("w4").T)
    return cl.load(model_bytes(nodes, values, [("x", ["n", 3, 16, 16])], [("y", ["n", 5])]))


def distance(given, expected):
    return np.linalg.norm(np.asarray(given, np.float64) - expected) / np.linalg.norm(expected)


# ---- traps


@pytest.mark.parametrize("rule", ["gausslegendre", "left", "right", "middle", "trapezoid"])
def test_a_linear_model_is_explained_whole_at_every_number_of_steps(rule):
    """Captum's riemann_trapezoid has weights that sum to (n - 1) / n: 0.98 of the score at 50 steps."""
    rng = np.random.default_rng(1)
    net = flat_network(rng.normal(size=(1, 10)), [0.0])
    x = rng.normal(size=(1, 1, 1, 10)).astype(np.float32)
    for steps in (2, 50):
        found = cl.integrated_gradients(net, x, 0, steps=steps, rule=rule)
        assert np.asarray(found).sum() == pytest.approx(found.score[0], rel=1e-5)


def test_the_class_that_was_asked_for_is_explained(net, photo):
    """FlashTorch warns and explains the top class instead, and takes the maximum of signed gradients."""
    top = cl.saliency(net, photo).target
    for target in range(5):
        found = cl.saliency(net, photo, target)
        assert found.target == target
        np.testing.assert_array_equal(np.asarray(found), np.abs(net.gradient(photo, target)[0]).max(0))
        assert target == top or not np.array_equal(np.asarray(found), np.asarray(cl.saliency(net, photo)))


def test_grad_cam_goes_back_by_the_gradient(net, batch):
    """tf-explain's default is a guided gradient, which is another method."""
    maps = net.activations(batch, "relu1")["relu1"]

    def cam(rule):
        weights = net.gradient(batch, 1, wrt="relu1", rule=rule).mean((2, 3), keepdims=True)
        return (weights * maps).sum(1)

    found = cl.grad_cam(net, batch, 1, layer="relu1", relu=False).native
    np.testing.assert_allclose(found, cam("gradient"), rtol=1e-4, atol=1e-6)
    assert distance(cam("guided"), cam("gradient")) > 0.05


def enlarged(maps, size):
    """Bilinear, pixels as areas: the way pictures are resized."""
    for axis in (0, 1):
        place = np.clip((np.arange(size[axis]) + 0.5) * maps.shape[axis] / size[axis] - 0.5, 0, maps.shape[axis] - 1)
        low = np.floor(place).astype(int)
        high = np.minimum(low + 1, maps.shape[axis] - 1)
        part = (place - low).reshape(-1, *[1] * (maps.ndim - 1 - axis))
        maps = maps.take(low, axis) * (1 - part) + maps.take(high, axis) * part
    return maps


def test_guided_grad_cam_is_enlarged_bilinearly(net, photo):
    """Captum's default is nearest, unlike the paper's."""
    found = cl.guided_grad_cam(net, photo, 2, layer="relu2")
    guided = np.asarray(cl.guided_backprop(net, photo, 2))
    cam = found.native
    assert cam.shape == (16, 16)
    np.testing.assert_allclose(np.asarray(found), guided * enlarged(cam, (32, 32)), rtol=1e-4, atol=1e-7)
    assert distance(guided * cam.repeat(2, 0).repeat(2, 1), np.asarray(found)) > 0.05


def test_every_rectifier_is_seen_however_it_was_written():
    """Captum's guided backprop silently passes by rectifiers that are functions, or modules used twice."""
    rng = np.random.default_rng(5)
    weights = rng.normal(0, 0.5, (2, 6, 6, 3, 3)).astype(np.float32)
    first = rng.normal(0, 0.5, (6, 3, 3, 3)).astype(np.float32)
    x = rng.normal(size=(1, 3, 9, 9)).astype(np.float32)
    values = {"w0": first, "w1": weights[0], "w2": weights[1], "zero": np.zeros((), np.float32)}

    def network(kinds):
        nodes, last = [], "x"
        for index, kind in enumerate(kinds):
            nodes.append(helper.make_node("Conv", [last, f"w{index}"], [f"c{index}"], pads=[1, 1, 1, 1]))
            inputs = [f"c{index}"] + (["zero"] if kind in ("Clip", "Max") else [])
            inputs = inputs[::-1] if kind == "Max" and index else inputs
            nodes.append(helper.make_node(kind, inputs, [f"r{index}"]))
            last = f"r{index}"
        nodes.append(helper.make_node("GlobalAveragePool", [last], ["g"]))
        nodes.append(helper.make_node("Flatten", ["g"], ["y"]))
        return cl.load(model_bytes(nodes, values, [("x", [1, 3, 9, 9])], [("y", [1, 6])]))

    for method in (cl.guided_backprop, cl.deconvnet):
        expected = np.asarray(method(network(["Relu", "Relu", "Relu"]), x, 2))
        for kinds in (["Clip", "Relu", "Clip"], ["Max", "Relu", "Max"]):
            np.testing.assert_array_equal(np.asarray(method(network(kinds), x, 2)), expected)
        assert distance(network(["Relu", "Relu", "Relu"]).gradient(x, 2)[0].sum(0), expected[0]) > 0.05


def test_every_image_of_a_batch_is_explained_and_the_network_stays(net, batch):
    """pytorch-grad-cam's guided backprop gives the first image alone, and exchanges the model's rectifiers for good."""
    before = net(batch), net.gradient(batch, 1)
    together = np.asarray(cl.guided_backprop(net, batch, 1))
    for n in range(3):
        alone = np.asarray(cl.guided_backprop(net, batch[n : n + 1], 1))
        np.testing.assert_array_equal(together[n], alone[0])
    cl.lrp(net, batch, 1)
    np.testing.assert_array_equal(net(batch), before[0])
    np.testing.assert_array_equal(net.gradient(batch, 1), before[1])


def test_maps_keep_their_units(net, batch):
    """pytorch-grad-cam scales each map to 0...1 by itself, so that no two can be compared."""
    found = cl.grad_cam(net, batch, 1, relu=False)
    doubled = cl.grad_cam(net, batch, 2.0 * cl.logit(1), relu=False)
    np.testing.assert_allclose(np.asarray(doubled), 2 * np.asarray(found), rtol=1e-5)
    heights = np.abs(np.asarray(found)).max((1, 2))
    assert len(set(heights.tolist())) == 3 and not np.isclose(heights, 1).any()
    # Drawn on one scale: a weaker map is paler than it would be alone.
    weakest = int(np.argmin(heights))
    alone = cl.grad_cam(net, batch[weakest : weakest + 1], 1, relu=False)
    assert not np.array_equal(found.colored()[weakest], alone.colored()[0])


def test_noise_is_a_share_of_the_range():
    """pytorch-cnn-visualizations divides by the range where it should multiply."""
    rng = np.random.default_rng(2)
    weights = np.ones((1, 400), np.float32)
    nodes = [
        helper.make_node("Mul", ["x", "x"], ["q"]),
        helper.make_node("Flatten", ["q"], ["f"]),
        helper.make_node("Gemm", ["f", "w"], ["y"], transB=1),
    ]
    net = cl.load(model_bytes(nodes, {"w": weights}, [("x", [1, 1, 20, 20])], [("y", [1, 1])]))
    x = rng.uniform(-3, 5, (1, 1, 20, 20)).astype(np.float32)
    span = x.max() - x.min()
    # The gradient is 2 x, that of a noisy copy 2 (x + e): its variance is 4 s^2.
    of = functools.partial(cl.guided_backprop, reduce="sum")
    found = np.asarray(cl.smoothgrad(net, x, 0, n=60, noise=0.1, kind="var", of=of))
    assert found.mean() == pytest.approx(4 * (0.1 * span) ** 2, rel=0.05)


def test_saliency_is_one_number_a_pixel(net, photo):
    """Captum never takes the maximum over the channels; the paper does."""
    assert cl.saliency(net, photo).shape == (32, 32)


# ---- a linear classifier by hand (Karpathy, "Breaking Linear Classifiers on ImageNet", 2015)

X = np.array([2, -1, 3, -2, 2, 2, 1, -4, 5, 1], np.float32).reshape(1, 1, 1, 10)
W = np.array([-1, -1, 1, -1, 1, -1, 1, 1, -1, 1], np.float32)


def test_a_linear_classifier_is_its_weights():
    net = flat_network([W], [0.0])
    assert net(X)[0, 0] == -3
    product = [-2, 1, 3, 2, 2, -2, 1, -4, -5, 1]
    np.testing.assert_array_equal(net.gradient(X, 0).ravel(), W)
    np.testing.assert_array_equal(np.asarray(cl.grad_x_input(net, X, 0)).ravel(), product)
    np.testing.assert_allclose(np.asarray(cl.integrated_gradients(net, X, 0)).ravel(), product, rtol=1e-5)
    np.testing.assert_allclose(np.asarray(cl.lrp(net, X, 0, rule="epsilon")).ravel(), product, rtol=1e-5)
    np.testing.assert_allclose(np.asarray(cl.occlusion(net, X, 0, window=1, stride=1)).ravel(), product, rtol=1e-5)
    assert sum(product) == -3


def test_a_small_step_fools_it():
    net = flat_network([np.zeros(10), W], [0.0, 0.0])  # the sigmoid of -3 is the softmax of (0, -3)
    fooled = X + np.float32(0.5) * np.sign(W).reshape(X.shape)
    np.testing.assert_array_equal(fooled.ravel(), [1.5, -1.5, 3.5, -2.5, 2.5, 1.5, 1.5, -3.5, 4.5, 1.5])
    for x, score, probability in ((X, -3, 0.04743), (fooled, 2, 0.88080)):
        assert net(x)[0, 1] == score
        assert cl.saliency(net, x, cl.prob(1)).score[0] == pytest.approx(probability, abs=1e-5)
    assert net.predict(fooled, 1).indices == [[1]]


# ---- Springenberg et al. 2015, figure 1


def test_figure_one_of_guided_backprop():
    f = np.array([[1, -1, 5], [2, -5, -7], [-3, 2, 4]], np.float32)[None, None]
    received = np.array([[-2, 3, -1], [6, -3, 1], [2, -1, 3]], np.float32)
    nodes = [helper.make_node("Relu", ["x"], ["y"], "relu")]
    net = cl.load(model_bytes(nodes, {}, [("x", [1, 1, 3, 3])], [("y", [1, 1, 3, 3])]))
    expected = {
        "gradient": [[-2, 0, -1], [6, 0, 0], [0, -1, 3]],
        "deconvnet": [[0, 3, 0], [6, 0, 1], [2, 0, 3]],
        "guided": [[0, 0, 0], [6, 0, 0], [0, 0, 3]],
    }
    for rule, values in expected.items():
        np.testing.assert_array_equal(net.gradient(f, cl.group("relu", received[None]), rule=rule)[0, 0], values)


# ---- identities


def test_without_biases_every_score_is_gradient_times_input():
    net = homogeneous_network()
    x = np.random.default_rng(12).normal(size=(2, 3, 16, 16)).astype(np.float32)
    found = cl.grad_x_input(net, x, 3, reduce=None)
    np.testing.assert_allclose(np.asarray(found).sum((1, 2, 3)), found.score, rtol=1e-4)
    relevance = cl.lrp(net, x, 3, rule="epsilon", epsilon=1e-9, reduce=None)
    assert distance(relevance, np.asarray(found)) < 1e-3
    np.testing.assert_allclose(relevance.gap, 0, atol=1e-3)
    for rule in ("epsilon", "z-plus", "gamma", "epsilon-plus", "epsilon-plus-flat"):
        assert np.abs(cl.lrp(net, x, 3, rule=rule).gap).max() < 2e-3 * np.abs(found.score).max(), rule


def test_a_sure_class_has_no_gradient_of_its_probability(photo):
    """But its logit has: logits are what targets mean."""
    net = cl.load(small_network(size=32))
    top = cl.saliency(net, photo).target
    probability = cl.saliency(net, photo, cl.prob(top))
    logit = cl.saliency(net, photo, top)
    assert np.asarray(probability).max() < np.asarray(logit).max()
    weights, bias = np.array([[60.0] * 10, [-60.0] * 10]), [0.0, 0.0]
    certain, x = flat_network(weights, bias), np.full((1, 1, 1, 10), 0.5, np.float32)
    assert np.asarray(cl.saliency(certain, x, cl.prob(0))).max() == 0
    assert np.asarray(cl.saliency(certain, x, 0)).min() == 60


def test_deconvnet_without_rectifiers_is_the_gradient():
    rng = np.random.default_rng(13)
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"], strides=[2, 2]),
        helper.make_node("MaxPool", ["c"], ["p"], kernel_shape=[2, 2], strides=[1, 1]),
        helper.make_node("GlobalAveragePool", ["p"], ["g"]),
        helper.make_node("Flatten", ["g"], ["y"]),
    ]
    values = {"w": rng.normal(size=(4, 3, 3, 3)).astype(np.float32)}
    net = cl.load(model_bytes(nodes, values, [("x", [1, 3, 11, 11])], [("y", [1, 4])]))
    x = rng.normal(size=(1, 3, 11, 11)).astype(np.float32)
    for method in (cl.deconvnet, cl.guided_backprop):
        np.testing.assert_array_equal(np.asarray(method(net, x, 1, reduce=None)), net.gradient(x, 1))


def test_occlusion_of_a_linear_model_is_what_the_window_held():
    rng = np.random.default_rng(14)
    weights = rng.normal(size=(1, 48)).astype(np.float32)
    net = flat_network(weights, [0.7], ("n", 1, 6, 8))
    x = rng.normal(size=(1, 1, 6, 8)).astype(np.float32)
    found = np.asarray(cl.occlusion(net, x, 0, window=2, stride=2, fill=0.25))[0]
    held = (weights.reshape(6, 8) * (x[0, 0] - 0.25)).reshape(3, 2, 4, 2).sum((1, 3))
    np.testing.assert_allclose(found, held.repeat(2, 0).repeat(2, 1), rtol=1e-4, atol=1e-5)
