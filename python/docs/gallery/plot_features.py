# SPDX-License-Identifier: Apache-2.0
"""What channels react to, from layer to layer.

A row for each of three layers, from an early one to a late one, and three channels of each. First stripes and dots of
a colour, then textures, then eyes, scales and swirls. The spectrum of the picture is optimised, and the picture is
moved, scaled and turned a little before each step.
"""

import cnnlens as cl

net = cl.load("efficientnet-lite0")
layers = ["blocks.1.1/expand_relu6", "blocks.3.1/expand_relu6", "blocks.4.1/expand_relu6"]
goals = [f"{layer}:{channel}" for layer in layers for channel in (3, 11, 19)]
cl.visualize(net, goals, size=96, steps=32, progress=False).save("plot_features.png")
