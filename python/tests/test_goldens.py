# SPDX-License-Identifier: Apache-2.0
"""Networks exported from PyTorch give PyTorch's logits and gradients.

The tiny ones are committed; published architectures are tested where CNNLENS_GOLDENS names the folder that
``Tests/Goldens/generate.py networks`` wrote (``make test-networks``).
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

import cnnlens as cl

TINY = Path(__file__).parents[2] / "Tests" / "Goldens" / "networks"
CACHE = Path(os.environ["CNNLENS_GOLDENS"]) if "CNNLENS_GOLDENS" in os.environ else None

#: Largest difference of logits over the largest logit; the goldens are computed in float64.
LOGITS = 1e-4
#: Relative L2 distance of gradients.
GRADIENT = 1e-3
#: The same where nothing has a kink.
SMOOTH = 1e-4
#: Near a kink rounding decides whether a unit passes its gradient, and one unit that flips late in a network moves
#: the gradient by a percent. PyTorch's own float32 gradients are up to 2.7% away from its float64 ones
#: (`float32_distance` in the manifest); a wrong derivative is away by the order of one.
FLIPPED = 3e-2
KINKED = {"Relu", "LeakyRelu", "PRelu", "Clip", "HardSwish", "HardSigmoid", "MaxPool", "ReduceMax", "Max", "Abs"}


tiny_exports = sorted(TINY.glob("*/*.onnx"))
published_exports = sorted(CACHE.glob("*/*.onnx")) if CACHE else []


def identify(path: Path) -> str:
    return f"{path.parent.name}-{path.stem}"


def distance(given: np.ndarray, expected: np.ndarray) -> float:
    given, expected = given.astype(np.float64), expected.astype(np.float64)
    return float(np.linalg.norm(given - expected) / np.linalg.norm(expected))


def check_logits(net: cl.Network, image: np.ndarray, logits: np.ndarray) -> None:
    given = net(image)
    assert given.shape == logits.shape
    assert np.abs(given - logits).max() <= LOGITS * np.abs(logits).max()


@pytest.mark.parametrize("path", tiny_exports, ids=identify)
def test_a_tiny_network_agrees_with_pytorch(path: Path) -> None:
    golden = np.load(path.parent / "golden.npz")
    notes = json.loads((path.parent / "golden.json").read_text())
    image, target = golden["input"], golden["target"].item()
    net = cl.load(path)
    check_logits(net, image, golden["logits"])
    assert distance(net.gradient(image, target), golden["gradient"]) < GRADIENT
    for rule in ("guided", "deconvnet"):
        if rule in golden:
            assert distance(net.gradient(image, target, rule=rule), golden[rule]) < GRADIENT
    middle = notes["middle"].get(path.stem)
    if middle:
        assert distance(net.activations(image, [middle])[middle], golden["middle"]) < GRADIENT
        assert distance(net.gradient(image, target, wrt=middle), golden["middle_gradient"]) < GRADIENT


@pytest.mark.parametrize("path", tiny_exports, ids=identify)
def test_a_batch_is_its_images_one_by_one(path: Path) -> None:
    image = np.load(path.parent / "golden.npz")["input"]
    net = cl.load(path)
    batch = np.concatenate([image, image[:, :, ::-1], 0.5 * image])
    together = net.gradient(batch, [1, 2, 3])
    for n in range(3):
        np.testing.assert_array_equal(net(batch)[n], net(batch[n : n + 1])[0])
        np.testing.assert_array_equal(together[n], net.gradient(batch[n : n + 1], n + 1)[0])


@pytest.mark.skipif(CACHE is None, reason="CNNLENS_GOLDENS names no folder")
@pytest.mark.parametrize("path", published_exports, ids=identify)
def test_a_published_network_agrees_with_pytorch(path: Path) -> None:
    manifest = json.loads((path.parents[1] / "manifest.json").read_text())
    image, logits, gradient = (np.load(path.parent / f"{name}.npy") for name in ("input", "logits", "gradient"))
    entry = manifest[path.parent.name]
    net = cl.load(path)
    check_logits(net, image, logits)
    exporter = path.stem.removeprefix(f"{path.parent.name}-")
    is_kinked = not KINKED.isdisjoint(entry["exports"][exporter]["operators"])
    assert distance(net.gradient(image, entry["target"]), gradient) < (FLIPPED if is_kinked else SMOOTH)
