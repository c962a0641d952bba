# SPDX-License-Identifier: Apache-2.0
"""Sure of nothing.

What the network is sure of need not look like anything. Left: noise, changed along the gradient until the network is
99 % sure of a volcano. Middle: the cat, changed until it is one too. Right: a pattern bred without any gradient, by
mutations of a small network that paints it (a CPPN); each generation keeps the best. Fifteen generations go so far.

Nguyen, Yosinski & Clune, "Deep Neural Networks are Easily Fooled", 2015. arXiv:1412.1897
"""

import pathlib

import matplotlib.pyplot as plt
import numpy as np
from PIL import Image

import cnnlens as cl

photo = pathlib.Path(cl.__file__).parent / "data" / "chelsea.jpg"
net = cl.load("efficientnet-lite0")
cat = np.asarray(Image.open(photo))
results = [
    cl.fool(net, None, "volcano"),
    cl.fool(net, cat, "volcano"),
    cl.evolve_fool(net, "digital clock", confidence=0.9, population=8, generations=15, seed=1),
]

figure, axes = plt.subplots(1, 3, figsize=(12, 4), layout="constrained")
for axis, result in zip(axes, results, strict=True):
    axis.imshow(result.images)
    axis.set_title(f"{result.prediction.labels[0]}: {100 * result.prediction.probs[0]:.0f} %")
    axis.axis("off")
figure.savefig("plot_fooling.png")
