# SPDX-License-Identifier: Apache-2.0
"""Many small steps reach what one large step cannot.

The cat is to be taken for something of our choice. One step down the loss of that class hardly ever gets there,
however large it is; projected gradient descent, six small steps within the same bounds, reaches most classes at 2/255.
(At half a level nothing can change at all: results are whole bytes.)

Madry et al., "Towards Deep Learning Models Resistant to Adversarial Attacks", 2018. arXiv:1706.06083
"""

import pathlib

import matplotlib.pyplot as plt
import numpy as np
from PIL import Image

import cnnlens as cl

photo = pathlib.Path(cl.__file__).parent / "data" / "chelsea.jpg"
net = cl.load("efficientnet-lite0")
cat = np.asarray(Image.open(photo).crop((75, 0, 375, 300)).resize((224, 224)))
targets = ["ostrich", "volcano", "goldfish"]
eps = [0.5 / 255, 1 / 255, 2 / 255, 4 / 255]


def pgd(*arguments, **options):
    return cl.pgd(*arguments, steps=6, step=0.5 / 255, random_start=False, **options)


figure, axes = plt.subplots(layout="constrained")
for name, attack in (("FGSM", cl.fgsm), ("PGD, 6 steps", pgd)):
    curve = attack(net, [cat] * 3, targets, targeted=True, eps=eps)
    axes.plot([255 * size for size in curve.eps], curve.success_rate, "o-", label=name)
axes.set_xlabel("eps, in levels of 255")
axes.set_ylabel("share of targets that are seen")
axes.legend()
figure.savefig("plot_pgd.png")
