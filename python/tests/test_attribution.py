# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from conftest import LABELS, model_bytes
from onnx import helper

import cnnlens as cl

METHODS = (cl.saliency, cl.grad_x_input, cl.guided_backprop, cl.deconvnet, cl.cam, cl.grad_cam, cl.guided_grad_cam)


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.__name__)
def test_shapes_and_memory(method, net, photo, batch):
    one = method(net, photo, 2)
    assert np.asarray(one).shape == (32, 32) and np.asarray(one).dtype == np.float32
    assert one.target == 2 and one.label == "Egyptian cat" and one.method == method.__name__
    assert one.image.shape == (32, 32, 3) and one.seconds > 0
    assert one.score == pytest.approx(float(net.activations(photo, "logits")["logits"][0, 2]), rel=1e-5)
    listed = method(net, [photo, photo], 2)
    assert listed.shape == (2, 32, 32) and listed.target == [2, 2]
    np.testing.assert_allclose(np.asarray(listed)[1], np.asarray(one), rtol=1e-4, atol=1e-6)
    raw = method(net, batch)
    assert raw.shape == (3, 32, 32) and raw.image is None
    assert raw.target == net(batch).argmax(1).tolist()
    assert raw.label == [LABELS[index] for index in raw.target]


def test_saliency_is_the_largest_absolute_gradient(net, photo):
    gradient = net.gradient(photo, 1)[0]
    np.testing.assert_array_equal(np.asarray(cl.saliency(net, photo, 1)), np.abs(gradient).max(0))
    np.testing.assert_allclose(
        np.asarray(cl.saliency(net, photo, 1, reduce="abs")), np.abs(gradient).sum(0), rtol=1e-5, atol=1e-7
    )
    np.testing.assert_allclose(
        np.asarray(cl.saliency(net, photo, 1, reduce="sum")), gradient.sum(0), rtol=1e-4, atol=1e-6
    )
    kept = cl.saliency(net, photo, 1, reduce=None)
    assert kept.shape == (3, 32, 32)
    np.testing.assert_array_equal(np.abs(np.asarray(kept)), np.abs(gradient))


def test_grad_x_input_is_in_picture_units(net, photo):
    gradient = net.gradient(photo, 0)[0]
    view = net.given(photo).array[0]
    np.testing.assert_allclose(
        np.asarray(cl.grad_x_input(net, photo, 0)), (gradient * view).sum(0), rtol=1e-4, atol=1e-6
    )


def test_rules_are_those_of_the_gradient(net, photo):
    for method, rule in ((cl.guided_backprop, "guided"), (cl.deconvnet, "deconvnet")):
        gradient = net.gradient(photo, 0, rule=rule)[0]
        np.testing.assert_allclose(np.asarray(method(net, photo, 0)), gradient.sum(0), rtol=1e-4, atol=1e-6)


