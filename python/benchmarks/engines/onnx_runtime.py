# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import onnxruntime as ort

from . import Call, Case


class Engine:
    def version(self) -> str:
        return str(ort.__version__)

    def load(self, case: Case) -> None:
        self.images = case.images
        self.sessions = {}
        for threads in case.threads:
            options = ort.SessionOptions()
            options.intra_op_num_threads = threads
            options.inter_op_num_threads = 1
            # A fixed batch lets it plan memory and layouts ahead.
            options.add_free_dimension_override_by_name("n", case.batch)
            self.sessions[threads] = ort.InferenceSession(case.onnx, options, providers=["CPUExecutionProvider"])

    def call(self, task: str, threads: int) -> Call:
        session = self.sessions[threads]
        return lambda: session.run(None, {"image": self.images})[0]
