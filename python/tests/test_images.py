# SPDX-License-Identifier: Apache-2.0
import io

import numpy as np
import pytest
from conftest import small_network
from PIL import Image

import cnnlens as cl
from cnnlens import images, resample


def seen(net, picture):
    return net.given(picture).array


def test_every_kind_of_picture_is_the_same_picture(net, photo, tmp_path):
    path = tmp_path / "photo.png"
    Image.fromarray(photo).save(path)
    expected = seen(net, photo)
    assert expected.shape == (1, 3, 32, 32) and expected.dtype == np.float32
    for same in (path, str(path), Image.fromarray(photo), [photo]):
        np.testing.assert_array_equal(seen(net, same), expected)
    unit = photo / 255
    np.testing.assert_allclose(seen(net, unit), expected, atol=1e-6)
    np.testing.assert_allclose(seen(net, unit.astype(np.float32)), expected, atol=1e-6)
    opaque = np.concatenate([photo, np.full((*photo.shape[:2], 1), 255, np.uint8)], axis=2)
    np.testing.assert_allclose(seen(net, opaque), expected, atol=1e-6)


def test_grey_is_three_equal_channels(net, photo):
    grey = photo[:, :, 0]
    found = seen(net, grey)[0]
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found, seen(net, np.repeat(grey[:, :, None], 3, 2))[0])


def test_transparent_pixels_are_white(net):
    nothing = np.zeros((40, 40, 4), np.uint8)
    np.testing.assert_allclose(seen(net, nothing), 1, atol=1e-6)