def test_redirected_is_the_gradient_where_there_is_one_and_wakes_dead_units_elsewhere():
    rng = np.random.default_rng(4)
    weights = rng.normal(size=(5, 12)).astype(np.float32)
    x = rng.normal(size=(2, 12, 1, 1)).astype(np.float32)
    mask = np.arange(1, 6, dtype=np.float32) * np.array([1, -1, 1, -1, 1], np.float32)
    # The picture is seen by dense units that are all dead for the second image.
    bias = -np.max(x[1, :, 0, 0] @ weights.T) - 1 + np.zeros(5, np.float32)
    x[0] += 5 * weights.sum(0)[:, None, None]
    nodes = [
        helper.make_node("Flatten", ["image"], ["flat"]),
        helper.make_node("Gemm", ["flat", "w", "b"], ["z"], transB=1),
        helper.make_node("Relu", ["z"], ["y"]),
    ]
    net = cl.load(model_bytes(nodes, {"w": weights, "b": bias}, [("image", ["N", 12, 1, 1])], [("y", ["N", 5])]))
    goal = cl.group("y", mask)
    z = x[:, :, 0, 0] @ weights.T + bias
    assert (z[0] > 0).any() and (z[1] < 0).all()
    expected = np.stack([(mask * (z[0] > 0)) @ weights, np.maximum(mask, 0) @ weights])
    given = net.gradient(x, goal, rule="redirected")[:, :, 0, 0]
    np.testing.assert_allclose(given, expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(given[0], net.gradient(x, goal)[0, :, 0, 0])


def test_grad_cam_is_cam_over_the_number_of_positions(net, photo):
    """FEATURES 5.6: on a network with global average pooling, before the ReLU."""
    cam = cl.cam(net, photo, 1)
    grad_cam = cl.grad_cam(net, photo, 1, relu=False)
    assert grad_cam.layer and cam.native.shape == (16, 16)
    np.testing.assert_allclose(np.asarray(grad_cam) * 16 * 16, np.asarray(cam), rtol=1e-3, atol=1e-5)


def test_grad_cam_keeps_the_positive_and_names_its_layer(net, photo):
    signed = cl.grad_cam(net, photo, 0, relu=False, upsample=None)
    positive = cl.grad_cam(net, photo, 0, upsample=None)
    assert positive.shape == (16, 16)
    np.testing.assert_allclose(np.asarray(positive), np.maximum(np.asarray(signed), 0), atol=1e-7)
    assert cl.grad_cam(net, photo, 0, layer="conv1").layer == "conv1"
    assert cl.grad_cam(net, photo, 0, upsample="nearest").shape == (32, 32)
    with pytest.raises(cl.NotFound, match="relu2"):
        cl.grad_cam(net, photo, layer="relu_2")
    for wrong in ({"variant": "x"}, {"upsample": "cubic"}):
        with pytest.raises(cl.InvalidArgument):
            cl.grad_cam(net, photo, **wrong)


def test_guided_grad_cam_is_the_product(net, photo):
    guided = np.asarray(cl.guided_backprop(net, photo, 0))
    cam = np.asarray(cl.grad_cam(net, photo, 0))
    np.testing.assert_allclose(np.asarray(cl.guided_grad_cam(net, photo, 0)), guided * cam, rtol=1e-4, atol=1e-6)


def test_reduce_is_checked(net, photo):
    with pytest.raises(cl.InvalidArgument, match="reduce"):
        cl.saliency(net, photo, reduce="mean")


def test_targets(net, photo):
    top = net.predict(photo).indices[0]
    assert cl.saliency(net, photo).target == top
    by_number = np.asarray(cl.saliency(net, photo, 0))
    for same in ("tabby", "TABBY", "tab", np.int64(0), cl.logit(0), cl.logit("tabby"), [0], ["tabby"]):
        np.testing.assert_array_equal(np.asarray(cl.saliency(net, photo, same)), by_number)
    assert cl.saliency(net, photo, "tiger cat").target == 1


def test_wrong_targets_say_what_is_right(net, photo, batch):
    with pytest.raises(cl.InvalidArgument, match=r"1 'tiger cat'.*3 'tiger shark'"):
        cl.saliency(net, photo, "tiger")
    with pytest.raises(cl.NotFound, match="tabby"):
        cl.saliency(net, photo, "tabbby")
    for wrong in (5, -1, 2.5, True, [0, 1], b"x"):
        with pytest.raises(cl.InvalidArgument):
            cl.saliency(net, photo, wrong)
    with pytest.raises(cl.InvalidArgument, match="2 targets came for 3 images"):
        cl.saliency(net, batch, [0, 1])


def test_one_target_for_each_image(net, batch):
    found = cl.saliency(net, batch, [0, "tiger cat", 2])
    assert found.target == [0, 1, 2] and found.label == LABELS[:3]
    np.testing.assert_allclose(found.score, net(batch)[[0, 1, 2], [0, 1, 2]], rtol=1e-5)


def test_objectives_combine(net, photo):
    a, b = (net.gradient(photo, target) for target in (0, 1))
    difference = cl.logit("tabby") - 0.5 * cl.logit(1)
    np.testing.assert_allclose(net.gradient(photo, difference), a - 0.5 * b, rtol=1e-3, atol=1e-6)
    np.testing.assert_allclose(net.gradient(photo, -cl.logit(0)), -a, rtol=1e-4, atol=1e-7)
    assert repr(difference) == "logit(tabby) - 0.5 * logit(1)"
    found = cl.saliency(net, photo, difference)
    assert found.target is difference and found.label == repr(difference)


def test_units_and_channels(net, photo):
    shape = net.activations(photo, "relu2")["relu2"]
    by_name = net.gradient(photo, cl.unit("relu2", 3, (6, 5)))
    np.testing.assert_array_equal(net.gradient(photo, "relu2:3@6,5"), by_name)
    found = cl.saliency(net, photo, "relu2:3")
    assert found.score == pytest.approx(float(shape[0, 3].mean()), rel=1e-4)
    assert cl.saliency(net, photo, cl.unit("relu2", 3, (6, 5))).score == pytest.approx(float(shape[0, 3, 6, 5]))
    assert cl.saliency(net, photo, cl.layer("relu2")).score == pytest.approx(float((shape**2).sum() / 2), rel=1e-4)
    one = np.zeros(6, np.float32)
    one[3] = 1
    np.testing.assert_allclose(
        net.gradient(photo, cl.direction("relu2", one)), net.gradient(photo, "relu2:3"), rtol=1e-4, atol=1e-8
    )
    mask = np.zeros((6, 16, 16), np.float32)
    mask[3, 6, 5] = 1
    np.testing.assert_allclose(net.gradient(photo, cl.group("relu2", mask)), by_name, rtol=1e-4, atol=1e-8)
    for wrong in ("relu2:6", "relu2:0@16,0", cl.direction("relu2", [1, 2]), cl.group("relu2", mask[:2])):
        with pytest.raises(cl.InvalidArgument):
            net.gradient(photo, wrong)
    with pytest.raises(cl.NotFound, match="relu2"):
        net.gradient(photo, "relu_2:1")


def test_prob_differs_from_logit(net, photo):
    found = cl.saliency(net, photo, cl.prob("tabby"))
    prediction = net.predict(photo, top=5)
    assert found.score == pytest.approx(prediction.probs[prediction.indices.index(0)], rel=1e-4)


def test_results_repeat_bit_for_bit(net, batch):
    first = np.asarray(cl.guided_grad_cam(net, batch))
    np.testing.assert_array_equal(np.asarray(cl.guided_grad_cam(net, batch)), first)


def test_explain_uses_one_target_and_names_methods(net, photo):
    panel = cl.explain(net, photo)
    assert [part.method for part in panel] == ["saliency", "guided_backprop", "grad_cam", "guided_grad_cam"]
    assert len({part.target for part in panel}) == 1
    assert panel["grad_cam"].layer
    assert panel._repr_png_().startswith(b"\x89PNG")
    with pytest.raises(cl.InvalidArgument, match="grad_cam"):
        cl.explain(net, photo, methods=["gradcam"])
    assert len(cl.explain(net, [photo, photo], "tabby", ["cam"])) == 1


def test_the_built_in_network_sees_a_cat(built_in, cat):
    found = built_in.predict(cat, top=10)
    cats = sum(
        p
        for label, p in zip(found.labels, found.probs, strict=True)
        if label.casefold() in ("tabby", "tiger cat", "egyptian cat")
    )
    assert cats > 0.8
    assert cl.saliency(built_in, cat, "tabby").shape == (224, 224)


def test_a_net_is_wanted(photo):
    with pytest.raises(cl.InvalidArgument, match="Network"):
        cl.saliency("efficientnet-lite0", photo)
