# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import openvino

from . import Call, Case


class Engine:
    def version(self) -> str:
        return str(openvino.__version__).split("-")[0]

    def load(self, case: Case) -> None:
        self.images = case.images
        self.requests = {}
        core = openvino.Core()
        for threads in case.threads:
            model = core.read_model(case.onnx)
            # With a free batch size it takes a slower path.
            model.reshape(list(self.images.shape))
            options = {
                "INFERENCE_NUM_THREADS": threads,
                "INFERENCE_PRECISION_HINT": "f32",
                "PERFORMANCE_HINT": "LATENCY",
            }
            self.requests[threads] = core.compile_model(model, "CPU", options).create_infer_request()

    def call(self, task: str, threads: int) -> Call:
        request = self.requests[threads]
        return lambda: request.infer([self.images], share_inputs=True, share_outputs=True)[0]
