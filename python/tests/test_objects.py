# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

import cnnlens as cl
from cnnlens import objects


def test_boxes_around_what_is_above_the_threshold():
    values = np.zeros((20, 30))
    values[2:6, 3:9] = 0.5  # 24 pixels
    values[10:12, 20:25] = 1.0  # 10 pixels
    values[15, 1] = 0.3
    values[18, 18] = -5.0
    assert cl.boxes(values) == [(3, 2, 9, 6, 0.5), (20, 10, 25, 12, 1.0), (1, 15, 2, 16, 0.3)]
    assert cl.boxes(values, 0.4) == cl.boxes(values)[:2]
    assert cl.boxes(values, 1.0) == [(20, 10, 25, 12, 1.0)]
    assert cl.boxes(values, min_area=5) == cl.boxes(values)[:2]
    assert cl.boxes(np.zeros((4, 4))) == [] and cl.boxes(-np.ones((4, 4))) == []
    assert cl.boxes(np.stack([values, 0 * values])) == [cl.boxes(values), []]
    whole = cl.boxes(np.ones((4, 6)))
    assert whole == [(0, 0, 6, 4, 1.0)]


@pytest.mark.parametrize("density", [0.1, 0.4, 0.6, 0.95])
def test_components_are_those_of_scikit_image(density):
    measure = pytest.importorskip("skimage.measure")
    random = np.random.default_rng(0)
    for _ in range(20):
        mask = random.random((23, 31)) < density
        labels, count = objects.components(mask)
        expected = measure.label(mask, connectivity=2)
        assert count == expected.max()
        np.testing.assert_array_equal(labels, expected)


def test_iou():
    assert cl.iou((0, 0, 4, 4), (2, 2, 6, 6)) == pytest.approx(4 / 28)
    assert cl.iou((0, 0, 4, 4, 0.9), (0, 0, 4, 4)) == 1 and cl.iou((0, 0, 1, 1), (5, 5, 6, 6)) == 0
    a, b = np.zeros((4, 4), bool), np.zeros((4, 4), bool)
    a[:2], b[1:3] = True, True
    assert cl.iou(a, b) == pytest.approx(1 / 3) and cl.iou(0 * a, 0 * b) == 0
    assert cl.iou((1, 1, 1, 1), (1, 1, 1, 1)) == 0
    for wrong in ((0, 0, 4), (4, 4, 0, 0), (0, 0, np.nan, 4), "box"):
        with pytest.raises(cl.InvalidArgument):
            cl.iou(wrong, (0, 0, 4, 4))
    with pytest.raises(cl.InvalidArgument, match="one shape"):
        cl.iou(a, b[:2])


def test_segment_finds_a_disc():
    pytest.importorskip("cv2")
    y, x = np.mgrid[:64, :80]
    disc = (y - 30) ** 2 + (x - 50) ** 2 < 18**2
    picture = np.where(disc[:, :, None], [0.9, 0.2, 0.1], [0.1, 0.5, 0.8]) + 0.02 * np.random.default_rng(0).random(
        (64, 80, 1)
    )
    blob = np.exp(-((y - 28) ** 2 + (x - 52) ** 2) / 100.0)
    mask = cl.segment(blob, picture.astype(np.float32))
    assert mask.dtype == bool and cl.iou(mask, disc) > 0.95
    np.testing.assert_array_equal(mask, cl.segment(blob, picture.astype(np.float32)))
    rough = cl.segment(blob, method="threshold")
    assert 0 < rough.sum() < disc.sum() and (rough & disc).sum() == rough.sum()
    both = cl.segment(np.stack([blob, blob]), [picture, picture])
    np.testing.assert_array_equal(both[1], mask)


def test_a_map_brings_its_picture(net, photo):
    pytest.importorskip("cv2")
    found = cl.saliency(net, photo)
    assert cl.segment(found).shape == (32, 32)
    with pytest.raises(cl.InvalidArgument, match="image="):
        cl.segment(np.asarray(found))
    with pytest.raises(cl.InvalidArgument, match=r"48×64.*32×32"):
        cl.segment(found, photo)


def test_segment_asks_for_opencv(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "cv2", None)
    with pytest.raises(cl.InvalidArgument, match=r"cnnlens\[objects\]"):
        cl.segment(np.eye(4), np.zeros((4, 4, 3)))


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: cl.boxes(np.ones((4, 4)), 1.5), "threshold is 1.5"),
        (lambda: cl.boxes(np.ones((4, 4)), float("nan")), "threshold is nan"),
        (lambda: cl.boxes(np.ones(4)), r"\(4,\)"),
        (lambda: cl.boxes(np.full((4, 4), np.nan)), "not finite"),
        (lambda: cl.boxes("map"), "a str"),
        (lambda: cl.segment(np.eye(4), method="snakes"), "'snakes'"),
        (lambda: cl.segment(np.eye(4), method="threshold", foreground=0.2), "smaller"),
        (lambda: cl.segment(np.zeros((4, 4)), method="threshold"), "zero everywhere"),
    ],
)
def test_wrong_arguments_say_what_is_right(call, said):
    with pytest.raises(cl.InvalidArgument, match=said):
        call()


def test_a_box_from_a_cam_meets_the_cat(built_in, cat):
    """The cat's head and shoulders fill most of the middle of the crop."""
    box = cl.boxes(cl.cam(built_in, cat, "tabby"), 0.2)[0]
    assert cl.iou(box, (35, 15, 224, 224)) > 0.4
