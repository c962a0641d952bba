# SPDX-License-Identifier: Apache-2.0
import pathlib

import numpy as np
import pytest
from conftest import model_bytes
from onnx import helper

import cnnlens as cl

GOLDENS = pathlib.Path(__file__).parents[2] / "Tests" / "Goldens"
METHODS = [cl.feature_ablation, cl.lime, cl.kernel_shap, cl.shapley]


ANSWERS = dict(np.load(GOLDENS / "perturbation.npz"))
NAMES = ("plain", "residual", "squeeze-excite", "efficientnet-lite0")


@pytest.fixture(scope="module", params=NAMES)
def golden(request):
    """What lime, shap and captum say about a network, whose picture is cut into nine squares, or four."""
    name = request.param
    found = {key.split("/")[1]: value for key, value in ANSWERS.items() if key.startswith(f"{name}/")}
    if name == "efficientnet-lite0":
        found["net"] = cl.load(name)
        noise = np.random.default_rng(0).normal(size=(1, 3, 8, 8)).repeat(28, 2).repeat(28, 3)
        found["input"] = noise.astype(np.float32)
    else:
        found["net"] = cl.load(GOLDENS / "networks" / name / "torchscript.onnx")
        found["input"] = np.load(GOLDENS / "networks" / name / "golden.npz")["input"]
    found["target"] = int(found["target"])
    return found


@pytest.fixture(scope="module")
def linear():
    """A network of one dense layer on 3 x 12 x 10 pixels, and its weights."""
    weights = np.random.default_rng(0).normal(size=(2, 360)).astype(np.float32)
    nodes = [
        helper.make_node("Flatten", ["x"], ["f"], "flatten"),
        helper.make_node("Gemm", ["f", "w"], ["y"], "dense", transB=1),
    ]
    net = cl.load(model_bytes(nodes, {"w": weights}, [("x", ["n", 3, 12, 10])], [("y", ["n", 2])]))
    return net, weights.reshape(2, 3, 12, 10).astype(np.float64)


def relative(a, b):
    return np.linalg.norm(np.asarray(a, np.float64) - b) / np.linalg.norm(b)


# ---- against other libraries


def test_lime_is_the_authors(golden):
    found = cl.lime(
        golden["net"], golden["input"], golden["target"], samples=60, segments=golden["segments"], hide=0.0, seed=3
    )
    assert relative(found.weights[0], golden["lime"]) < 1e-4
    np.testing.assert_allclose([found.intercept[0], found.fit[0]], golden["lime_model"], rtol=1e-3)


def test_kernel_shap_is_shaps(golden):
    found = cl.kernel_shap(golden["net"], golden["input"], golden["target"], segments=golden["segments"], hide=0.0)
    assert relative(found.weights[0], golden["shap"]) < 1e-4


def test_ablation_is_captums(golden):
    found = cl.feature_ablation(golden["net"], golden["input"], golden["target"], segments=golden["segments"], fill=0.5)
    assert relative(found.weights[0], golden["ablation"]) < 1e-4


def test_shapley_values_are_captums():
    net = cl.load(GOLDENS / "networks" / "plain" / "torchscript.onnx")
    x, target = np.load(GOLDENS / "networks" / "plain" / "golden.npz")["input"], int(ANSWERS["plain/target"])
    exact = cl.kernel_shap(net, x, target, segments=ANSWERS["quarters"], hide=0.0)
    assert relative(exact[0], ANSWERS["shapley"]) < 1e-4
    sampled = cl.shapley(net, x, target, segments=ANSWERS["quarters"], hide=0.0, samples=300)
    assert relative(sampled[0], ANSWERS["shapley"]) < 0.1


# ---- identities


@pytest.mark.parametrize("method", METHODS)
def test_the_weights_of_a_linear_model_are_found(linear, method):
    net, weights = linear
    x = np.random.default_rng(1).normal(size=(2, 3, 12, 10)).astype(np.float32)
    segments = np.arange(120).reshape(12, 10) // 7 % 6
    options = {"ridge": 0.0, "samples": 60} if method is cl.lime else {}
    word = "fill" if method is cl.feature_ablation else "hide"
    found = method(net, x, [1, 0], segments=segments, **{word: 0.5}, **options)
    for n, target in enumerate([1, 0]):
        expected = np.array([(weights[target] * (x[n] - 0.5))[:, segments == k].sum() for k in range(6)])
        assert relative(found.weights[n], expected) < 1e-5
        np.testing.assert_array_equal(found.weights[n][segments], np.asarray(found)[n])
        if method is not cl.feature_ablation:
            np.testing.assert_allclose(found.intercept[n], 0.5 * weights[target].sum(), rtol=1e-4, atol=1e-4)


