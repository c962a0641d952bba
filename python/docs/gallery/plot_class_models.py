# SPDX-License-Identifier: Apache-2.0
"""What a network takes for the best example of a class.

From a grey picture on, the score of the class is raised. Simonyan's preset, above, keeps the picture small and finds
texture: fine, repeated, hardly a shape. Yosinski's third set, below, blurs every few steps, and parts of the animal
stand out: necks and beaks of flamingos, wings.
"""

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

import cnnlens as cl

net = cl.load("efficientnet-lite0")
classes = ["flamingo", "monarch"]
rows = [cl.class_model(net, classes, preset=preset, steps=40, progress=False) for preset in ("simonyan", "yosinski3")]

figure, axes = plt.subplots(2, len(classes), figsize=(6, 6.4), layout="constrained")
for row, pictures in zip(axes, rows, strict=True):
    for axis, picture, label in zip(row, pictures, classes, strict=True):
        axis.imshow(picture)
        axis.set_title(f"{label}: {net.predict(picture, top=1).probs[0]:.1%}")
        axis.axis("off")
figure.savefig("plot_class_models.png")
