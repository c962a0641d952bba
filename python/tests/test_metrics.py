# SPDX-License-Identifier: Apache-2.0
import pathlib

import numpy as np
import pytest
from conftest import model_bytes
from onnx import helper

import cnnlens as cl
from cnnlens import imputation, similarity

GOLDENS = pathlib.Path(__file__).parents[2] / "Tests" / "Goldens"


@pytest.fixture(scope="module")
def golden():
    answers = dict(np.load(GOLDENS / "perturbation.npz"))
    answers.update(np.load(GOLDENS / "networks" / "plain" / "golden.npz"))
    answers["target"] = int(answers["plain/target"])
    answers["segments"] = answers["plain/segments"]
    answers["net"] = cl.load(GOLDENS / "networks" / "plain" / "torchscript.onnx")
    return answers


@pytest.fixture(scope="module")
def linear():
    """Two classes: the sum of weighted pixels, and 0."""
    weights = np.zeros((2, 192), np.float32)
    weights[0] = np.random.default_rng(0).normal(size=192)
    nodes = [
        helper.make_node("Flatten", ["x"], ["f"], "flatten"),
        helper.make_node("Gemm", ["f", "w"], ["y"], "dense", transB=1),
    ]
    net = cl.load(model_bytes(nodes, {"w": weights}, [("x", ["n", 3, 8, 8])], [("y", ["n", 2])]))
    return net, weights[0].reshape(3, 8, 8).astype(np.float64)


def sigmoid(x):
    return 1 / (1 + np.exp(-np.asarray(x, np.float64)))


# ---- curves


def test_deletion_and_insertion_are_their_definition(linear):
    net, weights = linear
    x = np.random.default_rng(1).random((1, 3, 8, 8), dtype=np.float32)
    values = np.random.default_rng(2).random((8, 8))
    order = np.argsort(-values.reshape(-1))
    flat, shares = x[0].reshape(3, -1).astype(np.float64), weights.reshape(3, -1)
    for measure, start in ((cl.deletion, flat), (cl.insertion, np.full_like(flat, 0.5))):
        end = np.full_like(flat, 0.5) if measure is cl.deletion else flat
        expected = []
        for count in np.arange(0, 65, 8):
            picture = start.copy()
            picture[:, order[:count]] = end[:, order[:count]]
            expected.append(sigmoid((shares * picture).sum()))
        curve = measure(net, x, values, 0, steps=8, fill=0.5)
        np.testing.assert_allclose(curve.scores[0], expected, rtol=1e-4)
        np.testing.assert_allclose(curve.fractions, np.arange(9) / 8)
        area = (np.array(expected[1:]) + expected[:-1]).sum() / 16
        assert float(curve) == pytest.approx(area, rel=1e-4)


def test_good_maps_delete_early_and_insert_early(linear):
    net, weights = linear
    x = np.ones((1, 3, 8, 8), np.float32)
    good, random = weights.sum(0), np.random.default_rng(3).random((8, 8))
    assert float(cl.insertion(net, x, good, 0, fill=0.0)) > float(cl.insertion(net, x, random, 0, fill=0.0))
    assert float(cl.insertion(net, x, -good, 0, fill=0.0)) < float(cl.insertion(net, x, random, 0, fill=0.0))


def test_curves_count_their_pictures_and_stop(net, batch):
    maps, calls = cl.saliency(net, batch), []
    for measure in (cl.deletion, cl.insertion):
        with pytest.raises(cl.Cancelled):
            measure(
                net, batch, maps, steps=20, progress=lambda *numbers: calls.append(numbers[:2]) or len(calls) % 2 == 1
            )
    assert calls == [(16, 63), (21, 63)] * 2


def test_curves_go_by_the_finest_differences_of_a_map(net, photo):
    # One float, but not one double.
    shades = 1 + np.random.default_rng(0).permutation(32 * 32).reshape(32, 32) * 1e-12
    curves = [cl.deletion(net, photo, values, 0, steps=10) for values in (shades, (shades - 1) * 1e12)]
    np.testing.assert_array_equal(curves[0].scores, curves[1].scores)
    assert (curves[0].scores != cl.deletion(net, photo, np.ones((32, 32)), 0, steps=10).scores).any()


