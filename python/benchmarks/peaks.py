# SPDX-License-Identifier: Apache-2.0
"""What the machine could do in the minutes in which it was measured."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from .engines import Call

SOURCE = Path(__file__).with_name("fma.c")


def build_fma(folder: Path) -> Path | None:
    """The compiled `fma.c`; None where there is no C compiler."""
    program = folder / "fma"
    compiler = shutil.which(os.environ.get("CC", "cc"))
    if compiler is None:
        return None
    command = [compiler, "-O3", "-march=native", "-pthread", "-o", str(program), str(SOURCE)]
    done = subprocess.run(command, capture_output=True)
    return program if done.returncode == 0 else None


def fma(program: Path, threads: int, milliseconds: int = 60) -> float:
    """FLOP/s of multiply-adds in registers, all threads together."""
    command = [str(program), str(threads), str(milliseconds)]
    return 1e9 * float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


#: Rows, columns and depth of matrix products as convolutions make them, and a square one.
PRODUCTS = ((1024, 1024, 1024), (512, 784, 4608), (256, 3136, 2304), (512, 784, 256))


def best_product(multiply: Callable[[int, int, int], Call], shapes: Sequence[tuple[int, int, int]] = PRODUCTS) -> float:
    """FLOP/s of the fastest of ``shapes``; ``multiply`` gives the function that computes one."""
    best = 0.0
    for m, n, k in shapes:
        call = multiply(m, n, k)
        call()
        for _ in range(2):
            start = time.perf_counter()
            call()
            best = max(best, 2.0 * m * n * k / (time.perf_counter() - start))
    return best


def sgemm_of_torch(threads: int) -> float:
    """FLOP/s. PyTorch's product is MKL's, the fastest at hand on most machines."""
    import torch

    torch.set_num_threads(threads)

    def multiply(m: int, n: int, k: int) -> Call:
        a, b, product = torch.rand(m, k), torch.rand(k, n), torch.empty(m, n)
        return lambda: torch.mm(a, b, out=product)

    return best_product(multiply)


def sgemm_of_numpy() -> float:
    """FLOP/s with as many threads as NumPy thinks fit, which is all there are."""

    def multiply(m: int, n: int, k: int) -> Call:
        a, b, product = np.ones((m, k), np.float32), np.ones((k, n), np.float32), np.empty((m, n), np.float32)
        return lambda: np.matmul(a, b, out=product)

    return best_product(multiply)
