# SPDX-License-Identifier: Apache-2.0
"""What other libraries say about one tiny network: `perturbation.py` writes perturbation.npz beside it.

Versions: Python 3.11, torch 2.13.0, captum 0.9.0, lime 0.2.0.1, shap 0.51.0, grad-cam 1.5.7, onnxruntime 1.31.1,
numpy 2.4.6. The network is run by onnxruntime; the random draws of cnnlens are replicated here, so that all see the same
trials.
"""

from __future__ import annotations

import sys
from pathlib import Path
from unittest.mock import MagicMock

import numpy as np
import onnxruntime
import shap
import torch
from captum.attr import FeatureAblation, ShapleyValues
from captum.metrics import infidelity, sensitivity_max
from lime.lime_base import LimeBase

# grad-cam imports torchvision for methods that are not used here.
for module in ("torchvision", "torchvision.transforms", "torchvision.transforms.functional"):
    sys.modules.setdefault(module, MagicMock())

from pytorch_grad_cam.metrics.road import NoisyLinearImputer  # noqa: E402

HERE = Path(__file__).parent
MASK = (1 << 64) - 1


class SplitMix:
    """Steele, Lea & Flood 2014, figure 1."""

    def __init__(self, seed: int) -> None:
        self.state = seed & MASK

    def next(self) -> int:
        self.state = (self.state + 0x9E3779B97F4A7C15) & MASK
        z = self.state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
        return z ^ (z >> 31)

    def uniform(self) -> float:
        return (self.next() >> 40) * 2.0**-24


def draw(index: int, seed: int) -> SplitMix:
    return SplitMix(SplitMix((seed + index * 0x9E3779B97F4A7C15) & MASK).next())


def main() -> None:
    folder = HERE / "networks" / "plain"
    golden = np.load(folder / "golden.npz")
    image, target = golden["input"], int(golden["target"].item())
    session = onnxruntime.InferenceSession(str(folder / "torchscript.onnx"), providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    height, width = image.shape[2:]

    def run(batch: np.ndarray) -> np.ndarray:
        return np.concatenate([session.run(None, {name: part[None].astype(np.float32)})[0] for part in batch])

    rows, columns = np.arange(height) * 3 // height, np.arange(width) * 3 // width
    segments = rows[:, None] * 3 + columns  # 9 squares
    count = 9

    def shown(z: np.ndarray) -> np.ndarray:
        return np.stack([image[0] * row[segments] for row in z])

    def scores(z: np.ndarray) -> np.ndarray:
        return run(shown(np.asarray(z, np.float32)))[:, target].astype(np.float64)

    answers: dict[str, np.ndarray] = {"segments": segments}

    # LIME: 60 trials, seed 3.
    z = np.ones((60, count))
    for index in range(1, 60):
        random = draw(index, 3)
        z[index] = [float(random.uniform() < 0.5) for _ in range(count)]
    norms = np.linalg.norm(z, axis=1)
    cosine = np.divide(z.sum(1), norms * np.sqrt(count), out=np.zeros(len(z)), where=norms > 0)
    base = LimeBase(lambda d: np.sqrt(np.exp(-(d**2) / 0.25**2)), verbose=False, random_state=0)
    intercept, found, fit, _ = base.explain_instance_with_data(
        z, np.stack([scores(z)], axis=1), 1 - cosine, 0, count, feature_selection="none"
    )
    answers["lime"] = np.array([value for _, value in sorted(found)])
    answers["lime_model"] = np.array([intercept, fit])

    # Shapley values, exactly: all 510 subsets, and (of four quarters) all orders.
    explainer = shap.KernelExplainer(scores, np.zeros((1, count)))
    answers["shap"] = explainer.shap_values(np.ones((1, count)), nsamples=2**count - 2, l1_reg=0)[0]
    quarters = (np.arange(height) * 2 // height)[:, None] * 2 + np.arange(width) * 2 // width
    answers["quarters"] = quarters

    def forward(batch: torch.Tensor) -> torch.Tensor:
        return torch.from_numpy(run(batch.detach().numpy()))

    x = torch.from_numpy(image)
    answers["shapley"] = ShapleyValues(forward).attribute(
        x, target=target, feature_mask=torch.from_numpy(quarters)[None, None]
    ).numpy()[0, 0]
    ablation = FeatureAblation(forward)
    mask = torch.from_numpy(segments)[None, None]
    answers["ablation"] = ablation.attribute(x, target=target, feature_mask=mask, baselines=0.5).numpy()[0, 0]

    # Infidelity of the gradient (16 changes, seed 2), and sensitivity of ablation (5 changes, seed 4).
    change = (0.1 * np.random.default_rng(2).standard_normal((16, *image.shape[1:])).astype(np.float32)).astype(np.float32)

    def perturb(inputs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return torch.from_numpy(change), inputs - torch.from_numpy(change)

    gradient = torch.from_numpy(golden["gradient"])
    for normalize in (False, True):
        value = infidelity(forward, perturb, x, gradient, target=target, n_perturb_samples=16, normalize=normalize)
        answers[f"infidelity_{int(normalize)}"] = value.numpy()
    random = np.random.default_rng(4)
    moves = [random.uniform(-0.02, 0.02, image.shape[1:]).astype(np.float32) for _ in range(5)]

    def move(inputs: tuple[torch.Tensor]) -> tuple[torch.Tensor]:
        return (inputs[0] + torch.from_numpy(np.stack(moves)),)

    def explain(inputs: tuple[torch.Tensor]) -> tuple[torch.Tensor]:
        maps = ablation.attribute(inputs, target=target, feature_mask=mask, baselines=0.5)
        return (maps[0][:, :1],)

    answers["sensitivity"] = sensitivity_max(
        explain,
        (x,),
        perturb_func=move,
        n_perturb_samples=5,
    ).numpy()

    # ROAD's imputation of half of the pixels, without noise.
    removed = np.random.default_rng(5).random((height, width)) < 0.5
    removed[4:12, 3:14] = True
    imputed = NoisyLinearImputer(noise=0.0)(x[0], torch.from_numpy(~removed).float())
    answers["removed"], answers["imputed"] = removed, np.asarray(imputed)

    np.savez(HERE / "perturbation.npz", **answers)
    print({key: value.shape for key, value in answers.items()})


if __name__ == "__main__":
    main()