def test_curves_of_a_batch_are_those_of_its_images(net, batch):
    maps = cl.saliency(net, batch)
    for measure in (cl.deletion, cl.insertion, cl.road):
        both = measure(net, batch, maps)
        assert both.scores.shape[0] == 3 and both.auc.shape == (3,)
        alone = measure(net, batch[1:2], np.asarray(maps)[1:2], maps.target[1])
        np.testing.assert_array_equal(both.scores[1], alone.scores[0])


def test_pictures_have_one_curve(net, photo):
    found = cl.grad_cam(net, photo)
    curve = cl.deletion(net, photo, found, fill="blur")
    assert curve.scores.ndim == 1 and isinstance(curve.auc, float) and "deletion" in repr(curve)
    assert curve.scores[0] == pytest.approx(net.predict(photo, top=5).probs[0], rel=1e-5)


def test_road_paints_as_its_authors_do(golden):
    painted = imputation.noisy_linear(golden["input"][0], golden["removed"], 0.0, np.random.default_rng(0))
    np.testing.assert_allclose(painted, golden["imputed"], atol=2e-4)
    assert (painted[:, ~golden["removed"]] == golden["input"][0][:, ~golden["removed"]]).all()


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (3, 2), (5, 40), (64, 50)])
def test_painting_solves_its_equations(shape):
    random = np.random.default_rng(4)
    picture = random.random((2, *shape), dtype=np.float32)
    removed = random.random(shape) < 0.9
    painted = imputation.noisy_linear(picture, removed, 0.0, random).astype(np.float64)
    if removed.all():
        np.testing.assert_allclose(painted, picture.mean((1, 2), keepdims=True) + 0 * painted, rtol=1e-5)
    elif removed.any():
        weights = imputation._neighbours(np.ones(shape))
        for plane in painted:
            gap = (weights * plane - imputation._neighbours(plane))[removed]
            assert np.abs(gap).max() < 1e-4


def test_road_orders(net, batch):
    values = np.asarray(cl.saliency(net, batch[:1]))[0]
    most, least, combined = (
        cl.road(net, batch[:1], values, 2, order=order, noise=0.0) for order in ("most", "least", "combined")
    )
    np.testing.assert_allclose(combined.scores, (least.scores - most.scores) / 2, atol=1e-6)
    np.testing.assert_array_equal(least.scores, cl.road(net, batch[:1], -values, 2, noise=0.0).scores)
    again = [cl.road(net, batch[:1], values, 2, seed=seed).scores for seed in (1, 1, 2)]
    assert (again[0] == again[1]).all() and (again[0] != again[2]).any()


# ---- numbers


def test_completeness_of_complete_methods(linear, net, batch):
    flat, weights = linear
    x = np.random.default_rng(5).random((2, 3, 8, 8), dtype=np.float32)
    gaps = cl.completeness(flat, x, cl.grad_x_input(flat, x, 0))
    np.testing.assert_allclose(gaps, 0, atol=1e-5)
    half = cl.completeness(flat, x, 0.5 * np.asarray(cl.grad_x_input(flat, x, 0)), 0)
    np.testing.assert_allclose(half, -0.5 * (weights * x).sum((1, 2, 3)), rtol=1e-4)
    assert np.abs(cl.completeness(net, batch, cl.saliency(net, batch))).min() > 1e-3


def test_infidelity_is_captums(golden):
    for normalize in (False, True):
        found = cl.infidelity(
            golden["net"],
            golden["input"],
            golden["gradient"],
            golden["target"],
            samples=16,
            seed=2,
            normalize=normalize,
        )
        assert found[0] == pytest.approx(golden[f"infidelity_{int(normalize)}"][0], rel=1e-3)


