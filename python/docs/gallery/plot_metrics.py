# SPDX-License-Identifier: Apache-2.0
"""How much is a map worth?

Pixels are hidden, the most important first (deletion, low is good), or appear on a blurred picture (insertion, high is
good); ROAD paints over what it removes (low is good). Two methods are compared with a map of random numbers. Deletion
likes even that one: pictures full of black holes are nothing the network knows. ROAD leaves no holes, and tells them
apart.
"""

import pathlib
from functools import partial

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

import cnnlens as cl

photo = Image.open(pathlib.Path(cl.__file__).parent / "data" / "chelsea.jpg")
wall = Image.new("RGB", (224, 224), "grey")
wall.paste(photo.resize((150, 100)), (60, 110))
net = cl.load("efficientnet-lite0")


def chance(net, x, target):
    return np.random.default_rng(0).random((224, 224))


methods = {"saliency": cl.saliency, "grad_cam": cl.grad_cam, "chance": chance}
measures = {
    "deletion": partial(cl.deletion, steps=12),
    "insertion": partial(cl.insertion, steps=12),
    "road": partial(cl.road, percentiles=(20, 40)),
}
table = cl.compare(net, [wall], methods, measures)
print(table)
figure = Figure(figsize=(9, 3), layout="constrained")
axes = figure.subplots(1, 3)
for axis, name, column in zip(axes, table.metrics, np.asarray(table).T):
    axis.bar(table.methods, column)
    axis.set_title(f"{name}: {'high' if name == 'insertion' else 'low'} is good")
figure.savefig("plot_metrics.png")
