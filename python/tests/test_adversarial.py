# SPDX-License-Identifier: Apache-2.0
import _thread
import contextlib
import threading
import types

import numpy as np
import pytest
from conftest import model_bytes
from onnx import helper
from PIL import Image

import cnnlens as cl
from cnnlens import _native, images


def test_bytes_stay_bytes_and_in_the_ball(net, photo):
    found = cl.fgsm(net, photo, eps=8 / 255)
    assert found.images.dtype == np.uint8 and found.images.shape == photo.shape
    change = np.abs(found.images.astype(int) - photo.astype(int))
    assert change.max() == 8
    assert found.linf == pytest.approx(8 / 255) and found.l0 == (change.max(-1) > 0).sum()
    assert found.l2 == pytest.approx(np.sqrt((change**2).sum()) / 255)


def test_success_is_what_the_network_says_of_the_bytes(net, photo):
    label = net.predict(photo).indices[0]
    for result in cl.fgsm(net, photo, eps=[0, 2 / 255, 0.1, 0.3]):
        again = net.predict(result.images)
        assert result.prediction.indices == again.indices
        assert result.success == (again.indices[0] != label)
        assert result.label == label


def test_the_loss_rises(net, photo):
    label = net.predict(photo).indices[0]
    before = net.predict(photo, 5)
    after = cl.fgsm(net, photo, label, eps=2 / 255).prediction
    assert after.probs[after.indices.index(label)] < before.probs[0]
    aim = before.indices[-1]
    aimed = cl.fgsm(net, photo, aim, eps=2 / 255, targeted=True).prediction
    assert aimed.probs[aimed.indices.index(aim)] > before.probs[before.indices.index(aim)]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_floats_stay_in_the_ball_exactly(net, photo, dtype):
    picture = (photo / 255).astype(dtype)
    for eps in (8 / 255, 0.01, 1e-3):
        found = cl.fgsm(net, picture, eps=eps)
        assert found.images.dtype == dtype and found.images.shape == picture.shape
        assert np.abs(found.images.astype(float) - picture.astype(float)).max() <= eps
        assert found.images.min() >= 0 and found.images.max() <= 1


@pytest.mark.parametrize(("norm", "order"), [("2", 2), ("1", 1)])
def test_other_norms_hold(net, photo, norm, order):
    picture = photo.astype(np.float64) / 255
    found = cl.fgsm(net, picture, eps=1.5, norm=norm)
    assert 0.5 < np.linalg.norm((found.images - picture).ravel(), order) <= 1.5 + 1e-9
    rounded = cl.fgsm(net, photo, eps=1.5, norm=norm)
    assert np.linalg.norm((rounded.images.astype(float) - photo).ravel() / 255, order) <= 1.5 + 1e-9


def test_grey_and_clear_pictures_stay_what_they_are(net, photo):
    grey = cl.fgsm(net, photo[:, :, 1])
    assert grey.images.shape == photo.shape[:2] and grey.images.dtype == np.uint8
    clear = np.dstack([photo, np.full(photo.shape[:2], 128, np.uint8)])
    found = cl.fgsm(net, clear)
    np.testing.assert_array_equal(found.images[:, :, 3], 128)
    assert found.images.shape == clear.shape


def test_batches(net, photo, batch):
    found = cl.fgsm(net, [photo, photo[::-1]], [0, "tiger cat"])
    assert len(found.images) == 2 and found.success.shape == (2,) and found.label == [0, 1]
    raw = cl.fgsm(net, batch, eps=0.5)
    assert raw.images.shape == batch.shape and raw.images.dtype == np.float32
    assert np.abs(raw.images.astype(float) - batch.astype(float)).max() <= 0.5
    assert raw.linf.shape == (3,)
    # Raw tensors have no range to stay in.
    assert raw.images.min() < 0 or raw.images.max() > 1


def test_a_list_of_sizes_is_a_curve(net, batch):
    curve = cl.fgsm(net, batch, eps=[0, 0.1, 1.0])
    assert curve.eps == [0, 0.1, 1.0] and len(curve.success_rate) == 3
    assert curve.success_rate[0] == 0 and curve.accuracy[0] == 1
    np.testing.assert_array_equal(curve[0].images, batch)


def test_zero_changes_nothing(net, photo):
    np.testing.assert_array_equal(cl.fgsm(net, photo, eps=0).images, photo)


