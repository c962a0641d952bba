# SPDX-License-Identifier: Apache-2.0
"""One step that a person does not see.

The fast gradient sign method moves every value of a picture by the same small amount, up or down, whichever raises the
loss. The change in the middle is shown 30 times as strong; left and right are the picture before and after, with what
the network sees in each. The cat is attacked at the photograph's own resolution: the change is saved with it as bytes.

Goodfellow, Shlens & Szegedy, "Explaining and Harnessing Adversarial Examples", 2015. arXiv:1412.6572
"""

import pathlib

import matplotlib.pyplot as plt
import numpy as np
from PIL import Image

import cnnlens as cl

photo = pathlib.Path(cl.__file__).parent / "data" / "chelsea.jpg"
net = cl.load("efficientnet-lite0")
cat = np.asarray(Image.open(photo))
fooled = cl.fgsm(net, cat, eps=2 / 255)
change = (fooled.images.astype(float) - cat) / 255

figure, axes = plt.subplots(1, 3, figsize=(12, 3.2), layout="constrained")
for axis, picture, title in (
    (axes[0], cat, net.predict(cat, 1)),
    (axes[1], np.clip(0.5 + 30 * change, 0, 1), "the change, times 30"),
    (axes[2], fooled.images, fooled.prediction),
):
    axis.imshow(picture)
    axis.set_title(title if isinstance(title, str) else f"{title.labels[0]}: {100 * title.probs[0]:.0f} %")
    axis.axis("off")
figure.savefig("plot_fgsm.png")
