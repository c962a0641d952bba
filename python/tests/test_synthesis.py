# SPDX-License-Identifier: Apache-2.0
"""Pictures made by optimisation: every part against its formula in float64, every routine against what it promises."""

import signal
from pathlib import Path

import numpy as np
import pytest
from conftest import small_network

import cnnlens as cl

TINY = Path(__file__).parents[2] / "Tests" / "Goldens" / "networks"


def distance(given, expected):
    given, expected = np.asarray(given, np.float64), np.asarray(expected, np.float64)
    return np.linalg.norm(given - expected) / np.linalg.norm(expected)


# ---- objectives: their derivative at their own layer is what the formula says


def gram(a):
    rows = a.reshape(len(a), -1)
    return rows @ rows.T / rows.size


def gram_gradient(a, target, mask=None):
    """Of the mean of (G - target)^2."""
    c = len(a)
    weights = np.ones(a.shape[1:]) if mask is None else mask
    rows = (a * weights).reshape(c, -1)
    size = c * (weights**2).sum()
    difference = rows @ rows.T / size - target
    return (difference**2).mean(), (4 / (c * c * size) * difference @ rows).reshape(a.shape) * weights


def formulas(a, random):
    """Objective by name, with value and derivative for activations (C, H, W) in float64."""
    c, h, w = a.shape
    code, vector = random.normal(size=a.shape), random.normal(size=c)
    target, mask = gram(random.normal(size=a.shape)), random.random((h, w))
    place = np.zeros_like(a)
    place[:, 1, 2] = vector
    across, down = a[:, :-1, 1:] - a[:, :-1, :-1], a[:, 1:, :-1] - a[:, :-1, :-1]

    def variation(beta):
        square = across**2 + down**2 + (0 if beta == 2 else 1e-8)
        slope = beta * square ** (beta / 2 - 1)
        g = np.zeros_like(a)
        g[:, :-1, 1:] += slope * across
        g[:, 1:, :-1] += slope * down
        g[:, :-1, :-1] -= slope * (across + down)
        return (square ** (beta / 2)).sum(), g

    difference = a - code
    squares = (difference**2).sum()
    plain = gram_gradient(a, target)
    masked = gram_gradient(a, target, mask)
    return {
        "sum": (lambda n: cl.distance(n, code), squares, 2 * difference),
        "mean": (lambda n: cl.distance(n, code, "mean"), squares / a.size, 2 * difference / a.size),
        "relative": (
            lambda n: cl.distance(n, code, "relative"),
            squares / (code**2).sum(),
            2 * difference / (code**2).sum(),
        ),
        "gram": (lambda n: cl.gram_distance(n, target), *plain),
        "masked gram": (lambda n: cl.gram_distance(n, target, mask), *masked),
        "variation 2": (lambda n: cl.total_variation(2, n), *variation(2)),
        "variation 1": (lambda n: cl.total_variation(1, n), *variation(1)),
        "variation 3": (lambda n: cl.total_variation(3, n), *variation(3)),
        "norm 6": (lambda n: cl.lp_norm(6, 0.25, n), ((a - 0.25) ** 6).sum(), 6 * (a - 0.25) ** 5),
        "norm 2": (lambda n: cl.lp_norm(2, vector, n), None, 2 * (a - vector[:, None, None])),
        "norm 3": (lambda n: cl.lp_norm(3, 0, n), (np.abs(a) ** 3).sum(), 3 * np.sign(a) * a**2),
        "direction at": (lambda n: cl.direction(n, vector, (1, 2)), a[:, 1, 2] @ vector, place),
        "sum of two": (
            lambda n: 0.5 * cl.distance(n, code) - 2 * cl.lp_norm(2, 0, n),
            0.5 * squares - 2 * (a**2).sum(),
            difference - 4 * a,
        ),
    }


def score(net, x, objective):
    """The objective's value, as a map reports it."""
    return float(np.asarray(cl.saliency(net, x, objective).score).ravel()[0])


