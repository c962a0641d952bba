# SPDX-License-Identifier: Apache-2.0
"""What foolbox and torchattacks find on EfficientNet-Lite0, for python/tests/test_attack_goldens.py.

    python Tests/Goldens/attack_goldens.py [NAME ...]    (writes attacks.json beside itself; all, or those named)

Needs torch, onnxruntime, onnx2torch, foolbox, torchattacks and pillow. Pictures are crops of the photograph in the
package, 224 x 224 bytes.
"""

import json
import pathlib
import sys
import tempfile
import types

import numpy as np
import onnx
import onnxruntime
import torch
from PIL import Image

HERE = pathlib.Path(__file__).parent
DATA = HERE.parent.parent / "python/src/cnnlens/data"
MEAN, STD = 127.0, 128.0  # of bytes
# left, upper, right, lower; mirrored
CROPS = [((75, 0, 375, 300), True), ((120, 20, 344, 244), False), ((0, 0, 300, 300), False)]


def crops():
    photograph = Image.open(DATA / "chelsea.jpg").convert("RGB")
    for box, is_mirrored in CROPS:
        crop = photograph.crop(box).resize((224, 224), Image.Resampling.BICUBIC)
        yield np.asarray(crop)[:, ::-1] if is_mirrored else np.asarray(crop)


def with_explicit_pads(model):
    """SAME_UPPER as numbers, for pictures whose sizes are even wherever a stride is 2: kernel - stride in all."""
    sizes = {weights.name: weights.dims for weights in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type != "Conv":
            continue
        given = {attribute.name: onnx.helper.get_attribute_value(attribute) for attribute in node.attribute}
        if given.get("auto_pad") != b"SAME_UPPER":
            continue
        total = [k - s for k, s in zip(sizes[node.input[1]][2:], given.get("strides", [1, 1]), strict=True)]
        kept = [attribute for attribute in node.attribute if attribute.name != "auto_pad"]
        del node.attribute[:]
        node.attribute.extend(kept)
        pads = [t // 2 for t in total] + [t - t // 2 for t in total]
        node.attribute.append(onnx.helper.make_attribute("pads", pads))
    return model


class Normalized(torch.nn.Module):
    def __init__(self, module):
        super().__init__()
        self.module = module

    def forward(self, x):
        return self.module((255 * x - MEAN) / STD)


def main(names):
    # torchvision's compiled operators fit one torch build each; none is used here.
    sys.modules.setdefault("torchvision._meta_registrations", types.ModuleType("torchvision._meta_registrations"))
    import foolbox
    import onnx2torch
    import torchattacks

    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        # Weights that are stored in half precision become plain ones.
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
        options.optimized_model_filepath = f"{folder}/plain.onnx"
        onnxruntime.InferenceSession(DATA / "efficientnet-lite0.onnx", options, providers=["CPUExecutionProvider"])
        net = Normalized(onnx2torch.convert(with_explicit_pads(onnx.load(f"{folder}/plain.onnx")))).eval()
    x = torch.tensor(np.stack([crop.transpose(2, 0, 1) for crop in crops()]) / np.float32(255))
    with torch.no_grad():
        labels = net(x).argmax(1)

    def loss(images):
        with torch.no_grad():
            return torch.nn.functional.cross_entropy(net(images), labels[: len(images)], reduction="none").tolist()

    def l2(images):
        return (images - x[: len(images)]).flatten(1).norm(dim=1).tolist()

    def linf(images):
        return (images - x[: len(images)]).flatten(1).abs().amax(1).tolist()

    fmodel, attacks = foolbox.PyTorchModel(net, bounds=(0, 1)), foolbox.attacks
    l2_steps = attacks.L2ProjectedGradientDescentAttack(abs_stepsize=0.1, steps=8, random_start=False)
    walk = {"steps": 50, "candidates": 10, "overshoot": 0.02}
    carlini = attacks.L2CarliniWagnerAttack(binary_search_steps=3, steps=50, stepsize=0.01, initial_const=1.0)
    small = {"eps": 2 / 255, "alpha": 0.5 / 255, "steps": 8}

    def run(attack, eps=None, count=len(x)):
        _, images, success = attack(fmodel, x[:count], labels[:count], epsilons=eps)
        return {"loss": loss(images), "l2": l2(images), "linf": linf(images), "success": success.tolist()}

    def run_torchattacks(attack):
        images = attack(x, labels)
        return {"loss": loss(images), "l2": l2(images), "linf": linf(images)}

    runs = {
        "foolbox_fgsm_2": lambda: run(attacks.LinfFastGradientAttack(), 2 / 255),
        "torchattacks_pgd_2": lambda: run_torchattacks(torchattacks.PGD(net, random_start=False, **small)),
        "torchattacks_mifgsm_2": lambda: run_torchattacks(torchattacks.MIFGSM(net, decay=1.0, **small)),
        "foolbox_pgd_l2_half": lambda: run(l2_steps, 0.5),
        "foolbox_deepfool_l2": lambda: run(attacks.L2DeepFoolAttack(**walk)),
        "foolbox_cw": lambda: run(carlini, count=1),
    }
    path = HERE / "attacks.json"
    result = json.loads(path.read_text()) if path.exists() else {}
    result |= {"labels": labels.tolist(), "loss": loss(x)}
    for name in names or runs:
        result[name] = runs[name]()
    path.write_text(json.dumps(result, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
