# SPDX-License-Identifier: Apache-2.0
"""A handful of pixels.

Differential evolution looks for places and colours of a few pixels that change what the network sees. On small pictures
one is often enough; at 224 x 224 it takes more, and a picture of which the network is not too sure. Only what a pixel
reaches in the network is computed for each of the candidates.

Su, Vargas & Sakurai, "One Pixel Attack for Fooling Deep Neural Networks", 2019. arXiv:1710.08864
"""

import pathlib

import matplotlib.pyplot as plt
import numpy as np
from PIL import Image

import cnnlens as cl

photo = pathlib.Path(cl.__file__).parent / "data" / "chelsea.jpg"
net = cl.load("efficientnet-lite0")
cat = np.asarray(Image.open(photo).crop((75, 0, 375, 300)).resize((224, 224)))
found = cl.one_pixel(net, cat, pixels=5, population=40, generations=4)

figure, axes = plt.subplots(1, 2, figsize=(9, 4.6), layout="constrained")
for axis, picture, seen in zip(axes, (cat, found.images), (net.predict(cat), found.prediction), strict=True):
    axis.imshow(picture)
    axis.set_title(", ".join(f"{label} {100 * p:.0f} %" for label, p in zip(seen.labels[:2], seen.probs, strict=False)))
    axis.axis("off")
rows, columns = np.nonzero((found.images != cat).any(axis=-1))
axes[1].plot(columns, rows, "o", markersize=14, markerfacecolor="none", markeredgecolor="red")
figure.savefig("plot_one_pixel.png")
