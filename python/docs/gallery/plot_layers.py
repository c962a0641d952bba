# SPDX-License-Identifier: Apache-2.0
"""What the units of a layer contribute.

Gradient times activation, integrated gradients of the layer's values, internal influence (the mean gradient) and
conductance (how much of the score flows through each unit), at one layer in the middle of the network. The last three
look at the whole way from a picture of one colour; conductance adds up to the change of the score.
"""

import pathlib

import cnnlens as cl
from cnnlens.maps import Panel

photo = pathlib.Path(cl.__file__).parent / "data" / "chelsea.jpg"
net = cl.load("efficientnet-lite0")
# Behind a sum nothing passes the layer by.
layer = [name for name, row in net.layers.items() if row.kind == "Add" and row.shape[-1] == 14][-1]

maps = [
    cl.layer_grad_x_activation(net, photo, "tabby", layer=layer),
    cl.layer_integrated_gradients(net, photo, "tabby", layer=layer, baseline="mean", steps=50),
    cl.internal_influence(net, photo, "tabby", layer=layer, baseline="mean", steps=10),
    cl.conductance(net, photo, "tabby", layer=layer, baseline="mean", steps=80),
]
print(f"conductance misses {maps[3].gap:.3f} at {layer}")
Panel(maps).save("plot_layers.png")
