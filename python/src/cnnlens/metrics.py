# SPDX-License-Identifier: Apache-2.0
"""Are the maps right? Measures by which a method can be found wanting.

A *method* is a function of this package, or any ``method(net, x, target)`` that gives a map; a *map* is what it gave,
or an array of the network's input size. Targets are classes. None of the measures says that a map is good; each can
say that it is not.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeAlias

import numpy as np

from . import imputation, objectives, objects, similarity
from ._attribute import Question, asked, choice, real, whole
from ._errors import InvalidArgument
from ._progress import Progress, reporter
from ._types import AnyArray, Array
from .explain import known_methods
from .maps import Map
from .model import Network
from .segments import Hide, SegmentMap, hidden

Method: TypeAlias = str | Callable[..., Any]
Similarity: TypeAlias = Literal["rank", "ssim", "hog"]

_BATCH = 16


# ---- curves


@dataclasses.dataclass
class Curve:
    """The probability of the target as more and more pixels change. ``float(curve)`` is the area under it.

    Attributes
    ----------
    name : str
    fractions : ndarray
        The part of the pixels that has changed, ``(S,)``.
    scores : ndarray
        ``(S,)`` for one picture, ``(N, S)`` for a batch.
    auc : float or ndarray
        The area under it by the trapezoidal rule, over fractions that are scaled to end at 1; one per image for a
        batch.
    """

    name: str
    fractions: Array
    scores: Array
    auc: Any

    def __float__(self) -> float:
        return float(np.mean(self.auc))

    def __repr__(self) -> str:
        return f"<cnnlens.Curve {self.name}: {len(self.fractions)} steps, area {float(self):.4f}>"


def _curve(name: str, question: Question, fractions: AnyArray, scores: AnyArray) -> Curve:
    widths = np.diff(fractions) / (fractions[-1] - fractions[0])
    areas = (widths * (scores[:, 1:] + scores[:, :-1]) / 2).sum(1)
    is_single = question.given.is_single
    return Curve(
        name,
        fractions.astype(np.float32),
        (scores[0] if is_single else scores).astype(np.float32),
        float(areas[0]) if is_single else areas,
    )


def deletion(
    net: Network,
    x: Any,
    map: Any,
    target: Any = None,
    *,
    steps: int = 50,
    fill: Hide = 0.0,
    progress: Progress = None,
) -> Curve:
    """How the probability falls as pixels are hidden, the most important first. Small areas are good.

    Petsiuk, Das & Saenko, "RISE", 2018, section 4.2, algorithm 1. arXiv:1806.07421

    Parameters
    ----------
    net : Network
    x
        A picture, a list of them, or a raw float32 array ``(N, C, H, W)``.
    map
        A `Map` or an array, ``(H, W)`` or ``(N, H, W)``; channels are summed.
    target
        A class; ``None``: the map's, or the class with the highest score.
    steps : int
        How many times pixels are hidden.
    fill
        What a hidden pixel shows: a number in units of the input (the paper's 0), ``"mean"``, ``"blur"`` (a Gaussian of
        10 pixels), or another picture.
    progress
        ``None``: a line in the terminal where it takes more than 2 seconds; True or False; or a function
        ``(step, steps, value)`` called with the number of pictures done, where False as its answer stops.

    Returns
    -------
    Curve

    Raises
    ------
    InvalidArgument
        For options that are not possible.
    Cancelled
        Where ``progress`` stopped it.
    """
    return _replaced("deletion", net, x, map, target, steps, fill, progress)


def insertion(
    net: Network,
    x: Any,
    map: Any,
    target: Any = None,
    *,
    steps: int = 50,
    fill: Hide = "blur",
    progress: Progress = None,
) -> Curve:
    """How the probability rises as pixels are shown, the most important first. Large areas are good.

    Petsiuk, Das & Saenko, "RISE", 2018, section 4.2. arXiv:1806.07421. Parameters as for `deletion`; ``fill`` is what
    the picture shows before, in the paper out of focus.
    """
    return _replaced("insertion", net, x, map, target, steps, fill, progress)


def _replaced(
    name: str, net: Network, x: Any, map: Any, target: Any, steps: int, fill: Hide, progress: Progress
) -> Curve:
    question, classes = _question(net, x, map, target)
    count, _, height, width = question.shape
    # Places, which floats hold exactly, the first the largest: two of the map's values may be one float.
    places = np.empty((count, height * width), np.float32)
    for row, order in zip(places, _order(question, map)):
        row[order] = np.arange(len(order), 0, -1)
    options = {
        "map": places.reshape(count, height, width),
        "steps": whole(steps, "steps", 1, 2**31),
        "fractions": np.empty(min(steps, height * width) + 1, np.float32),
        **hidden(question, fill, {"mean": 1, "blur": 2}),
    }
    scores = np.empty((count, len(options["fractions"])), np.float32)
    goal = objectives.resolve(net, objectives.prob([int(index) for index in classes]), count)
    with reporter(progress, name) as report, question.given.sessions.take() as session:
        dataclasses.replace(question, goal=goal).call(session, name, scores, options, report)
    return _curve(name, question, options["fractions"].astype(np.float64), scores.astype(np.float64))


def road(
    net: Network,
    x: Any,
    map: Any,
    target: Any = None,
    *,
    order: Literal["most", "least", "combined"] = "most",
    percentiles: Sequence[float] = (10, 20, 30, 40, 50, 70, 90),
    noise: float = 0.01,
    seed: int = 0,
) -> Curve:
    """ROAD: how the probability changes as pixels are removed and painted over from their neighbours.

    Rong, Leemann, Borisov, Kasneci & Kasneci, "A Consistent and Efficient Evaluation Strategy for Attribution Methods",
    2022, section 4. arXiv:2202.00449

    A removed pixel is the mean of its eight neighbours (1/6 beside, 1/12 across), removed ones included, which is a
    sparse system of equations, plus noise: unlike black it does not tell where pixels were removed.

    Parameters
    ----------
    net, x, map, target
        As for `deletion`.
    order
        ``"most"`` important first (small areas are good), ``"least"`` (large ones are), or ``"combined"``: half of the
        second less the first, with the picture's own score cancelling (large areas are good).
    percentiles
        Percentages of the pixels that are removed, rising, between 0 and 100.
    noise : float
        Its standard deviation, in units of the input.
    seed : int

    Returns
    -------
    Curve
        At the fractions of ``percentiles``.
    """
    question, classes = _question(net, x, map, target)
    choice(order, "order", ("most", "least", "combined"))
    noise = real(noise, "noise", 0.0)
    parts = np.asarray(percentiles, dtype=float)
    if parts.ndim != 1 or len(parts) < 2 or not ((parts > 0) & (parts < 100)).all() or (np.diff(parts) <= 0).any():
        raise InvalidArgument(
            f"percentiles is {percentiles!r}; it must be two or more rising numbers between 0 and 100"
        )
    ranked, area = _order(question, map), question.shape[2] * question.shape[3]
    counts = np.round(parts / 100 * area).astype(int)
    directions = {"most": [1], "least": [-1], "combined": [-1, 1]}[order]
    runs = np.empty((len(directions), len(ranked), len(counts)))
    for place, direction in enumerate(directions):
        for n in range(len(ranked)):
            random = np.random.default_rng(whole(seed, "seed", 0))

            def picture(index: int, n: int = n, direction: int = direction, random: Any = random) -> Array:
                removed = np.zeros(area, bool)
                removed[ranked[n][::direction][: counts[index]]] = True
                removed = removed.reshape(question.shape[2:])
                return imputation.noisy_linear(question.given.array[n], removed, noise, random)

            runs[place, n] = _probabilities(question, len(counts), picture, classes[n])
    scores = runs[0] if len(runs) == 1 else (runs[0] - runs[1]) / 2
    return _curve(f"road ({order})", question, parts / 100, scores)


# ---- numbers


def completeness(net: Network, x: Any, map: Any, target: Any = None, *, baseline: Hide = 0.0) -> Any:
    """The gap: sum of the map - (score(x) - score(baseline)), in units of the score. 0 for complete methods.

    Sundararajan, Taly & Yan, "Axiomatic Attribution for Deep Networks", 2017, proposition 1. arXiv:1703.01365

    Parameters
    ----------
    net, x, map, target
        As for `deletion`. Each segment of a `SegmentMap` counts once.
    baseline
        What the map starts from: a number, ``"mean"``, ``"blur"``, or another picture.

    Returns
    -------
    float, or ndarray ``(N,)`` for a batch
    """
    question, classes = _question(net, x, map, target)
    if isinstance(map, SegmentMap):
        sums = np.array([float(np.sum(weights, dtype=np.float64)) for weights in map._every[1]])
    else:
        sums = _values(question, map).sum(axis=(1, 2, 3), dtype=np.float64)
    pictures = [question.given.array, _filled(question, baseline)]
    after, before = (_logits(question, array)[np.arange(len(classes)), classes] for array in pictures)
    gaps = sums - (after.astype(np.float64) - before)
    return float(gaps[0]) if question.given.is_single else gaps


def infidelity(
    net: Network,
    x: Any,
    map: Any,
    target: Any = None,
    *,
    noise: float = 0.1,
    samples: int = 100,
    is_contribution: bool = False,
    normalize: bool = False,
    seed: int = 0,
) -> Any:
    """Infidelity: E[(I·map - (score(x) - score(x - I)))²], how far the map is from saying what changes do.

    Yeh, Hsieh, Suggala, Inouye & Ravikumar, "On the (In)fidelity and Sensitivity of Explanations", 2019, definition
    2.1. arXiv:1901.09392

    Parameters
    ----------
    net, x, map, target
        As for `deletion`; a map with channels (``reduce=None``) meets changes of each channel, one without changes
        that are the same in all.
    noise : float
        The standard deviation of I, normal, in units of the input.
    samples : int
    is_contribution : bool
        False: the map is per unit of input, like a signed gradient. True: it is the change that x makes against 0, like
        gradient times input, and is divided by x first.
    normalize : bool
        Whether the map is scaled by the factor that suits it best first, so that units do not matter.
    seed : int

    Returns
    -------
    float, or ndarray ``(N,)`` for a batch
        In squared units of the score. 0 is best.
    """
    question, classes = _question(net, x, map, target)
    noise, samples = real(noise, "noise", 0.0), whole(samples, "samples", 1)
    array, values = question.given.array, _values(question, map).astype(np.float64)
    if is_contribution:
        shown = array if values.shape[1] > 1 or array.shape[1] == 1 else array.mean(1, keepdims=True)
        values = np.divide(values, shown, out=np.zeros_like(values), where=shown != 0)
    score = _logits(question, array)[np.arange(len(classes)), classes].astype(np.float64)
    results = np.empty(len(array))
    for n in range(len(array)):
        random = np.random.default_rng(whole(seed, "seed", 0))
        predicted, actual = np.empty(samples), np.empty(samples)
        for first in range(0, samples, _BATCH):
            count = min(_BATCH, samples - first)
            change = noise * random.standard_normal((count, *values.shape[1:])).astype(np.float32)
            moved = _logits(question, array[n] - change)[:, classes[n]].astype(np.float64)
            actual[first : first + count] = score[n] - moved
            predicted[first : first + count] = (change * values[n]).sum(axis=(1, 2, 3))
        if normalize:
            power = float((predicted**2).mean())
            predicted *= float((predicted * actual).mean()) / power if power > 0 else 0.0
        results[n] = float(((predicted - actual) ** 2).mean())
    return float(results[0]) if question.given.is_single else results


def max_sensitivity(
    net: Network,
    x: Any,
    method: Method,
    target: Any = None,
    *,
    radius: float = 0.02,
    samples: int = 10,
    seed: int = 0,
    **options: Any,
) -> Any:
    """How far a map moves when the picture hardly does: max over changes of |map(x + d) - map(x)| / |map(x)|.

    Yeh et al., "On the (In)fidelity and Sensitivity of Explanations", 2019, definition 4.1. arXiv:1901.09392

    Parameters
    ----------
    net, x, target
        As for `deletion`; the class is kept through all changes.
    method
        A name or a function ``method(net, x, target, **options)``.
    radius : float
        Changes are uniform in ``[-radius, radius]``, in units of the input.
    samples : int
    seed : int

    Returns
    -------
    float, or ndarray ``(N,)`` for a batch
        0 is best.
    """
    question, classes = _question(net, x, None, target)
    radius, samples = real(radius, "radius", 0.0), whole(samples, "samples", 1)
    explain, goal = function(method), [int(index) for index in classes]
    base = np.asarray(explain(net, question.given, goal, **options), np.float64).reshape(len(goal), -1)
    sizes, worst = np.linalg.norm(base, axis=1), np.zeros(len(goal))
    random = np.random.default_rng(whole(seed, "seed", 0))
    for _ in range(samples):
        # One change for all images, so that each has the same whatever the batch.
        change = random.uniform(-radius, radius, question.shape[1:]).astype(np.float32)
        moved = dataclasses.replace(question.given, array=question.given.array + change)
        other = np.asarray(explain(net, moved, goal, **options), np.float64).reshape(base.shape)
        distance = np.linalg.norm(other - base, axis=1)
        ratios = np.divide(distance, sizes, out=np.where(distance > 0, np.inf, 0.0), where=sizes > 0)
        worst = np.maximum(worst, ratios)
    return float(worst[0]) if question.given.is_single else worst


def pointing_game(map: Any, where: Any, *, tolerance: float = 15.0) -> Any:
    """Whether the largest value of a map lies on the object.

    Zhang, Lin, Brandt, Shen & Sclaroff, "Top-down Neural Attention by Excitation Backprop", 2016, section 4.1.
    arXiv:1608.00507

    Parameters
    ----------
    map
        A `Map` or an array, ``(H, W)``, or ``(N, H, W)`` for a batch.
    where
        Where the object is: a mask ``(H, W)``, or a box or list of boxes ``(x0, y0, x1, y1)`` in pixels of the map, the
        last row and column not included. For a batch a list with one of these per image.
    tolerance : float
        In pixels: so near to the object counts too.

    Returns
    -------
    bool, or ndarray ``(N,)`` of bool for a batch
    """
    values = objects.plain(map)
    tolerance = real(tolerance, "tolerance", 0.0)
    if values.ndim == 2:
        return _hits(values, where, tolerance)
    if len(where) != len(values):
        raise InvalidArgument(f"where has {len(where)} entries for {len(values)} maps; it needs one for each")
    return np.array([_hits(part, place, tolerance) for part, place in zip(values, where)])


def _hits(values: AnyArray, where: Any, tolerance: float) -> bool:
    y, x = np.unravel_index(int(np.argmax(values)), values.shape)
    mask = np.asarray(where)
    if mask.shape == values.shape:
        rows, columns = np.nonzero(mask)
        if not len(rows):
            raise InvalidArgument("the mask is empty; it must be true where the object is")
        return bool(((rows - y) ** 2 + (columns - x) ** 2).min() <= tolerance**2)
    boxes = np.atleast_2d(mask)
    if boxes.ndim != 2 or boxes.shape[1] not in (4, 5) or not len(boxes):
        raise InvalidArgument(
            f"where has shape {mask.shape}; it must be a mask {values.shape}, or boxes (x0, y0, x1, y1)"
        )
    beside = np.maximum(np.maximum(boxes[:, 0] - x, x - (boxes[:, 2] - 1)), 0)
    above = np.maximum(np.maximum(boxes[:, 1] - y, y - (boxes[:, 3] - 1)), 0)
    return bool((beside**2 + above**2).min() <= tolerance**2)


# ---- sanity


@dataclasses.dataclass
class SanityCheck:
    """What is left of a map when the network forgets, layer by layer.

    Attributes
    ----------
    layers : list of str
        From the class scores down: up to which layer weights are random (``"cascading"``), or of which alone.
    similarity : dict of str to ndarray
        For each measure ``(len(layers),)``, the mean over images: 1 where the map did not change.
    maps : list of ndarray
        The maps of the randomized networks.
    """

    method: str
    mode: str
    layers: list[str]
    similarity: dict[str, AnyArray]
    original: AnyArray
    maps: list[AnyArray]

    def __repr__(self) -> str:
        width = max(len(name) for name in ["random up to", *self.layers])
        head = "random up to" if self.mode == "cascading" else "random"
        lines = [f"{head:<{width}}  " + "  ".join(f"{name:>6}" for name in self.similarity)]
        for index, layer in enumerate(self.layers):
            lines.append(f"{layer:<{width}}  " + "  ".join(f"{row[index]:6.3f}" for row in self.similarity.values()))
        return "\n".join(lines)


def sanity_check(
    net: Network,
    x: Any,
    method: Method = "saliency",
    target: Any = None,
    *,
    mode: Literal["cascading", "independent"] = "cascading",
    layers: Sequence[str] | int | None = None,
    measures: Sequence[Similarity] = ("rank", "ssim", "hog"),
    absolute: bool = True,
    seed: int = 0,
    **options: Any,
) -> SanityCheck:
    """Whether a map depends on what the network has learnt: it is compared with those of randomized networks.

    Adebayo, Gilmer, Muelly, Goodfellow, Hardt & Kim, "Sanity Checks for Saliency Maps", 2018, section 3.
    arXiv:1810.03292. A method whose map stays (similarity near 1) explains the picture, not the network.

    Parameters
    ----------
    net : Network
    x
        A picture, a list of them, or a raw float32 array ``(N, C, H, W)``.
    method
        A name or a function ``method(net, x, target, **options)``.
    target
        A class, kept for all networks; ``None``: the trained network's best.
    mode
        ``"cascading"``: weights are random from the class scores down to each layer. ``"independent"``: of each layer
        alone.
    layers
        Where to look: names among ``net.weighted_layers``, how many of these (evenly, ends included), or ``None``: all.
    measures
        ``"rank"``: Spearman's correlation. ``"ssim"``: structural similarity. ``"hog"``: correlation of histograms of
        gradients.
    absolute : bool
        Whether signs are left out, as in the paper's figures.
    seed : int

    Returns
    -------
    SanityCheck
        Prints as a table.
    """
    question, classes = _question(net, x, None, target)
    choice(mode, "mode", ("cascading", "independent"))
    names = list(measures)
    for name in names:
        choice(name, "measures", tuple(similarity.MEASURES))
    every = net.weighted_layers[::-1]
    stops = _stops(net, every, layers)
    explain, goal = function(method), [int(index) for index in classes]
    original = _seen(explain(net, x, goal_for(question, goal), **options))
    found: dict[str, list[float]] = {name: [] for name in names}
    maps = []
    for stop in stops:
        drawn = every[: every.index(stop) + 1] if mode == "cascading" else [stop]
        forgetful = net.randomized(drawn, seed)
        other = _seen(explain(forgetful, x, goal_for(question, goal), **options))
        maps.append(other)
        pairs = list(zip(_each(original, question), _each(other, question)))
        for name in names:
            compare_maps = similarity.MEASURES[name]
            values = [compare_maps(np.abs(a), np.abs(b)) if absolute else compare_maps(a, b) for a, b in pairs]
            found[name].append(float(np.mean(values)))
    return SanityCheck(_name(method), mode, stops, {name: np.array(row) for name, row in found.items()}, original, maps)


def _stops(net: Network, every: list[str], layers: Sequence[str] | int | None) -> list[str]:
    if not every:
        raise InvalidArgument(f"'{net.name}' has no layers with weights to randomize")
    if layers is None:
        return every
    if isinstance(layers, (int, np.integer)) and not isinstance(layers, bool):
        count = min(whole(layers, "layers", 1), len(every))
        return [every[index] for index in np.unique(np.round(np.linspace(0, len(every) - 1, count)).astype(int))]
    wanted = [layers] if isinstance(layers, str) else list(layers)  # type: ignore[arg-type]
    known = [net._raw.resolve(name) for name in wanted]
    wrong = [name for name, real_name in zip(wanted, known) if real_name not in every]
    if wrong or not known:
        raise InvalidArgument(
            f"layers {wrong or wanted} have no weights to randomize; net.weighted_layers lists those that do"
        )
    return [name for name in every if name in known]


def goal_for(question: Question, goal: list[int]) -> Any:
    """Classes as a method takes them."""
    return goal[0] if question.given.is_single else goal


def _each(values: AnyArray, question: Question) -> list[AnyArray]:
    """``(H, W)`` for each image; channels are summed."""
    parts = [values] if question.given.is_single else list(values)
    return [part.sum(0) if part.ndim == 3 else part for part in parts]


def _seen(result: Any) -> AnyArray:
    return np.asarray(result, dtype=np.float64)


# ---- what they share


def function(method: Method) -> Callable[..., Any]:
    """A method by its name in this package, or itself."""
    if callable(method):
        return method
    known = known_methods()
    if method not in known:
        raise InvalidArgument(f"method is {method!r}; it must be a function, or one of {', '.join(known)}")
    return known[method]


def _name(method: Method) -> str:
    return method if isinstance(method, str) else getattr(method, "__name__", type(method).__name__)


def _question(net: Network, x: Any, map: Any, target: Any) -> tuple[Question, AnyArray]:
    """The picture, and the class of each image."""
    if target is None and isinstance(map, Map):
        target = map.target
    question = asked(net, x, target)
    if question.goal.objective is not None:
        raise InvalidArgument(f"target is {target!r}; measures are about classes: pass an int or a label")
    if question.goal.classes is None:
        classes = _logits(question, question.given.array).argmax(1)
    else:
        classes = np.broadcast_to(np.asarray(question.goal.classes), (question.shape[0],))
    return question, classes


def _values(question: Question, map: Any) -> AnyArray:
    """``(N, 1, H, W)``, or ``(N, C, H, W)`` where the map has channels."""
    n, c, height, width = question.shape
    try:
        values = np.asarray(map, dtype=np.float64)
    except (TypeError, ValueError):
        raise InvalidArgument(f"map is a {type(map).__name__}; it must be a Map or an array of numbers") from None
    if not np.isfinite(values).all():
        raise InvalidArgument("map has numbers that are not finite")
    leading = values.shape[:-2]
    if values.shape[-2:] == (height, width):
        if leading == (n,):
            return values[:, None]
        if leading in ((n, 1), (n, c)):
            return values
        if n == 1 and leading in ((), (c,)):
            return values.reshape(1, -1, height, width)
    raise InvalidArgument(
        f"map has shape {values.shape}; for an input of {question.shape} it must be ({height}, {width}) or"
        f" ({c}, {height}, {width}) for each image"
    )


def _order(question: Question, map: Any) -> list[AnyArray]:
    """Pixels, the most important first; ties in the order of rows."""
    return [np.argsort(-part.sum(0).reshape(-1), kind="stable") for part in _values(question, map)]


def _filled(question: Question, fill: Hide) -> Array:
    """The batch as it looks where all is hidden."""
    options = hidden(question, fill, {"mean": 1, "blur": 2})
    array = question.given.array
    if options["fill"] == 3:
        return np.broadcast_to(options["picture"], array.shape).astype(np.float32)
    if options["fill"] == 0:
        return np.full_like(array, options["value"])
    if options["fill"] == 1:
        return np.broadcast_to(array.mean(axis=(2, 3), keepdims=True, dtype=np.float64), array.shape).astype(np.float32)
    return imputation.blurred(array, 10.0)


def _logits(question: Question, array: Array) -> Array:
    with question.given.sessions.take() as session:
        parts = []
        for first in range(0, len(array), _BATCH):
            part = np.ascontiguousarray(array[first : first + _BATCH], dtype=np.float32)
            out = np.empty(session.shapes(["logits"], [part.shape])[0], np.float32)
            session.run(["logits"], [part], [out])
            parts.append(out.reshape(len(part), -1))
    return np.concatenate(parts)


def _probabilities(question: Question, count: int, picture: Callable[[int], Array], target: int) -> AnyArray:
    """The target's probability for each of ``count`` pictures ``(C, H, W)``."""
    results = []
    for first in range(0, count, _BATCH):
        batch = np.stack([picture(index) for index in range(first, min(first + _BATCH, count))])
        logits = _logits(question, batch).astype(np.float64)
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        results.append(powers[:, target] / powers.sum(axis=1))
    return np.concatenate(results)
