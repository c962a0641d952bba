# SPDX-License-Identifier: Apache-2.0
"""One engine in a process of its own: reads a request a line from standard input, answers a line on standard output.

Requests and answers are JSON; arrays go through files. Whatever goes wrong is the answer ``{"error": ...}``.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import IO, Any

import numpy as np

from . import engines, peaks


def measure(call: engines.Call, calls: int, warm: int) -> float:
    """Seconds a call, over ``calls`` of them after ``warm`` that do not count."""
    for _ in range(warm):
        call()
    start = time.perf_counter()
    for _ in range(calls):
        call()
    return (time.perf_counter() - start) / calls


class Server:
    """The requests: every public method is one."""

    def __init__(self, engine: engines.Engine) -> None:
        self.engine = engine

    def version(self) -> str:
        return self.engine.version()

    def load(self, folder: str, batch: int, threads: list[int]) -> None:
        self.engine.load(engines.Case(Path(folder), batch, tuple(threads)))

    def compute(self, task: str, threads: int, to: str) -> None:
        np.save(to, np.asarray(self.engine.call(task, threads)()))

    def time(self, task: str, threads: int, calls: int = 1, warm: int = 0) -> float:
        return measure(self.engine.call(task, threads), calls, warm)

    def sgemm(self, threads: int) -> float:
        return peaks.sgemm_of_torch(threads)


def answer(server: Server, line: str) -> dict[str, Any]:
    try:
        request = json.loads(line)
        return {"answer": getattr(server, request.pop("do"))(**request)}
    except Exception as error:
        return {"error": f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"}


def serve(server: Server, requests: IO[str], answers: IO[str]) -> None:
    for line in requests:
        answers.write(json.dumps(answer(server, line)) + "\n")
        answers.flush()


def main() -> None:
    # Engines print as they please: their standard output becomes standard error.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    try:
        server = Server(engines.make(sys.argv[1]))
    except Exception as error:
        answers.write(json.dumps({"error": f"{type(error).__name__}: {error}"}) + "\n")
        return
    answers.write(json.dumps({"answer": server.version()}) + "\n")
    answers.flush()
    serve(server, sys.stdin, answers)


if __name__ == "__main__":
    main()
