# SPDX-License-Identifier: Apache-2.0
"""SmoothGrad, integrated gradients and the methods at a layer, against loops over single gradients."""

import functools

import numpy as np
import pytest
from conftest import model_bytes
from onnx import helper

import cnnlens as cl


def linear_network(weights, bias=0.0, nodes=None):
    """One class score: a dense layer over a picture of 1 x H x W."""
    size = weights.size
    nodes = nodes or [
        helper.make_node("Flatten", ["x"], ["f"], "flatten"),
        helper.make_node("Gemm", ["f", "w", "b"], ["y"], "dense", transB=1),
    ]
    values = {"w": weights.reshape(1, size).astype(np.float32), "b": np.full(1, bias, np.float32)}
    return cl.load(model_bytes(nodes, values, [("x", ["n", *weights.shape])], [("y", ["n", 1])]))


def points(rule, n):
    if rule == "gausslegendre":
        nodes, weights = np.polynomial.legendre.leggauss(n)
        return (nodes + 1) / 2, weights / 2
    if rule == "trapezoid":
        weights = np.full(n, 1 / (n - 1))
        weights[[0, -1]] /= 2
        return np.linspace(0, 1, n), weights
    offset = {"left": 0, "middle": 0.5, "right": 1}[rule]
    return (np.arange(n) + offset) / n, np.full(n, 1 / n)


RULES = ("gausslegendre", "left", "right", "middle", "trapezoid")


@pytest.mark.parametrize("rule", RULES)
def test_integrated_gradients_are_weighted_gradients_on_the_way(net, batch, rule):
    start = np.random.default_rng(4).random(batch.shape, dtype=np.float32)
    target = net(batch).argmax(1)
    mean = np.zeros(batch.shape)
    for place, weight in zip(*points(rule, 7), strict=True):
        between = (start + np.float32(place) * (batch - start)).astype(np.float32)
        mean += weight * net.gradient(between, target)
    expected = (batch - start) * mean
    found = cl.integrated_gradients(net, batch, baseline=start, steps=7, rule=rule, reduce=None)
    np.testing.assert_allclose(np.asarray(found), expected, rtol=1e-3, atol=1e-5)
    rows = np.arange(3)
    difference = net(batch)[rows, target] - net(start)[rows, target]
    np.testing.assert_allclose(found.gap, difference - expected.sum((1, 2, 3)), atol=2e-4)


def test_integrated_gradients_add_up(net, photo):
    found = cl.integrated_gradients(net, photo, 1, steps=300)
    black = net.activations(np.zeros_like(photo), "logits")["logits"][0, 1]
    assert abs(found.gap) < 2e-3 * abs(found.score - black) + 1e-3
    assert np.asarray(found).sum() == pytest.approx(found.score - black, abs=abs(found.gap) + 1e-4)


@pytest.mark.parametrize("rule", RULES)
def test_weights_sum_to_one_so_that_a_linear_model_has_no_gap(rule):
    weights = np.random.default_rng(1).normal(size=(1, 5, 7))
    x = np.random.default_rng(2).random((1, 1, 5, 7), dtype=np.float32)
    found = cl.integrated_gradients(linear_network(weights, 0.3), x, 0, steps=50, rule=rule, reduce=None)
    np.testing.assert_allclose(np.asarray(found)[0], weights * x[0], rtol=1e-5, atol=1e-6)
    assert abs(found.gap[0]) < 1e-5


def test_the_worked_example_of_the_paper():
    """F = 1 - ReLU(1 - x), from 0 to 2: the gradient at 2 is 0 but the score has changed by 1."""
    nodes = [
        helper.make_node("Flatten", ["x"], ["f"], "flatten"),
        helper.make_node("Sub", ["b", "f"], ["a"], "minus"),
        helper.make_node("Relu", ["a"], ["r"], "relu"),
        helper.make_node("Sub", ["b", "r"], ["y"], "score"),
    ]
    net = linear_network(np.ones((1, 1, 1)), 1.0, nodes)
    x = np.full((1, 1, 1, 1), 2, np.float32)
    assert net(x)[0, 0] == 1 and net.gradient(x, 0).item() == 0
    for rule, expected in (("left", 1.0), ("middle", 1.0), ("right", 0.96)):
        found = cl.integrated_gradients(net, x, 0, steps=50, rule=rule)
        assert np.asarray(found).item() == pytest.approx(expected, abs=1e-6), rule
        assert found.gap[0] == pytest.approx(1 - expected, abs=1e-6)