def test_wrong_arguments(net, photo):
    for wrong in ({"eps": -1}, {"eps": float("nan")}, {"norm": "3"}, {"targeted": True}, {"eps": []}):
        with pytest.raises(cl.InvalidArgument):
            cl.fgsm(net, photo, **wrong)
    with pytest.raises(cl.InvalidArgument, match="classes"):
        cl.fgsm(net, photo, cl.unit("relu1", 0))


def test_linear_classifier_is_fooled_from_minus_three_to_two():
    """Karpathy, "Breaking Linear Classifiers on ImageNet", 2015: 5 % becomes 88 %."""
    x = np.array([2, -1, 3, -2, 2, 2, 1, -4, 5, 1], np.float32)
    w = np.array([-1, -1, 1, -1, 1, -1, 1, 1, -1, 1], np.float32)
    # Two classes whose softmax is the sigmoid of w x.
    weights = {"w": np.stack([np.zeros(10, np.float32), w])}
    nodes = [
        helper.make_node("Flatten", ["x"], ["f"], "flatten"),
        helper.make_node("Gemm", ["f", "w"], ["y"], "dense", transB=1),
    ]
    net = cl.load(model_bytes(nodes, weights, [("x", ["n", 10, 1, 1])], [("y", ["n", 2])]))
    x = x.reshape(1, 10, 1, 1)
    assert net(x)[0, 1] == -3
    assert net.predict(x, 2).probs[0][1] == pytest.approx(0.04743, abs=1e-5)
    found = cl.fgsm(net, x, 0, eps=0.5)
    assert net(found.images)[0, 1] == 2
    assert found.success.all() and found.prediction.probs[0][0] == pytest.approx(0.88080, abs=1e-5)
    assert cl.grad_x_input(net, x, 1, reduce=None).shape == (1, 10, 1, 1)
    np.testing.assert_array_equal(
        np.asarray(cl.grad_x_input(net, x, 1, reduce=None)).ravel(), [-2, 1, 3, 2, 2, -2, 1, -4, -5, 1]
    )


# ---- more attacks


def line_net():
    """Karpathy's classifier: two classes whose scores differ by w x, -3 at `LINE_POINT`."""
    w = np.array([-1, -1, 1, -1, 1, -1, 1, 1, -1, 1], np.float32)
    nodes = [
        helper.make_node("Flatten", ["x"], ["f"], "flatten"),
        helper.make_node("Gemm", ["f", "w"], ["y"], "dense", transB=1),
    ]
    weights = {"w": np.stack([np.zeros(10, np.float32), w])}
    return cl.load(model_bytes(nodes, weights, [("x", ["n", 10, 1, 1])], [("y", ["n", 2])])), w


LINE_POINT = np.array([2, -1, 3, -2, 2, 2, 1, -4, 5, 1], np.float32).reshape(1, 10, 1, 1)


@pytest.mark.parametrize("norm", ["inf", "2", "1"])
def test_one_step_of_pgd_is_fgsm(net, photo, batch, norm):
    for x, eps in ((photo, 6 / 255), (photo / 255, 0.03), (batch, 0.1)):
        eps = eps if norm == "inf" else 30 * eps
        fast = cl.fgsm(net, x, eps=eps, norm=norm)
        one = cl.pgd(net, x, eps=eps, step=eps, steps=1, random_start=False, norm=norm)
        np.testing.assert_array_equal(one.images, fast.images)


def test_iterated_steps_equal_their_formula(net, batch):
    """BIM and its momentum in NumPy, with the network's own gradients."""
    label = [int(np.argmax(row)) for row in net(batch)]

    for momentum in (0.0, 1.0):
        x, velocity = batch.copy(), np.zeros_like(batch, np.float64)
        for _ in range(4):
            scores = net(x).astype(np.float64)
            p = np.exp(scores - scores.max(1, keepdims=True))
            p /= p.sum(1, keepdims=True)
            gradient = np.zeros_like(batch, np.float64)
            for n in range(len(x)):
                for k in range(5):
                    part = net.gradient(x[n : n + 1], k)[0]
                    gradient[n] += (p[n, k] - (k == label[n])) * part
            velocity = momentum * velocity + gradient / np.abs(gradient).sum((1, 2, 3), keepdims=True)
            x = (x + 0.01 * np.sign(velocity)).astype(np.float32)
            x = np.clip(x, batch - np.float32(0.025), batch + np.float32(0.025))
        found = cl.pgd(net, batch, eps=0.025, step=0.01, steps=4, random_start=False, momentum=momentum)
        assert np.mean(np.abs(found.images - x) > 1e-6) < 1e-3


