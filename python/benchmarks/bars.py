# SPDX-License-Identifier: Apache-2.0
"""What was promised, and whether a run keeps it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from .engines import COLUMNS, FORWARD, GRADIENT, PYTORCH, RUNTIMES
from .networks import LARGEST_BATCH, NETWORKS
from .results import Results
from .routines import ROUTINES

#: Forward and input gradient at batch 1, over the best PyTorch column.
GRADIENT_FLOORS = dict.fromkeys(NETWORKS, 1.0) | {
    "resnet50": 1.7,
    "densenet121": 2.5,
    "googlenet": 2.5,
    "squeezenet1_1": 2.5,
    "mobilenet_v2": 3.0,
    "efficientnet_lite0": 3.0,
    "alexnet": 1.5,
    "vgg16": 2.0,
    "vgg19_512": 2.2,
}
#: The same at batch 8.
GRADIENT_FLOORS_OF_BATCHES = {name: 1.7 if floor > 1 else floor for name, floor in GRADIENT_FLOORS.items()}
#: Forward at batch 1 and 8, over the faster of ONNX Runtime and OpenVINO.
FORWARD_FLOORS = dict.fromkeys(NETWORKS, 1.0) | {"vgg16": 1.6, "vgg19_512": 1.6}
#: Two threads over one.
SCALING_FLOOR = 1.7
#: Explanations over Captum, on the fastest of its columns.
EXPLANATION_FLOORS = {
    ("occlusion", "vgg16"): 10.0,
    ("occlusion", "resnet50"): 4.0,
    ("integrated_gradients", "resnet50"): 2.5,
    ("smoothgrad", "resnet50"): 2.5,
    ("grad_cam", "resnet50"): 2.0,
    ("feature_ablation", "vgg16"): 5.0,
    ("lime", "resnet50"): 3.0,
}
#: Walks over loops in PyTorch as one writes them, in channels_last.
WALK_FLOORS = {
    ("style", "vgg19_512"): 2.0,
    ("deepdream", "googlenet"): 3.0,
    ("inversion", "vgg16"): 2.0,
    ("class_model", "resnet50"): 2.0,
    ("pgd", "resnet50"): 2.0,
}
#: Relative L2 distance to float64.
ERROR_LIMIT = 1e-4
#: PyTorch's and Captum's memory over ours.
MEMORY_FLOOR = 2.0
#: Seconds over NumPy's.
IMPORT_LIMIT = 0.1

KEPT, AS_PYTORCH, BROKEN = "✓", "≈", "✗"


@dataclasses.dataclass(frozen=True)
class Bar:
    title: str
    #: Empty for what is not about a network's passes.
    network: str
    value: float
    limit: float
    #: Whether the value is to stay below the limit.
    is_ceiling: bool = False
    #: The column that was compared with, and the quartiles of the ratio over the rounds.
    against: str | None = None
    spread: tuple[float, float] | None = None
    #: PyTorch's own error, where the value is one.
    pytorch: float | None = None

    @property
    def is_kept(self) -> bool:
        return self.value <= self.limit if self.is_ceiling else self.value >= self.limit

    @property
    def mark(self) -> str:
        if self.is_kept:
            return KEPT
        # Rounding at kinks moves two correct gradients by as much as each other.
        is_as_good = self.pytorch is not None and self.value <= 2 * self.pytorch
        return AS_PYTORCH if is_as_good else BROKEN

    @property
    def text(self) -> str:
        if self.pytorch is not None:
            return f"{self.mark} {self.value:.1e}"
        return f"{self.mark} {self.value:.2f} / {self.limit:g}"


def bars(results: Results) -> list[Bar]:
    """Every bar for which there is a measurement."""
    return [*_speed(results), *_scaling(results), *_routines(results), *_errors(results), *_costs(results)]


def _speed(results: Results) -> Iterator[Bar]:
    for network in NETWORKS:
        for batch in sorted({1, LARGEST_BATCH[network]}):
            floor = (GRADIENT_FLOORS if batch == 1 else GRADIENT_FLOORS_OF_BATCHES)[network]
            yield from _ratio(results, network, batch, GRADIENT, PYTORCH, floor)
            yield from _ratio(results, network, batch, FORWARD, RUNTIMES, FORWARD_FLOORS[network])


def _ratio(
    results: Results, network: str, batch: int, task: str, rivals: tuple[str, ...], floor: float
) -> Iterator[Bar]:
    case = network, batch, results.most_threads, task
    ratio, rival = results.ratio(*case, rivals), results.fastest(*case, rivals)
    if ratio is not None and rival is not None:
        title = ROUTINES[task].title if task in ROUTINES else f"{task}, batch {batch}"
        yield Bar(title, network, ratio, floor, against=rival, spread=results.spread(*case, rival))


def _scaling(results: Results) -> Iterator[Bar]:
    for network in NETWORKS:
        for task in (GRADIENT, FORWARD):
            one, two = (results.median(network, 1, threads, task, "cnnlens") for threads in (1, 2))
            if one and two:
                yield Bar(f"{task}, 2 threads over 1", network, one / two, SCALING_FLOOR)


def _routines(results: Results) -> Iterator[Bar]:
    captum = tuple(name for name in PYTORCH if COLUMNS[name].has_routines)
    for floors, rivals in ((EXPLANATION_FLOORS, captum), (WALK_FLOORS, ("channels_last",))):
        for (routine, network), floor in floors.items():
            yield from _ratio(results, network, 1, routine, rivals, floor)


def _errors(results: Results) -> Iterator[Bar]:
    for network in NETWORKS:
        for task, title in ((FORWARD, "output error"), (GRADIENT, "gradient error")):
            ours = results.largest_error(network, task, ["cnnlens"])
            theirs = results.largest_error(network, task, PYTORCH)
            if ours is not None:
                yield Bar(title, network, ours, ERROR_LIMIT, is_ceiling=True, pytorch=theirs or 0.0)


def _costs(results: Results) -> Iterator[Bar]:
    ours, theirs = (results.cost("memory", name) for name in ("cnnlens", "pytorch"))
    if ours and theirs:
        yield Bar("memory of PyTorch + Captum over cnnlens", "", theirs / ours, MEMORY_FLOOR)
    seconds = results.cost("import", "cnnlens")
    if seconds is not None:
        yield Bar("import over NumPy's, s", "", seconds, IMPORT_LIMIT, is_ceiling=True)
