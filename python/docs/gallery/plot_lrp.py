# SPDX-License-Identifier: Apache-2.0
"""Layer-wise relevance propagation: the score, handed back to the pixels it is made of.

Each layer shares the relevance of its outputs out to its inputs. By contribution alone (epsilon) the map is noisy, as
the gradient is. Rules that favour what agrees with an output draw what the network looks at: the rims and pupils of
the eyes, the nose. Alpha-beta shows what speaks against it as well, in blue. The biases of this network take most of
the score, as what is printed says.
"""

import pathlib

import cnnlens as cl
from cnnlens.maps import Panel

photo = pathlib.Path(cl.__file__).parent / "data" / "chelsea.jpg"
net = cl.load("efficientnet-lite0")

rules = ("epsilon", "epsilon-gamma-box", "epsilon-plus-flat", "epsilon-alpha2-beta1-flat")
maps = [cl.lrp(net, photo, "tabby", rule=rule) for rule in rules]
for rule, found in zip(rules, maps, strict=True):
    print(f"{rule:26} {found.gap:6.2f} of a score of {found.score:.2f} is missing")
Panel(maps).save("plot_lrp.png")
