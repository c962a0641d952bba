# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import warnings
from typing import Any

import torch

from .. import networks, routines
from . import FORWARD, GRADIENT, Call, Case
from .folding import fold


class Engine:
    """PyTorch at its best: frozen weights, inference mode for forward, input in the layout of the weights."""

    def __init__(self, channels_last: bool = False, folded: bool = False, compiled: bool = False) -> None:
        warnings.filterwarnings("ignore")
        self.layout = torch.channels_last if channels_last else torch.contiguous_format
        self.folded, self.compiled = folded, compiled

    def version(self) -> str:
        return str(torch.__version__)

    def load(self, case: Case) -> None:
        self.case = case
        torch.set_num_threads(max(case.threads))
        model = networks.load(case.folder)
        if self.folded:
            model = fold(model, torch.from_numpy(case.images[:1]))
        self.module = model.requires_grad_(False).to(memory_format=self.layout)
        self.model: Any = torch.compile(self.module, dynamic=False) if self.compiled else self.module
        self.images = torch.from_numpy(case.images).to(memory_format=self.layout)
        self.point = self.images.clone().requires_grad_()
        self.rows = torch.arange(case.batch)
        self.classes = torch.tensor(case.classes)

    def call(self, task: str, threads: int) -> Call:
        torch.set_num_threads(threads)
        if task == FORWARD:
            return self.forward
        if task == GRADIENT:
            return self.gradient
        return routines.ROUTINES[task].with_pytorch(self.module, self.images[:1], self.case)

    def forward(self) -> Any:
        with torch.inference_mode():
            return self.model(self.images)

    def gradient(self) -> Any:
        return torch.autograd.grad(self.score(self.model(self.point)), self.point)[0]

    def score(self, outputs: Any) -> Any:
        """The sum over the batch of a class's logit, or of the mean of a trunk's output."""
        if self.case.classes:
            return outputs[self.rows, self.classes].sum()
        return outputs.mean(dim=(1, 2, 3)).sum()
