# SPDX-License-Identifier: Apache-2.0
import json

import numpy as np
import pytest
from PIL import Image

import cnnlens as cl
from cnnlens import colormaps


@pytest.fixture()
def heat(net, photo):
    return cl.grad_cam(net, photo, "tabby", relu=False)


def test_a_map_is_an_array(heat):
    data = np.asarray(heat)
    assert np.shares_memory(data, np.asarray(heat))
    assert np.asarray(heat, dtype=np.float64).dtype == np.float64
    assert not np.shares_memory(np.array(heat), data)
    assert (np.abs(heat) >= 0).all() and heat[3].shape == (32,) and len(heat) == 32
    assert "grad_cam" in repr(heat) and "tabby" in repr(heat)


def test_saving_writes_picture_data_and_manifest(heat, tmp_path):
    path = heat.save(tmp_path / "new folder" / "heat.png")
    with Image.open(path) as drawing:
        assert drawing.size == (32, 32)
    np.testing.assert_array_equal(np.load(path.with_suffix(".npy")), np.asarray(heat))
    manifest = json.loads(path.with_suffix(".json").read_text())
    assert manifest["method"] == "grad_cam" and manifest["label"] == "tabby" and manifest["layer"] == heat.layer
    assert manifest["drawn"]["to"] == -manifest["drawn"]["from"] > 0
    assert heat.save(tmp_path / "plain").suffix == ".png"
    with pytest.raises(cl.InvalidArgument, match="png"):
        heat.save(tmp_path / "heat.jpg")


def test_objectives_go_into_the_manifest_in_words(net, photo, tmp_path):
    found = cl.saliency(net, photo, cl.logit(0) - cl.logit(1))
    manifest = json.loads(found.save(tmp_path / "a.png").with_suffix(".json").read_text())
    assert manifest["target"] == "logit(0) - logit(1)"


def test_zero_draws_as_zero(net, photo):
    flat = cl.grad_cam(net, photo, cl.logit(0) - cl.logit(0))
    assert not np.asarray(flat).any()
    drawn = np.asarray(Image.fromarray(colormaps.to_bytes(flat.colored()[0])))
    assert (drawn == drawn[0, 0]).all()
    assert flat._repr_png_().startswith(b"\x89PNG")
    signed = cl.grad_x_input(net, photo, cl.logit(0) - cl.logit(0))
    picture = colormaps.to_bytes(signed.image)
    np.testing.assert_array_equal(np.asarray(signed.overlay()), picture)


def test_colours_are_symmetric_about_zero():
    middle = colormaps.color(np.zeros(1, np.float32), 2.0, is_signed=True)
    assert np.ptp(middle) < 0.02
    ends = colormaps.color(np.array([-9, 9], np.float32), 2.0, is_signed=True)
    assert ends[0, 2] > ends[0, 0] and ends[1, 0] > ends[1, 2]  # blue below, red above


def test_overlay_ends_are_picture_and_map(net, photo):
    heat = cl.grad_cam(net, photo, 0)
    np.testing.assert_array_equal(np.asarray(heat.overlay(0)), colormaps.to_bytes(heat.image))
    np.testing.assert_array_equal(np.asarray(heat.overlay(1)), colormaps.to_bytes(heat.colored()[0]))
    with pytest.raises(cl.InvalidArgument, match="alpha"):
        heat.overlay(2)


def test_raw_input_has_no_picture_but_draws(net, batch, tmp_path):
    heat = cl.saliency(net, batch)
    with pytest.raises(cl.InvalidArgument, match="raw"):
        heat.overlay()
    with Image.open(heat.save(tmp_path / "batch.png")) as drawing:
        assert drawing.size == (3 * 32 + 2 * 4, 32)
    assert heat.show() is not None


def test_showing_needs_no_display_and_leaves_no_state(heat, monkeypatch):
    import sys

    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.delitem(sys.modules, "matplotlib.pyplot", raising=False)  # scripts of the gallery may have used it
    assert heat.show().axes
    assert "matplotlib.pyplot" not in sys.modules


def test_the_data_is_never_touched_by_drawing(heat, tmp_path):
    before = np.array(heat)
    heat.save(tmp_path / "x.png")
    heat.overlay()
    heat.figure()
    np.testing.assert_array_equal(np.asarray(heat), before)
