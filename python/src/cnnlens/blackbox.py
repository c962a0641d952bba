# SPDX-License-Identifier: Apache-2.0
"""Attacks that need no gradient: from the class scores, or from nothing but what the network says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ._attack import AttackResult, Bounds, Norm, attack, norm_number, real, sizes_of, whole
from ._progress import Progress
from .model import Network


def one_pixel(
    net: Network,
    x: Any,
    label: Any = None,
    *,
    pixels: int = 1,
    population: int = 400,
    generations: int = 100,
    difference: float = 0.5,
    targeted: bool = False,
    bounds: Bounds = None,
    seed: int = 0,
    progress: Progress = None,
) -> AttackResult:
    """A few pixels that change everything, found by differential evolution of their places and colours.

    Su, Vargas & Sakurai, "One Pixel Attack for Fooling Deep Neural Networks", 2019. arXiv:1710.08864

    Parameters
    ----------
    net, x, label, targeted, bounds
        See `fgsm`; raw arrays need ``bounds``. On pictures much larger than what the network sees, one pixel is
        little: give it pictures of its own size.
    pixels
        How many may change.
    population, generations, difference
        Of differential evolution: candidates, rounds at most, and F.
    seed
        The same for every image of a batch.
    progress
        See `pgd`.

    Returns
    -------
    AttackResult
        ``l0`` is at most ``pixels``, whether it succeeded or not.
    """
    options = {
        "pixels": whole(pixels, "pixels"),
        "population": whole(population, "population", 4),
        "generations": whole(generations, "generations"),
        "difference": real(difference, "difference", high=2),
    }
    result: AttackResult = attack(
        net, x, label, "one_pixel", options, targeted=targeted, bounds=bounds, seed=seed, progress=progress
    )
    return result


def square(
    net: Network,
    x: Any,
    label: Any = None,
    *,
    eps: float | Sequence[float] = 8 / 255,
    steps: int = 1000,
    share: float = 0.05,
    targeted: bool = False,
    bounds: Bounds = None,
    seed: int = 0,
    progress: Progress = None,
) -> Any:
    """Random squares of colour at the edge of the ball, kept where they help. Needs the class scores, no gradient.

    Andriushchenko, Croce, Flammarion & Hein, "Square Attack", 2020, for the maximum norm. arXiv:1912.00049

    Parameters
    ----------
    net, x, label, targeted, bounds
        See `fgsm`.
    eps
        The radius of the ball in the maximum norm. A list gives one result for each.
    steps
        Squares that are tried; each is a picture shown to the network.
    share
        Of the picture that the first squares cover.
    seed, progress
        See `pgd`.

    Returns
    -------
    AttackResult, or Robustness if ``eps`` is a list
    """
    sizes, is_curve = sizes_of(eps)
    options = {"share": real(share, "share", high=1), "steps": whole(steps, "steps")}
    return attack(
        net,
        x,
        label,
        "square",
        options,
        sizes=sizes,
        is_curve=is_curve,
        targeted=targeted,
        bounds=bounds,
        seed=seed,
        progress=progress,
    )


def nes(
    net: Network,
    x: Any,
    label: Any = None,
    *,
    eps: float | Sequence[float] = 8 / 255,
    step: float = 1 / 255,
    steps: int = 50,
    samples: int = 50,
    deviation: float = 0.001,
    targeted: bool = False,
    bounds: Bounds = None,
    seed: int = 0,
    progress: Progress = None,
) -> Any:
    """Projected gradient steps whose gradient is guessed from class scores round the picture.

    Ilyas, Engstrom, Athalye & Lin, "Black-box Adversarial Attacks with Limited Queries and Information", 2018,
    algorithm 1. arXiv:1804.08598

    Parameters
    ----------
    net, x, label, targeted, bounds
        See `fgsm`.
    eps, step
        The radius of the ball and the length of a step, in the maximum norm. A list of eps gives one result each.
    steps
        At most; it ends where the network is deceived.
    samples
        Pictures for each gradient, in pairs on both sides.
    deviation
        How far away they are: of normal noise. (They are not rounded to bytes.)
    seed, progress
        See `pgd`.

    Returns
    -------
    AttackResult, or Robustness if ``eps`` is a list
    """
    sizes, is_curve = sizes_of(eps)
    options = {
        "step": real(step, "step"),
        "deviation": real(deviation, "deviation"),
        "steps": whole(steps, "steps"),
        "samples": whole(samples, "samples", 2),
    }
    return attack(
        net,
        x,
        label,
        "nes",
        options,
        sizes=sizes,
        is_curve=is_curve,
        targeted=targeted,
        bounds=bounds,
        seed=seed,
        progress=progress,
    )


def boundary(
    net: Network,
    x: Any,
    label: Any = None,
    *,
    start: Any = None,
    steps: int = 1000,
    orthogonal: float = 0.01,
    towards: float = 0.01,
    targeted: bool = False,
    bounds: Bounds = None,
    seed: int = 0,
    progress: Progress = None,
) -> AttackResult:
    """A walk along the border of the wrong class towards the original: needs what the network says, nothing more.

    Brendel, Rauber & Bethge, "Decision-Based Adversarial Attacks", 2018. arXiv:1712.04248

    Parameters
    ----------
    net, x, label, targeted, bounds
        See `fgsm`; raw arrays need ``bounds``.
    start
        A picture of ``x``'s size that is mistaken already (one for each image). By default ``x`` in as little noise as
        it takes; a targeted attack needs one, a picture of the target.
    steps
        The paper's 25,000 come closer.
    orthogonal, towards
        The first lengths of the two parts of a step, relative to the distance; they adapt.
    seed, progress
        See `pgd`.

    Returns
    -------
    AttackResult
    """
    options = {
        "orthogonal": real(orthogonal, "orthogonal"),
        "towards": real(towards, "towards"),
        "steps": whole(steps, "steps"),
    }
    result: AttackResult = attack(
        net,
        x,
        label,
        "boundary",
        options,
        targeted=targeted,
        bounds=bounds,
        start=start,
        seed=seed,
        progress=progress,
    )
    return result


def hopskipjump(
    net: Network,
    x: Any,
    label: Any = None,
    *,
    norm: Norm = "2",
    start: Any = None,
    steps: int = 20,
    samples: int = 100,
    most_samples: int = 1000,
    targeted: bool = False,
    bounds: Bounds = None,
    seed: int = 0,
    progress: Progress = None,
) -> AttackResult:
    """Along the border by a gradient that is guessed from decisions alone, and back to it by bisection.

    Chen, Jordan & Wainwright, "HopSkipJumpAttack", 2020. arXiv:1904.02144

    Parameters
    ----------
    net, x, label, targeted, bounds, start
        See `boundary`.
    norm : {"2", "inf"}
        What is kept small.
    steps
        How often.
    samples, most_samples
        Pictures for the first gradient, sqrt(t) times as many for the t-th, and the most for one.
    seed, progress
        See `pgd`.

    Returns
    -------
    AttackResult
    """
    options = {
        "norm": norm_number(norm, "2", "inf"),
        "steps": whole(steps, "steps"),
        "samples": whole(samples, "samples"),
        "most_samples": whole(most_samples, "most_samples"),
    }
    result: AttackResult = attack(
        net,
        x,
        label,
        "hop_skip_jump",
        options,
        targeted=targeted,
        bounds=bounds,
        start=start,
        seed=seed,
        progress=progress,
    )
    return result