def test_gauss_legendre_is_exact_for_polynomials():
    """Two nodes integrate a cubic derivative: x^4."""
    nodes = [
        helper.make_node("Flatten", ["x"], ["f"], "flatten"),
        helper.make_node("Mul", ["f", "f"], ["s"], "square"),
        helper.make_node("Mul", ["s", "s"], ["y"], "score"),
    ]
    net = linear_network(np.ones((1, 1, 1)), 1.0, nodes)
    x = np.full((1, 1, 1, 1), 1.5, np.float32)
    found = cl.integrated_gradients(net, x, 0, baseline=0.5, steps=2)
    assert np.asarray(found).item() == pytest.approx(1.5**4 - 0.5**4, rel=1e-6)


def test_baselines(net, photo):
    given = net.given(photo).array
    mean = given.mean((2, 3), keepdims=True) * np.ones_like(given)
    by_name = cl.integrated_gradients(net, photo, 0, baseline="mean", steps=5)
    by_array = cl.integrated_gradients(net, photo, 0, baseline=mean.astype(np.float32)[0], steps=5)
    np.testing.assert_allclose(np.asarray(by_name), np.asarray(by_array), rtol=1e-3, atol=1e-5)
    assert cl.integrated_gradients(net, photo, 0, baseline="blur", steps=5).params["baseline"] == "blur"
    for wrong in ("grey", np.zeros(3, np.float32), np.full((3, 32, 32), np.nan, np.float32), float("nan"), None):
        with pytest.raises(cl.InvalidArgument, match="baseline"):
            cl.integrated_gradients(net, photo, 0, baseline=wrong)
    for wrong in ({"steps": 0}, {"steps": 2.5}, {"rule": "simpson"}, {"rule": "trapezoid", "steps": 1}):
        with pytest.raises(cl.InvalidArgument):
            cl.integrated_gradients(net, photo, 0, **wrong)


# ---- SmoothGrad


@pytest.mark.parametrize("of", [cl.saliency, cl.grad_x_input, cl.guided_backprop, cl.deconvnet, cl.grad_cam])
def test_without_noise_the_mean_is_the_method_and_the_variance_zero(net, photo, of):
    plain = np.asarray(of(net, photo, 1))
    np.testing.assert_allclose(
        np.asarray(cl.smoothgrad(net, photo, 1, n=3, noise=0, of=of)), plain, rtol=1e-6, atol=1e-9
    )
    squared = np.asarray(cl.smoothgrad(net, photo, 1, n=3, noise=0, of=of, kind="square"))
    np.testing.assert_allclose(squared, plain**2, rtol=1e-5, atol=1e-12)
    assert not np.asarray(cl.smoothgrad(net, photo, 1, n=3, noise=0, of=of, kind="var")).any()


def test_moments_of_a_linear_model():
    """Grad x input of a noisy copy is w (x + e): its mean is w x, its variance w^2 s^2, s = noise * range."""
    weights = np.random.default_rng(1).normal(size=(1, 6, 6))
    net = linear_network(weights)
    x = np.random.default_rng(2).random((1, 1, 6, 6), dtype=np.float32)
    s = 0.2 * np.ptp(x)
    options = {"n": 4000, "noise": 0.2, "of": cl.grad_x_input, "progress": False}
    mean = np.asarray(cl.smoothgrad(net, x, 0, **options))[0]
    variance = np.asarray(cl.smoothgrad(net, x, 0, kind="var", **options))[0]
    np.testing.assert_allclose((mean / weights[0]), x[0, 0], atol=5 * s / np.sqrt(4000))
    np.testing.assert_allclose(variance / weights[0] ** 2, s**2, rtol=5 * np.sqrt(2 / 4000))
    square = np.asarray(cl.smoothgrad(net, x, 0, kind="square", **options))[0]
    np.testing.assert_allclose(square, mean**2 + variance, rtol=1e-3, atol=1e-6)


