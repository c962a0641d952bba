# SPDX-License-Identifier: Apache-2.0
"""DeepDream: what a network sees in a picture, made stronger.

The energy of one layer is raised, from coarse to fine. In the middle of EfficientNet-Lite0 a cat's fur fills with eyes,
snouts and swirls.
"""

import pathlib

import cnnlens as cl

photo = pathlib.Path(cl.__file__).parent / "data" / "chelsea.jpg"
net = cl.load("efficientnet-lite0")
dream = cl.deepdream(net, photo, "blocks.4.1/expand_relu6", size=384, steps=16, progress=False)
dream.save("plot_dream.png")
