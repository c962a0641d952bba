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

import operator
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal

import numpy as np

from . import _native, images, objectives, resample
from ._errors import InvalidArgument, NotFound
from ._progress import Progress, reporter
from ._types import Array
from .model import Network
from .pictures import Picture

_PARAMETERIZATIONS = {"pixels": 0, "fft": 1, "pyramid": 2}
_OPTIMIZERS = {"gradient": 0, "momentum": 1, "adam": 2, "lbfgs": 3}
_PRESETS = {"simonyan": 0, "yosinski1": 1, "yosinski2": 2, "yosinski3": 3, "yosinski4": 4}
_LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)  # ITU-R 601
_RATES = {"simonyan": 0.01, "yosinski1": 0.02, "yosinski2": 0.01, "yosinski3": 0.04, "yosinski4": 0.01}

Size = int | tuple[int, int] | None
Report = Callable[[int, int, float], Any] | None


def visualize(
    net: Network,
    objective: Any,
    *,
    size: Size = None,
    steps: int = 512,
    param: Literal["fft", "pyramid", "pixels"] = "fft",
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
    param : {"fft", "pyramid", "pixels"}
        What is optimised: the spectrum, a pyramid of smaller pictures, or pixels.
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
    _check_net(net)
    number = _whole(batch, "batch", 1)
    options = {
        "parameterization": _choice(param, "param", _PARAMETERIZATIONS),
        "decorrelates": int(bool(decorrelate) and net.preprocess.channels == 3),
        "transforms": _choice(transforms, "transforms", {"standard": 1, None: 0}),
        "optimizer": _choice(optimizer, "optimizer", _OPTIMIZERS),
        "rate": _number(lr, "lr"),
        "redirected_steps": _whole(redirect, "redirect"),
        "steps": _whole(steps, "steps"),
        "seed": _seed(seed),
    }
    is_list = isinstance(objective, (list, tuple))
    goals = list(objective) if is_list else [objective]
    if not goals or (is_list and number > 1):
        raise InvalidArgument(
            "the list of objectives is empty" if not goals else "a list has one picture each; batch must be 1"
        )
    resolved = [_goal(net, goal) for goal in goals]
    shape = _shape(net, size, number)

    def make(index: int, session: _native.Session, out: Array, extra: dict[str, Any]) -> bool:
        return session.visualize(out, resolved[index][0], {**options, **extra})

    walks = _walks(net, len(goals), shape, make, _several_checkpoint(resume, is_list), progress, "visualize")
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
    size: Size = None,
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
    _check_net(net)
    code = _choice(preset, "preset", _PRESETS)
    lr = _RATES[preset] if lr is None else lr
    options = {
        "preset": code,
        "steps": _whole(steps, "steps"),
        "rate": _number(lr, "lr"),
        "penalty": _number(penalty, "penalty", can_be_zero=True),
        "center": _center(net),
        "seed": _seed(seed),
    }
    is_list = isinstance(target, (list, tuple, np.ndarray))
    classes = [objectives.class_index(net, item) for item in (list(target) if is_list else [target])]
    if not classes:
        raise InvalidArgument("the list of classes is empty")
    shape = _shape(net, size)

    def make(index: int, session: _native.Session, out: Array, extra: dict[str, Any]) -> bool:
        return session.class_model(out, [classes[index]], {**options, **extra})

    walks = _walks(net, len(classes), shape, make, _several_checkpoint(resume, is_list), progress, "class model")
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
    param: Literal["fft", "pyramid", "pixels"] = "fft",
    optimizer: Literal["lbfgs", "adam", "momentum", "gradient"] = "lbfgs",
    lr: float = 0.02,
    size: Size = None,
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
    param : {"fft", "pyramid", "pixels"}
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
    _check_net(net)
    options = {
        "alpha": _number(alpha, "alpha"),
        "beta": _number(beta, "beta"),
        "strength": _number(strength, "strength"),
        "parameterization": _choice(param, "param", _PARAMETERIZATIONS),
        "decorrelates": int(net.preprocess.channels == 3),
        "optimizer": _choice(optimizer, "optimizer", _OPTIMIZERS),
        "rate": _number(lr, "lr"),
        "steps": _whole(steps, "steps"),
        "center": _center(net),
        "seed": _seed(seed),
    }
    is_list = not isinstance(layer, str)
    names = [net._raw.resolve(name) for name in _layer_names(layer, "layer")]
    if not names:
        raise InvalidArgument("the list of layers is empty")
    shape, codes = _codes(net, image_or_code, names, size)

    def make(index: int, session: _native.Session, out: Array, extra: dict[str, Any]) -> bool:
        return session.invert(out, names[index], codes[index], {**options, **extra})

    walks = _walks(net, len(names), shape, make, _several_checkpoint(resume, is_list), progress, "invert", lowers=True)
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
        reached = _activations(net, _planes(net, found), [name])[0]
        length = float(np.linalg.norm(code))
        errors.append(float(np.linalg.norm(reached.ravel() - code.ravel())) / (length or 1.0))
    picture.error = errors if is_list else errors[0]
    return picture


def deepdream(
    net: Network,
    image: Any,
    layer_or_objective: Any,
    *,
    steps: int = 10,
    octaves: int = 4,
    octave_scale: float = 1.4,
    step_size: float = 1.5,
    jitter: int = 32,
    guide: Any = None,
    clip: bool = True,
    size: int | None = None,
    seed: int = 0,
    progress: Progress = None,
) -> Picture:
    """What a network begins to see in a picture, made stronger.

    Mordvintsev, Olah & Tyka, "Inceptionism: Going Deeper into Neural Networks", 2015, with the numbers of their
    notebook: from coarse to fine, the picture is rolled by a random number of pixels, moved along the gradient
    divided by its mean absolute value, and rolled back; the detail invented at one size is enlarged and carried to
    the next.

    Parameters
    ----------
    net : Network
    image
        The picture to begin with. It keeps its size, so the network must take any, up to the layer at least.
    layer_or_objective
        The name of a layer, whose energy is raised; or an objective, as in `visualize`.
    steps : int
        Of each octave.
    octaves : int
        How many sizes, each ``octave_scale`` times the one before.
    step_size : float
        The mean change of a pixel in one step, in units of 1/255.
    jitter : int
        The most pixels the picture is rolled by.
    guide
        A picture: each place becomes more like the place of the guide that it resembles most at the layer.
    clip : bool
        Whether colours stay in [0, 1] all the way.
    size : int, optional
        The longer side the picture is first resized to.

    Returns
    -------
    Picture
        Of the size of ``image``, or of ``size``.
    """
    start = time.perf_counter()
    _check_net(net)
    options = {
        "steps": _whole(steps, "steps"),
        "octaves": _whole(octaves, "octaves", 1),
        "octave_scale": _number(octave_scale, "octave_scale"),
        "step_size": _number(step_size, "step_size") / 255,
        "jitter": _whole(jitter, "jitter"),
        "is_clamped": int(bool(clip)),
        "seed": _seed(seed),
    }
    if octave_scale <= 1:
        raise InvalidArgument(f"octave_scale is {octave_scale}; it must be above 1")
    planes = _picture(net, image, "image")
    if size is not None:
        planes = _resized(planes, _longer_side(planes, _whole(size, "size", 1)))
    goal, text = _dream_goal(net, layer_or_objective, guide)

    def make(index: int, session: _native.Session, out: Array, extra: dict[str, Any]) -> bool:
        return session.deepdream(out, planes, goal, {**options, **extra})

    walks = _walks(net, 1, planes.shape, make, None, progress, "deepdream", resumes=False)
    return walks.picture(
        "deepdream",
        is_batch=False,
        label=text,
        params={
            "steps": steps,
            "octaves": octaves,
            "octave_scale": octave_scale,
            "step_size": step_size,
            "jitter": jitter,
            "guide": guide is not None,
            "clip": clip,
            "size": size,
        },
        seed=seed,
        start=start,
    )


def dream_zoom(
    net: Network, image: Any, layer_or_objective: Any, *, frames: int = 24, zoom: float = 1.05, **options: Any
) -> Iterator[Picture]:
    """Dreams of dreams: each frame is the one before, seen a little closer and dreamt on.

    Parameters
    ----------
    net, image, layer_or_objective, **options
        As for `deepdream`.
    frames : int
        How many.
    zoom : float
        How much closer each frame is.

    Yields
    ------
    Picture
        All of one size.
    """
    number, factor = _whole(frames, "frames", 1), _number(zoom, "zoom")
    if factor < 1:
        raise InvalidArgument(f"zoom is {zoom}; it must be at least 1")
    current: Any = image
    for index in range(number):
        frame = deepdream(net, current, layer_or_objective, **options)
        yield frame
        if not frame.is_complete:
            return
        options = {**options, "seed": options.get("seed", 0) + index + 1, "size": None}
        current = _closer(np.asarray(frame), factor)


def style_transfer(
    net: Network,
    content: Any,
    style: Any,
    *,
    content_layers: Sequence[str] | str,
    style_layers: Sequence[str] | str,
    content_weight: float = 5.0,
    style_weight: float = 100.0,
    tv_weight: float = 1e-3,
    num_iterations: int = 1000,
    image_size: int | tuple[int, int] = 512,
    init: Any = "random",
    optimizer: Literal["lbfgs", "adam"] = "lbfgs",
    learning_rate: float = 10,
    style_scale: float = 1.0,
    style_blend_weights: Sequence[float] | None = None,
    style_masks: Sequence[Any] | None = None,
    original_colors: bool = False,
    scales: Sequence[int] | None = None,
    seed: int = 0,
    resume: Picture | None = None,
    progress: Progress = None,
) -> Picture:
    """The content of one picture in the style of others.

    Gatys, Ecker & Bethge, "Image Style Transfer Using Convolutional Neural Networks", 2016. Options and weights are
    those of Johnson's neural-style; the weights are made for VGG networks that see colours in 0...255.

    Parameters
    ----------
    net : Network
        One that takes any size, up to its deepest layer named here.
    content, style
        Pictures. ``style`` may be a list; ``content`` None makes a texture.
    content_layers, style_layers
        Names of layers: ``["block4_conv2"]``, and the first of each block, say.
    content_weight, style_weight, tv_weight : float
        Of the losses; the total variation counts colours in 0...255.
    num_iterations : int
        At each scale.
    image_size : int
        The longer side of the result; without content its side, or ``(height, width)``.
    init : "random", "image" or a picture
        Noise, the content, or something else to begin with.
    optimizer : {"lbfgs", "adam"}
    learning_rate : float
        Of Adam, in units of 1/255.
    style_scale : float
        The longer side of the styles, over that of the result.
    style_blend_weights : list of float
        One for each style.
    style_masks : list of arrays
        One for each style, ``(H, W)`` in [0, 1], of any size, or None: where in the result it counts.
    original_colors : bool
        Whether the result takes its brightness alone, and its colours from the content.
    scales : list of int
        Longer sides to work at, from coarse to fine; the last should be ``image_size``.
    resume : Picture
        Goes on where that one stopped.

    Returns
    -------
    Picture
        ``.history`` is the loss.
    """
    start = time.perf_counter()
    _check_net(net)
    photo = None if content is None else _picture(net, content, "content")
    styles = [_picture(net, item, "style") for item in (style if isinstance(style, (list, tuple)) else [style])]
    if not styles:
        raise InvalidArgument("the list of styles is empty")
    if photo is None:
        height, width = _sides(image_size, "image_size")
    else:
        height, width = _longer_side(photo, _whole(image_size, "image_size", 1))
    options: dict[str, Any] = {
        "optimizer": _choice(optimizer, "optimizer", {"lbfgs": 3, "adam": 2}),
        "steps": _whole(num_iterations, "num_iterations"),
        "seed": _seed(seed),
        "content_weight": _number(content_weight, "content_weight", can_be_zero=True),
        "style_weight": _number(style_weight, "style_weight", can_be_zero=True),
        "tv_weight": _number(tv_weight, "tv_weight", can_be_zero=True),
        "rate": _number(learning_rate, "learning_rate") / 255,
        "style_scale": _number(style_scale, "style_scale"),
        "center": _center(net),
        "content_layers": [net._raw.resolve(name) for name in _layer_names(content_layers, "content_layers")],
        "style_layers": [net._raw.resolve(name) for name in _layer_names(style_layers, "style_layers")],
        "blend_weights": None if style_blend_weights is None else [float(number) for number in style_blend_weights],
    }
    if style_masks is not None:
        options["masks"] = [_mask(mask) for mask in style_masks]
    if scales is not None:
        sides = [_whole(side, "scales", 1) for side in scales]
        if not sides or sides != sorted(sides):
            raise InvalidArgument(f"scales is {scales!r}; it must be sides from coarse to fine")
        options["scales"] = [side / max(height, width) for side in sides]
    if isinstance(init, str):
        if init not in ("random", "image") or (init == "image" and photo is None):
            raise InvalidArgument(f"init is {init!r}; it must be 'random', 'image' (the content) or a picture")
        if init == "image":
            options["start"] = photo
    else:
        options["start"] = _picture(net, init, "init")

    def make(index: int, session: _native.Session, out: Array, extra: dict[str, Any]) -> bool:
        return session.style_transfer(out, photo, styles, {**options, **extra})

    method = "texture" if photo is None else "style_transfer"
    shape = (1, net.preprocess.channels, height, width)
    walks = _walks(net, 1, shape, make, _several_checkpoint(resume, False), progress, "style", lowers=True)
    picture = walks.picture(
        method,
        is_batch=False,
        label=", ".join(options["style_layers"]),
        params={key: value for key, value in options.items() if key not in ("masks", "start", "seed")},
        seed=seed,
        start=start,
    )
    if original_colors and photo is not None:
        colours = _resized(photo, (height, width))[0].transpose(1, 2, 0)
        change = (picture._data - np.broadcast_to(colours, picture.shape)) @ _LUMA
        picture._data = np.clip(colours + change[:, :, None], 0, 1).astype(np.float32)
    return picture


def texture(
    net: Network,
    style: Any,
    *,
    layers: Sequence[str] | str,
    size: int | tuple[int, int] = 256,
    num_iterations: int = 1000,
    style_weight: float = 100.0,
    tv_weight: float = 0.0,
    optimizer: Literal["lbfgs", "adam"] = "lbfgs",
    learning_rate: float = 10,
    style_scale: float = 1.0,
    scales: Sequence[int] | None = None,
    seed: int = 0,
    resume: Picture | None = None,
    progress: Progress = None,
) -> Picture:
    """A picture with the texture of another, from noise.

    Gatys, Ecker & Bethge, "Texture Synthesis Using Convolutional Neural Networks", 2015. arXiv:1505.07376. Parameters
    as for `style_transfer`.
    """
    return style_transfer(
        net,
        None,
        style,
        content_layers=(),
        style_layers=layers,
        content_weight=0.0,
        style_weight=style_weight,
        tv_weight=tv_weight,
        num_iterations=num_iterations,
        image_size=size,
        optimizer=optimizer,
        learning_rate=learning_rate,
        style_scale=style_scale,
        scales=scales,
        seed=seed,
        resume=resume,
        progress=progress,
    )


# ---- walks


class _Walks:
    """What one or several walks gave."""

    def __init__(self, net: Network, lowers: bool) -> None:
        self.net = net
        self.sign = np.float32(-1 if lowers else 1)
        self.results: list[Array] = []
        self.histories: list[Array] = []
        self.checkpoints: list[bytes] = []
        self.is_complete = True

    def picture(
        self, method: str, *, is_batch: bool, label: Any, params: dict[str, Any], seed: int, start: float
    ) -> Picture:
        planes = np.concatenate(self.results)
        data = np.broadcast_to(planes, (len(planes), 3, *planes.shape[2:])).transpose(0, 2, 3, 1)
        longest = max(len(history) for history in self.histories)
        histories = np.full((len(self.histories), longest), np.nan, np.float32)
        for row, history in zip(histories, self.histories, strict=True):
            row[: len(history)] = self.sign * history
        is_single = len(self.histories) == 1
        return Picture(
            data if is_batch else data[0],
            method=method,
            network=self.net.name,
            label=label,
            history=histories[0] if is_single else histories,
            is_complete=self.is_complete,
            params=params,
            seed=int(seed),
            seconds=time.perf_counter() - start,
            checkpoint=self.checkpoints[0] if is_single and self.checkpoints else None,
        )


def _walks(
    net: Network,
    count: int,
    shape: tuple[int, ...],
    make: Callable[[int, _native.Session, Array, dict[str, Any]], bool],
    checkpoint: bytes | None,
    progress: Progress,
    what: str,
    *,
    lowers: bool = False,
    resumes: bool = True,
) -> _Walks:
    walks = _Walks(net, lowers)
    with reporter(progress, what) as report, net._seeing().take() as session:
        for index in range(count):
            out = np.empty(shape, np.float32)
            extra: dict[str, Any] = {"progress": _part(report, index, count, lowers)}
            if checkpoint is not None:
                extra["checkpoint"] = checkpoint
            # What was not begun stays grey.
            if not walks.is_complete:
                out[:] = 0.5
                walks.results.append(out)
                walks.histories.append(np.empty(0, np.float32))
                continue
            walks.is_complete = make(index, session, out, extra)
            walks.results.append(out)
            walks.histories.append(np.frombuffer(session.history(), np.float32))
            if resumes:
                walks.checkpoints.append(session.checkpoint())
    return walks


def _part(report: Report, index: int, count: int, lowers: bool) -> Report:
    if report is None:
        return None
    sign = -1.0 if lowers else 1.0
    return lambda step, steps, value: report(index * steps + step, count * steps, sign * value)


def _several_checkpoint(resume: Picture | None, is_list: bool) -> bytes | None:
    if resume is None:
        return None
    if not isinstance(resume, Picture) or resume.checkpoint is None or is_list:
        raise InvalidArgument("resume must be one Picture that the same function made, and only one can be made then")
    return resume.checkpoint


# ---- what is asked for


def _goal(net: Network, goal: Any) -> tuple[_native.Objective | None, str]:
    if goal is None:
        raise InvalidArgument("the objective is None; name a class, a channel such as 'conv5:12', or an Objective")
    resolved = objectives.resolve(net, goal, 1)
    if resolved.objective is not None:
        return resolved.native, repr(resolved.objective)
    return resolved.native, net.label((resolved.classes or [0])[0])


def _dream_goal(net: Network, target: Any, guide: Any) -> tuple[_native.Objective | None, str]:
    layer = None
    if isinstance(target, str):
        try:
            layer = net._raw.resolve(target)
        except NotFound:
            if ":" not in target and target not in net.labels:
                raise
    if guide is None:
        return _goal(net, objectives.layer(layer) if layer is not None else target)
    if layer is None:
        raise InvalidArgument(f"guide came with {target!r}; a guide needs the name of a layer with maps")
    code = net.activations(guide, layer)[layer]
    if code.ndim != 4 or len(code) != 1:
        raise InvalidArgument(
            f"'{layer}' is {code.shape} for the guide; a guide is one picture and needs a layer with maps"
        )
    return _native.guide(layer, code), f"{layer}, guided"


def _codes(net: Network, given: Any, names: list[str], size: Size) -> tuple[tuple[int, ...], list[Array]]:
    """The picture's shape, and each layer's code."""
    shape = _shape(net, size)
    if isinstance(given, np.ndarray) and np.issubdtype(given.dtype, np.floating) and len(names) == 1:
        with net._seeing().take() as session:
            wanted = tuple(session.shapes(names, [shape])[0])
        came = given.shape
        if came in (wanted, wanted[1:]) and came != shape:
            return shape, [np.ascontiguousarray(given, np.float32).reshape(wanted)]
    if size is not None:
        height, width = shape[2:]
        planes = _resized(_picture(net, given, "image_or_code"), (height, width))
    else:
        seen = net.given(given)
        planes = _undone(net, seen.array) if seen.views is None else seen.array
    if len(planes) != 1:
        raise InvalidArgument(f"{len(planes)} pictures came; one at a time is inverted")
    return planes.shape, _activations(net, planes, names)


def _activations(net: Network, planes: Array, names: list[str]) -> list[Array]:
    found = net._run(net._seeing(), [planes], names)
    return [found[name] for name in names]


def _picture(net: Network, given: Any, name: str) -> Array:
    """``(1, C, H, W)`` in [0, 1], at the picture's own size."""
    if isinstance(given, Picture):
        given = np.asarray(given)
    if isinstance(given, (list, tuple)):
        raise InvalidArgument(f"{name} is a list; one picture is wanted")
    if isinstance(given, np.ndarray) and given.ndim == 4 and given.dtype == np.float32 and len(given) == 1:
        return _undone(net, given)
    colour = images.read(given).colour
    return np.ascontiguousarray(
        colour[None] if net.preprocess.channels == 3 else np.tensordot(_LUMA, colour, 1)[None, None]
    )


def _undone(net: Network, raw: Array) -> Array:
    """A network's own input as the picture it came from."""
    steps = net.preprocess
    mean, std = (np.array(numbers, np.float32)[:, None, None] for numbers in (steps.mean, steps.std))
    planes = (raw * std + mean) / np.float32(steps.scale)
    if planes.shape[1] != steps.channels or planes.min() < -0.01 or planes.max() > 1.01:
        raise InvalidArgument(
            f"the raw input {raw.shape} is no picture under {steps}: it becomes {planes.min():.2f}...{planes.max():.2f}"
        )
    return np.ascontiguousarray(np.clip(planes[:, ::-1] if steps.order == "BGR" else planes, 0, 1), np.float32)


def _planes(net: Network, picture: Array) -> Array:
    planes = picture.transpose(2, 0, 1)[None]
    return np.ascontiguousarray(planes if net.preprocess.channels == 3 else planes[:, :1])


def _closer(picture: Array, factor: float) -> Array:
    """The middle of ``(H, W, 3)`` at the size of the whole."""
    sides = []
    for count in picture.shape[:2]:
        # A window of the enlarged axis.
        size = max(count, round(count * factor))
        first = (size - count) // 2
        sides.append(resample.matrix(count, size, first, first + count))
    rows, columns = sides
    seen: Array = np.einsum("yi,ijc,xj->yxc", rows, picture, columns, optimize=True)
    return np.clip(seen, 0, 1).astype(np.float32)


def _resized(planes: Array, sides: tuple[int, int]) -> Array:
    height, width = planes.shape[2:]
    if (height, width) == sides:
        return planes
    rows, columns = (resample.matrix(old, new, 0, new) for old, new in zip((height, width), sides, strict=True))
    return np.ascontiguousarray(np.clip(rows @ planes @ columns.T, 0, 1), np.float32)


def _longer_side(planes: Array, side: int) -> tuple[int, int]:
    height, width = planes.shape[2:]
    return max(1, round(height * side / max(height, width))), max(1, round(width * side / max(height, width)))


def _mask(mask: Any) -> Array:
    if mask is None:
        return np.ones((1, 1, 1, 1), np.float32)
    weights = np.asarray(mask, np.float32)
    if weights.ndim != 2 or weights.size == 0 or not np.isfinite(weights).all() or weights.min() < 0:
        raise InvalidArgument(f"a mask of shape {weights.shape} came; masks are (H, W), in [0, 1]")
    return np.ascontiguousarray(weights[None, None])


# ---- numbers


def _check_net(net: Any) -> None:
    if not isinstance(net, Network):
        raise InvalidArgument(f"net is a {type(net).__name__}; it must be a Network, from cl.load")
    if len(net.input_shape) != 4:
        raise InvalidArgument(f"'{net.name}' takes {net.input_shape}, no pictures")


def _center(net: Network) -> list[float]:
    """The mean colour in [0, 1], red first."""
    steps = net.preprocess
    mean = [min(max(number / steps.scale, 0.0), 1.0) for number in steps.mean]
    if len(mean) == 1:
        return mean * 3
    return mean[::-1] if steps.order == "BGR" else mean


def _shape(net: Network, size: Size, number: int = 1) -> tuple[int, int, int, int]:
    height, width = net._default_shape(next(iter(net.inputs)))[2:] if size is None else _sides(size, "size")
    return number, net.preprocess.channels, height, width


def _sides(size: Any, name: str) -> tuple[int, int]:
    sides = tuple(size) if isinstance(size, (tuple, list)) else (size, size)
    if len(sides) != 2:
        raise InvalidArgument(f"{name} is {size!r}; it must be a whole number or (height, width)")
    return _whole(sides[0], name, 1), _whole(sides[1], name, 1)


def _whole(value: Any, name: str, least: int = 0) -> int:
    try:
        if isinstance(value, (bool, np.bool_)):
            raise TypeError
        number = operator.index(value)
    except TypeError:
        raise InvalidArgument(f"{name} is {value!r}; it must be a whole number from {least} on") from None
    if not least <= number <= 10**9:
        raise InvalidArgument(f"{name} is {number}; it must be a whole number from {least} on, up to a billion")
    return number


def _seed(value: Any) -> int:
    try:
        number = operator.index(value)
    except TypeError:
        raise InvalidArgument(f"seed is {value!r}; it must be a whole number") from None
    if not 0 <= number < 2**64:
        raise InvalidArgument(f"seed is {number}; it must be 0 to 2**64 - 1")
    return number


def _number(value: Any, name: str, *, can_be_zero: bool = False) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise InvalidArgument(f"{name} is {value!r}; it must be a number") from None
    if not (np.isfinite(number) and (number > 0 or (can_be_zero and number == 0))):
        allowed = "from 0 on" if can_be_zero else "above 0"
        raise InvalidArgument(f"{name} is {value!r}; it must be a finite number {allowed}")
    return number


def _choice(value: Any, name: str, allowed: dict[Any, int]) -> int:
    if not isinstance(value, (str, type(None))) or value not in allowed:
        words = ", ".join(repr(word) for word in allowed)
        raise InvalidArgument(f"{name} is {value!r}; it must be one of {words}")
    return allowed[value]


def _layer_names(names: Sequence[str] | str, what: str) -> list[str]:
    found: list[Any] = list(names) if isinstance(names, (list, tuple)) else [names]
    if not all(isinstance(name, str) for name in found):
        raise InvalidArgument(f"{what} is {names!r}; it must be a name or a list of names")
    return found