def test_the_gradient_of_a_linear_network_is_faithful(linear):
    net, weights = linear
    x = np.random.default_rng(6).random((2, 3, 8, 8), dtype=np.float32) + 0.1
    gradient = np.stack([weights, weights])
    assert cl.infidelity(net, x, gradient, 0).max() < 1e-8
    assert cl.infidelity(net, x, gradient * x, 0, is_contribution=True).max() < 1e-8
    assert cl.infidelity(net, x, 3 * gradient, 0, normalize=True).max() < 1e-8
    expected = 0.1**2 * (weights**2).sum()  # E of the whole change, for a map of zeros
    assert cl.infidelity(net, x, 0 * gradient, 0, samples=4000) == pytest.approx(expected, rel=0.1)
    summed = cl.infidelity(net, x, gradient.sum(1), 0)  # the same change in all channels
    assert summed.max() < 1e-8


def test_sensitivity_is_captums(golden):
    found = cl.max_sensitivity(
        golden["net"],
        golden["input"],
        cl.feature_ablation,
        golden["target"],
        samples=5,
        seed=4,
        segments=golden["segments"],
        fill=0.5,
    )
    assert found[0] == pytest.approx(golden["sensitivity"][0], rel=1e-3)


def test_sensitivity(linear, net, photo, batch):
    x = np.random.default_rng(7).random((2, 3, 8, 8), dtype=np.float32)
    np.testing.assert_array_equal(cl.max_sensitivity(linear[0], x, "saliency", 0), 0)
    few, many = (cl.max_sensitivity(net, batch, "grad_x_input", samples=count) for count in (2, 6))
    assert (many >= few).all() and (few > 0).all()
    assert cl.max_sensitivity(net, batch, cl.saliency, radius=0.0).max() == 0
    assert cl.max_sensitivity(net, photo, "grad_x_input", samples=3) > 0
    alone = cl.max_sensitivity(net, batch[2:], "grad_x_input", samples=2)
    np.testing.assert_array_equal(alone[0], few[2])


def test_pointing_game():
    values = np.zeros((40, 50))
    values[10, 20] = 1
    assert cl.pointing_game(values, (15, 5, 25, 15), tolerance=0) is True
    assert cl.pointing_game(values, (0, 0, 20, 40), tolerance=0) is False  # column 20 is the first outside
    assert cl.pointing_game(values, (0, 0, 20, 40), tolerance=1) is True
    assert cl.pointing_game(values, (0, 0, 5, 40)) is False and cl.pointing_game(values, (0, 0, 6, 40)) is True
    assert cl.pointing_game(values, [(0, 0, 2, 2), (18, 8, 22, 12)], tolerance=0) is True
    mask = np.zeros((40, 50), bool)
    mask[30:, :] = True
    assert cl.pointing_game(values, mask) is False and cl.pointing_game(values, mask, tolerance=20) is True
    hits = cl.pointing_game(np.stack([values, values]), [(15, 5, 25, 15), (40, 30, 50, 40)])
    assert hits.tolist() == [True, False]
    with pytest.raises(cl.InvalidArgument, match="empty"):
        cl.pointing_game(values, 0 * mask)
    with pytest.raises(cl.InvalidArgument, match="2 maps"):
        cl.pointing_game(np.stack([values, values]), [mask])
    with pytest.raises(cl.InvalidArgument, match="boxes"):
        cl.pointing_game(values, (1, 2, 3))


# ---- sanity


def test_similarities_are_those_of_scikit_image_and_scipy():
    metrics = pytest.importorskip("skimage.metrics")
    feature = pytest.importorskip("skimage.feature")
    stats = pytest.importorskip("scipy.stats")
    random = np.random.default_rng(8)
    for shape in ((64, 64), (100, 57)):
        a = random.random(shape)
        b = np.round(3 * (a + random.random(shape))) / 3  # with ties
        assert similarity.rank(a, b) == pytest.approx(stats.spearmanr(a.reshape(-1), b.reshape(-1)).statistic)
        scaled = [(x - x.min()) / (x.max() - x.min()) for x in (a, b)]
        assert similarity.ssim(a, b) == pytest.approx(metrics.structural_similarity(*scaled, data_range=1.0), abs=1e-9)
        theirs = feature.hog(scaled[0], orientations=9, pixels_per_cell=(16, 16), cells_per_block=(3, 3))
        np.testing.assert_allclose(similarity.histograms(scaled[0]), theirs, atol=1e-6)


