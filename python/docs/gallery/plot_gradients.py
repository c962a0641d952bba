# SPDX-License-Identifier: Apache-2.0
"""What the gradient says, four ways.

Saliency is the gradient's size, and noisy. SmoothGrad averages it over noisy copies of the picture. Integrated
gradients averages it on the way from the picture's mean colour to the picture, times the difference: its values add
up to the difference of the scores. Guided backprop lets only positive signals back through each ReLU: sharp, and
nearly blind to the class.
"""

import pathlib

import cnnlens as cl
from cnnlens.maps import Panel

photo = pathlib.Path(cl.__file__).parent / "data" / "chelsea.jpg"
net = cl.load("efficientnet-lite0")

maps = [
    cl.saliency(net, photo, "tabby"),
    cl.smoothgrad(net, photo, "tabby", n=8),
    cl.integrated_gradients(net, photo, "tabby", baseline="mean", steps=24),
    cl.guided_backprop(net, photo, "tabby"),
]
print(f"integrated gradients miss {maps[2].gap:.3f} of a score of {maps[2].score:.2f}")
Panel(maps).save("plot_gradients.png")
