# SPDX-License-Identifier: Apache-2.0
"""Does a map depend on what the network has learnt?

Weights are drawn anew from the class scores down, and each map is compared with the trained network's. The gradient and
Grad-CAM change at once. Guided backprop hardly does: it shows the picture's edges, whatever the network knows.
"""

import pathlib

from matplotlib.figure import Figure

import cnnlens as cl

photo = pathlib.Path(cl.__file__).parent / "data" / "chelsea.jpg"
net = cl.load("efficientnet-lite0")

figure = Figure(figsize=(7, 4), layout="constrained")
axis = figure.subplots()
for method in ("saliency", "guided_backprop", "grad_cam"):
    check = cl.sanity_check(net, photo, method, "tabby", layers=3, measures=["ssim"])
    axis.plot([1, *check.similarity["ssim"]], marker="o", label=method)
axis.set_xticks(range(4), ["trained", *(name.replace("/", "/\n") for name in check.layers)], fontsize=7)
axis.set_xlabel("weights are random from the class scores down to")
axis.set_ylabel("structural similarity")
axis.legend()
figure.savefig("plot_sanity.png")
