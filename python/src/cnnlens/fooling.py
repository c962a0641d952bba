# SPDX-License-Identifier: Apache-2.0
"""Pictures that mean nothing to people, or something else, and of which a network is sure."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from . import objectives
from ._attack import AttackResult, Bounds, Stop, attack, real, seed_of, whole
from ._errors import InvalidArgument
from ._progress import Progress, reporter
from .model import Network

_ENCODINGS = {"direct": 0, "cppn": 1}


def fool(
    net: Network,
    x: Any,
    target: Any,
    *,
    confidence: float = 0.99,
    step: float = 0.5,
    steps: int = 500,
    bounds: Bounds = None,
    seed: int = 0,
    progress: Progress = None,
) -> AttackResult:
    """Noise, or a photograph of something else, changed until the network is sure of ``target``.

    Steps of equal length up the logarithm of the class's probability, as far from the original as it takes. Nguyen,
    Yosinski & Clune, "Deep Neural Networks are Easily Fooled", 2015, section 3.3 (arXiv:1412.1897), after Simonyan,
    Vedaldi & Zisserman, 2013 (arXiv:1312.6034).

    Parameters
    ----------
    net, bounds
        See `fgsm`.
    x
        What to start from: a picture, a list of them, a raw array; or None for noise of the network's own size.
    target
        The class to be seen.
    confidence
        The probability to reach, below 1.
    step
        The Euclidean length of a step, in units of [0, 1].
    steps
        At most.
    seed
        Of the noise.
    progress
        See `pgd`.

    Returns
    -------
    AttackResult
        ``.prediction.probs[0]`` tells how sure the network is.
    """
    options = {
        "confidence": _confidence(confidence),
        "step": real(step, "step"),
        "steps": whole(steps, "steps"),
    }
    if x is None:
        height, width, _ = _size(net)
        noise = np.random.default_rng(seed_of(seed)).normal(127.5, 32, (height, width, 3))
        x = np.clip(np.rint(noise), 0, 255).astype(np.uint8)
    result: AttackResult = attack(net, x, target, "fool", options, targeted=True, bounds=bounds, progress=progress)
    return result


def evolve_fool(
    net: Network,
    target: Any,
    *,
    encoding: Literal["cppn", "direct"] = "cppn",
    confidence: float = 0.99,
    population: int = 16,
    generations: int = 500,
    size: int | tuple[int, int] | None = None,
    seed: int = 0,
    progress: Progress = None,
) -> AttackResult:
    """A picture bred until the network is sure of ``target``, without any gradient.

    Nguyen, Yosinski & Clune, "Deep Neural Networks are Easily Fooled", 2015, section 2.3. arXiv:1412.1897

    Parameters
    ----------
    net : Network
    target
        The class to be seen.
    encoding : {"cppn", "direct"}
        What mutates: a small network that paints the picture (regular patterns), or every value by itself (noise).
    confidence
        The probability to reach, below 1.
    population
        Parents, and children of each generation; of both the best remain.
    generations
        At most.
    size
        Of the picture, where the network takes more than one.
    seed, progress
        See `pgd`.

    Returns
    -------
    AttackResult
        ``.images`` is one uint8 picture. There is no original: ``linf`` and ``l2`` are NaN, ``l0`` is -1.
    """
    if encoding not in _ENCODINGS:
        raise InvalidArgument(f"encoding is {encoding!r}; it must be 'cppn' or 'direct'")
    options = {
        "encoding": _ENCODINGS[encoding],
        "confidence": _confidence(confidence),
        "population": whole(population, "population"),
        "generations": whole(generations, "generations"),
    }
    height, width, channels = _size(net, size)
    goal_class = objectives.resolve(net, target, 1).classes
    if goal_class is None or target is None:
        raise InvalidArgument(f"target is {target!r}; a class is needed: an int or a label")
    out = np.full((1, channels, height, width), 0.5, np.float32)
    with reporter(progress, "evolve fool") as report, net._seeing().take() as session:
        stop = Stop()
        goal = {"labels": goal_class, "levels": 255, "seed": seed_of(seed), "progress": stop.listening(report)}
        if not session.attack("evolve_fool", out, [out], goal, options):
            stop.is_wanted = True
        queries = int(session.seen()[0][0])
    pixels = np.rint(out[0] * np.float32(255)).astype(np.uint8).transpose(1, 2, 0)
    picture = np.ascontiguousarray(pixels[:, :, 0] if channels == 1 else pixels)
    prediction = net.predict(picture)
    nothing = float("nan")
    return AttackResult(
        picture,
        prediction.indices[0] == goal_class[0],
        prediction,
        goal_class[0],
        nothing,
        nothing,
        -1,
        None,
        queries=queries,
        method="evolve_fool",
        is_complete=not stop.is_wanted,
    )


def _confidence(value: Any) -> float:
    number = real(value, "confidence")
    if number >= 1:
        raise InvalidArgument(f"confidence is {value!r}; it must be below 1")
    return number


def _size(net: Network, size: int | tuple[int, int] | None = None) -> tuple[int, int, int]:
    """Height, width and channels of what the network takes."""
    if len(net.input_shape) != 4:
        raise InvalidArgument(f"'{net.name}' takes {net.input_shape}, no pictures")
    shape = net._default_shape(next(iter(net.inputs)), size)
    return shape[2], shape[3], net.preprocess.channels