def test_the_ball_holds_for_every_attack_that_has_one(net, photo):
    for eps in (1 / 255, 5 / 255):
        for attack, options in ((cl.pgd, {}), (cl.square, {"steps": 15}), (cl.nes, {"steps": 2, "samples": 8})):
            found = attack(net, photo, eps=eps, **options)
            assert found.images.dtype == np.uint8
            assert np.abs(found.images.astype(int) - photo.astype(int)).max() <= round(eps * 255)
            found = attack(net, photo / 255, eps=eps, **options)
            assert np.abs(found.images - photo / 255).max() <= eps


@pytest.mark.parametrize(("norm", "order", "eps"), [("2", 2, 0.5), ("1", 1, 4.0)])
def test_other_balls_hold_for_bytes(net, photo, norm, order, eps):
    found = cl.pgd(net, photo, eps=eps, step=eps / 3, norm=norm)
    size = np.linalg.norm((found.images.astype(float) - photo).ravel() / 255, order)
    assert 0.5 * eps < size <= eps + 1e-9


def test_minimal_attacks_find_the_distance_of_a_line():
    net, w = line_net()
    exact = cl.deepfool(net, LINE_POINT, overshoot=0, steps=1)
    np.testing.assert_allclose((exact.images - LINE_POINT).ravel(), 0.3 * w, atol=1e-6)
    assert exact.l2[0] == pytest.approx(0.948683, abs=1e-5)
    assert cl.deepfool(net, LINE_POINT).l2[0] == pytest.approx(0.948683 * 1.02, abs=1e-4)
    for found in (
        cl.cw(net, LINE_POINT, rate=0.05, steps=300, searches=8),
        cl.lbfgs_attack(net, LINE_POINT, searches=12),
        cl.lbfgs_attack(net, LINE_POINT, 1, targeted=True, searches=12),
        cl.deepfool(net, LINE_POINT, 1, targeted=True),
    ):
        assert found.success.all() and 0.948683 * (1 - 1e-5) < found.l2[0] < 0.948683 * 1.05
    black = {"bounds": (-6, 6), "seed": 4}
    for found in (
        cl.boundary(net, LINE_POINT, steps=2000, **black),
        cl.hopskipjump(net, LINE_POINT, **black),
    ):
        assert found.success.all() and found.l2[0] < 0.948683 * 1.15
    assert cl.hopskipjump(net, LINE_POINT, norm="inf", **black).linf[0] < 0.3 * 1.15


def quick_attacks():
    return [
        (cl.fgsm, {"eps": 0.2}),
        (cl.pgd, {"eps": 0.2, "step": 0.05}),
        (cl.lbfgs_attack, {"steps": 4, "searches": 1}),
        (cl.deepfool, {}),
        (cl.deepfool, {"norm": "inf"}),
        (cl.cw, {"steps": 25, "searches": 3}),
        (cl.one_pixel, {"pixels": 40, "population": 30, "generations": 10}),
        (cl.square, {"eps": 0.3, "steps": 60}),
        (cl.nes, {"eps": 0.2, "step": 0.05, "steps": 6, "samples": 10}),
        (cl.boundary, {"steps": 60}),
        (cl.hopskipjump, {"steps": 3, "samples": 20}),
    ]


def ids(value):
    return getattr(value, "__name__", "")


@pytest.mark.parametrize(("attack", "options"), quick_attacks(), ids=ids)
def test_success_survives_a_png(net, photo, attack, options, tmp_path):
    """Saved and read again: every success that was claimed is one."""
    label = net.predict(photo).indices[0]
    for picture in (photo, photo[::-1].copy()):
        found = attack(net, picture, label, **options)
        Image.fromarray(found.images).save(tmp_path / "picture.png")
        again = np.asarray(Image.open(tmp_path / "picture.png"))
        np.testing.assert_array_equal(again, found.images)
        assert (net.predict(again).indices[0] != label) == found.success
        assert found.images.dtype == np.uint8 and found.images.shape == photo.shape and found.queries > 0


