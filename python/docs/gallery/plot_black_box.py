# SPDX-License-Identifier: Apache-2.0
"""Without a gradient.

Attacks that may only ask. The square attack puts random squares at the edge of the ball and keeps those that help; NES
guesses the gradient from class scores round the picture; HopSkipJump needs nothing but what the network says, starts
from noise and comes closer along the border. The changes are shown 20 times as strong; the numbers say how many
pictures the network was shown.

Andriushchenko et al., 2020, arXiv:1912.00049; Ilyas et al., 2018, arXiv:1804.08598; Chen et al., 2020, arXiv:1904.02144
"""

import pathlib

import matplotlib.pyplot as plt
import numpy as np
from PIL import Image

import cnnlens as cl

photo = pathlib.Path(cl.__file__).parent / "data" / "chelsea.jpg"
net = cl.load("efficientnet-lite0")
cat = np.asarray(Image.open(photo).crop((75, 0, 375, 300)).resize((224, 224)))
results = [
    cl.square(net, cat, eps=6 / 255, steps=60),
    cl.nes(net, cat, eps=8 / 255, steps=3, samples=16),
    cl.hopskipjump(net, cat, steps=2, samples=16),
]

figure, axes = plt.subplots(1, 3, figsize=(12, 4.3), layout="constrained")
for axis, result in zip(axes, results, strict=True):
    axis.imshow(np.clip(0.5 + 20 * (result.images.astype(float) - cat) / 255, 0, 1))
    axis.set_title(f"{result.method}: {result.prediction.labels[0]}, {result.queries} questions")
    axis.axis("off")
figure.savefig("plot_black_box.png")