def test_sixteen_bits_are_scaled(net):
    deep = Image.fromarray(np.full((40, 40), 65535 // 2, np.uint16))
    np.testing.assert_allclose(seen(net, deep), 0.5, atol=1e-4)


def test_palettes_are_read(net, photo):
    palette = Image.fromarray(photo).quantize(16)
    assert np.abs(seen(net, palette) - seen(net, np.asarray(palette.convert("RGB")))).max() == 0


def test_exif_orientation_is_applied(net, photo, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees
    path = tmp_path / "turned.png"
    Image.fromarray(photo).save(path, exif=exif)
    np.testing.assert_array_equal(seen(net, path), seen(net, np.rot90(photo, -1)))


def test_a_network_of_one_channel_sees_grey(photo):
    net = cl.load(small_network(size=32, channels=1))
    assert net.preprocess.channels == 1
    found = net.preprocess(photo)
    assert found.shape == (1, 1, 32, 32)
    assert cl.saliency(net, photo).shape == (32, 32)


def test_the_resize_is_pillows():
    """Pillow in floating point (mode F) is the reference; the matrices share no code with it."""
    random = np.random.default_rng(0)
    for height, width, out in ((300, 451, 224), (224, 224, 224), (50, 31, 224), (640, 480, 32), (7, 5, 3)):
        picture = random.random((height, width), dtype=np.float32)
        expected = np.asarray(Image.fromarray(picture).resize((out, out), Image.Resampling.BILINEAR))
        found = resample.matrix(height, out, 0, out) @ picture @ resample.matrix(width, out, 0, out).T
        np.testing.assert_allclose(found, expected, atol=2e-6)


def test_sizes_are_torchvisions():
    chelsea = np.zeros((300, 451, 3), np.uint8)
    view = cl.Preprocess(size=224, crop=None).view(images.read(chelsea))
    assert view.pixels.shape == (3, 224, 336)
    assert cl.Preprocess(size=224).view(images.read(chelsea)).pixels.shape == (3, 224, 224)
    assert cl.Preprocess(size=(100, 50), resize="exact").view(images.read(chelsea)).pixels.shape == (3, 100, 50)
    whole = cl.Preprocess(size=None, resize=None, crop=None).view(images.read(chelsea))
    assert whole.pixels.shape == (3, 300, 451)


def test_the_way_back_is_the_adjoint(photo):
    """<A x, y> = <x, A^T y>"""
    random = np.random.default_rng(1)
    grey, clear = photo[:, :, 0] / 255, np.dstack([photo, photo[:, :, :1]])
    for picture in (photo / 255, grey, clear):
        for channels in (3, 1):
            mean, std = (0.0,) * channels, (1.0,) * channels
            view = cl.Preprocess(size=20, mean=mean, std=std).view(images.read(picture))
            change = random.normal(0, 1e-2, picture.shape)
            if picture.ndim == 3 and picture.shape[2] == 4:
                change[:, :, 3] = 0
                change = np.rint(change * 255)
                moved = np.clip(picture.astype(int) + change, 0, 255).astype(np.uint8)
                change = (moved.astype(float) - picture) / 255
            else:
                moved = np.clip(picture + change, 0, 1)
                change = moved - picture
            after = cl.Preprocess(size=20, mean=mean, std=std).view(images.read(moved))
            y = random.normal(size=view.pixels.shape).astype(np.float32)
            forward = float(((after.pixels - view.pixels).astype(float) * y).sum())
            backward = float((change * view.adjoint(y)).sum())
            assert forward == pytest.approx(backward, rel=2e-3, abs=2e-4)


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        (np.zeros((3, 40, 40), np.uint8), "transpose"),
        (np.zeros((40, 40, 1), np.uint8), r"x\[:, :, 0\]"),
        (np.zeros((40, 40, 7), np.uint8), "allowed are"),
        (np.zeros(5, np.uint8), "allowed are"),
        (np.zeros((2, 3, 40, 40), np.float64), "astype"),
        (np.zeros((2, 40, 40, 3), np.uint8), "list"),
        (np.zeros((40, 40, 3), np.int64), "uint8"),
        (np.zeros((40, 40, 3), bool), "uint8"),
        (np.full((40, 40, 3), 200.0), "x / 255"),
        (np.full((40, 40, 3), -3.0), "max"),
        (np.full((40, 40, 3), np.nan), "NaN"),
        (np.zeros((0, 40, 3), np.uint8), "empty"),
        (np.zeros((40, 40, 4), np.float32), "uint8"),
        (7, "int is no image"),
        ([], "empty"),
    ],
)
def test_what_is_no_picture_says_what_came_and_the_fix(net, bad, says):
    with pytest.raises(cl.InvalidArgument, match=says):
        net.predict(bad)


def test_missing_and_broken_image_files(net, tmp_path):
    with pytest.raises(cl.NotFound, match=r"no\.jpg"):
        net.predict(tmp_path / "no.jpg")
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"not a picture")
    with pytest.raises(cl.InvalidArgument, match="broken"):
        net.predict(broken)
    buffer = io.BytesIO()
    Image.fromarray(np.zeros((50, 50, 3), np.uint8)).save(buffer, "JPEG")
    cut = tmp_path / "cut.jpg"
    cut.write_bytes(buffer.getvalue()[:300])
    with pytest.raises(cl.InvalidArgument, match="cut"):
        net.predict(cut)


def test_batches_of_different_sizes_are_refused(free_net, photo):
    net = cl.load(small_network(), preprocess=cl.Preprocess(size=None, resize=None, crop=None))
    assert net.predict([photo, photo]).probs
    with pytest.raises(cl.InvalidArgument, match="different sizes"):
        net.predict([photo, photo[:20]])


def test_preprocess_refuses_nonsense():
    for wrong in (
        {"mean": (1, 2)},
        {"std": (0, 1, 1)},
        {"resize": "long"},
        {"crop": "left"},
        {"order": "GBR"},
        {"size": 0},
        {"size": None},
    ):
        with pytest.raises(cl.InvalidArgument):
            cl.Preprocess(**wrong)


def test_a_crop_larger_than_the_picture_says_the_fix(photo):
    with pytest.raises(cl.InvalidArgument, match="shorter"):
        cl.Preprocess(size=100, resize=None)(photo)
