# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path
from typing import Literal

import cnnlens as cl

from .. import routines
from . import FORWARD, GRADIENT, Call, Case


class Engine:
    def __init__(self, precision: Literal["auto", "high"] = "auto") -> None:
        if precision == "high" and "amx_bf16" not in Path("/proc/cpuinfo").read_text():
            raise RuntimeError("the processor has no AMX, so this is the same as the other column")
        cl.set_precision(precision)

    def version(self) -> str:
        return cl.__version__

    def load(self, case: Case) -> None:
        self.case, self.images = case, case.images
        self.net = cl.load(case.onnx)
        if case.classes:
            self.target = cl.logit(case.classes)
        else:
            channels = case.notes["outputs"][0]
            self.target = cl.direction(self.net.outputs[0], [1 / channels] * channels)

    def call(self, task: str, threads: int) -> Call:
        cl.set_num_threads(threads)
        if task == FORWARD:
            return lambda: self.net(self.images)
        if task == GRADIENT:
            return lambda: self.net.gradient(self.images, self.target)
        return routines.ROUTINES[task].with_cnnlens(self.net, self.case)