def test_shapley_values_add_up(net, batch):
    for method, options in ((cl.shapley, {"samples": 2}), (cl.kernel_shap, {"samples": 40})):
        found = method(net, batch, segments="grid", hide="blur", **options)
        sums = np.array([weights.sum(dtype=np.float64) for weights in found.weights])
        np.testing.assert_allclose(sums, found.score - found.intercept, atol=1e-5)
        assert cl.completeness(net, batch, found, baseline="blur") == pytest.approx(np.zeros(3), abs=1e-5)


def test_fillings(linear):
    net, weights = linear
    x = np.random.default_rng(2).normal(size=(1, 3, 12, 10)).astype(np.float32)
    segments = np.arange(120).reshape(12, 10) // 30
    other = np.random.default_rng(3).normal(size=(1, 3, 12, 10)).astype(np.float32)
    means = np.stack([x[0][:, segments == k].mean(1) for k in range(4)], axis=1)[:, segments]
    for fill, picture in (("mean", means), (other, other[0]), (-1.5, np.full((3, 12, 10), -1.5))):
        found = cl.feature_ablation(net, x, 0, segments=segments, fill=fill)
        expected = np.array([(weights[0] * (x[0] - picture))[:, segments == k].sum() for k in range(4)])
        assert relative(found.weights[0], expected) < 1e-5
    blurred = cl.feature_ablation(net, x, 0, segments=np.zeros((12, 10)), fill="blur")
    assert np.isfinite(blurred.weights[0]).all() and len(blurred.weights[0]) == 1


# ---- results


def test_seeds_batches_and_threads(net, batch):
    count = cl.get_num_threads()
    for method in (cl.lime, cl.kernel_shap, cl.shapley, cl.rise):
        options = {"samples": 9} if method is not cl.rise else {"masks": 9}
        if method is not cl.rise:
            options["segments"] = "grid"
        both = np.asarray(method(net, batch, 1, seed=5, **options))
        try:
            cl.set_num_threads(1)
            alone = method(net, batch[1:2], 1, seed=5, **options)
        finally:
            cl.set_num_threads(count)
        np.testing.assert_array_equal(both[1], np.asarray(alone)[0])
        assert alone.seed == 5
        assert (np.asarray(method(net, batch, 1, seed=6, **options)) != both).any()


def test_a_result_remembers(net, photo):
    found = cl.lime(net, photo, "crane", samples=50, segments="grid")
    assert found.shape == found.segments.shape == (32, 32) and found.weights.shape == (49,) and found.label == "crane"
    assert isinstance(found.intercept, float) and found.fit <= 1 and found.params["segments"] == "grid"
    mask = found.top(3)
    assert mask.dtype == bool and len(np.unique(found.segments[mask])) == 3
    assert np.asarray(found)[mask].min() >= np.asarray(found)[~mask].max()
    largest = found.top(1, positive_only=False)
    assert np.abs(found.weights).max() == np.abs(np.asarray(found)[largest]).max()
    assert found.manifest()["fit"] == pytest.approx(found.fit)
    ablation = cl.feature_ablation(net, [photo, photo], segments="grid")
    assert ablation.intercept is None and ablation.top(2).shape == (2, 32, 32) and len(ablation.weights) == 2


def test_superpixels(net, photo):
    pytest.importorskip("skimage")
    for segments in ("slic", 12, "quickshift"):
        found = cl.feature_ablation(net, photo, segments=segments)
        again = cl.feature_ablation(net, photo, segments=segments)
        np.testing.assert_array_equal(found.segments, again.segments)
        assert found.segments.min() == 0 and len(found.weights) == found.segments.max() + 1
        assert len(found.weights) > 1 or segments == "quickshift"
    made = cl.feature_ablation(net, photo, segments=lambda picture: picture[:, :, 0] > 0.5)
    assert len(made.weights) == 2
    raw = np.broadcast_to(np.linspace(-4, 9, 32, dtype=np.float32), (1, 3, 32, 32)).copy()
    assert len(cl.feature_ablation(net, raw, segments="slic").weights[0]) > 1


def test_superpixels_ask_for_scikit_image(net, photo, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "skimage", None)
    with pytest.raises(cl.InvalidArgument, match=r"scikit-image.*cnnlens\[segments\].*grid"):
        cl.lime(net, photo)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"segments": "cubes"}, r"'cubes'.*'slic', 'quickshift', 'grid'"),
        ({"segments": np.zeros((3, 3))}, r"\(3, 3\).*\(32, 32\)"),
        ({"segments": np.full((32, 32), np.nan)}, "whole numbers"),
        ({"segments": np.full((32, 32), 0.5)}, "whole numbers"),
        ({"segments": np.zeros((2, 32, 32))}, r"\(2, 32, 32\).*3 images"),
        ({"segments": 0}, "segments is 0"),
        ({"hide": "grey"}, r"'grey'.*'mean', 'blur'"),
        ({"hide": float("nan")}, "nan"),
        ({"hide": np.zeros((1, 3, 8, 8), np.float32)}, r"\(1, 3, 8, 8\).*\(3, 3, 32, 32\)"),
        ({"samples": 1}, "samples is 1.*from 2 on"),
        ({"kernel_width": 0}, "kernel_width is 0.*above 0"),
        ({"ridge": -1}, "ridge is -1"),
        ({"seed": -1}, "seed is -1"),
        ({"samples": 2.5}, "samples is 2.5"),
        ({"progress": "yes"}, "progress is 'yes'"),
    ],
)
def test_wrong_arguments_say_what_is_right(net, batch, wrong, said):
    with pytest.raises(cl.InvalidArgument, match=said):
        cl.lime(net, batch, **{"segments": "grid", **wrong})


