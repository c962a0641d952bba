# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from conftest import LABELS, small_network

import cnnlens as cl


def test_a_network_says_what_it_is(net):
    assert net.input_shape == (None, 3, 32, 32)
    assert net.labels == LABELS
    assert net.class_count == 5
    assert "conv1" in net.layers
    assert "relu2" in net.layers
    assert net.preprocess.size == 32 and net.preprocess.mean == (0.485, 0.456, 0.406)
    assert "32" in repr(net) and "0.485" in repr(net)


def test_calls_give_the_first_output(net, batch):
    y = net(batch)
    assert y.shape == (3, 5) and y.dtype == np.float32
    outputs = net.run(batch)
    assert list(outputs) == ["y"]
    np.testing.assert_array_equal(outputs["y"], y)
    np.testing.assert_array_equal(net.run({"x": batch})["y"], y)


def test_each_image_of_a_batch_equals_the_image_alone(net, batch):
    whole = net(batch)
    for index in range(3):
        np.testing.assert_allclose(net(batch[index : index + 1])[0], whole[index], rtol=1e-5, atol=1e-6)


def test_activations_by_node_and_tensor_name(net, batch):
    found = net.activations(batch, ["conv1", "r2", "input"])
    assert found["conv1"].shape == (3, 8, 16, 16)
    assert found["r2"].shape == (3, 6, 16, 16) and found["r2"].min() >= 0
    np.testing.assert_array_equal(found["input"], batch)


def test_a_picture_is_its_preprocessed_array(net, photo):
    raw = net.preprocess(photo)
    assert raw.shape == (1, 3, 32, 32) and raw.dtype == np.float32
    seen = net.activations(photo, "logits")["logits"]
    np.testing.assert_allclose(seen, net(raw), rtol=1e-4, atol=1e-4)


def test_gradients_of_pictures_are_chained_through_the_preprocessing(net, photo):
    raw = net.preprocess(photo)
    of_raw = net.gradient(raw, 2)
    of_picture = net.gradient(photo, 2)
    std = np.array(net.preprocess.std, np.float32)[:, None, None]
    np.testing.assert_allclose(of_picture, of_raw / std, rtol=1e-3, atol=1e-5)


def test_gradient_agrees_with_differences(net, batch):
    x = batch[:1].copy()
    gradient = net.gradient(x, 1)
    assert gradient.shape == x.shape
    direction = np.random.default_rng(0).normal(size=x.shape).astype(np.float32)
    step = 1e-3
    rise = (net(x + step * direction)[0, 1] - net(x - step * direction)[0, 1]) / (2 * step)
    assert rise == pytest.approx(float((gradient * direction).sum()), rel=0.05, abs=0.02)


def test_gradients_with_respect_to_several_layers(net, batch):
    found = net.gradient(batch, 0, ["input", "relu2"])
    assert found["input"].shape == batch.shape and found["relu2"].shape == (3, 6, 16, 16)


def test_bgr_reverses_the_channels(photo):
    metadata = {
        "cnnlens.preprocess.mean": "1,2,3",
        "cnnlens.preprocess.std": "4,5,6",
        "cnnlens.preprocess.order": "BGR",
        "cnnlens.preprocess.scale": "255",
        "cnnlens.preprocess.size": "32",
    }
    net = cl.load(small_network(size=32, metadata=metadata))
    assert net.preprocess.order == "BGR" and net.preprocess.scale == 255
    raw = net.preprocess(photo)
    np.testing.assert_allclose(net.activations(photo, "logits")["logits"], net(raw), rtol=1e-4, atol=1e-3)
    view = cl.Preprocess(size=32, mean=(0, 0, 0), std=(1, 1, 1))(photo)
    np.testing.assert_allclose(raw[0, 0], (255 * view[0, 2] - 1) / 4, rtol=1e-5, atol=1e-4)


def test_predictions_are_a_softmax_over_logits(net, photo):
    found = net.predict(photo, top=5)
    logits = net.activations(photo, "logits")["logits"][0].astype(np.float64)
    probabilities = np.exp(logits - logits.max())
    probabilities /= probabilities.sum()
    order = np.argsort(-probabilities)
    assert found.indices == order.tolist()
    np.testing.assert_allclose(found.probs, probabilities[order], rtol=1e-5)
    assert found.labels == [LABELS[index] for index in order]
    assert int(found) == order[0]
    assert len(str(found).splitlines()) == 5 and found.labels[0] in str(found)
    assert "<table>" in found._repr_html_()


def test_a_trailing_softmax_is_not_applied_twice(net, photo):
    soft = cl.load(small_network(size=32, softmax=True))
    np.testing.assert_allclose(soft.predict(photo).probs, net.predict(photo).probs, rtol=1e-6)
    np.testing.assert_allclose(soft.gradient(photo, 2), net.gradient(photo, 2), rtol=1e-5, atol=1e-7)


def test_predictions_of_batches_are_nested(net, photo, batch):
    assert np.shape(net.predict([photo, photo], top=2).indices) == (2, 2)
    assert np.shape(net.predict(batch, top=99).probs) == (3, 5)


def test_top_must_be_positive(net, photo):
    for top in (0, -1, 2.5, True):
        with pytest.raises(cl.InvalidArgument, match="top"):
            net.predict(photo, top=top)


