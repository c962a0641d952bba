# SPDX-License-Identifier: Apache-2.0
"""Attribution agrees with Captum, pytorch-grad-cam and zennit (Tests/Goldens/attribution_goldens.py)."""

import functools
import json
from pathlib import Path

import numpy as np
import pytest

import cnnlens as cl

GOLDENS = Path(__file__).parents[2] / "Tests" / "Goldens"
FACTS = json.loads((GOLDENS / "attribution" / "facts.json").read_text())

#: Largest relative L2 distance; the goldens are computed in float64.
BOUND = 1e-3
#: Near a kink rounding decides whether a unit passes its gradient, and one that flips on the way moves the mean.
#: PyTorch's own integrated gradients of EfficientNet-Lite0 in float32 are 2e-3 to 8e-3 away from those in float64.
KINKED = {("efficientnet-lite0", "integrated_gradients"): 1e-2}


@functools.cache
def golden(name):
    files = (GOLDENS / "attribution" / f"{name}{part}.npz" for part in ("", "-relevance"))
    return {key: values for file in files for key, values in np.load(file).items()}


@functools.cache
def network(name):
    """The network and its input."""
    if name == "efficientnet-lite0":
        picture = golden(name)["picture"].astype(np.float32)
        return cl.load(name), np.ascontiguousarray(((picture - 127) / 128).transpose(2, 0, 1)[None])
    folder = GOLDENS / "networks" / name
    return cl.load(folder / "torchscript.onnx"), np.load(folder / "golden.npz")["input"]


def ours(name, key):
    (net, x), facts = network(name), FACTS[name]
    target, layer, steps = facts["target"], facts["layer"], facts["steps"]
    method, _, option = key.partition("/")
    match method:
        case "saliency" | "grad_x_input" | "fullgrad":
            return np.asarray(getattr(cl, method)(net, x, target))[0]
        case "occlusion":
            return np.asarray(cl.occlusion(net, x, target, window=(16, 12), stride=(8, 5)))[0]
        case "integrated_gradients":
            return np.asarray(cl.integrated_gradients(net, x, target, steps=steps, rule=option))[0]
        case "unit_gradient":
            channel, *position = golden(name)["unit"].tolist()
            return net.gradient(x, cl.unit(layer, channel, tuple(position)))[0].sum(0)
        case "layer_grad_x_activation":
            return np.asarray(cl.layer_grad_x_activation(net, x, target, layer=layer, reduce=None))
        case "layer_integrated_gradients" | "internal_influence" | "conductance":
            return np.asarray(getattr(cl, method)(net, x, target, layer=layer, steps=steps, reduce=None))
        case "grad_cam":
            return cl.grad_cam(net, x, target, layer=layer, relu=False).native[0]
        case "guided_grad_cam":
            return np.asarray(cl.guided_grad_cam(net, x, target, layer=layer))[0]
        case "cam":
            return cl.grad_cam(net, x, target, layer=layer, variant=option, relu=False).native[0]
        case "lrp":
            names = option.removesuffix(", no biases")
            rule = tuple(names.split(", ")) if "," in names else names
            bounds = {"low": facts["low"], "high": facts["high"]} if rule == "epsilon-gamma-box" else {}
            return np.asarray(cl.lrp(net, x, target, rule=rule, bias=", no biases" not in option, **bounds))[0]
    raise AssertionError(f"nobody compares {key}")


CASES = [(name, key) for name in FACTS for key in golden(name) if key not in ("picture", "unit")]


@pytest.mark.parametrize(("name", "key"), CASES, ids=lambda value: value)
def test_agrees_with_its_peers(name, key):
    given, expected = ours(name, key).astype(np.float64), golden(name)[key].astype(np.float64)
    assert given.shape == expected.shape
    if key == "cam/eigencam" and (given * expected).sum() < 0:
        expected = -expected  # a principal component has no sign of its own
    bound = KINKED.get((name, key.partition("/")[0]), BOUND)
    assert np.linalg.norm(given - expected) < bound * np.linalg.norm(expected)


def test_there_is_a_golden_for_each_family():
    keys = {key.partition("/")[0] for _, key in CASES}
    assert keys >= {"saliency", "integrated_gradients", "conductance", "cam", "fullgrad", "lrp", "guided_grad_cam"}
    assert len(FACTS) == 7


@pytest.mark.parametrize("name", ["residual", "inverted-residual", "dense", "inception"])
def test_relevance_sees_through_batch_normalization(name):
    """The same network exported with its batch normalisation still beside its convolutions."""
    net = cl.load(GOLDENS / "networks" / name / "torchscript-opset9.onnx")
    x = network(name)[1]
    for rule in ("epsilon-plus-flat", "gamma", "epsilon-alpha2-beta1"):
        expected = np.asarray(cl.lrp(network(name)[0], x, FACTS[name]["target"], rule=rule))
        given = np.asarray(cl.lrp(net, x, FACTS[name]["target"], rule=rule))
        assert np.linalg.norm(given - expected) < BOUND * np.linalg.norm(expected)
