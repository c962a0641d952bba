# SPDX-License-Identifier: Apache-2.0
"""What each piece of the picture is worth.

A cat hangs on a grey wall, and the picture falls into about fifty superpixels. Feature ablation hides one at a time.
LIME and KernelSHAP hide half of them at random and fit a line; Shapley values let them appear one by one. All find the
forehead with its stripes, and hardly anything on the wall. The last two add up to the score, less what is left when all
is hidden.
"""

import pathlib

from PIL import Image

import cnnlens as cl
from cnnlens.maps import Panel

photo = Image.open(pathlib.Path(cl.__file__).parent / "data" / "chelsea.jpg")
wall = Image.new("RGB", (224, 224), "grey")
wall.paste(photo.resize((150, 100)), (60, 110))
net = cl.load("efficientnet-lite0")

maps = [
    cl.feature_ablation(net, wall),
    cl.lime(net, wall, samples=80),
    cl.kernel_shap(net, wall, samples=80),
    cl.shapley(net, wall, samples=1),
]
print(f"Shapley values: {maps[3].weights.sum():.3f} = {maps[3].score:.3f} - {maps[3].intercept:.3f}")
Panel(maps).save("plot_segments.png")