def raw(net, picture):
    """(H, W, 3) in [0, 1] as the network's own input, at the size it has."""
    mean, std = (np.array(numbers, np.float32)[:, None, None] for numbers in (net.preprocess.mean, net.preprocess.std))
    planes = np.asarray(picture, np.float32).transpose(2, 0, 1)[None]
    return np.ascontiguousarray((planes - mean) / std)


def seen(net, picture, layer):
    return net.activations(raw(net, picture), layer)[layer][0].astype(np.float64)


@pytest.mark.parametrize("name", ["plain", "residual", "squeeze-excite"])
def test_objectives_are_their_formulas(name):
    net = cl.load(TINY / name / "torchscript.onnx")
    image = np.load(TINY / name / "golden.npz")["input"][:1]
    layers = [layer for layer, row in net.layers.items() if len(row.shape) == 4 and min(row.shape[2:]) > 3]
    layer = layers[len(layers) // 2]
    a = net.activations(image, layer)[layer][0].astype(np.float64)
    for what, (make, value, slope) in formulas(a, np.random.default_rng(5)).items():
        objective = make(layer)
        assert distance(net.gradient(image, objective, wrt=layer)[0], slope) < 1e-5, what
        if value is not None:
            assert score(net, image, objective) == pytest.approx(value, rel=1e-5), what
        # The chain rule: behind the layer it is the network's own derivative, tested elsewhere.
        mask = np.asarray(slope, np.float32)
        assert distance(net.gradient(image, objective), net.gradient(image, cl.group(layer, mask))) < 1e-4, what


def test_priors_count_in_units_of_the_picture(net, photo):
    picture = np.random.default_rng(0).random((32, 32, 3)).astype(np.float64)
    x = picture.transpose(2, 0, 1)
    assert distance(net.gradient(picture, cl.lp_norm(2, 0.5))[0], 2 * (x - 0.5)) < 1e-6
    across, down = x[:, :-1, 1:] - x[:, :-1, :-1], x[:, 1:, :-1] - x[:, :-1, :-1]
    assert score(net, picture, cl.total_variation()) == pytest.approx((across**2 + down**2).sum(), rel=1e-5)
    flat = np.full((32, 32, 3), 0.3)
    assert score(net, flat, cl.total_variation()) == 0


def test_the_gram_matrix_of_the_example_and_of_shuffled_positions():
    """F = [[1, 2, 3, 4], [0, 1, 0, 1]] has the Gram matrix [[30, 6], [6, 2]], over 8 here."""
    f = np.array([[1, 2, 3, 4], [0, 1, 0, 1]], float).reshape(2, 2, 2)
    np.testing.assert_allclose(gram(f), np.array([[30, 6], [6, 2]]) / 8)
    net = cl.load(small_network())
    image = np.random.default_rng(1).random((1, 3, 16, 16), np.float32)
    a = net.activations(image, "relu1")["relu1"][0].astype(np.float64)
    assert score(net, image, cl.gram_distance("relu1", gram(a))) < 1e-10
    shuffled = a.reshape(8, -1)[:, np.random.default_rng(2).permutation(64)]
    assert score(net, image, cl.gram_distance("relu1", shuffled @ shuffled.T / shuffled.size)) < 1e-10


def test_batches_have_diversity_and_alignment(net, batch):
    a = net.activations(batch, "relu2")["relu2"].astype(np.float64)

    def diversity(a):
        grams = [gram(image) for image in a]
        cosines = [
            (grams[i] * grams[j]).sum() / np.linalg.norm(grams[i]) / np.linalg.norm(grams[j])
            for i in range(3)
            for j in range(3)
            if i != j
        ]
        return -np.mean(cosines)

    def alignment(a):
        return -0.5 * sum(((a[i] - a[j]) ** 2).sum() / 2 ** abs(i - j) for i in range(3) for j in range(3) if i != j)

    random = np.random.default_rng(4)
    for objective, value in ((cl.diversity("relu2"), diversity), (cl.alignment("relu2"), alignment)):
        assert np.sum(cl.saliency(net, batch, objective).score) == pytest.approx(value(a), rel=1e-5)
        slope = net.gradient(batch, objective, wrt="relu2").astype(np.float64)
        way = random.normal(size=a.shape)
        step = 1e-5
        change = (value(a + step * way) - value(a - step * way)) / (2 * step)
        assert (slope * way).sum() == pytest.approx(change, rel=1e-3)
    with pytest.raises(cl.InvalidArgument, match="two or more"):
        net.gradient(batch[:1], cl.diversity("relu2"))


# ---- parameterisations: what a walk of no steps shows is the start, decoded


class Splitmix:
    """Steele, Lea & Flood 2014, with Box & Muller's normals."""

    def __init__(self, seed, stream):
        self.state = seed
        self.state = self.next() ^ (stream * 0xD1B54A32D192ED03 & (2**64 - 1))

    def next(self):
        self.state = (self.state + 0x9E3779B97F4A7C15) & (2**64 - 1)
        z = self.state
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 & (2**64 - 1)
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB & (2**64 - 1)
        return z ^ (z >> 31)

    def normal(self):
        radius = np.sqrt(-2 * np.log(1 - (self.next() >> 40) * 2.0**-24))
        return radius * np.cos(2 * np.pi * (self.next() >> 40) * 2.0**-24)


def coloured(planes):
    root = np.array([[0.26, 0.09, 0.02], [0.27, 0.00, -0.05], [0.27, -0.09, 0.03]])
    root /= np.linalg.norm(root, axis=0).max()
    return 1 / (1 + np.exp(-np.einsum("ij,jyx->yxi", root, planes)))


@pytest.mark.parametrize("size", [(12, 16), (9, 15)])
def test_the_spectrum_is_numpys(free_net, size):
    h, w = size
    k = w // 2 + 1
    random = Splitmix(7, 0)
    numbers = np.array([0.01 * random.normal() for _ in range(3 * 2 * h * k)]).reshape(3, 2, h, k)
    frequency = np.sqrt(np.fft.fftfreq(h)[:, None] ** 2 + np.fft.rfftfreq(w)[None] ** 2)
    scale = np.sqrt(h * w) / np.maximum(frequency, 1 / max(h, w))
    planes = np.fft.irfft2(scale * (numbers[:, 0] + 1j * numbers[:, 1]), s=size) / 4
    start = cl.visualize(free_net, 0, size=size, steps=0, seed=7)
    np.testing.assert_allclose(np.asarray(start), coloured(planes), atol=2e-6)


def test_the_pyramid_is_the_sum_of_its_levels(free_net):
    from cnnlens import resample

    random = Splitmix(0, 0)
    planes = np.zeros((3, 16, 24))
    for level in range(4):
        h, w = 16 >> level, 24 >> level
        small = np.array([0.01 * random.normal() for _ in range(3 * h * w)]).reshape(3, h, w)
        planes += resample.matrix(h, 16, 0, 16) @ small @ resample.matrix(w, 24, 0, 24).T
    start = cl.visualize(free_net, 0, size=(16, 24), steps=0, param="pyramid")
    np.testing.assert_allclose(np.asarray(start), coloured(planes), atol=2e-6)


@pytest.mark.parametrize("param", ["fft", "pyramid", "pixels", "cppn"])
@pytest.mark.parametrize("transforms", ["standard", None])
def test_a_walk_leads_uphill(free_net, param, transforms):
    picture = cl.visualize(
        free_net, "relu2:3", size=32, steps=24, param=param, transforms=transforms, redirect=0, lr=0.02
    )
    start = cl.visualize(free_net, "relu2:3", size=32, steps=0, param=param)
    assert score(free_net, np.asarray(picture), cl.channel("relu2", 3)) > score(
        free_net, np.asarray(start), cl.channel("relu2", 3)
    )
    assert picture.history.shape == (24,) and picture.history[-4:].mean() > picture.history[0]
    assert picture.shape == (32, 32, 3) and picture.dtype == np.float32


# ---- one loop


def test_the_same_seed_gives_the_same_picture_for_any_number_of_threads(free_net):
    def walk():
        return [
            np.asarray(cl.visualize(free_net, "relu2:3", size=32, steps=6, seed=3)),
            np.asarray(cl.class_model(free_net, 1, size=32, steps=6)),
            np.asarray(cl.deepdream(free_net, first[0], "relu2", octaves=2, steps=2, jitter=4)),
        ]

    first = [np.random.default_rng(0).random((32, 32, 3))]
    one = walk()
    before = cl.get_num_threads()
    try:
        cl.set_num_threads(1)
        other = walk()
    finally:
        cl.set_num_threads(before)
    for a, b in zip(one, other, strict=True):
        np.testing.assert_array_equal(a, b)
    assert np.abs(np.asarray(cl.visualize(free_net, "relu2:3", size=32, steps=6, seed=4)) - one[0]).max() > 0.01


def test_a_batch_is_its_pictures(free_net):
    together = cl.visualize(free_net, "relu2:3", size=32, steps=4, batch=2)
    assert together.shape == (2, 32, 32, 3)
    alone = cl.visualize(free_net, "relu2:3", size=32, steps=4)
    np.testing.assert_array_equal(together[0], np.asarray(alone))
    assert np.abs(together[0] - together[1]).max() > 0.01


def test_diversity_makes_the_pictures_of_a_batch_differ(free_net):
    def alike(weight):
        goal = cl.channel("relu1", 3) + weight * cl.diversity("relu1")
        pictures = cl.visualize(free_net, goal, size=24, steps=40, batch=3, transforms=None)
        planes = np.concatenate([raw(free_net, picture) for picture in np.asarray(pictures)])
        return -np.sum(cl.saliency(free_net, planes, cl.diversity("relu1")).score)

    assert alike(10.0) < alike(0.0) - 0.01


def test_several_objectives_give_several_pictures(free_net):
    sheet = cl.visualize(free_net, ["relu2:3", "relu2:1", cl.unit("relu1", 2)], size=24, steps=3)
    assert sheet.shape == (3, 24, 24, 3) and sheet.history.shape == (3, 3) and len(sheet.label) == 3
    np.testing.assert_array_equal(sheet[1], np.asarray(cl.visualize(free_net, "relu2:1", size=24, steps=3)))
    assert sheet.grid().shape == (2 * 24 + 4, 2 * 24 + 4, 3)


@pytest.mark.parametrize(
    "walk",
    [
        lambda net, **more: cl.visualize(net, "relu2:3", size=24, **more),
        lambda net, **more: cl.visualize(net, "relu2:3", size=24, param="pixels", optimizer="momentum", **more),
        lambda net, **more: cl.class_model(net, 2, size=24, preset="yosinski1", **more),
        lambda net, **more: cl.invert(net, np.full((1, 5), 0.5, np.float32), "logits", size=24, **more),
    ],
)
def test_a_walk_goes_on_where_it_stopped(free_net, walk):
    whole = walk(free_net, steps=9)
    half = walk(free_net, steps=9, progress=lambda step, steps, value: step < 4)
    assert whole.is_complete and not half.is_complete
    assert len(half.history) == 4
    rest = walk(free_net, steps=9, resume=half)
    np.testing.assert_array_equal(np.asarray(rest), np.asarray(whole))
    np.testing.assert_array_equal(rest.history, whole.history)
    with pytest.raises(cl.InvalidArgument, match="checkpoint"):
        half.checkpoint = half.checkpoint[:-1]
        walk(free_net, steps=9, resume=half)


def test_progress_tells_steps_and_its_errors_come_through(free_net):
    seen = []
    cl.class_model(free_net, [0, 1], size=16, steps=3, progress=lambda *news: seen.append(news[:2]))
    assert seen == [(step, 6) for step in range(1, 7)]

    def fails(step, steps, value):
        raise RuntimeError("no more")

    with pytest.raises(RuntimeError, match="no more"):
        cl.class_model(free_net, 0, size=16, steps=3, progress=fails)


def test_control_c_hands_back_the_picture_reached(free_net):
    def interrupts(step, steps, value):
        if step == 3:
            signal.raise_signal(signal.SIGINT)

    picture = cl.class_model(free_net, 0, size=16, steps=50, progress=interrupts)
    assert not picture.is_complete and 3 <= len(picture.history) < 50
    assert np.asarray(picture).std() > 0


# ---- routines


@pytest.mark.parametrize("preset", ["simonyan", "yosinski1", "yosinski2", "yosinski3", "yosinski4"])
def test_class_models_raise_their_class(free_net, preset):
    picture = cl.class_model(free_net, "tiger cat", preset=preset, size=32, steps=30)
    assert picture.label == "tiger cat"
    flat = np.broadcast_to(np.float32(free_net.preprocess.mean), (32, 32, 3))
    assert score(free_net, np.asarray(picture), 1) > score(free_net, flat, 1)


def test_a_class_model_without_steps_is_the_mean_picture(free_net):
    picture = np.asarray(cl.class_model(free_net, 0, size=16, steps=0))
    np.testing.assert_allclose(picture, np.broadcast_to(np.float32(free_net.preprocess.mean), (16, 16, 3)), atol=1e-6)


def test_inversion_lowers_its_loss_at_every_step_and_finds_the_code(free_net, photo):
    picture = cl.invert(free_net, photo[:32, :32], ["relu1", "relu2", "logits"], size=32, steps=60)
    assert picture.shape == (3, 32, 32, 3) and picture.label == ["relu1", "relu2", "logits"]
    for history in picture.history:
        history = history[~np.isnan(history)]
        assert (np.diff(history) <= 1e-7).all() and history[-1] < 0.5 * history[0]
    assert max(picture.error) < 0.35 and picture.error[2] < 0.05


@pytest.mark.parametrize("param", ["fft", "pixels"])
@pytest.mark.parametrize("layer", ["relu1", "logits", "/layer2/relu/Relu"])
def test_more_steps_bring_an_inversion_closer_to_its_code(free_net, photo, layer, param):
    """|Phi(x) - Phi_0|^2 / |Phi_0|^2, the part of the loss that the priors work against."""
    net = cl.load(TINY / "residual" / "torchscript.onnx") if layer.startswith("/") else free_net
    code = seen(net, photo[:32, :32] / 255, layer)
    errors = []
    for steps in (5, 20, 80):
        picture = cl.invert(net, photo[:32, :32], layer, size=32, steps=steps, param=param)
        errors.append(((seen(net, np.asarray(picture), layer) - code) ** 2).sum() / (code**2).sum())
        assert picture.error**2 == pytest.approx(errors[-1], rel=1e-3)
    assert errors[0] > 1.5 * errors[1] and errors[1] > 1.5 * errors[2]
    assert errors[0] < 1 and errors[2] < 0.1


def test_the_loss_of_an_inversion_is_its_formula(free_net, photo):
    picture = cl.invert(
        free_net, photo[:32, :32], "relu1", size=32, steps=25, alpha=4, beta=2, strength=50, param="pixels"
    )
    x = np.asarray(picture).transpose(2, 0, 1).astype(np.float64)
    assert x.min() > 0 and x.max() < 1  # not clipped, so that the formula sees what the walk saw
    code, found = seen(free_net, photo[:32, :32] / 255, "relu1"), seen(free_net, np.asarray(picture), "relu1")
    largest = 80 / 255
    mean = np.array(free_net.preprocess.mean)[:, None, None]
    across, down = x[:, :-1, 1:] - x[:, :-1, :-1], x[:, 1:, :-1] - x[:, :-1, :-1]
    priors = ((x - mean) ** 4).sum() / largest**4 + (across**2 + down**2).sum() / (largest / 6.5) ** 2
    loss = ((found - code) ** 2).sum() / (code**2).sum() + priors / (50 * 32 * 32)
    assert picture.history[-1] == pytest.approx(loss, rel=1e-3)


def test_a_step_of_a_dream_is_its_formula(free_net):
    picture = np.random.default_rng(0).random((24, 30, 3)).astype(np.float32)
    slope = free_net.gradient(raw(free_net, picture), cl.layer("relu2"))[0].transpose(1, 2, 0) / free_net.preprocess.std
    dreamt = cl.deepdream(free_net, picture, "relu2", octaves=1, steps=1, jitter=0, step_size=2)
    expected = np.clip(picture + 2 / 255 * slope / np.abs(slope).mean(), 0, 1)
    np.testing.assert_allclose(np.asarray(dreamt), expected, atol=1e-5)


def test_dreams_carry_their_detail_through_octaves(free_net, photo):
    still = cl.deepdream(free_net, photo, "relu2", steps=0, octaves=3)
    np.testing.assert_allclose(np.asarray(still), photo / 255, atol=1e-6)
    dreamt = cl.deepdream(free_net, photo, "relu2", steps=3, octaves=3, jitter=3)
    assert dreamt.shape == photo.shape and dreamt.history.shape == (9,)
    coarse = cl.deepdream(free_net, photo, "relu2", steps=3, octaves=1, jitter=3)
    # Coarse structure changes more where there were coarser octaves.
    blocks = [
        np.abs((np.asarray(p) - photo / 255).reshape(8, 6, 8, 8, 3).mean((1, 3))).mean() for p in (dreamt, coarse)
    ]
    assert blocks[0] > blocks[1]
    small = cl.deepdream(free_net, photo, "relu2", steps=1, octaves=2, size=32)
    assert small.shape == (24, 32, 3)


def test_a_guide_is_the_nearest_place_of_another_picture(free_net, batch):
    from cnnlens import _native

    a = free_net.activations(batch[:1], "relu2")["relu2"]
    g = free_net.activations(batch[1:2, :, :20, :16].copy(), "relu2")["relu2"]
    places, pool = a[0].reshape(6, -1).astype(np.float64), g[0].reshape(6, -1).astype(np.float64)
    nearest = (places.T @ pool).argmax(1)
    out = np.empty(a.shape, np.float32)
    with free_net._sessions.take() as session:
        session.gradient(["relu2"], [batch[:1]], [out], _native.guide("relu2", g), 0)
        value = session.seen()[0][0]
    np.testing.assert_allclose(out[0].reshape(6, -1), pool[:, nearest], rtol=1e-6)
    assert value == pytest.approx((places.T @ pool).max(1).sum(), rel=1e-5)
    guided = cl.deepdream(free_net, batch[0].transpose(1, 2, 0), "relu2", guide=batch[1].transpose(1, 2, 0), octaves=1)
    assert guided.history[-1] > guided.history[0]


def test_a_zoom_is_frames_of_one_size(free_net, photo):
    frames = list(cl.dream_zoom(free_net, photo, "relu2", frames=3, zoom=1.2, octaves=1, steps=1))
    assert [frame.shape for frame in frames] == [photo.shape] * 3
    assert np.abs(np.asarray(frames[1]) - np.asarray(frames[0])).max() > 0.01


STYLE = {"content_layers": "conv2", "style_layers": ["relu1", "relu2"], "image_size": 32}


def test_style_transfer_lowers_its_loss(free_net, photo):
    style = np.random.default_rng(1).random((20, 40, 3))
    for more in (
        {},
        {"optimizer": "adam", "learning_rate": 1},
        {"init": "image"},
        {"scales": (16, 32)},
        {"style_scale": 0.5},
    ):
        made = cl.style_transfer(free_net, photo, style, num_iterations=12, **STYLE, **more)
        assert made.shape == (24, 32, 3)
        assert made.history[-1] < made.history[len(made.history) - 12]
        assert len(made.history) == 12 * (2 if "scales" in more else 1)


def test_the_loss_of_a_style_is_its_formula(free_net, photo):
    """At the start: half the squared differences in 0...255, content and Gram matrices as means."""
    random = np.random.default_rng(2)
    first, content, style = (random.random((32, 32, 3)).astype(np.float32) for _ in range(3))
    stops = {"progress": lambda *news: False}
    made = cl.style_transfer(
        free_net, content, style, init=first, num_iterations=1, optimizer="adam", learning_rate=1e-30, **STYLE, **stops
    )

    x = 255 * first.transpose(2, 0, 1).astype(np.float64)
    across, down = x[:, :-1, 1:] - x[:, :-1, :-1], x[:, 1:, :-1] - x[:, :-1, :-1]
    loss = (
        1e-3 * 0.5 * (across**2 + down**2).sum()
        + 5 * ((seen(free_net, first, "conv2") - seen(free_net, content, "conv2")) ** 2).mean()
    )
    for layer in ("relu1", "relu2"):
        loss += 100 * ((gram(seen(free_net, first, layer)) - gram(seen(free_net, style, layer))) ** 2).mean()
    assert made.history[0] == pytest.approx(loss, rel=1e-4)


def test_styles_blend_and_stay_within_their_masks(free_net, photo):
    random = np.random.default_rng(3)
    red, blue = random.random((24, 24, 3)) * [1, 0.2, 0.2], random.random((24, 24, 3)) * [0.2, 0.2, 1]
    more = {"num_iterations": 40, "content_weight": 0, "style_weight": 1e5, "tv_weight": 0, **STYLE}
    left = np.zeros((24, 32))
    left[:, :16] = 1
    made = np.asarray(cl.style_transfer(free_net, photo, [red, blue], style_masks=[left, 1 - left], **more))
    apart = made[:, :13, 0].mean() - made[:, :13, 2].mean() - (made[:, 19:, 0].mean() - made[:, 19:, 2].mean())
    assert apart > 0.05
    mostly = np.asarray(cl.style_transfer(free_net, photo, [red, blue], style_blend_weights=[9, 1], **more))
    other = np.asarray(cl.style_transfer(free_net, photo, [red, blue], style_blend_weights=[1, 9], **more))
    assert mostly[..., 0].mean() > other[..., 0].mean()


def test_original_colors_are_the_contents(free_net, photo):
    made = cl.style_transfer(free_net, photo, photo[::-1], num_iterations=3, original_colors=True, **STYLE)
    grey = np.repeat(photo[:, :, 1:2], 3, axis=2)
    plain = np.asarray(cl.style_transfer(free_net, grey, photo, num_iterations=3, original_colors=True, **STYLE))
    assert made.shape == (24, 32, 3)
    assert np.ptp(plain, axis=2).max() < 1e-5  # a grey content stays grey


def test_a_texture_needs_no_content(free_net, photo):
    made = cl.texture(free_net, photo, layers=["relu1", "relu2"], size=(20, 28), num_iterations=10)
    assert made.shape == (20, 28, 3) and made.method == "texture" and made.history[-1] < made.history[0]


def test_a_picture_is_an_array_that_can_be_saved(free_net, tmp_path):
    picture = cl.class_model(free_net, 0, size=16, steps=2)
    assert np.asarray(picture).min() >= 0 and np.asarray(picture).max() <= 1
    assert picture.to_pil().size == (16, 16) and picture._repr_png_().startswith(b"\x89PNG")
    for name in ("a", "a.png", "a.jpg"):
        assert picture.save(tmp_path / name).exists()
    assert (tmp_path / "a.json").exists()
    assert "class_model" in repr(picture)


def test_wrong_arguments(free_net, net, photo):
    wrong = [
        lambda: cl.visualize("net", 0),
        lambda: cl.visualize(free_net, None),
        lambda: cl.visualize(free_net, []),
        lambda: cl.visualize(free_net, "relu2:99", steps=1),
        lambda: cl.visualize(free_net, cl.unit("relu2", 0, (99, 0)), size=16, steps=1),
        lambda: cl.visualize(free_net, 0, steps=-1),
        lambda: cl.visualize(free_net, 0, steps=1.5),
        lambda: cl.visualize(free_net, 0, lr=float("nan")),
        lambda: cl.visualize(free_net, 0, lr=0),
        lambda: cl.visualize(free_net, 0, param="fourier"),
        lambda: cl.visualize(free_net, 0, transforms=["pad"]),
        lambda: cl.visualize(free_net, 0, optimizer="sgd"),
        lambda: cl.visualize(free_net, 0, optimizer="lbfgs", steps=1, size=16),
        lambda: cl.visualize(free_net, 0, seed=-1),
        lambda: cl.visualize(free_net, 0, size=0),
        lambda: cl.visualize(free_net, 0, size=(3, 3, 3)),
        lambda: cl.visualize(free_net, 0, size=(9000, 2), steps=1),
        lambda: cl.visualize(free_net, 0, batch=0),
        lambda: cl.visualize(free_net, [0, 1], batch=2),
        lambda: cl.visualize(free_net, 0, resume="there"),
        lambda: cl.visualize(free_net, cl.diversity("relu2"), size=16, steps=1),
        lambda: cl.class_model(free_net, 0, preset="yosinski5"),
        lambda: cl.class_model(free_net, 99),
        lambda: cl.class_model(free_net, []),
        lambda: cl.class_model(free_net, 0, penalty=-1),
        lambda: cl.invert(free_net, photo, 3),
        lambda: cl.invert(free_net, photo, []),
        lambda: cl.invert(free_net, photo, "relu1", alpha=float("inf")),
        lambda: cl.invert(free_net, photo, "relu1", alpha=0.5, steps=1),
        lambda: cl.invert(free_net, [photo, photo], "relu1"),
        lambda: cl.deepdream(free_net, photo, "relu2", octaves=0),
        lambda: cl.deepdream(free_net, photo, "relu2", octaves=40),
        lambda: cl.deepdream(free_net, photo, "relu2", octave_scale=1),
        lambda: cl.deepdream(free_net, photo, "relu2", jitter=-1),
        lambda: cl.deepdream(free_net, photo, "relu2", size=0),
        lambda: cl.deepdream(free_net, photo, "relu2", tile=0),
        lambda: cl.deepdream(free_net, photo, "dense", guide=photo),
        lambda: cl.deepdream(free_net, photo, 0, guide=photo),
        lambda: cl.deepdream(free_net, [photo], "relu2"),
        lambda: cl.style_transfer(free_net, photo, [], **STYLE),
        lambda: cl.style_transfer(free_net, photo, photo, content_layers=[], style_layers=["relu1"]),
        lambda: cl.style_transfer(free_net, photo, photo, content_layers="conv2", style_layers=[]),
        lambda: cl.style_transfer(free_net, photo, photo, init="content", **STYLE),
        lambda: cl.style_transfer(free_net, photo, photo, optimizer="momentum", **STYLE),
        lambda: cl.style_transfer(free_net, photo, photo, scales=[64, 32], **STYLE),
        lambda: cl.style_transfer(free_net, photo, photo, style_weight=-1, **STYLE),
        lambda: cl.style_transfer(free_net, photo, photo, style_blend_weights=[1, 2], **STYLE),
        lambda: cl.style_transfer(free_net, photo, photo, style_blend_weights=[0], **STYLE),
        lambda: cl.style_transfer(free_net, photo, photo, style_masks=[np.ones(3)], **STYLE),
        lambda: cl.texture(free_net, photo, layers=["relu1"], size=-3),
        lambda: cl.distance("relu1", 1, "half"),
        lambda: cl.total_variation(0),
        lambda: cl.lp_norm(0.5),
        lambda: cl.alignment("relu1", 0),
        lambda: list(cl.dream_zoom(free_net, photo, "relu2", zoom=0.5)),
    ]
    for index, call in enumerate(wrong):
        with pytest.raises((cl.InvalidArgument, cl.Error)):
            call()
            pytest.fail(f"number {index} is let through")
    with pytest.raises(cl.NotFound):
        cl.deepdream(free_net, photo, "relu9")
    with pytest.raises(cl.NotFound):
        cl.invert(free_net, photo, "relu9")
    with pytest.raises(cl.NotFound):
        cl.style_transfer(free_net, photo, photo, content_layers="conv9", style_layers="relu1")


def test_a_trunk_dreams_at_any_size(net, photo):
    """A network for 32 x 32, on a picture of 48 x 64."""
    assert cl.deepdream(net, photo, "relu2", steps=1, octaves=1).shape == photo.shape


def test_tiles_give_the_dream_of_the_whole(free_net, photo):
    def dream(tile):
        return np.asarray(cl.deepdream(free_net, photo, "relu2", steps=3, octaves=2, jitter=5, tile=tile))

    np.testing.assert_allclose(dream(16), dream(None), atol=1e-4)