def test_the_seed_decides_and_the_batch_does_not(net, batch):
    target = net(batch).argmax(1).tolist()
    whole = np.asarray(cl.smoothgrad(net, batch, target, n=5, seed=3))
    for k in range(3):
        alone = np.asarray(cl.smoothgrad(net, batch[k : k + 1], target[k], n=5, seed=3))
        np.testing.assert_array_equal(alone[0], whole[k])
    assert (np.asarray(cl.smoothgrad(net, batch, target, n=5, seed=4)) != whole).any()
    cl.set_num_threads(1)
    try:
        np.testing.assert_array_equal(np.asarray(cl.smoothgrad(net, batch, target, n=5, seed=3)), whole)
    finally:
        cl.set_num_threads(0)


def test_smoothgrad_takes_methods_with_options(net, photo):
    of = functools.partial(cl.guided_backprop, reduce=None)
    found = cl.smoothgrad(net, photo, 0, n=2, of=of)
    assert found.shape == (3, 32, 32) and found.params["of"] == "guided_backprop" and found.seed == 0
    at = cl.smoothgrad(net, photo, 0, n=2, of=functools.partial(cl.grad_cam, layer="conv1"))
    assert at.layer == "conv1" and at.native.shape == (16, 16)
    for wrong in ("saliency", None):
        with pytest.raises(cl.InvalidArgument, match="of"):
            cl.smoothgrad(net, photo, 0, of=wrong)
    for wrong in ({"n": 0}, {"noise": -1}, {"noise": float("nan")}, {"kind": "median"}, {"seed": -1}, {"seed": 0.5}):
        with pytest.raises(cl.InvalidArgument):
            cl.smoothgrad(net, photo, 0, **wrong)


def test_smoothgrad_takes_any_function(net, photo, batch):
    """The same moments as the engine's, from noise of another generator."""

    def mine(net, x, target):
        return cl.grad_x_input(net, x, target)

    by_engine = np.asarray(cl.smoothgrad(net, batch, n=60, noise=0.02, of=cl.grad_x_input))
    by_calls = cl.smoothgrad(net, batch, n=60, noise=0.02, of=mine)
    assert by_calls.target == net(batch).argmax(1).tolist() and by_calls.shape == (3, 32, 32)
    error = np.linalg.norm(np.asarray(by_calls) - by_engine) / np.linalg.norm(by_engine)
    assert error < 0.2
    plain = np.asarray(cl.occlusion(net, photo, 1, window=8))
    still = cl.smoothgrad(net, photo, 1, n=2, noise=0, of=functools.partial(cl.occlusion, window=8))
    np.testing.assert_allclose(np.asarray(still), plain, rtol=1e-6, atol=1e-9)
    layered = functools.partial(cl.grad_cam, variant="layercam", relu=False)
    assert not np.asarray(cl.smoothgrad(net, photo, 1, n=2, noise=0, kind="var", of=layered)).any()
    again = [np.asarray(cl.smoothgrad(net, photo, 1, n=2, of=layered, seed=5)) for _ in range(2)]
    np.testing.assert_array_equal(*again)


def test_long_methods_report_and_stop(net, photo):
    seen = []
    cl.smoothgrad(net, photo, 0, n=20, progress=lambda step, steps, value: seen.append((step, steps)))
    assert seen[-1] == (20, 20) and seen == sorted(seen)
    with pytest.raises(cl.Cancelled):
        cl.integrated_gradients(net, photo, 0, progress=lambda *_: False)


# ---- at a layer