@pytest.mark.parametrize(("attack", "options"), quick_attacks(), ids=ids)
def test_a_batch_is_its_pictures_one_by_one(net, photo, attack, options):
    other = photo[::-1, ::-1].copy()
    together = attack(net, [photo, other, photo[:, :, 0]], **options)
    for picture, image in zip([photo, other, photo[:, :, 0]], together.images, strict=True):
        alone = attack(net, picture, **options)
        np.testing.assert_array_equal(alone.images, image)
        np.testing.assert_array_equal(attack(net, picture, **options).images, image)


@pytest.mark.parametrize("threads", [1, 2])
def test_threads_change_nothing(net, photo, threads):
    before = cl.get_num_threads()
    one = cl.pgd(net, photo, eps=0.1).images
    try:
        cl.set_num_threads(threads)
        np.testing.assert_array_equal(cl.pgd(net, photo, eps=0.1).images, one)
    finally:
        cl.set_num_threads(before)


def test_seeds_matter_where_there_is_chance(net, photo):
    for attack, options in ((cl.pgd, {"steps": 2}), (cl.square, {"steps": 5})):
        one, two = (attack(net, photo, seed=seed, **options).images for seed in (0, 1))
        assert (one != two).any()


def test_one_pixel_is_one_pixel(net, photo):
    found = cl.one_pixel(net, photo, population=12, generations=3)
    assert found.l0 == 1 and (found.images != photo).any(-1).sum() == 1
    assert cl.one_pixel(net, photo, pixels=3, population=12, generations=3).l0 <= 3


def test_what_is_mistaken_already_stays_as_it_is(net, photo):
    label = net.predict(photo, 5).indices[1]
    for attack in (cl.deepfool, cl.cw, cl.lbfgs_attack, cl.one_pixel, cl.square, cl.nes, cl.boundary, cl.hopskipjump):
        found = attack(net, photo, label)
        assert found.success and found.l0 == 0


def test_fooling_reaches_its_confidence(net, photo):
    for target in (1, 2):  # the others never come so far, whatever they are shown
        for x in (None, photo):
            found = cl.fool(net, x, target, confidence=0.9, step=0.5)
            assert found.success and found.prediction.indices[0] == target
            assert found.prediction.probs[0] > 0.899
            assert found.images.dtype == np.uint8
    assert cl.fool(net, None, "crane", steps=5, seed=3).images.shape == (32, 32, 3)


@pytest.mark.parametrize("encoding", ["cppn", "direct"])
def test_evolved_pictures(net, encoding):
    found = cl.evolve_fool(net, 1, encoding=encoding, confidence=0.95, generations=60)
    assert found.success and found.prediction.probs[0] >= 0.949
    assert found.images.shape == (32, 32, 3) and found.images.dtype == np.uint8
    again = cl.evolve_fool(net, 1, encoding=encoding, confidence=0.95, generations=60)
    np.testing.assert_array_equal(found.images, again.images)
    costs = []
    cl.evolve_fool(net, 2, encoding=encoding, generations=20, confidence=0.9999, progress=lambda *a: costs.append(a[2]))
    assert costs == sorted(costs, reverse=True) and len(costs) > 1


def test_targets_are_reached(net, photo):
    aim = net.predict(photo, 5).indices[1]
    start = cl.fool(net, photo, aim).images
    for attack, options in (
        (cl.pgd, {"eps": 0.3, "step": 0.05, "steps": 20}),
        (cl.deepfool, {}),
        (cl.cw, {"steps": 40, "searches": 3}),
        (cl.lbfgs_attack, {"searches": 2}),
        (cl.boundary, {"start": start, "steps": 40}),
        (cl.hopskipjump, {"start": start, "steps": 3}),
    ):
        found = attack(net, photo, aim, targeted=True, **options)
        assert found.success and found.prediction.indices[0] == aim, attack.__name__


def test_progress_stops_and_hands_back(net, photo):
    calls = []

    def once(step, steps, value):
        calls.append((step, steps, value))
        return False

    found = cl.pgd(net, photo, steps=50, eps=0.2, progress=once)
    assert len(calls) == 1 and calls[0][:2] == (1, 50) and found.l0 > 0

    def broken(*_):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        cl.pgd(net, photo, progress=broken)