def test_too_many_segments_are_refused(linear):
    net = linear[0]
    x = np.zeros((1, 3, 12, 10), np.float32)
    with pytest.raises(cl.InvalidArgument, match="too many"):
        cl.shapley(net, x, segments=np.arange(120).reshape(12, 10), samples=10**7)


def test_progress_and_stopping(net, batch):
    steps = []
    cl.shapley(
        net, batch[:1], segments="grid", samples=2, progress=lambda step, total, value: steps.append((step, total))
    )
    assert steps[-1] == (97, 97) and steps == sorted(steps)
    for method in (*METHODS, cl.rise):
        options = {} if method is cl.rise else {"segments": "grid"}
        with pytest.raises(cl.Cancelled):
            method(net, batch[:1], progress=lambda *_: False, **options)


# ---- RISE


def test_rise_is_its_definition(net, batch):
    """The masks of the paper, remade here, and the mean over them."""
    x, target, masks, cells, p = batch[:1], 2, 12, 4, 0.4
    total = np.zeros((32, 32))
    for index in range(masks):
        state = _draw(index, 9)
        grid = np.array([next(state) < p for _ in range(cells * cells)], float).reshape(cells, cells)
        cell = 32 // cells
        tops = []
        for _ in range(2):
            tops.append(state.send("whole") * cell >> 64)
        places = np.clip((np.arange((cells + 1) * cell) + 0.5) * cells / ((cells + 1) * cell) - 0.5, 0, cells - 1)
        rows, columns = (places[top : top + 32] for top in tops)
        mask = _bilinear(grid, rows, columns)
        total += net((x * mask + (1 - mask) * 0.3).astype(np.float32))[0, target] * mask
    found = cl.rise(net, x, target, masks=masks, cells=cells, p=p, seed=9, fill=0.3)
    np.testing.assert_allclose(np.asarray(found)[0], total / masks / p, rtol=1e-4, atol=1e-5)


def _draw(index, seed):
    """SplitMix64: floats in [0, 1), or 64 bits where "whole" is sent."""
    bits = (1 << 64) - 1

    def mixed(state):
        z = state & bits
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 & bits
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB & bits
        return z ^ (z >> 31)

    state = mixed(seed + (index + 1) * 0x9E3779B97F4A7C15)
    asked = None
    while True:
        state += 0x9E3779B97F4A7C15
        value = mixed(state)
        asked = yield value if asked else (value >> 40) * 2.0**-24


def _bilinear(grid, rows, columns):
    y, x = np.floor(rows).astype(int), np.floor(columns).astype(int)
    below, beside = np.minimum(y + 1, len(grid) - 1), np.minimum(x + 1, len(grid) - 1)
    v, h = (rows - y)[:, None], (columns - x)[None]
    upper = grid[np.ix_(y, x)] * (1 - h) + grid[np.ix_(y, beside)] * h
    lower = grid[np.ix_(below, x)] * (1 - h) + grid[np.ix_(below, beside)] * h
    return upper * (1 - v) + lower * v


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"masks": 0}, "masks is 0"),
        ({"cells": 33}, "cells is 33.*1...32"),
        ({"p": 0}, "p is 0"),
        ({"p": 1.5}, "p is 1.5"),
        ({"p": float("nan")}, "p is nan"),
        ({"fill": "grey"}, "'grey'"),
        ({"seed": 2**63}, "seed"),
    ],
)
def test_wrong_masks_say_what_is_right(net, batch, wrong, said):
    with pytest.raises(cl.InvalidArgument, match=said):
        cl.rise(net, batch[:1], **{"masks": 4, **wrong})


# ---- a photograph


def test_the_cat_is_found(built_in, cat):
    """The head of chelsea, in the middle above, speaks for the tabby."""
    found = cl.feature_ablation(built_in, cat, "tabby", segments="grid")
    y, x = np.unravel_index(int(np.argmax(np.asarray(found))), found.shape)
    assert 32 <= y <= 160 and 64 <= x <= 192
