# SPDX-License-Identifier: Apache-2.0
"""What defences are worth.

Each defence treats the picture before the network sees it. The cat is changed until it is an ostrich to the network.
Shown to a defended network, that picture is a cat again (blue); but an attack that goes through the defence as if it
were not there, and asks the defended network itself, makes another ostrich (orange). Six steps are few against JPEG,
through which the gradient is least true.

Athalye, Carlini & Wagner, "Obfuscated Gradients Give a False Sense of Security", 2018. arXiv:1802.00420
"""

import pathlib

import matplotlib.pyplot as plt
import numpy as np
from PIL import Image

import cnnlens as cl

photo = pathlib.Path(cl.__file__).parent / "data" / "chelsea.jpg"
net = cl.load("efficientnet-lite0")
cat = np.asarray(Image.open(photo).crop((75, 0, 375, 300)).resize((224, 224)))
nets = {"none": net, "jpeg": cl.defend.jpeg(net, 75), "bits": cl.defend.bits(net, 3), "median": cl.defend.median(net)}


def ostrich(net):
    return cl.pgd(net, cat, "ostrich", targeted=True, eps=4 / 255, step=1 / 255, steps=6, random_start=False).images


def sure(net, picture):
    return net.predict(picture, 1000).probs[net.predict(picture, 1000).labels.index("ostrich")]


plain = ostrich(net)
places = np.arange(len(nets))
figure, axes = plt.subplots(layout="constrained")
axes.bar(places - 0.2, [sure(each, plain) for each in nets.values()], 0.4, label="made without the defence")
axes.bar(places + 0.2, [sure(each, ostrich(each)) for each in nets.values()], 0.4, label="made with it")
axes.set_xticks(places, list(nets))
axes.set_ylabel("probability of an ostrich")
axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2)
figure.savefig("plot_defences.png")
