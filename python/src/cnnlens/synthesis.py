# SPDX-License-Identifier: Apache-2.0
"""Pictures made by walking along a gradient: what a class, a unit or a layer wants to see.

Every function gives a `Picture`. Colours are in [0, 1]; they go through the network's normalisation
(``net.preprocess``), so step sizes and penalties are in those units whatever the network was trained on. ``size`` is
the side of the picture, or ``(height, width)``; by default the network's own. The same ``seed`` gives the same
picture, bit for bit, for any number of threads. ``progress`` is None (a line in a terminal for what takes more than
two seconds), True, False, or a function ``(step, steps, value)`` where False as its answer stops. Stopped by it or by
Ctrl-C, they hand back the picture reached so far (``.is_complete`` is False), and ``resume=picture`` goes on from
there. They raise `InvalidArgument` for options that are not allowed and `NotFound` for labels and layers that do not
exist.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from . import _native, _walks, objectives
from ._errors import InvalidArgument
from ._progress import Progress
from ._types import Array
from .model import Network
from .pictures import Picture

_PARAMETERIZATIONS = {"pixels": 0, "fft": 1, "pyramid": 2, "cppn": 3}
_PRESETS = {"simonyan": 0, "yosinski1": 1, "yosinski2": 2, "yosinski3": 3, "yosinski4": 4}
_RATES = {"simonyan": 0.01, "yosinski1": 0.02, "yosinski2": 0.01, "yosinski3": 0.04, "yosinski4": 0.01}


def visualize(
    net: Network,
    objective: Any,
    *,
    size: _walks.Size = None,
    steps: int = 512,
    param: Literal["fft", "pyramid", "pixels", "cppn"] = "fft",
    decorrelate: bool = True,
    transforms: Literal["standard"] | None = "standard",
    optimizer: Literal["adam", "gradient", "momentum", "lbfgs"] = "adam",
    lr: float = 0.05,
    seed: int = 0,
    batch: int = 1,
    redirect: int = 16,
    resume: Picture | None = None,
    progress: Progress = None,
) -> Picture:
    """What a unit, a channel, a layer, a direction or a mixture of them reacts to.

    Olah, Mordvintsev & Schubert, "Feature Visualization", 2017. doi:10.23915/distill.00007

    Parameters
    ----------
    net : Network
    objective
        As a ``target`` elsewhere: ``"conv5:12"``, ``"conv5:12@6,6"``, a class, or an `Objective`. A list of these gives
        a picture for each.
    size : int or (int, int), optional
    steps : int
    param : {"fft", "pyramid", "pixels", "cppn"}
        What is optimised: the spectrum, a pyramid of smaller pictures, pixels, or the weights of a small network that
        gives every place a colour (with it, ``lr=0.005``).
    decorrelate : bool
        Whether colours are mixed as in photographs; not for pixels.
    transforms : "standard" or None
        Lucid's: padded, moved by a few pixels, scaled by 0.9 to 1.1 and turned by up to 10 degrees before each step.
    optimizer : {"adam", "gradient", "momentum", "lbfgs"}
        L-BFGS needs ``transforms=None``.
    lr : float
        The optimiser's step.
    batch : int
        How many pictures at once; with ``cl.diversity(layer)`` in the objective they become different.
    redirect : int
        For so many steps, rectifiers that are off let a gradient through that would switch them on.
    resume : Picture
        Goes on where that one stopped.

    Returns
    -------
    Picture
        ``(H, W, 3)``, or ``(N, H, W, 3)`` for a list or a batch.
    """
    start = time.perf_counter()
    _walks.check_net(net)
    number = _walks.whole(batch, "batch", 1)
    options = {
        "parameterization": _walks.choice(param, "param", _PARAMETERIZATIONS),
        "decorrelates": int(bool(decorrelate) and net.preprocess.channels == 3),
        "transforms": _walks.choice(transforms, "transforms", {"standard": 1, None: 0}),
        "optimizer": _walks.choice(optimizer, "optimizer", _walks.OPTIMIZERS),
        "rate": _walks.positive(lr, "lr"),
        "redirected_steps": _walks.whole(redirect, "redirect"),
        "steps": _walks.whole(steps, "steps"),
        "seed": _walks.seed_of(seed),
    }
    is_list = isinstance(objective, (list, tuple))
    goals = list(objective) if is_list else [objective]
    if not goals or (is_list and number > 1):
        raise InvalidArgument(
            "the list of objectives is empty" if not goals else "a list has one picture each; batch must be 1"
        )
    resolved = [_walks.goal_of(net, goal) for goal in goals]
    shape = _walks.shape_of(net, size, number)

    def make(index: int, session: _native.Session, out: Array, extra: dict[str, Any]) -> bool:
        return session.visualize(out, resolved[index][0], {**options, **extra})

    walks = _walks.run(net, len(goals), shape, make, _walks.checkpoint_of(resume, is_list), progress, "visualize")
    labels = [text for _, text in resolved]
    return walks.picture(
        "visualize",
        is_batch=is_list or number > 1,
        label=labels if is_list else labels[0],
        params={
            "size": list(shape[2:]),
            "steps": steps,
            "param": param,
            "decorrelate": decorrelate,
            "lr": lr,
            "transforms": transforms,
            "optimizer": optimizer,
            "batch": number,
            "redirect": redirect,
        },
        seed=seed,
        start=start,
    )


def class_model(
    net: Network,
    target: Any,
    *,
    preset: Literal["simonyan", "yosinski1", "yosinski2", "yosinski3", "yosinski4"] = "simonyan",
    size: _walks.Size = None,
    steps: int = 200,
    lr: float | None = None,
    penalty: float = 0.01,
    seed: int = 0,
    resume: Picture | None = None,
    progress: Progress = None,
) -> Picture:
    """The picture that a network takes for the best example of a class.

    ``argmax_I S_c(I) - penalty |I - mean|^2`` with the score before the softmax, from the mean colour on. Simonyan,
    Vedaldi & Zisserman, "Deep Inside Convolutional Networks", 2013, section 2, arXiv:1312.6034; the presets
    ``"yosinski1"`` to ``"yosinski4"`` are the sets of table 2 of Yosinski et al., "Understanding Neural Networks
    Through Deep Visualization", 2015, arXiv:1506.06579: decay, blur, and the removal of pixels of small norm or small
    contribution.

    Parameters
    ----------
    net : Network
    target : int or str, or a list of them
        The class, by number or label. A list gives a picture for each.
    preset : str
    size : int or (int, int), optional
    steps : int
    lr : float
        The root of the mean square change of a step. By default the preset's.
    penalty : float
        Of Simonyan's preset.
    resume : Picture
        Goes on where that one stopped.

    Returns
    -------
    Picture
        ``(H, W, 3)``, or ``(N, H, W, 3)`` for a list.
    """
    start = time.perf_counter()
    _walks.check_net(net)
    code = _walks.choice(preset, "preset", _PRESETS)
    lr = _RATES[preset] if lr is None else lr
    options = {
        "preset": code,
        "steps": _walks.whole(steps, "steps"),
        "rate": _walks.positive(lr, "lr"),
        "penalty": _walks.positive(penalty, "penalty", can_be_zero=True),
        "center": _walks.mean_colour(net),
        "seed": _walks.seed_of(seed),
    }
    is_list = isinstance(target, (list, tuple, np.ndarray))
    classes = [objectives.class_index(net, item) for item in (list(target) if is_list else [target])]
    if not classes:
        raise InvalidArgument("the list of classes is empty")
    shape = _walks.shape_of(net, size)

    def make(index: int, session: _native.Session, out: Array, extra: dict[str, Any]) -> bool:
        return session.class_model(out, [classes[index]], {**options, **extra})

    walks = _walks.run(net, len(classes), shape, make, _walks.checkpoint_of(resume, is_list), progress, "class model")
    labels = [net.label(index) for index in classes]
    return walks.picture(
        "class_model",
        is_batch=is_list,
        label=labels if is_list else labels[0],
        params={"preset": preset, "size": list(shape[2:]), "steps": steps, "lr": lr, "penalty": penalty},
        seed=seed,
        start=start,
    )


def invert(
    net: Network,
    image_or_code: Any,
    layer: str | Sequence[str],
    *,
    alpha: float = 6,
    beta: float = 2,
    steps: int = 400,
    strength: float = 300,
    param: Literal["fft", "pyramid", "pixels", "cppn"] = "fft",
    optimizer: Literal["lbfgs", "adam", "momentum", "gradient"] = "lbfgs",
    lr: float = 0.02,
    size: _walks.Size = None,
    seed: int = 0,
    resume: Picture | None = None,
    progress: Progress = None,
) -> Picture:
    """A picture with the same code at a layer: what is left of a picture there.

    ``argmin |Phi(x) - Phi_0|^2 / |Phi_0|^2 + (|x|^alpha / (H W B^alpha) + TV_beta(x) / (H W V^beta)) / strength``,
    with ``x`` measured from the mean colour. Mahendran & Vedaldi, "Understanding Deep Image Representations by
    Inverting Them", 2015, arXiv:1412.0035; ``B = 80/255`` and ``V = B/6.5`` as in arXiv:1512.02017.

    Parameters
    ----------
    net : Network
    image_or_code
        A picture, or the code itself: a float32 array of the layer's shape, as ``net.activations`` gives it.
    layer : str or list of str
        One layer, ``"logits"`` included; or several, for a picture from each.
    alpha, beta : float
        Of the norm and of the total variation.
    strength : float
        How much the code counts against the two.
    param : {"fft", "pyramid", "pixels", "cppn"}
        What is optimised, as in `visualize`; the papers' pixels need many more steps for coarse structure and colour.
    lr : float
        The step of optimisers other than L-BFGS.
    size : int or (int, int), optional
        Of the picture, where a code is given.
    resume : Picture
        Goes on where that one stopped.

    Returns
    -------
    Picture
        ``(H, W, 3)``, or ``(N, H, W, 3)`` for several layers. ``.history`` is the loss, ``.error`` the relative
        distance of the codes that is left.
    """
    start = time.perf_counter()
    _walks.check_net(net)
    options = {
        "alpha": _walks.positive(alpha, "alpha"),
        "beta": _walks.positive(beta, "beta"),
        "strength": _walks.positive(strength, "strength"),
        "parameterization": _walks.choice(param, "param", _PARAMETERIZATIONS),
        "decorrelates": int(net.preprocess.channels == 3),
        "optimizer": _walks.choice(optimizer, "optimizer", _walks.OPTIMIZERS),
        "rate": _walks.positive(lr, "lr"),
        "steps": _walks.whole(steps, "steps"),
        "center": _walks.mean_colour(net),
        "seed": _walks.seed_of(seed),
    }
    is_list = not isinstance(layer, str)
    names = [net._raw.resolve(name) for name in _walks.names_of(layer, "layer")]
    if not names:
        raise InvalidArgument("the list of layers is empty")
    shape, codes = _codes(net, image_or_code, names, size)

    def make(index: int, session: _native.Session, out: Array, extra: dict[str, Any]) -> bool:
        return session.invert(out, names[index], codes[index], {**options, **extra})

    walks = _walks.run(
        net, len(names), shape, make, _walks.checkpoint_of(resume, is_list), progress, "invert", lowers=True
    )
    picture = walks.picture(
        "invert",
        is_batch=is_list,
        label=names if is_list else names[0],
        params={
            "alpha": alpha,
            "beta": beta,
            "steps": steps,
            "strength": strength,
            "param": param,
            "optimizer": optimizer,
            "lr": lr,
        },
        seed=seed,
        start=start,
    )
    errors = []
    for name, code, found in zip(names, codes, picture._data if is_list else [picture._data], strict=True):
        reached = _walks.codes_at(net, _walks.planes_of(net, found), [name])[0]
        length = float(np.linalg.norm(code))
        errors.append(float(np.linalg.norm(reached.ravel() - code.ravel())) / (length or 1.0))
    picture.error = errors if is_list else errors[0]
    return picture


def _codes(net: Network, given: Any, names: list[str], size: _walks.Size) -> tuple[tuple[int, ...], list[Array]]:
    """The picture's shape, and each layer's code."""
    shape = _walks.shape_of(net, size)
    if isinstance(given, np.ndarray) and np.issubdtype(given.dtype, np.floating) and len(names) == 1:
        with net._seeing().take() as session:
            wanted = tuple(session.shapes(names, [shape])[0])
        came = given.shape
        if came in (wanted, wanted[1:]) and came != shape:
            return shape, [np.ascontiguousarray(given, np.float32).reshape(wanted)]
    if size is not None:
        height, width = shape[2:]
        planes = _walks.resized(_walks.picture_of(net, given, "image_or_code"), (height, width))
    else:
        seen = net.given(given)
        planes = _walks.undone(net, seen.array) if seen.views is None else seen.array
    if len(planes) != 1:
        raise InvalidArgument(f"{len(planes)} pictures came; one at a time is inverted")
    return planes.shape, _walks.codes_at(net, planes, names)
