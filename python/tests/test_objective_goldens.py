# SPDX-License-Identifier: Apache-2.0
"""Objectives and their gradients at the input agree with PyTorch (Tests/Goldens/objective_goldens.py)."""

import functools
import json
from pathlib import Path

import numpy as np
import pytest

import cnnlens as cl
from cnnlens import _native, objectives

GOLDENS = Path(__file__).parents[2] / "Tests" / "Goldens"
FACTS = json.loads((GOLDENS / "objectives" / "facts.json").read_text())
FAMILIES = ["units", "matching", "priors", "batches", "neighbours"]

#: Largest relative L2 distance; the goldens are computed in float64.
BOUND = 1e-4


@functools.cache
def network(name):
    return cl.load(GOLDENS / "networks" / name / "torchscript.onnx")


@functools.cache
def golden(name, family):
    return dict(np.load(GOLDENS / "objectives" / f"{name}-{family}.npz"))


def asked(name, numbers):
    """The objectives of the goldens by name, as functions that make them."""
    layer, target = FACTS["networks"][name]["layer"], FACTS["networks"][name]["target"]
    classes, channel, position = FACTS["classes"], FACTS["channel"], tuple(FACTS["position"])
    rows, columns = tuple(FACTS["rows"]), tuple(FACTS["columns"])
    return {
        "top": lambda: None,
        "logit": lambda: cl.logit(target),
        "prob": lambda: cl.prob(target),
        "cross_entropy": lambda: _native.cross_entropy(classes[:1]),
        "unit": lambda: cl.unit(layer, channel, position),
        "unit in the middle": lambda: cl.unit(layer, channel),
        "channel": lambda: cl.channel(layer, channel),
        "layer": lambda: cl.layer(layer),
        "region": lambda: cl.region(layer, rows, columns),
        "region of a channel": lambda: cl.region(layer, rows, columns, channel),
        "direction": lambda: cl.direction(layer, numbers["vector"]),
        "direction at a position": lambda: cl.direction(layer, numbers["vector"], position),
        "group": lambda: cl.group(layer, numbers["mask"]),
        "distance": lambda: cl.distance(layer, numbers["code"]),
        "mean distance": lambda: cl.distance(layer, numbers["code"], "mean"),
        "relative distance": lambda: cl.distance(layer, numbers["code"], "relative"),
        "gram_distance": lambda: cl.gram_distance(layer, numbers["gram"]),
        "gram_distance under a mask": lambda: cl.gram_distance(layer, numbers["gram"], numbers["weights"]),
        "guide": lambda: _native.guide(network(name)._raw.resolve(layer), numbers["guide"][None]),
        "style and content": lambda: (
            100 * cl.gram_distance(layer, numbers["gram"])
            + 5 * cl.distance(layer, numbers["code"], "mean")
            + 0.001 * cl.total_variation()
        ),
        "total_variation 2": lambda: cl.total_variation(),
        "total_variation 1": lambda: cl.total_variation(1),
        "total_variation 3": lambda: cl.total_variation(3),
        "total_variation of the layer": lambda: cl.total_variation(layer=layer),
        "lp_norm 2": lambda: cl.lp_norm(2, numbers["center"]),
        "lp_norm 6": lambda: cl.lp_norm(6, 0.25),
        "lp_norm 3": lambda: cl.lp_norm(3),
        "lp_norm of the layer": lambda: cl.lp_norm(6, layer=layer),
        "logit less priors": lambda: (
            cl.logit(target) - 0.0005 * cl.lp_norm(2, numbers["center"]) - 0.0002 * cl.total_variation()
        ),
        "logits": lambda: classes,
        "probs": lambda: cl.prob(classes),
        "distances": lambda: cl.distance(layer, numbers["codes"]),
        "diversity": lambda: cl.diversity(layer),
        "alignment": lambda: cl.alignment(layer, FACTS["decay"]),
    }


def names(numbers):
    return [key.removesuffix("/value") for key in numbers if key.endswith("/value")]


def answer(net, image, objective):
    """The value for each picture and the gradient of their sum, from one pass."""
    is_native = isinstance(objective, _native.Objective)
    native = objective if is_native else objectives.resolve(net, objective, len(image)).native
    out = np.empty(image.shape, np.float32)
    with net._sessions.take() as session:
        session.gradient(["input"], [image], [out], native, 0)
        return np.array(session.seen()[0]), out


def distance(given, expected):
    given, expected = given.astype(np.float64), expected.astype(np.float64)
    assert given.shape == expected.shape
    return np.linalg.norm(given - expected) / np.linalg.norm(expected)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("name", FACTS["networks"])
def test_objectives_agree_with_pytorch(name, family):
    net, numbers = network(name), golden(name, family)
    for key in names(numbers):
        objective = asked(name, numbers)[key]()
        values, slope = answer(net, numbers["input"], objective)
        assert distance(values, numbers[f"{key}/value"]) < BOUND, key
        assert distance(slope, numbers[f"{key}/gradient"]) < BOUND, key
        if not isinstance(objective, _native.Objective):
            np.testing.assert_array_equal(net.gradient(numbers["input"], objective), slope, key)


@pytest.mark.parametrize("name", FACTS["networks"])
def test_every_objective_has_a_golden(name):
    keys = [key for family in FAMILIES for key in names(golden(name, family))]
    assert keys == list(asked(name, {}))
    public = {
        key
        for key, value in vars(objectives).items()
        if callable(value) and getattr(value, "__annotations__", {}).get("return") == "Objective"
    }
    assert {key for key in public if not key.startswith("_")} <= {key.partition(" ")[0] for key in keys}
