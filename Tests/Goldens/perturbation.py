# SPDX-License-Identifier: Apache-2.0
"""What other libraries say about three tiny networks and EfficientNet-Lite0: writes perturbation.npz beside this file.

Versions: Python 3.11, torch 2.13.0, captum 0.9.0, lime 0.2.0.1, shap 0.51.0, grad-cam 1.5.7, onnxruntime 1.31.1,
numpy 2.4.6. Networks are run by onnxruntime; the random draws of cnnlens are replicated here, so that all see the same
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


class Picture:
    """A network, a picture of its own size, and squares of it that are shown or black."""

    def __init__(self, path: Path, image: np.ndarray, target: int | None, squares: int) -> None:
        self.session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        self.image, self.count = image, squares * squares
        height, width = image.shape[2:]
        self.segments = (np.arange(height) * squares // height)[:, None] * squares + np.arange(width) * squares // width
        self.target = int(self.run(image).argmax()) if target is None else target

    def run(self, batch: np.ndarray) -> np.ndarray:
        name = self.session.get_inputs()[0].name
        return np.concatenate([self.session.run(None, {name: part[None].astype(np.float32)})[0] for part in batch])

    def scores(self, z: np.ndarray) -> np.ndarray:
        shown = np.stack([self.image[0] * row[self.segments] for row in np.asarray(z, np.float32)])
        return self.run(shown)[:, self.target].astype(np.float64)

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        return torch.from_numpy(self.run(batch.detach().numpy()))

    def lime(self, samples: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """Weights, and the intercept with R^2."""
        z = np.ones((samples, self.count))
        for index in range(1, samples):
            random = draw(index, seed)
            z[index] = [float(random.uniform() < 0.5) for _ in range(self.count)]
        norms = np.linalg.norm(z, axis=1)
        cosine = np.divide(z.sum(1), norms * np.sqrt(self.count), out=np.zeros(len(z)), where=norms > 0)
        base = LimeBase(lambda d: np.sqrt(np.exp(-(d**2) / 0.25**2)), verbose=False, random_state=0)
        intercept, found, fit, _ = base.explain_instance_with_data(
            z, self.scores(z)[:, None], 1 - cosine, 0, self.count, feature_selection="none"
        )
        return np.array([value for _, value in sorted(found)]), np.array([intercept, fit])

    def shap(self) -> np.ndarray:
        """Of all subsets."""
        explainer = shap.KernelExplainer(self.scores, np.zeros((1, self.count)))
        return explainer.shap_values(np.ones((1, self.count)), nsamples=2**self.count - 2, l1_reg=0)[0]

    def ablation(self) -> np.ndarray:
        """One number for each segment, against 0.5."""
        found = FeatureAblation(self.forward).attribute(
            torch.from_numpy(self.image),
            target=self.target,
            feature_mask=torch.from_numpy(self.segments)[None, None],
            baselines=0.5,
        )
        first = np.unique(self.segments, return_index=True)[1]
        return found.numpy()[0, 0].reshape(-1)[first]


def pictures() -> dict[str, Picture]:
    found = {}
    for name in ("plain", "residual", "squeeze-excite"):
        golden = np.load(HERE / "networks" / name / "golden.npz")
        path = HERE / "networks" / name / "torchscript.onnx"
        found[name] = Picture(path, golden["input"], int(golden["target"].item()), 3)
    built_in = HERE.parents[1] / "python" / "src" / "cnnlens" / "data" / "efficientnet-lite0.onnx"
    noise = np.random.default_rng(0).normal(size=(1, 3, 8, 8)).repeat(28, 2).repeat(28, 3).astype(np.float32)
    found["efficientnet-lite0"] = Picture(built_in, noise, None, 2)
    return found


def main() -> None:
    answers: dict[str, np.ndarray] = {}
    for name, picture in pictures().items():
        answers[f"{name}/segments"], answers[f"{name}/target"] = picture.segments.astype(np.uint8), picture.target
        answers[f"{name}/lime"], answers[f"{name}/lime_model"] = picture.lime(60, 3)
        answers[f"{name}/shap"], answers[f"{name}/ablation"] = picture.shap(), picture.ablation()

    picture = pictures()["plain"]
    golden = np.load(HERE / "networks" / "plain" / "golden.npz")
    image, target, segments, forward = picture.image, picture.target, picture.segments, picture.forward
    height, width = image.shape[2:]
    quarters = (np.arange(height) * 2 // height)[:, None] * 2 + np.arange(width) * 2 // width
    answers["quarters"] = quarters.astype(np.uint8)
    ablation, mask = FeatureAblation(forward), torch.from_numpy(segments)[None, None]

    x = torch.from_numpy(image)
    answers["shapley"] = (
        ShapleyValues(forward)
        .attribute(x, target=target, feature_mask=torch.from_numpy(quarters)[None, None])
        .numpy()[0, 0]
    )
    # Infidelity of the gradient (16 changes, seed 2), and sensitivity of ablation (5 changes, seed 4).
    change = (0.1 * np.random.default_rng(2).standard_normal((16, *image.shape[1:])).astype(np.float32)).astype(
        np.float32
    )

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
    print({key: np.shape(value) for key, value in answers.items()})


if __name__ == "__main__":
    main()