def test_similarities_of_equal_and_of_constant_maps():
    random = np.random.default_rng(9).random((32, 32))
    for measure in similarity.MEASURES.values():
        assert measure(random, 5 * random + 1) == pytest.approx(1)
        assert measure(0 * random, 0 * random) == pytest.approx(1)
        assert abs(measure(random, 0 * random)) < 0.6
        assert np.isfinite(measure(random[:3, :2], random[:3, 2:4]))


def edges(net, x, target=None):
    """A method that looks at the picture alone."""
    array = net.given(x).array
    return np.abs(np.diff(array, axis=2, append=0)).sum(1)


@pytest.mark.parametrize("mode", ["cascading", "independent"])
def test_a_method_blind_to_weights_fails_the_sanity_check(net, batch, mode):
    found = cl.sanity_check(net, batch, edges, mode=mode)
    assert found.layers == ["dense", "conv2", "conv1"] and len(found.maps) == 3
    for row in found.similarity.values():
        np.testing.assert_allclose(row, 1)
    saliency = cl.sanity_check(net, batch, "saliency", mode=mode)
    assert saliency.similarity["rank"][-1] < 0.9 and saliency.similarity["hog"][-1] < 0.9
    assert "conv1" in repr(saliency) and "ssim" in repr(saliency)


def test_cascades_are_nested_and_layers_can_be_chosen(net, photo):
    every = cl.sanity_check(net, photo, "grad_x_input", measures=["rank"])
    last = cl.sanity_check(net, photo, "grad_x_input", measures=["rank"], layers=["conv1"])
    np.testing.assert_array_equal(last.maps[0], every.maps[2])
    alone = cl.sanity_check(net, photo, "grad_x_input", measures=["rank"], layers=["conv1"], mode="independent")
    assert (alone.maps[0] != last.maps[0]).any()
    assert cl.sanity_check(net, photo, "cam", layers=2).layers == ["dense", "conv1"]
    expected = cl.grad_x_input(net.randomized(["dense", "conv2"]), photo, cl.grad_x_input(net, photo).target)
    np.testing.assert_array_equal(every.maps[1], np.asarray(expected))


def test_randomized_networks(net, batch):
    logits = net(batch)
    changed = net.randomized(["conv2"], seed=3)
    np.testing.assert_array_equal(changed.run(batch, "conv1")["conv1"], net.run(batch, "conv1")["conv1"])
    assert (changed(batch) != logits).all() and (net(batch) == logits).all()
    np.testing.assert_array_equal(changed(batch), net.randomized("conv2", seed=3)(batch))
    assert (changed(batch) != net.randomized("conv2", seed=4)(batch)).any()
    assert changed.labels == net.labels and net.weighted_layers == ["conv1", "conv2", "dense"]
    with pytest.raises(cl.InvalidArgument, match=r"relu1.*no weights"):
        net.randomized(["relu1"])
    with pytest.raises(cl.NotFound, match="conv1"):
        net.randomized(["conv11"])
    with pytest.raises(cl.InvalidArgument, match="seed"):
        net.randomized(["conv1"], seed=1.5)


def test_a_convolution_of_a_sequence_is_drawn_anew():
    """It stands behind the layer of the file, under a name that only `weighted_layers` has."""
    random = np.random.default_rng(5)
    weights = {"w": random.normal(size=(4, 3, 3)).astype(np.float32), "shape": np.array([0, 3, 64])}
    nodes = [
        helper.make_node("Reshape", ["x", "shape"], ["s"], "sequence"),
        helper.make_node("Conv", ["s", "w"], ["y"], "conv"),
    ]
    net = cl.load(model_bytes(nodes, weights, [("x", ["n", 3, 8, 8])], [("y", ["n", 4, 62])]))
    x = random.normal(size=(1, 3, 8, 8)).astype(np.float32)
    assert len(net.weighted_layers) == 1
    assert (net.randomized(net.weighted_layers)(x) != net(x)).any()


