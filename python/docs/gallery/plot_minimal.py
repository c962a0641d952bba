# SPDX-License-Identifier: Apache-2.0
"""The smallest changes that make a lynx.

Three attacks that look for the smallest change instead of filling a given ball: DeepFool walks straight to the nearest
border, as if the network were linear; Szegedy's L-BFGS and Carlini & Wagner's attack minimise the length of the change
together with a loss. All changes are shown equally strong; the numbers are their Euclidean lengths in units of [0, 1]
(a picture's own length is above 100).

Moosavi-Dezfooli et al., 2016, arXiv:1511.04599; Szegedy et al., 2014, arXiv:1312.6199; Carlini & Wagner, 2017,
arXiv:1608.04644
"""

import pathlib

import matplotlib.pyplot as plt
import numpy as np
from PIL import Image

import cnnlens as cl

photo = pathlib.Path(cl.__file__).parent / "data" / "chelsea.jpg"
net = cl.load("efficientnet-lite0")
cat = np.asarray(Image.open(photo).crop((75, 0, 375, 300)).resize((224, 224))) / np.float32(255)
results = [
    cl.deepfool(net, cat, "lynx", targeted=True),
    cl.lbfgs_attack(net, cat, "lynx", targeted=True, steps=5, searches=1),
    cl.cw(net, cat, "lynx", targeted=True, steps=30, searches=1, rate=0.003, weight=2),
]

figure, axes = plt.subplots(1, 3, figsize=(12, 4.3), layout="constrained")
for axis, result in zip(axes, results, strict=True):
    change = result.images - cat
    axis.imshow(np.clip(0.5 + 0.3 * change / change.std() / 3, 0, 1))
    axis.set_title(f"{result.method}: {result.l2:.3f}, {result.prediction.labels[0]}")
    axis.axis("off")
figure.savefig("plot_minimal.png")
