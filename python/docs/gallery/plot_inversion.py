# SPDX-License-Identifier: Apache-2.0
"""What is left of a photograph at each depth.

From noise, pictures are found whose code at a layer is that of the photograph. Early layers keep everything, colours
included; then colours fade and details move; from the class scores alone next to nothing comes back.
"""

import pathlib

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

import cnnlens as cl

photo = pathlib.Path(cl.__file__).parent / "data" / "chelsea.jpg"
net = cl.load("efficientnet-lite0")
layers = ["stem/relu6", "blocks.1.1/project", "blocks.3.1/project", "logits"]
found = cl.invert(net, photo, layers, size=128, steps=120, progress=False)

figure, axes = plt.subplots(2, 2, figsize=(6, 6.6), layout="constrained")
for axis, picture, layer, error in zip(axes.ravel(), found, layers, found.error, strict=True):
    axis.imshow(picture)
    axis.set_title(f"{layer}\nmisses {error:.0%}", fontsize=9)
    axis.axis("off")
figure.savefig("plot_inversion.png")
