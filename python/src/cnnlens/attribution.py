# SPDX-License-Identifier: Apache-2.0
"""Attribution: where in a picture a network looks.

Every function takes ``(net, x, target=None)``. ``x`` is a picture, a list of them, or a raw float32 array
``(N, C, H, W)`` (see `cnnlens.images`); ``target`` is explained in `cnnlens.objectives`, ``None`` is the class with
the highest score. Every function gives a `Map`: ``(H, W)`` for one picture, ``(N, H, W)`` for a batch, at the
network's input resolution, in units of the score per unit of input; ``reduce=None`` keeps the channels:
``(C, H, W)`` or ``(N, C, H, W)``. A picture's input is in [0, 1]. They raise `InvalidArgument` for input or
options that are not allowed and `NotFound` for labels and layers
that do not exist.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Literal, TypeAlias

import numpy as np

from . import objectives
from ._attribute import Question, asked, attribute, choice, real, whole
from ._errors import Cancelled, InvalidArgument
from ._progress import Progress, reporter
from .maps import Map
from .model import Given, Network

Reduce: TypeAlias = Literal["max", "abs", "sum"] | None
PathRule: TypeAlias = Literal["gausslegendre", "left", "right", "middle", "trapezoid"]

_REDUCTIONS = ("max", "abs", "sum", None)


def saliency(net: Network, x: Any, target: objectives.Target = None, *, reduce: Reduce = "max") -> Map:
    """The absolute gradient of the score: how much each pixel would change it.

    Simonyan, Vedaldi & Zisserman, "Deep Inside Convolutional Networks", 2013, section 3. arXiv:1312.6034

    Parameters
    ----------
    net : Network
    x
        A picture, a list of them, or a raw float32 array ``(N, C, H, W)``.
    target
        What is explained; ``None``: the class with the highest score.
    reduce : {"max", "abs", "sum", None}
        One number a pixel: the largest absolute value over the channels (the paper's), their absolute sum, their
        signed sum, or None to keep the channels.
    """
    return _gradient_map("saliency", net, x, target, reduce)


def grad_x_input(net: Network, x: Any, target: objectives.Target = None, *, reduce: Reduce = "sum") -> Map:
    """Gradient times input: what each pixel contributes, to first order.

    Shrikumar et al., "Not Just a Black Box", 2016. arXiv:1605.01713. For a picture the input is the picture in
    [0, 1], so black contributes nothing. Parameters as for `saliency`.
    """
    return _gradient_map("grad_x_input", net, x, target, reduce)


def guided_backprop(net: Network, x: Any, target: objectives.Target = None, *, reduce: Reduce = "sum") -> Map:
    """The gradient with only positive contributions passing each active ReLU on the way back.

    Springenberg, Dosovitskiy, Brox & Riedmiller, "Striving for Simplicity", 2015. arXiv:1412.6806. Parameters as
    for `saliency`.
    """
    return _gradient_map("guided_backprop", net, x, target, reduce)


def deconvnet(net: Network, x: Any, target: objectives.Target = None, *, reduce: Reduce = "sum") -> Map:
    """The gradient with each ReLU applied to what comes back instead of to its own input.

    Zeiler & Fergus, "Visualizing and Understanding Convolutional Networks", 2014. arXiv:1311.2901. Parameters as
    for `saliency`.
    """
    return _gradient_map("deconvnet", net, x, target, reduce)


def smoothgrad(
    net: Network,
    x: Any,
    target: objectives.Target = None,
    *,
    n: int = 25,
    noise: float = 0.15,
    kind: Literal["mean", "square", "var"] = "mean",
    of: Callable[..., Map] = saliency,
    seed: int = 0,
    progress: Progress = None,
) -> Map:
    """A method's maps for noisy copies of the picture, averaged: M(x) = 1/n sum_i M(x + e_i), e_i ~ N(0, s^2).

    Smilkov et al., "SmoothGrad: removing noise by adding noise", 2017, section 3. arXiv:1706.03825. The mean of the
    squares: Hooker et al., arXiv:1806.10758. The variance, VarGrad: Adebayo et al., arXiv:1810.03307.

    Parameters
    ----------
    net : Network
    x
        A picture, a list of them, or a raw float32 array ``(N, C, H, W)``.
    target
        What is explained; ``None``: the class with the highest score of the picture without noise.
    n : int
        How many copies.
    noise : float
        The deviation s, as a share of the picture's range (max - min).
    kind : {"mean", "square", "var"}
    of
        What is averaged: any attribution method, with options by ``functools.partial``, or another function of
        ``(net, x, target)`` that hands ``net`` and ``x`` on to one. The gradient methods and Grad-CAM, with no option
        but ``reduce`` or ``layer``, run in batches; others copy by copy, with noise from another generator.
    seed : int
        The same seed gives the same map, to the last bit, whatever the batch and the number of threads.

    Returns
    -------
    Map
        What ``of`` gives: the mean in its units, squares and variances in their square. With ``noise=0`` the mean is
        ``of``'s own map and the variance 0.
    """
    whole(n, "n", 1, 1_000_000)
    whole(seed, "seed", 0, 2**63 - 1)
    share = real(noise, "noise", 0.0)
    summary = choice(kind, "kind", ("mean", "square", "var"))
    name, options = _named(of)
    params = {"n": n, "noise": share, "kind": kind, "of": name, **options}
    if not _is_native(name, of, options):
        return _averaged(asked(net, x, target), of, n, share, kind, seed, progress, params)
    is_layered = name in ("grad_cam", "guided_grad_cam")
    reduce = options.get("reduce", "max" if name == "saliency" else "sum")
    return attribute(
        "smoothgrad",
        net,
        x,
        target,
        {
            "method": _SMOOTHED.index(name),
            "samples": n,
            "seed": seed,
            "noise": share,
            "summary": summary,
            "reduction": reduction(reduce),
            "layer": options.get("layer"),
        },
        params=params,
        is_signed=kind == "mean" and name != "grad_cam" and reduce not in ("max", "abs"),
        keeps_channels=not is_layered and reduce is None,
        has_native=is_layered,
        seed=seed,
        progress=progress,
    )


_SMOOTHED = (
    "saliency",
    "grad_x_input",
    "guided_backprop",
    "deconvnet",
    "integrated_gradients",
    "grad_cam",
    "guided_grad_cam",
)


def _named(of: Any) -> tuple[str, dict[str, Any]]:
    """A method's name and the options it was given."""
    if isinstance(of, functools.partial):
        return _named(of.func)[0], dict(of.keywords)
    if not callable(of):
        raise InvalidArgument(f"of is {of!r}; it must be an attribution method, or a function of (net, x, target)")
    return getattr(of, "__name__", repr(of)), {}


def _is_native(name: str, of: Any, options: dict[str, Any]) -> bool:
    """Whether the engine can average the method by itself."""
    function = of.func if isinstance(of, functools.partial) else of
    is_own = getattr(function, "__module__", "").startswith("cnnlens.") and not getattr(of, "args", ())
    option = "layer" if name in ("grad_cam", "guided_grad_cam") else "reduce"
    return is_own and name in _SMOOTHED and set(options) <= {option}


def _averaged(
    question: Question,
    of: Callable[..., Any],
    n: int,
    share: float,
    kind: str,
    seed: int,
    progress: Progress,
    params: dict[str, Any],
) -> Map:
    """What `smoothgrad` is, one noisy copy after the other."""
    given, net = question.given, question.net
    classes = question.goal.classes or ([] if question.goal.objective else net.predict(given, 1).classes)
    maps, first = [], None
    with reporter(progress, "smoothgrad") as report:
        for k in range(given.count):
            picture = given.array[k : k + 1]
            target = question.goal.objective or classes[k if len(classes) > 1 else 0]
            deviation = np.float32(share) * np.ptp(picture)
            random = np.random.Generator(np.random.Philox(seed))
            mean = squares = spread = np.zeros(())
            for i in range(1, n + 1):
                noise = random.standard_normal(picture.shape, dtype=np.float32)
                views = None if given.views is None else [given.views[k]]
                found = of(net, Given(picture + deviation * noise, given.sessions, views, is_single=False), target)
                values = np.asarray(found, np.float64)[0]
                # Welford, 1962: equal values have the variance 0.
                step = values - mean
                mean = mean + step / i
                spread = spread + step * (values - mean)
                squares = squares + values**2
                first = first if first is not None else found
                if report is not None and report(k * n + i, given.count * n, 0.0) is False:
                    raise Cancelled(f"stopped after {k * n + i} of {given.count * n} noisy copies")
            maps.append({"mean": mean, "square": squares / n, "var": spread / n}[kind])
    with given.sessions.take() as session:
        question.call(session, "saliency", np.empty((given.count, *question.shape[2:]), np.float32), {})
        scores, targets, _, _ = session.seen()
    data = np.stack(maps).astype(np.float32)
    is_signed = kind == "mean" and getattr(first, "is_signed", True)
    layer = getattr(first, "layer", None)
    return question.map(
        data,
        "smoothgrad",
        (scores, targets, layer, None),
        params=params,
        is_signed=is_signed,
        has_channels=data.ndim == 4,
        seed=seed,
    )


def integrated_gradients(
    net: Network,
    x: Any,
    target: objectives.Target = None,
    *,
    baseline: Any = 0.0,
    steps: int = 50,
    rule: PathRule = "gausslegendre",
    reduce: Reduce = "sum",
    progress: Progress = None,
) -> Map:
    """The gradient averaged on the straight way from a baseline to the picture, times the difference.

    ``IG_i = (x_i - b_i) * integral over a in 0...1 of dS/dx_i(b + a (x - b))``. The values add up to
    ``S(x) - S(b)``; ``.gap`` is what is missing of that, the error of the rule.

    Sundararajan, Taly & Yan, "Axiomatic Attribution for Deep Networks", 2017, equation 1. arXiv:1703.01365

    Parameters
    ----------
    net : Network
    x
        A picture, a list of them, or a raw float32 array ``(N, C, H, W)``.
    target
        What is explained; ``None``: the class with the highest score.
    baseline : float, "mean", "blur" or array
        Where the way starts: a number in all pixels, in [0, 1] for a picture; the mean of each channel; the picture
        under a Gaussian of 10 pixels; or another picture, ``(C, H, W)`` at the network's input size (or one per image,
        ``(N, C, H, W)``), in the units of the input.
    steps : int
        Gradients that are taken.
    rule : {"gausslegendre", "left", "right", "middle", "trapezoid"}
        Where. The weights always sum to one.
    reduce
        As for `saliency`.
    progress
        See `cnnlens.occlusion`.
    """
    path = Path(baseline, steps, rule)
    return attribute(
        "integrated_gradients",
        net,
        x,
        target,
        {**path.options, "reduction": reduction(reduce)},
        params={**path.params, "reduce": reduce},
        is_signed=reduce not in ("max", "abs"),
        keeps_channels=reduce is None,
        progress=progress,
        check=path.check,
    )


# ---- what they share


class Path:
    """The straight way from a baseline to a picture, as the native options say it."""

    def __init__(self, baseline: Any, steps: int, rule: PathRule) -> None:
        place = choice(rule, "rule", ("gausslegendre", "left", "right", "middle", "trapezoid"))
        whole(steps, "steps", 2 if rule == "trapezoid" else 1, 99_999)
        self.options: dict[str, Any] = {"rule": place, "steps": steps}
        self.params: dict[str, Any] = {"steps": steps, "rule": rule}
        if isinstance(baseline, np.ndarray):
            if not np.issubdtype(baseline.dtype, np.floating) or not np.isfinite(baseline).all():
                raise InvalidArgument(f"baseline is {baseline.dtype}; it must be finite floats, in the input's units")
            picture = np.ascontiguousarray(baseline, dtype=np.float32)
            self.options |= {"baseline": 3, "picture": picture[None] if picture.ndim == 3 else picture}
            self.params["baseline"] = "array"
        elif isinstance(baseline, str):
            self.options["baseline"] = 1 + choice(baseline, "baseline", ("mean", "blur"))
            self.params["baseline"] = baseline
        else:
            number = real(baseline, "baseline")
            self.options |= {"baseline": 0, "value": number}
            self.params["baseline"] = number

    def check(self, question: Question) -> None:
        """A baseline picture must have the input's shape."""
        picture = self.options.get("picture")
        shape = question.shape
        if picture is not None and picture.shape not in (shape, (1, *shape[1:])):
            raise InvalidArgument(f"baseline has shape {picture.shape}; it must be {shape[1:]} or {shape}")


def reduction(reduce: Any) -> int:
    """The reduction's number in C."""
    return choice(reduce, "reduce", _REDUCTIONS) + 1


def _gradient_map(method: str, net: Network, x: Any, target: objectives.Target, reduce: Reduce) -> Map:
    return attribute(
        method,
        net,
        x,
        target,
        {"reduction": reduction(reduce)},
        params={"reduce": reduce},
        is_signed=reduce not in ("max", "abs"),
        keeps_channels=reduce is None,
    )