def test_summary_adds_up(net):
    table = net.summary()
    row = {row.name: row for row in table}["conv1"]
    assert row.shape == (1, 8, 16, 16) and row.params == 8 * 3 * 9 + 8
    assert row.receptive_field == (3, 3) and row.stride == (2, 2)
    assert row.macs == 8 * 16 * 16 * 3 * 9
    assert table.total.params == sum(row.params for row in table)
    assert "conv1" in str(table) and "mean" in str(table)
    assert "<table>" in table._repr_html_()
    assert net.summary(64)[0].shape[2] == 32


def test_layers_complete_and_describe(net):
    assert "conv2" in net.layers._ipython_key_completions_()
    assert net.layers["conv2"].kind == "Conv"
    with pytest.raises(cl.NotFound, match="conv2"):
        net.layers["conv_2"]


def test_a_fully_convolutional_network_runs_at_any_size(free_net):
    for size in (8, 33, 50):
        x = np.zeros((1, 3, size, size + 1), np.float32)
        assert free_net(x).shape == (1, 5)


def test_labels_may_be_given(tmp_path, photo):
    names = tmp_path / "labels.txt"
    names.write_text("a\nb\nc\nd\ne\n")
    assert cl.load(small_network(size=32), labels=names).labels == list("abcde")
    assert cl.load(small_network(size=32), labels=list("vwxyz")).predict(photo).labels[0] in "vwxyz"


def test_missing_and_broken_files_are_clear_errors(tmp_path):
    with pytest.raises(cl.NotFound, match="efficientnet-lite0"):
        cl.load("no-such-network")
    with pytest.raises(cl.InvalidArgument, match="folder"):
        cl.load(tmp_path)
    with pytest.raises(cl.InvalidArgument, match="int"):
        cl.load(5)
    for data in (b"", b"\x08\x07garbage", b"\xff" * 100):
        with pytest.raises(cl.ModelError):
            cl.load(data)
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(small_network()[:200])
    with pytest.raises(cl.ModelError, match="broken"):
        cl.load(broken)


def test_every_unsupported_operator_is_named():
    from conftest import model_bytes
    from onnx import helper

    nodes = [
        helper.make_node("NonMaxSuppression", ["x", "x"], ["a"], "first"),
        helper.make_node("RoiAlign", ["x", "a", "a"], ["y"], "second"),
    ]
    data = model_bytes(nodes, {}, [("x", [1, 3, 4, 4])], [("y", None)])
    with pytest.raises(cl.ModelError) as caught:
        cl.load(data)
    assert "NonMaxSuppression" in str(caught.value) and "RoiAlign" in str(caught.value)


def test_wrong_raw_input_names_both_shapes(net):
    with pytest.raises(cl.InvalidArgument, match=r"1×4×32×32.*3"):
        net(np.zeros((1, 4, 32, 32), np.float32))
    with pytest.raises(cl.InvalidArgument, match="astype"):
        net(np.zeros((1, 3, 32, 32)))
    with pytest.raises(cl.InvalidArgument, match="list"):
        net([[1.0]])
    with pytest.raises(cl.InvalidArgument, match="'x'"):
        net.run({"z": np.zeros((1, 3, 32, 32), np.float32)})


def test_threads_can_be_set():
    before = cl.get_num_threads()
    assert before >= 1
    cl.set_num_threads(1)
    assert cl.get_num_threads() == 1
    cl.set_num_threads(before + 3)
    assert cl.get_num_threads() == before
    cl.set_num_threads(0)
    assert cl.get_num_threads() == before
    with pytest.raises(cl.InvalidArgument):
        cl.set_num_threads(-1)


def test_precision_can_be_lowered(net):
    x = np.random.default_rng(3).normal(size=(2, 3, 32, 32)).astype(np.float32)
    before, gradient = net(x), net.gradient(x, cl.logit(1))
    assert cl.get_precision() == "auto"
    try:
        cl.set_precision("high")
        assert cl.get_precision() == "high"
        after, steeper = net(x), net.gradient(x, cl.logit(1))
        cl.set_precision("highest")
        # Whatever was made for the other precision is not used again; and what is measured is measured exactly.
        assert np.array_equal(net(x), before) and np.array_equal(net.gradient(x, cl.logit(1)), gradient)
    finally:
        cl.set_precision("auto")
    assert np.array_equal(net(x), before) and np.array_equal(net.gradient(x, cl.logit(1)), gradient)
    assert np.linalg.norm(after - before) <= 1e-4 * np.linalg.norm(before)
    assert np.linalg.norm(steeper - gradient) <= 1e-2 * np.linalg.norm(gradient)
    with pytest.raises(cl.InvalidArgument, match="'auto', 'highest', 'high'"):
        cl.set_precision("low")
    with pytest.raises(cl.InvalidArgument, match="2"):
        cl.set_precision(2)


def test_walks_take_high_precision_by_themselves(net):
    x = np.random.default_rng(3).normal(size=(1, 3, 32, 32)).astype(np.float32)

    def both(precision):
        cl.set_precision(precision)
        return np.asarray(cl.class_model(net, 1, steps=4, preset="simonyan")), net.gradient(x, cl.logit(1))

    try:
        highest, high, auto = (both(word) for word in ("highest", "high", "auto"))
    finally:
        cl.set_precision("auto")
    assert np.array_equal(auto[0], high[0]) and np.array_equal(auto[1], highest[1])
    np.testing.assert_allclose(high[0], highest[0], atol=1e-2)
    # Where the processor makes a difference to a gradient, it makes one to a walk.
    assert np.array_equal(high[0], highest[0]) == np.array_equal(high[1], highest[1])
