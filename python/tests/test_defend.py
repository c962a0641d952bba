# SPDX-License-Identifier: Apache-2.0
import io

import numpy as np
import pytest
from PIL import Image

import cnnlens as cl
from cnnlens import images


def seen(net, picture):
    """What the network sees, (C, H, W) in [0, 1]."""
    return net.given(picture).array[0]


def test_jpeg_is_pillows(net, photo):
    small = photo[:32, :32]
    file = io.BytesIO()
    Image.fromarray(small).save(file, "JPEG", quality=40)
    expected = np.asarray(Image.open(file)).transpose(2, 0, 1) / 255
    np.testing.assert_allclose(seen(cl.defend.jpeg(net, 40), small), expected, atol=1e-6)


def test_bits_are_levels(net, photo):
    for depth in (1, 3, 8):
        values = seen(cl.defend.bits(net, depth), photo)
        levels = values * (2**depth - 1)
        np.testing.assert_allclose(levels, np.rint(levels), atol=1e-4)
        assert np.abs(values - seen(net, photo)).max() <= 0.5 / (2**depth - 1) + 1e-6
    assert len(np.unique(seen(cl.defend.bits(net, 1), photo))) == 2


def test_median_takes_single_pixels_away(net):
    picture = np.full((32, 32, 3), 100, np.uint8)
    picture[10, 10] = 255
    np.testing.assert_allclose(seen(cl.defend.median(net), picture), 100 / 255, atol=1e-6)
    random = np.random.default_rng(2).integers(0, 255, (32, 32, 3), dtype=np.uint8)
    found = seen(cl.defend.median(net, 3), random)
    padded = np.pad(random, ((1, 1), (1, 1), (0, 0)), mode="symmetric") / 255
    for y, x in ((0, 0), (5, 7), (31, 31)):
        np.testing.assert_allclose(found[:, y, x], np.median(padded[y : y + 3, x : x + 3], axis=(0, 1)), atol=1e-6)


def test_tv_minimises_its_energy(net, photo):
    x = seen(net, photo).astype(np.float64)
    weight = 0.1

    def energy(y):
        down, right = np.zeros_like(y), np.zeros_like(y)
        down[:, :-1], right[:, :, :-1] = np.diff(y, axis=1), np.diff(y, axis=2)
        return ((y - x) ** 2).sum() / 2 + weight * np.sqrt((down**2 + right**2).sum(0)).sum()

    found = seen(cl.defend.tv(net, weight, steps=200), photo).astype(np.float64)
    least = energy(found)
    assert least < energy(x) and least < energy(np.broadcast_to(x.mean((1, 2), keepdims=True), x.shape))
    random = np.random.default_rng(0)
    for size in (1e-2, 1e-3):
        assert all(energy(found + size * random.normal(size=x.shape)) > least for _ in range(5))
    np.testing.assert_allclose(found.mean(), x.mean(), atol=1e-5)


def test_tv_agrees_with_scikit_image(net, photo):
    restoration = pytest.importorskip("skimage.restoration")
    x = seen(net, photo)
    # (Its weight is that of 2 lambda's convention; with one channel axis and many steps both reach the same minimum.)
    theirs = restoration.denoise_tv_chambolle(x[0], weight=0.1, eps=1e-9, max_num_iter=2000)
    ours = cl.defend.smoothed(x[:1], 0.1, 2000)[0]
    assert np.abs(theirs - ours).max() < 5e-3


def test_randomize_is_a_smaller_picture_on_black(net, photo):
    defended = cl.defend.randomize(net, 3)
    one = seen(defended, photo)
    np.testing.assert_array_equal(one, seen(defended, photo))
    assert (one != seen(cl.defend.randomize(net, 4), photo)).any()
    brighter = np.clip(photo.astype(int) + 1, 0, 255).astype(np.uint8)
    assert np.abs(one - seen(defended, brighter)).max() > 0.1 or np.abs(one - seen(defended, brighter)).max() < 0.02
    rows = np.flatnonzero(one.max((0, 2)) > 0)
    assert 28 <= rows[-1] - rows[0] + 1 <= 32 and one.shape == (3, 32, 32)


