# SPDX-License-Identifier: Apache-2.0
"""Layer-wise relevance propagation: the score, handed back to the pixels that it is made of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, TypeAlias

import numpy as np

from . import objectives
from ._attribute import Question, attribute, choice, real
from ._errors import InvalidArgument
from ._types import Array
from .attribution import Reduce, reduction
from .maps import Map
from .model import Network

Rule: TypeAlias = Literal["epsilon", "gamma", "z-plus", "alpha-beta", "flat", "w-square", "z-box"]
Preset: TypeAlias = Literal[
    "epsilon",
    "gamma",
    "z-plus",
    "alpha-beta",
    "epsilon-plus",
    "epsilon-plus-flat",
    "epsilon-gamma-box",
    "epsilon-alpha2-beta1",
    "epsilon-alpha2-beta1-flat",
]

#: Rules by their numbers in C; 0 is "as others of its kind".
_RULES = (None, "epsilon", "gamma", "z-plus", "alpha-beta", "flat", "w-square", "z-box")

#: Convolutions, dense layers, and layers that see the picture first.
_PRESETS: dict[str, tuple[str, str, str | None]] = {
    "epsilon": ("epsilon", "epsilon", None),
    "gamma": ("gamma", "gamma", None),
    "z-plus": ("z-plus", "z-plus", None),
    "alpha-beta": ("alpha-beta", "alpha-beta", None),
    "epsilon-plus": ("z-plus", "epsilon", None),
    "epsilon-plus-flat": ("z-plus", "epsilon", "flat"),
    "epsilon-gamma-box": ("gamma", "epsilon", "z-box"),
    "epsilon-alpha2-beta1": ("alpha-beta", "epsilon", None),
    "epsilon-alpha2-beta1-flat": ("alpha-beta", "epsilon", "flat"),
}


def lrp(
    net: Network,
    x: Any,
    target: objectives.Target = None,
    *,
    rule: Preset | tuple[Rule, Rule, Rule | None] = "epsilon-plus-flat",
    reduce: Reduce = "sum",
    epsilon: float = 1e-6,
    gamma: float = 0.25,
    alpha: float = 2.0,
    low: float | Sequence[float] | None = None,
    high: float | Sequence[float] | None = None,
    bias: bool = True,
) -> Map:
    """Layer-wise relevance propagation: the score, handed down from layer to layer by what each input contributed.

    ``R_i = sum_j (share of i in j) R_j``, from the score at the class down to the pixels. The map adds up to the score
    but for what biases took; ``.gap`` is that.

    ========== ==================================================================================================
    rule       share of input i in output j, where ``z_j = sum_i x_i w_ij + b_j``
    ========== ==================================================================================================
    epsilon    ``x w / (z + epsilon sign(z))``: by contribution; gradient times input, as epsilon goes to 0
    gamma      the same with weights ``w + gamma max(w, 0)``: what agrees with z counts more
    z-plus     what is positive in ``x w``, over the sum of that
    alpha-beta alpha times the share in what is positive, minus ``alpha - 1`` times that in what is negative
    flat       the same to all
    w-square   ``w^2`` over the sum of that
    z-box      ``x w - low max(w, 0) - high min(w, 0)`` over the sum of that: for pictures with bounds
    ========== ==================================================================================================

    Batch normalisation counts as part of the convolution or dense layer beside it. Sums (skip connections) and average
    pooling share by contribution, maximum pooling hands all to the largest; activations hand on what they get, as do
    products with a gate (squeeze and excitation): the gate counts as a constant.

    Bach et al., "On Pixel-Wise Explanations for Non-Linear Classifier Decisions by Layer-Wise Relevance Propagation",
    2015, doi:10.1371/journal.pone.0130140; the presets: Kohlbrenner et al., 2020, arXiv:1910.09840, and Montavon et
    al., "Layer-Wise Relevance Propagation: An Overview", 2019, doi:10.1007/978-3-030-28954-6_10.

    Parameters
    ----------
    net : Network
    x
        A picture, a list of them, or a raw float32 array ``(N, C, H, W)``.
    target
        What is explained; ``None``: the class with the highest score.
    rule : str or tuple
        A preset, or three rules: for convolutions, for dense layers, and for the layers that see the picture first
        (None: as the others of its kind). The presets ``"epsilon"``, ``"gamma"``, ``"z-plus"`` and ``"alpha-beta"``
        are one rule for all; ``"epsilon-plus"`` is epsilon for dense layers and z-plus for convolutions,
        ``"epsilon-alpha2-beta1"`` the same with alpha-beta; ``-flat`` adds flat for the first;
        ``"epsilon-gamma-box"`` is epsilon, gamma, and z-box for the first.
    reduce
        As for `cnnlens.saliency`.
    epsilon, gamma, alpha : float
        Of the rules of those names; epsilon above 0, gamma at least 0, alpha at least 1 (beta is ``alpha - 1``).
    low, high : float or sequence of float
        The bounds of z-box, one or one for each channel, in the units of ``x``; a picture's are 0 and 1.
    bias : bool
        Whether biases take their share, as in the paper; in deep networks that is nearly all. Without, more reaches
        the picture, but values that only their bias made have nobody to hand their relevance to.

    Returns
    -------
    Map
        ``(H, W)`` or ``(N, H, W)``, signed, in units of the score.

    Raises
    ------
    InvalidArgument
        For rules and numbers that are not allowed, z-box on a raw array without bounds, pictures beyond them, and
        relevance that grows without bounds (epsilon on deep networks without biases).
    """
    rules = _rules(rule)
    options: dict[str, Any] = {
        "convolution": choice(rules[0], "the rule for convolutions", _RULES[1:]) + 1,
        "dense": choice(rules[1], "the rule for dense layers", _RULES[1:]) + 1,
        "first": choice(rules[2], "the rule for first layers", _RULES),
        "epsilon": real(epsilon, "epsilon", 0.0),
        "gamma": real(gamma, "gamma", 0.0),
        "alpha": real(alpha, "alpha", 1.0),
        "counts_biases": choice(bias, "bias", (False, True)),
        "low": _bound(low, "low"),
        "high": _bound(high, "high"),
        "reduction": reduction(reduce),
    }

    def check(question: Question) -> None:
        if "z-box" in rules and question.given.views is None and (low is None or high is None):
            raise InvalidArgument("x is a raw array, so the rule z-box needs low and high: the bounds of its numbers")

    params = {"rule": rule, "reduce": reduce, "epsilon": epsilon, "gamma": gamma, "alpha": alpha, "bias": bias}
    return attribute(
        "lrp",
        net,
        x,
        target,
        options,
        params={**params, "low": low, "high": high} if "z-box" in rules else params,
        is_signed=reduce not in ("max", "abs"),
        keeps_channels=reduce is None,
        check=check,
    )


def _rules(rule: Any) -> tuple[Any, Any, Any]:
    if isinstance(rule, (tuple, list)):
        if len(rule) != 3:
            raise InvalidArgument(f"rule has {len(rule)} parts; it must be a preset or three rules")
        return rule[0], rule[1], rule[2]
    return _PRESETS[list(_PRESETS)[choice(rule, "rule", tuple(_PRESETS))]]


def _bound(value: Any, name: str) -> Array | None:
    if value is None:
        return None
    try:
        numbers = np.atleast_1d(np.asarray(value, np.float32))
    except (TypeError, ValueError):
        numbers = np.empty((0,), np.float32)
    if numbers.ndim != 1 or numbers.size == 0 or not np.isfinite(numbers).all():
        raise InvalidArgument(f"{name} is {value!r}; it must be a finite number, or one for each channel")
    return np.ascontiguousarray(numbers)
