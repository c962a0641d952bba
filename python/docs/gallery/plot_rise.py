# SPDX-License-Identifier: Apache-2.0
"""RISE: random masks, each weighted by what the network makes of what it shows.

The probability of the cat is high for masks that leave it free, and the mean of the masks, weighted with it, says where
the cat hangs. A few hundred masks do for that; the paper takes 4000, and the map becomes smooth.
"""

import pathlib

from matplotlib.figure import Figure
from PIL import Image

import cnnlens as cl

photo = Image.open(pathlib.Path(cl.__file__).parent / "data" / "chelsea.jpg")
wall = Image.new("RGB", (224, 224), "grey")
wall.paste(photo.resize((150, 100)), (60, 110))
net = cl.load("efficientnet-lite0")

cat = net.predict(wall).indices[0]
found = cl.rise(net, wall, cl.prob(cat), masks=200, cells=5)
figure = Figure(figsize=(6, 3.2), layout="constrained")
axes = figure.subplots(1, 2)
axes[0].imshow(found.image)
figure.colorbar(axes[1].imshow(found), ax=axes[1], label="mean probability of what shows the pixel")
for axis in axes:
    axis.axis("off")
figure.savefig("plot_rise.png")