@pytest.mark.parametrize(
    "defend",
    [cl.defend.jpeg, cl.defend.bits, cl.defend.median, cl.defend.tv, cl.defend.randomize],
    ids=lambda value: value.__name__,
)
def test_attacks_meet_the_defence(net, photo, defend):
    """An attack on the defended network is judged, and its gradient taken, behind the defence."""
    defended = defend(net)
    assert defended.labels == net.labels and defended.name == net.name
    assert net.preprocess.change is None and defend.__name__ in repr(defended.preprocess)
    found = cl.pgd(defended, photo, eps=16 / 255, steps=5)
    assert found.prediction.indices == defended.predict(found.images).indices
    assert np.abs(found.images.astype(int) - photo).max() <= 16
    # The forward pass inside is the one outside.
    view = defended.preprocess.view(images.read(photo))
    own = np.ascontiguousarray(photo.transpose(2, 0, 1)[None] / np.float32(255), np.float32)
    with defended._seeing_picture(view).take() as session:
        indices, inside = np.empty((1, 5), np.int64), np.empty((1, 5), np.float32)
        session.predict(own, indices, inside)
    np.testing.assert_allclose(inside[0], defended.predict(photo).probs, atol=2e-2)
    if defend is not cl.defend.randomize:
        assert indices[0].tolist() == defended.predict(photo).indices
    assert np.asarray(cl.saliency(defended, photo)).shape == (32, 32)


def test_defences_nest(net, photo):
    both = cl.defend.bits(cl.defend.median(net, 3), 2)
    assert repr(both.preprocess.change) == "median 3, bits 2"
    levels = seen(both, photo) * 3
    np.testing.assert_allclose(levels, np.rint(levels), atol=1e-5)


def test_raw_arrays_pass_untouched(net, batch):
    np.testing.assert_array_equal(cl.defend.bits(net, 1)(batch), net(batch))


def test_what_a_defence_raises_comes_out(net, photo):
    def broken(picture):
        raise ZeroDivisionError("broken")

    defended = cl.defend._defended(net, "broken", lambda picture: picture)
    view = defended.preprocess.view(images.read(photo))
    object.__setattr__(defended.preprocess, "change", broken)
    with defended._seeing_picture(view).take() as session, pytest.raises(ZeroDivisionError):
        own = np.ascontiguousarray(photo.transpose(2, 0, 1)[None] / np.float32(255), np.float32)
        session.predict(own, np.empty((1, 1), np.int64), np.empty((1, 1), np.float32))


def test_wrong_defences(net, photo):
    for wrong in (
        lambda: cl.defend.jpeg(net, 0),
        lambda: cl.defend.jpeg(net, 101),
        lambda: cl.defend.bits(net, 9),
        lambda: cl.defend.median(net, 0),
        lambda: cl.defend.tv(net, -1),
        lambda: cl.defend.tv(net, float("nan")),
        lambda: cl.defend.randomize(net, -1),
        lambda: cl.defend.randomize(net, smallest=2),
        lambda: cl.defend.median(net, 40).predict(photo),
        lambda: cl.defend.bits("net", 3),
    ):
        with pytest.raises(cl.InvalidArgument):
            wrong()


def test_a_report_is_a_table(net, photo):
    pictures = [photo, photo[::-1].copy()]
    report = cl.attack_report(
        net, pictures, ("fgsm", "pgd"), [2 / 255, 32 / 255], [cl.defend.bits, lambda net: cl.defend.median(net, 5)]
    )
    assert len(report) == 3 * 2 * 3
    assert {row.defence for row in report} == {"none", "bits 4", "median 5"}
    assert report.accuracy("none", "pgd", 0) == 1
    label = [top[0] for top in net.predict(pictures).indices]
    expected = np.mean(~cl.pgd(net, pictures, label, eps=32 / 255).success)
    assert report.accuracy("none", "pgd", 32 / 255) == expected
    lines = repr(report).splitlines()
    assert lines[0].split() == ["defence", "attack", "0/255", "2/255", "32/255"]
    assert len({len(line) for line in lines[1:-1]}) == 1
    assert "<table>" in report._repr_html_()
    calls = []
    cl.attack_report(net, photo, "fgsm", 0.1, adaptive=False, progress=lambda *a: calls.append(a[:2]))
    assert calls == [(1, 1)]
    static = cl.attack_report(net, photo, {"mine": cl.fgsm}, 0.1, {"few bits": cl.defend.bits}, adaptive=False)
    assert {row.defence for row in static} == {"none", "few bits"} and static[0].attack == "mine"
    for wrong in (
        lambda: cl.attack_report(net, [], "fgsm"),
        lambda: cl.attack_report(net, photo, "words"),
        lambda: cl.attack_report(net, photo, labels=[0, 1]),
        lambda: cl.attack_report(net, photo, eps=-1),
        lambda: report.accuracy("none", "pgd", 0.5),
        lambda: cl.attack_report(net, photo, defences=[lambda net: None]),
    ):
        with pytest.raises(cl.InvalidArgument):
            wrong()
