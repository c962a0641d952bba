# SPDX-License-Identifier: Apache-2.0
"""environment.py FOLDER: a virtual environment with the peers in it.

PyTorch comes from the wheel that TORCH_WHEEL names, else from a wheel found on this machine, else from where pip finds
it. What cannot be installed is reported and left out: its column stays empty. Runs with nothing but Python.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1] / "pyproject.toml"

#: Distributions installed together, in this order. torchvision asks for one version of PyTorch, and timm for
#: torchvision; only their Python code is used, with whatever PyTorch there is, so they come without what they ask for.
ALONE = "--no-deps"
PEERS = {
    "captum and timm need": [
        "matplotlib",
        "packaging",
        "tqdm",
        "pyyaml",
        "huggingface_hub",
        "safetensors",
        "scikit-learn",
    ],
    "torchvision, timm and Captum": [ALONE, "torchvision", "timm", "captum"],
    "ONNX": ["onnx", "onnxscript"],
    "ONNX Runtime": ["onnxruntime"],
    "OpenVINO": ["openvino"],
}


def pip(python: Path, arguments: list[str]) -> str | None:
    """Installs; None, or what went wrong."""
    options = ["--quiet", "--disable-pip-version-check", "--retries", "1"]
    done = subprocess.run([python, "-m", "pip", "install", *options, *arguments], capture_output=True, text=True)
    if done.returncode == 0:
        return None
    errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
    return (errors or done.stderr.splitlines() or [f"pip ended with status {done.returncode}"])[-1]


def torch() -> list[str]:
    """What to ask pip for. Its own choice may come with gigabytes for graphics cards, a local wheel does not."""
    given = os.environ.get("TORCH_WHEEL")
    if given:
        return [given]
    version = f"cp{sys.version_info.major}{sys.version_info.minor}"
    pruned = ["(", "-path", "/proc", "-o", "-path", "/sys", ")", "-prune", "-o"]
    command = ["find", "/", *pruned, "-name", f"torch-*-{version}-{version}-*.whl", "-print"]
    found = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout.splitlines()
    return [max(found, key=os.path.basename)] if found else ["torch"]


def main() -> None:
    folder = Path(sys.argv[1])
    python = folder / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
    stamp = folder / "peers.json"
    installed: list[list[str]] = json.loads(stamp.read_text()) if stamp.exists() else []

    def install(title: str, wanted: list[str], needed: bool = False) -> None:
        if wanted in installed:
            return
        print(f"installing {title} into {folder}", flush=True)
        problem = pip(python, wanted)
        if problem is None:
            installed.append(wanted)
            stamp.write_text(json.dumps(installed))
        elif needed:
            sys.exit(problem)
        else:
            print(f"  not installed: {problem}", flush=True)

    project = tomllib.loads(PROJECT.read_text())
    install("what cnnlens needs", [*project["build-system"]["requires"], *project["project"]["dependencies"]], True)
    if not (list((folder / "lib").glob("python*/site-packages/torch")) and "TORCH_WHEEL" not in os.environ):
        install("PyTorch", torch())
    for title, wanted in PEERS.items():
        install(title, wanted)


if __name__ == "__main__":
    main()
