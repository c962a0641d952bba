# SPDX-License-Identifier: Apache-2.0
"""The columns of the table, and what each engine can do. One short file an engine.

This file imports none of them: the driver reads it in an environment where any may be missing.
"""

from __future__ import annotations

import dataclasses
import importlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Call = Callable[[], Any]

FORWARD = "forward"
GRADIENT = "gradient"
TASKS = (FORWARD, GRADIENT)


@dataclasses.dataclass(frozen=True)
class Column:
    """One engine as it is run: ``module`` has a class ``Engine`` that takes ``options``."""

    title: str
    module: str
    options: dict[str, Any] = dataclasses.field(default_factory=dict)
    tasks: tuple[str, ...] = TASKS
    #: Whether whole routines are timed as well.
    has_routines: bool = False
    #: Whether it runs with the largest number of threads only.
    is_slow_to_prepare: bool = False

    @property
    def is_peer(self) -> bool:
        return self.module != "cnnlens"


COLUMNS = {
    "pytorch": Column("PyTorch eager", "pytorch", has_routines=True),
    "channels_last": Column("channels_last", "pytorch", {"channels_last": True}, has_routines=True),
    "folded": Column("BN-folded", "pytorch", {"folded": True}),
    "folded_channels_last": Column(
        "BN-folded + channels_last", "pytorch", {"folded": True, "channels_last": True}, has_routines=True
    ),
    "compile": Column(
        "torch.compile",
        "pytorch",
        {"folded": True, "channels_last": True, "compiled": True},
        is_slow_to_prepare=True,
    ),
    "onnxruntime": Column("ONNX Runtime", "onnx_runtime", tasks=(FORWARD,)),
    "openvino": Column("OpenVINO", "openvino", tasks=(FORWARD,)),
    "cnnlens": Column("cnnlens", "cnnlens", has_routines=True),
    "cnnlens_high": Column("cnnlens, high", "cnnlens", {"precision": "high"}, has_routines=True),
}

PYTORCH = ("pytorch", "channels_last", "folded", "folded_channels_last", "compile")
RUNTIMES = ("onnxruntime", "openvino")


@dataclasses.dataclass(frozen=True)
class Case:
    """A network as `networks.make` left it, and the pictures of one batch."""

    folder: Path
    batch: int
    threads: tuple[int, ...]

    @property
    def notes(self) -> dict[str, Any]:
        return dict(json.loads((self.folder / "network.json").read_text()))

    @property
    def onnx(self) -> Path:
        return self.folder / "model.onnx"

    @property
    def images(self) -> Array:
        """(batch, 3, H, W) float32"""
        return np.ascontiguousarray(np.load(self.folder / "images.npy")[: self.batch])

    @property
    def classes(self) -> list[int]:
        """Whose logits are differentiated, one an image; empty for a trunk, whose mean output is."""
        return list(self.notes["classes"][: self.batch])


class Engine(Protocol):
    """What a worker process drives."""

    def version(self) -> str: ...

    def load(self, case: Case) -> None:
        """Forgets the network before and prepares this one, for every number of threads."""

    def call(self, task: str, threads: int) -> Call:
        """What is timed: a function whose result `numpy.asarray` takes."""


def make(name: str) -> Engine:
    column = COLUMNS[name]
    module = importlib.import_module(f".{column.module}", __package__)
    engine: Engine = module.Engine(**column.options)
    return engine