# ---- tables


def test_compare(net, batch):
    table = cl.compare(
        net,
        batch,
        ["saliency", cl.grad_cam],
        {"deletion": "deletion", "peak": lambda net, x, map, target: np.asarray(map).max()},
    )
    assert table.methods == ["saliency", "grad_cam"] and table.metrics == ["deletion", "peak"]
    assert np.asarray(table).shape == table.shape == (2, 2) and table.values.shape == (2, 2, 3)
    maps = cl.saliency(net, batch)
    np.testing.assert_allclose(table.values[0, 1], np.asarray(maps).max((1, 2)))
    np.testing.assert_allclose(table.values[0, 0], cl.deletion(net, batch, maps).auc, rtol=1e-6)
    assert table["saliency", "peak"] == table[0, 1] == table.to_dict()["saliency"]["peak"]
    text = repr(table).splitlines()
    assert len({line.index(line.split()[1]) // 100 for line in text[1:3]}) == 1 and "*" in repr(table)
    assert "<table>" in table._repr_html_() and "<b>" in table._repr_html_()


def test_compare_everything(net, photo):
    names = ["deletion", "insertion", "road", "infidelity", "completeness", "max_sensitivity"]
    table = cl.compare(net, [photo, photo[::-1].copy()], {"gradient": "saliency"}, names, target="crane")
    assert np.isfinite(table.values).all() and table.maps[0][0].label == "crane"


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda net, x: cl.compare(net, x, ["magic"], ["deletion"]), "method is 'magic'"),
        (lambda net, x: cl.compare(net, x, ["load"], ["deletion"]), "method is 'load'"),
        (lambda net, x: cl.compare(net, x, ["saliency"], ["beauty"]), "metric is 'beauty'"),
        (lambda net, x: cl.compare(net, x, [], ["deletion"]), "methods is empty"),
        (lambda net, x: cl.compare(net, x, ["saliency"], ["deletion"], target=[1]), "1 targets came for 3"),
        (lambda net, x: cl.deletion(net, x, np.zeros((3, 5, 5))), r"\(3, 5, 5\)"),
        (lambda net, x: cl.deletion(net, x, np.full((3, 32, 32), np.nan)), "not finite"),
        (lambda net, x: cl.deletion(net, x, np.zeros((3, 32, 32)), steps=0), "steps is 0"),
        (lambda net, x: cl.deletion(net, x, np.zeros((3, 32, 32)), "conv1:2"), "measures are about classes"),
        (lambda net, x: cl.deletion(net, x, np.zeros((3, 32, 32)), fill="grey"), "'grey'"),
        (lambda net, x: cl.road(net, x, np.zeros((3, 32, 32)), order="first"), "order is 'first'"),
        (lambda net, x: cl.road(net, x, np.zeros((3, 32, 32)), percentiles=[50]), "percentiles"),
        (lambda net, x: cl.road(net, x, np.zeros((3, 32, 32)), noise=-1), "noise is -1"),
        (lambda net, x: cl.infidelity(net, x, np.zeros((3, 32, 32)), samples=0), "samples is 0"),
        (lambda net, x: cl.max_sensitivity(net, x, "saliency", radius=float("inf")), "radius is inf"),
        (lambda net, x: cl.sanity_check(net, x, mode="random"), "mode is 'random'"),
        (lambda net, x: cl.sanity_check(net, x, measures=["psnr"]), "measures is 'psnr'"),
        (lambda net, x: cl.sanity_check(net, x, layers=["relu1"]), "relu1.*no weights"),
    ],
)
def test_wrong_arguments_say_what_is_right(net, batch, call, said):
    with pytest.raises(cl.InvalidArgument, match=said):
        call(net, batch)


def test_gradients_depend_on_what_efficientnet_learnt(built_in, cat):
    found = cl.sanity_check(built_in, cat, "grad_cam", "tabby", layers=3, measures=["rank"])
    assert found.similarity["rank"][-1] < 0.5
