# SPDX-License-Identifier: Apache-2.0
"""Attacks that follow gradients: the smallest change that makes a network see something else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ._attack import AttackResult, Bounds, Norm, Robustness, attack, norm_number, real, sizes_of, whole
from ._progress import Progress
from .model import Network

__all__ = ["AttackResult", "Robustness", "cw", "deepfool", "fgsm", "lbfgs_attack", "pgd"]


def fgsm(
    net: Network,
    x: Any,
    label: Any = None,
    *,
    eps: float | Sequence[float] = 8 / 255,
    targeted: bool = False,
    norm: Norm = "inf",
    bounds: Bounds = None,
) -> Any:
    """The fast gradient sign method: one step up the loss, ``x + eps sign(dJ/dx)``.

    Goodfellow, Shlens & Szegedy, "Explaining and Harnessing Adversarial Examples", 2015. arXiv:1412.6572

    Parameters
    ----------
    net : Network
    x
        A picture, a list of them, or a raw float32 array. A picture is attacked at its own resolution: resizing
        and cropping are part of the network.
    label
        The true class (int, label, or a list of one per image), or with ``targeted`` the one to reach. ``None``:
        what the network sees now.
    eps
        The size of the change, in units of [0, 1] for pictures. A list gives one result for each.
    targeted
        Step down the loss of ``label`` instead of up.
    norm : {"inf", "2", "1"}
        In which ``eps`` is measured. ``|x' - x| <= eps`` holds exactly, rounding to bytes included.
    bounds : (low, high), optional
        For raw arrays: the values that results may have. By default any.

    Returns
    -------
    AttackResult, or Robustness (a list of them) if ``eps`` is a list

    Raises
    ------
    InvalidArgument
        ``eps`` below 0, a target that is missing or is seen already, a class that does not exist.
    """
    sizes, is_curve = sizes_of(eps)
    return attack(
        net,
        x,
        label,
        "fgsm",
        {"norm": norm_number(norm)},
        sizes=sizes,
        is_curve=is_curve,
        targeted=targeted,
        norm=str(norm),
        bounds=bounds,
    )


def pgd(
    net: Network,
    x: Any,
    label: Any = None,
    *,
    eps: float | Sequence[float] = 8 / 255,
    step: float = 2 / 255,
    steps: int = 10,
    targeted: bool = False,
    norm: Norm = "inf",
    random_start: bool = True,
    momentum: float = 0.0,
    bounds: Bounds = None,
    seed: int = 0,
    progress: Progress = None,
) -> Any:
    """Projected gradient descent: steps up the loss, each brought back into the ball round ``x``.

    Madry et al., "Towards Deep Learning Models Resistant to Adversarial Attacks", 2018, arXiv:1706.06083. With
    ``random_start=False`` it is the basic iterative method (BIM, iterative FGSM) of Kurakin, Goodfellow & Bengio,
    2017, arXiv:1607.02533; with ``momentum=1`` that of Dong et al., 2018 (MI-FGSM), arXiv:1710.06081.

    Parameters
    ----------
    net, x, label, targeted, bounds
        See `fgsm`.
    eps
        The radius of the ball, in units of [0, 1] for pictures. A list gives one result for each.
    step
        The length of each step, in the same norm.
    steps
        How many.
    norm : {"inf", "2", "1"}
        In which ``eps`` and ``step`` are measured. ``|x' - x| <= eps`` holds exactly.
    random_start
        Start at a random point of the ball.
    momentum
        How much of the last direction stays; 0 for none.
    seed
        Of the random start; the same for every image of a batch.
    progress
        See `cnnlens._progress`. Where it or Ctrl-C stops the attack, the result is what there is after the step that it
        is at, and ``.is_complete`` is False. Another Ctrl-C ends the step as well, with ``KeyboardInterrupt``.

    Returns
    -------
    AttackResult, or Robustness if ``eps`` is a list

    Raises
    ------
    InvalidArgument
        As `fgsm`; ``step`` not above 0, ``momentum`` below 0.
    """
    sizes, is_curve = sizes_of(eps)
    options = {
        "norm": norm_number(norm),
        "step": real(step, "step"),
        "steps": whole(steps, "steps"),
        "momentum": real(momentum, "momentum", includes_low=True),
        "random_start": int(bool(random_start)),
    }
    return attack(
        net,
        x,
        label,
        "pgd",
        options,
        sizes=sizes,
        is_curve=is_curve,
        targeted=targeted,
        norm=str(norm),
        bounds=bounds,
        seed=seed,
        progress=progress,
    )


def lbfgs_attack(
    net: Network,
    x: Any,
    label: Any = None,
    *,
    targeted: bool = False,
    steps: int = 20,
    searches: int = 6,
    weight: float = 0.1,
    bounds: Bounds = None,
    progress: Progress = None,
) -> AttackResult:
    """The first attack: the smallest change towards a class, by L-BFGS on ``|r|^2 + c loss(x + r)`` in the box.

    Szegedy et al., "Intriguing Properties of Neural Networks", 2014, section 4.1. arXiv:1312.6199

    Parameters
    ----------
    net, x, label, targeted, bounds
        See `fgsm`. Without a target the runner-up of what the network sees is aimed at.
    steps
        Of L-BFGS, for each ``c``.
    searches
        ``c`` grows tenfold from ``weight`` until it works, and is then bisected so many times.
    weight
        The first ``c``.
    progress
        See `pgd`.

    Returns
    -------
    AttackResult
        Bytes are rounded after the search: the smallest multiple of the change whose rounding deceives.
    """
    options = {
        "steps": whole(steps, "steps"),
        "searches": whole(searches, "searches", 0),
        "weight": real(weight, "weight"),
    }
    result: AttackResult = attack(
        net, x, label, "lbfgs_attack", options, targeted=targeted, bounds=bounds, progress=progress
    )
    return result


def deepfool(
    net: Network,
    x: Any,
    label: Any = None,
    *,
    norm: Norm = "2",
    candidates: int = 10,
    overshoot: float = 0.02,
    steps: int = 50,
    targeted: bool = False,
    bounds: Bounds = None,
    progress: Progress = None,
) -> AttackResult:
    """The shortest way to another class, as if the network were linear, again and again until it is one.

    Moosavi-Dezfooli, Fawzi & Frossard, "DeepFool: a Simple and Accurate Method to Fool Deep Neural Networks", 2016,
    algorithm 2. arXiv:1511.04599

    Parameters
    ----------
    net, x, label, targeted, bounds
        See `fgsm`. With a target only that class's border is walked to.
    norm : {"2", "inf"}
        What is kept small.
    candidates
        How many classes are looked at: those with the highest scores.
    overshoot
        How much further than the border the result lies, relative to the way.
    steps
        At most.
    progress
        See `pgd`.

    Returns
    -------
    AttackResult
        Bytes are rounded after the walk: the smallest multiple of the change whose rounding deceives.
    """
    options = {
        "norm": norm_number(norm, "2", "inf"),
        "candidates": whole(candidates, "candidates"),
        "overshoot": real(overshoot, "overshoot", includes_low=True),
        "steps": whole(steps, "steps"),
    }
    result: AttackResult = attack(
        net, x, label, "deepfool", options, targeted=targeted, bounds=bounds, progress=progress
    )
    return result


def cw(
    net: Network,
    x: Any,
    label: Any = None,
    *,
    targeted: bool = False,
    confidence: float = 0.0,
    rate: float = 0.01,
    steps: int = 100,
    searches: int = 5,
    weight: float = 1.0,
    bounds: Bounds = None,
    progress: Progress = None,
) -> AttackResult:
    """The smallest change in the Euclidean norm, by Adam on ``|x' - x|^2 + c max(margin + confidence, 0)``.

    Carlini & Wagner, "Towards Evaluating the Robustness of Neural Networks", 2017, section VI-A. arXiv:1608.04644

    Parameters
    ----------
    net, x, label, targeted, bounds
        See `fgsm`.
    confidence
        By how much the wrong class must win, in units of the class scores.
    rate
        Adam's, in the space of the tanh that keeps pictures in their range.
    steps
        Of Adam, for each ``c``.
    searches
        How many ``c``: it grows tenfold from ``weight`` until it works, and is then bisected.
    weight
        The first ``c``.
    progress
        See `pgd`.

    Returns
    -------
    AttackResult
        Bytes are rounded after the search: the smallest multiple of the change whose rounding deceives.
    """
    options = {
        "confidence": real(confidence, "confidence", includes_low=True),
        "rate": real(rate, "rate"),
        "weight": real(weight, "weight"),
        "steps": whole(steps, "steps"),
        "searches": whole(searches, "searches"),
    }
    result: AttackResult = attack(net, x, label, "cw", options, targeted=targeted, bounds=bounds, progress=progress)
    return result
