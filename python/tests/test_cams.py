# SPDX-License-Identifier: Apache-2.0
"""The CAM family against its formulas in NumPy, and several methods at once."""

import numpy as np
import pytest

import cnnlens as cl
from cnnlens.cams import VARIANTS


def softmax(x):
    e = np.exp(x - x.max())
    return e / e.sum()


def enlarged(plane, size):
    """Bilinear, pixel centres at halves."""
    at = np.clip((np.arange(size) + 0.5) * len(plane) / size - 0.5, 0, len(plane) - 1)
    low = np.minimum(at.astype(int), len(plane) - 2)
    part = at - low
    matrix = np.zeros((size, len(plane)))
    matrix[np.arange(size), low] = 1 - part
    matrix[np.arange(size), low + 1] += part
    return matrix @ plane @ matrix.T


def reference(net, x, target, variant):
    """One picture, (1, 3, 32, 32), at relu2, without ReLU."""
    maps = net.activations(x, "relu2")["relu2"][0].astype(np.float64)
    gradient = net.gradient(x, target, "relu2")[0].astype(np.float64)
    score = float(net(x)[0, target])
    if variant == "gradcam":
        weights = gradient.mean((1, 2))
    elif variant == "gradcam++":
        bottom = 2 * gradient**2 + gradient**3 * maps.sum((1, 2), keepdims=True)
        alpha = np.divide(gradient**2, bottom, out=np.zeros_like(bottom), where=bottom != 0)
        weights = (alpha * np.maximum(gradient, 0)).sum((1, 2))
    elif variant == "xgradcam":
        sums = maps.sum((1, 2))
        weights = np.divide((gradient * maps).sum((1, 2)), sums, out=np.zeros_like(sums), where=sums != 0)
    elif variant == "hirescam":
        return (gradient * maps).sum(0)
    elif variant == "layercam":
        return (np.maximum(gradient, 0) * maps).sum(0)
    elif variant == "eigencam":
        matrix = maps.reshape(len(maps), -1).T
        matrix = matrix - matrix.mean(0)
        component = matrix @ np.linalg.svd(matrix, full_matrices=False)[2][0]
        energy = maps.sum(0).ravel()
        sign = np.sign(component @ (energy - energy.mean()))
        return (sign * component).reshape(maps.shape[1:])
    elif variant == "scorecam":
        scores = []
        for plane in maps:
            mask = enlarged(plane, 32)
            mask = (mask - mask.min()) / np.ptp(mask) if np.ptp(mask) > 0 else 0 * mask
            scores.append(net((x * mask).astype(np.float32))[0, target])
        weights = softmax(np.array(scores, np.float64))
    else:
        # Behind relu2 the mean of each map counts with the class's weight.
        weights = gradient.sum((1, 2)) * maps.mean((1, 2)) / score
    return np.tensordot(weights, maps, 1)


@pytest.mark.parametrize("variant", VARIANTS)
def test_variants_are_their_formulas(net, batch, variant):
    target = [0, 3, 1]
    found = cl.grad_cam(net, batch, target, variant=variant, relu=False, layer="relu2")
    for k in range(3):
        expected = reference(net, batch[k : k + 1], target[k], variant)
        error = np.linalg.norm(found.native[k] - expected) / np.linalg.norm(expected)
        assert error < 1e-4, (k, error)
    assert found.params["variant"] == variant and found.target == target
    kept = cl.grad_cam(net, batch, target, variant=variant, layer="relu2")
    np.testing.assert_array_equal(kept.native, np.maximum(found.native, 0))
    alone = cl.grad_cam(net, batch[1:2], 3, variant=variant, layer="relu2", relu=False)
    np.testing.assert_array_equal(alone.native[0], found.native[1])


def test_variants_work_on_pictures_and_before_skips(built_in, cat):
    for variant in ("gradcam++", "layercam", "eigencam"):
        heat = cl.grad_cam(built_in, cat, "tabby", variant=variant)
        assert np.asarray(heat).max() > 0
    inside = [name for name in built_in.layers if built_in.layers[name].kind == "Add"][-2]
    ablated = cl.grad_cam(built_in, cat, "tabby", variant="ablationcam", layer=inside, progress=False)
    assert ablated.layer == inside and np.isfinite(np.asarray(ablated)).all()


def test_many_passes_report_and_stop(net, photo):
    seen = []
    cl.grad_cam(net, photo, 0, variant="scorecam", progress=lambda step, steps, _: seen.append((step, steps)))
    assert seen[-1] == (6, 6)
    with pytest.raises(cl.Cancelled):
        cl.grad_cam(net, photo, 0, variant="ablationcam", progress=lambda *_: False)