def test_layer_gradient_times_activation(net, batch):
    target = net(batch).argmax(1)
    value = net.activations(batch, "relu1")["relu1"]
    expected = net.gradient(batch, target, "relu1") * value
    kept = cl.layer_grad_x_activation(net, batch, layer="relu1", reduce=None)
    np.testing.assert_allclose(np.asarray(kept), expected, rtol=1e-4, atol=1e-6)
    summed = cl.layer_grad_x_activation(net, batch, layer="relu1")
    assert summed.shape == (3, 32, 32) and summed.layer == "relu1"
    np.testing.assert_allclose(summed.native, expected.sum(1), rtol=1e-3, atol=1e-5)
    flat = cl.layer_grad_x_activation(net, batch, layer="flatten", reduce=None)
    assert flat.shape == (3, 6)
    with pytest.raises(cl.InvalidArgument, match="no maps"):
        cl.layer_grad_x_activation(net, batch, layer="flatten")


def test_internal_influence(net, batch):
    target = net(batch).argmax(1)
    expected = 0.0
    for place, weight in zip(*points("gausslegendre", 6), strict=True):
        expected = expected + weight * net.gradient(np.float32(place) * batch, target, "relu1")
    found = cl.internal_influence(net, batch, layer="relu1", steps=6, reduce=None)
    np.testing.assert_allclose(np.asarray(found), expected, rtol=1e-3, atol=1e-5)


def test_conductance_is_what_flows_through(net, batch):
    target = net(batch).argmax(1)
    places = np.linspace(0, 1, 9)
    values = [net.activations(np.float32(a) * batch, "relu1")["relu1"] for a in places]
    gradients = [net.gradient(np.float32(a) * batch, target, "relu1") for a in places]
    expected = sum((gradients[k] + gradients[k + 1]) / 2 * (values[k + 1] - values[k]) for k in range(8))
    found = cl.conductance(net, batch, layer="relu1", steps=8, reduce=None)
    np.testing.assert_allclose(np.asarray(found), expected, rtol=1e-3, atol=1e-5)
    rows = np.arange(3)
    difference = net(batch)[rows, target] - net(np.zeros_like(batch))[rows, target]
    fine = cl.conductance(net, batch, layer="relu1", steps=400)
    np.testing.assert_allclose(fine.gap, difference - fine.native.sum((1, 2)), atol=1e-3)
    assert (np.abs(fine.gap) < 5e-3 * np.abs(difference) + 1e-3).all()


def test_layer_integrated_gradients(net, batch):
    """Behind the last ReLU the network is linear: they are the layer's change times the constant gradient."""
    target = net(batch).argmax(1)
    zeros = np.zeros_like(batch)
    change = net.activations(batch, "relu2")["relu2"] - net.activations(zeros, "relu2")["relu2"]
    expected = change * net.gradient(batch, target, "relu2")
    found = cl.layer_integrated_gradients(net, batch, layer="relu2", steps=3, reduce=None)
    np.testing.assert_allclose(np.asarray(found), expected, rtol=1e-3, atol=1e-6)
    assert np.abs(found.gap).max() < 1e-4
    before = cl.layer_integrated_gradients(net, batch, layer="conv1", steps=200)
    assert np.abs(before.gap).max() < 5e-3


def test_units_channels_regions_and_directions_have_gradients(net, photo):
    values = net.activations(photo, "relu2")["relu2"][0]
    region = cl.region("relu2", (3, 7), (2, 5), channel=4)
    assert cl.saliency(net, photo, region).score == pytest.approx(values[4, 3:7, 2:5].mean(), rel=1e-5)
    everywhere = cl.region("relu2", (0, 16), (0, 16))
    mean = net.gradient(photo, sum((cl.channel("relu2", k) for k in range(1, 6)), cl.channel("relu2", 0)))
    np.testing.assert_allclose(6 * net.gradient(photo, everywhere), mean, rtol=1e-3, atol=1e-6)
    for wrong in (cl.region("relu2", (3, 17), (0, 1)), cl.region("relu2", (0, 1), (0, 1), channel=6)):
        with pytest.raises(cl.InvalidArgument, match="relu2"):
            cl.saliency(net, photo, wrong)
    with pytest.raises(cl.InvalidArgument):
        cl.region("relu2", (3, 3), (0, 1))
