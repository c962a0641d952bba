# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from conftest import model_bytes
from onnx import helper

import cnnlens as cl


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