def test_layers_without_maps_are_refused(net, photo):
    for variant in VARIANTS:
        with pytest.raises(cl.InvalidArgument, match="no maps"):
            cl.grad_cam(net, photo, 0, variant=variant, layer="dense")


def test_fullgrad_is_complete(net, batch):
    """The picture's and the biases' parts add up to the score of a network of ReLUs."""
    found = cl.fullgrad(net, batch)
    assert found.shape == (3, 32, 32) and (np.asarray(found) >= 0).all()
    assert np.abs(found.gap).max() < 1e-4 * np.abs(found.score).max() + 1e-4
    target = net(batch).argmax(1)
    gradient = net.gradient(batch, target)
    bias = net.gradient(batch, target, "conv1")
    size = np.abs(gradient * batch).sum(1)
    parts = [(size - size.min((1, 2), keepdims=True)) / np.ptp(size, (1, 2), keepdims=True)]
    random = np.random.default_rng(7)  # the bias of conv1, as the network was made
    random.normal(0, 0.4, (8, 3, 3, 3))
    term = np.abs(bias * random.normal(0, 0.1, 8).astype(np.float32)[:, None, None]).sum(1)
    scaled = (term - term.min((1, 2), keepdims=True)) / np.ptp(term, (1, 2), keepdims=True)
    parts.append(np.stack([enlarged(plane, 32) for plane in scaled]))
    np.testing.assert_allclose(np.asarray(found), parts[0] + parts[1], rtol=1e-3, atol=1e-4)


# ---- explain


SHARED = ["saliency", "grad_x_input", "guided_backprop", "deconvnet", "cam", "grad_cam", "guided_grad_cam"]


def test_together_is_what_each_gives_alone(net, batch):
    panel = cl.explain(net, batch, [0, 3, 1], SHARED)
    assert [part.method for part in panel] == SHARED
    for part in panel:
        alone = getattr(cl, part.method)(net, batch, [0, 3, 1])
        np.testing.assert_allclose(np.asarray(part), np.asarray(alone), rtol=1e-5, atol=1e-7, err_msg=part.method)
        assert part.target == alone.target and part.layer == alone.layer and part.is_signed == alone.is_signed
        assert (part.native is None) == (alone.native is None)


def test_together_on_a_real_network(built_in, cat):
    panel = cl.explain(built_in, cat, methods=["saliency", "guided_backprop", "deconvnet", "guided_grad_cam"])
    for part in panel:
        alone = np.asarray(getattr(cl, part.method)(built_in, cat))
        error = np.linalg.norm(np.asarray(part) - alone) / np.linalg.norm(alone)
        assert error < 1e-4, (part.method, error)
    assert panel.label == built_in.predict(cat).labels[0]


def test_explain_takes_every_method_and_functions(net, photo):
    import functools

    layered = functools.partial(cl.grad_cam, variant="layercam")
    panel = cl.explain(net, photo, methods=["saliency", "integrated_gradients", layered, "fullgrad"])
    assert [part.method for part in panel] == ["saliency", "integrated_gradients", "grad_cam", "fullgrad"]
    assert len({part.target for part in panel}) == 1
    only = cl.explain(net, photo, methods="integrated_gradients")
    assert only.target == net.predict(photo).indices[0]
    assert cl.explain(net, photo, methods=["grad_cam", "conductance"], layer="conv1")["conductance"].layer == "conv1"
    for wrong in ([], ["magic"], "occlude"):
        with pytest.raises(cl.InvalidArgument, match="saliency"):
            cl.explain(net, photo, methods=wrong)


def test_drawings_in_every_mode(net, photo):
    heat = cl.grad_cam(net, photo, 0)
    signed = cl.grad_x_input(net, photo, 0)
    for part in (heat, signed):
        for mode in ("heat", "blend", "mask", "alpha"):
            (drawing,) = part.drawn(mode)
            assert drawing.shape == (32, 32, 3) and drawing.min() >= 0 and drawing.max() <= 1
        assert part.figure("alpha").axes
    dark = heat.drawn("mask")[0]
    np.testing.assert_allclose(dark[np.asarray(heat) == 0], 0)
    panel = cl.explain(net, photo, methods=["saliency", "grad_x_input"])
    assert panel.figure("blend", share_scale=True).axes
    np.testing.assert_array_equal(heat.drawn(limit=1e9)[0], heat.drawn(limit=1e12)[0])
    for wrong in ({"mode": "glow"}, {"limit": 0}, {"limit": float("nan")}, {"alpha": 2}):
        with pytest.raises(cl.InvalidArgument):
            heat.drawn(**wrong)
