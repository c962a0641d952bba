# SPDX-License-Identifier: Apache-2.0
"""What one short process costs: import time, and the memory of one saliency map of ResNet-50.

``python -m benchmarks.footprint import|memory cnnlens|pytorch [FOLDER]`` prints one number; each is a new process.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

NAMES = ("cnnlens", "pytorch")


def peak_memory() -> float:
    """Bytes. `getrusage` would count what the parent had before this process became its own program."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return 1024.0 * float(line.split()[1])
    raise OSError("no VmHWM in /proc/self/status")


def import_seconds(name: str) -> float:
    """Over NumPy's, which this module has imported."""
    start = time.perf_counter()
    if name == "cnnlens":
        import cnnlens  # noqa: F401
    else:
        import captum.attr  # noqa: F401
    return time.perf_counter() - start


def saliency_memory(name: str, folder: Path) -> float:
    target = json.loads((folder / "network.json").read_text())["classes"][0]
    # Mapped, so that only the first of the pictures is read.
    image = np.array(np.load(folder / "images.npy", mmap_mode="r")[:1])
    if name == "cnnlens":
        import cnnlens as cl

        cl.saliency(cl.load(folder / "model.onnx"), image, target)
    else:
        from . import networks

        networks.stub_torchvision()
        import torch
        from captum.attr import Saliency

        model = torch.load(folder / "model.pt", weights_only=False, mmap=True)
        Saliency(model).attribute(torch.from_numpy(image).requires_grad_(), target=target)
    return peak_memory()


def measure(kind: str, name: str, folder: Path | None = None, repeats: int = 5) -> dict[str, Any]:
    """The median over new processes, or why there is none."""
    values = []
    for _ in range(repeats):
        command = [sys.executable, "-m", "benchmarks.footprint", kind, name, str(folder or "")]
        environment = os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parents[1])}
        done = subprocess.run(command, capture_output=True, text=True, env=environment)
        if done.returncode != 0:
            return {"error": (done.stderr.strip().splitlines() or [f"status {done.returncode}"])[-1]}
        values.append(float(done.stdout.split()[-1]))
    return {"value": statistics.median(values)}


if __name__ == "__main__":
    kind, name, folder = sys.argv[1:4]
    print(import_seconds(name) if kind == "import" else saliency_memory(name, Path(folder)))