def test_wrong_attacks(net, photo, batch):
    seen = net.predict(photo).indices[0]
    for wrong in ({"step": 0}, {"steps": 0}, {"momentum": -1}, {"eps": float("inf")}, {"seed": -1}, {"bounds": (0, 1)}):
        with pytest.raises(cl.InvalidArgument):
            cl.pgd(net, photo, **wrong)
    with pytest.raises(cl.InvalidArgument, match="sees in it already"):
        cl.pgd(net, photo, seen, targeted=True)
    with pytest.raises(cl.InvalidArgument, match="does not exist"):
        cl.pgd(net, photo, 5)
    with pytest.raises(cl.InvalidArgument, match="range"):
        cl.boundary(net, batch)
    with pytest.raises(cl.InvalidArgument, match="outside the range"):
        cl.fgsm(net, 3 * batch, bounds=(0, 1))
    with pytest.raises(cl.InvalidArgument, match="does not deceive"):
        cl.boundary(net, photo, start=photo)
    with pytest.raises(cl.InvalidArgument, match="start has shape"):
        cl.boundary(net, photo, start=photo[1:])
    for wrong in ({"norm": "1"}, {"candidates": 0}, {"overshoot": float("nan")}):
        with pytest.raises(cl.InvalidArgument):
            cl.deepfool(net, photo, **wrong)
    for wrong in ({"confidence": 1}, {"confidence": 0}, {"step": -1}):
        with pytest.raises(cl.InvalidArgument):
            cl.fool(net, photo, 1, **wrong)
    with pytest.raises(cl.InvalidArgument):
        cl.evolve_fool(net, 1, encoding="words")
    with pytest.raises(cl.InvalidArgument):
        cl.evolve_fool(net, None)
    with pytest.raises(cl.InvalidArgument):
        cl.one_pixel(net, photo, pixels=0)


def test_the_gradient_at_a_pictures_own_size_is_the_adjoints(net, photo):
    """What the engine carries back through the crop equals the matrices of the view, transposed."""
    view = net.preprocess.view(images.read(photo))
    inner = np.empty((1, 3, 32, 32), np.float32)
    given = net.given(photo)
    with given.sessions.take() as session:
        session.gradient(["input"], [given.array], [inner], _native.logit([2]), 0)
    own = np.ascontiguousarray(photo.transpose(2, 0, 1)[None] / np.float32(255), np.float32)
    outer = np.empty_like(own)
    with net._seeing_picture(view).take() as session:
        session.gradient(["input"], [own], [outer], _native.logit([2]), 0)
    np.testing.assert_allclose(outer[0], view.adjoint(inner[0]).transpose(2, 0, 1), atol=1e-6)
    assert np.abs(outer).max() > 1e-4


NATIVE_ATTACKS = {
    "fgsm": {"norm": 0},
    "pgd": {"norm": 1, "epsilon": 0.1, "step": 0.1, "momentum": 0.5, "steps": 2, "random_start": 1},
    "lbfgs_attack": {"weight": 0.1, "steps": 2, "searches": 1},
    "deepfool": {"norm": 1, "overshoot": 0.02, "candidates": 3, "steps": 2},
    "cw": {"confidence": 0.1, "rate": 0.01, "weight": 1.0, "steps": 2, "searches": 2},
    "fool": {"confidence": 0.5, "step": 0.5, "steps": 2},
    "evolve_fool": {"encoding": 1, "confidence": 0.99, "population": 2, "generations": 2},
    "one_pixel": {"difference": 0.5, "pixels": 1, "population": 4, "generations": 1},
    "square": {"epsilon": 0.1, "share": 0.1, "steps": 2},
    "nes": {"epsilon": 0.1, "step": 0.1, "deviation": 0.01, "steps": 2, "samples": 2},
    "boundary": {"orthogonal": 0.01, "towards": 0.01, "steps": 2},
    "hop_skip_jump": {"norm": 1, "steps": 1, "samples": 2, "most_samples": 2},
}


