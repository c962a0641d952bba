# SPDX-License-Identifier: Apache-2.0
"""Class scores at every position.

The network's dense layer becomes a convolution, so that it can look at a picture larger than the one it was trained on:
the score of each class, at every position. The cat's score is high where the cat's face is.
"""

import pathlib

import cnnlens as cl

photo = pathlib.Path(cl.__file__).parent / "data" / "chelsea.jpg"
net = cl.load("efficientnet-lite0")

found = cl.class_map(net, photo, "tabby", size=448)
print(found)
found.figure().savefig("plot_class_map.png")