@pytest.mark.parametrize("name", NATIVE_ATTACKS)
def test_extreme_options_end_in_an_error_or_in_a_picture(net, photo, name):
    """Past the checks of Python: nothing that a C caller passes ends the process."""
    x = np.ascontiguousarray(photo[:32, :32].transpose(2, 0, 1)[None] / np.float32(255), np.float32)
    label = net.predict(photo[:32, :32]).indices[0]
    options = NATIVE_ATTACKS[name]
    goal = {"labels": [(label + 1) % 5] if name in ("fool", "evolve_fool") else [label], "levels": 255}
    out = np.empty_like(x)
    with net._seeing().take() as session:
        session.attack(name, x, [out], goal, options)
        assert np.isfinite(out).all() and out.min() >= 0 and out.max() <= 1
        for field, value in options.items():
            integers = [-(2**31), -1, 0, 2**31 - 1]
            reals = [float("nan"), float("inf"), float("-inf"), 1e308, -1e308, 1e-308, 0.0]
            for extreme in integers if isinstance(value, int) else reals:
                # (Numbers of steps that are allowed but endless are not asked for.)
                with contextlib.suppress(cl.InvalidArgument):
                    session.attack(name, x, [out], goal, {**options, field: extreme})
        for field, extremes in (
            ("labels", [[-1], [5], [2**63 - 1], [0, 1, 2], []]),
            ("levels", [-1, 7, 65536]),
            ("low", [float("nan"), 2.0]),
            ("high", [float("inf"), -1.0]),
            ("is_targeted", [2]),
        ):
            for extreme in extremes:
                if name == "evolve_fool" and extreme == 7:
                    continue  # there is no picture that could lie between the levels
                with pytest.raises(cl.InvalidArgument):
                    session.attack(name, x, [out], {**goal, field: extreme}, options)
        session.attack(name, x, [out], {**goal, "seed": -(2**63)}, options)
        with pytest.raises(cl.InvalidArgument):
            session.attack(name, x, [out[:, :2]], goal, options)
        with pytest.raises(cl.InvalidArgument, match="no option"):
            session.attack(name, x, [out], goal, {"words": 1})
    broken = np.full_like(x, np.nan)
    with net._seeing().take() as session, contextlib.suppress(cl.InvalidArgument):
        session.attack(name, broken, [out], {"labels": [1], "is_clamped": 0}, options)


@contextlib.contextmanager
def ctrl_c(*seconds):
    timers = [threading.Timer(after, _thread.interrupt_main) for after in seconds]
    for timer in timers:
        timer.start()
    yield
    for timer in timers:
        timer.join()


def test_ctrl_c_hands_back_the_pictures_reached(net, photo):
    with ctrl_c(0.2):
        found = cl.pgd(net, photo, steps=10**6)
    assert not found.is_complete and "stopped" in repr(found)
    assert 0 < found.linf <= 8 / 255 + 1e-6 and found.queries > 2
    with ctrl_c(0.2):
        curve = cl.pgd(net, [photo, photo], eps=[1 / 255, 4 / 255], steps=10**6)
    assert [result.is_complete for result in curve] == [False, False] and len(curve[1].images) == 2
    assert cl.pgd(net, photo, steps=3).is_complete
    assert not cl.pgd(net, photo, steps=3, progress=lambda step, steps, value: step < 2).is_complete


def test_another_ctrl_c_ends_a_step_that_takes_long(net, photo):
    with ctrl_c(0.2, 0.5), pytest.raises(KeyboardInterrupt):
        cl.hopskipjump(net, photo, samples=10**7, most_samples=10**7)


def test_ctrl_c_hands_back_what_deceives_a_defence(net, photo):
    with ctrl_c(0.2):
        found = cl.pgd(cl.defend.bits(net, 3), photo, steps=10**6)
    assert not found.is_complete and 0 < found.linf <= 8 / 255 + 1e-6


def test_what_progress_raises_stands(net, photo):
    def breaks(step, steps, value):
        raise ValueError("no more")

    with pytest.raises(ValueError, match="no more"):
        cl.pgd(net, photo, steps=5, progress=breaks)


def test_a_report_that_is_stopped_has_the_rows_reached(net, photo):
    with ctrl_c(0.3):
        report = cl.attack_report(net, photo, {"long": lambda *given, eps: cl.pgd(*given, eps=eps, steps=10**6)})
    assert [row.eps for row in report] == [0.0]


def test_a_report_takes_attacks_that_do_not_say_whether_they_are_complete(net, photo):
    def nothing(net, images, labels, eps):
        return types.SimpleNamespace(images=images, l2=[0.0] * len(images))

    report = cl.attack_report(net, photo, {"nothing": nothing}, eps=0.1)
    assert [row.accuracy for row in report] == [1.0, 1.0]
