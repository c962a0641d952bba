# SPDX-License-Identifier: Apache-2.0
"""From a map to an object, without having been taught any boxes.

A class activation map, cut at a fifth of its maximum, gives a box, which overlaps with the photograph's by the number
printed. A saliency map gives GrabCut a hint of what colours the object has, and GrabCut finds its outline.
"""

import pathlib

from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image

import cnnlens as cl

photo = Image.open(pathlib.Path(cl.__file__).parent / "data" / "chelsea.jpg")
wall = Image.new("RGB", (224, 224), "grey")
wall.paste(photo.resize((150, 100)), (60, 110))
net = cl.load("efficientnet-lite0")

cam = cl.cam(net, wall)
x0, y0, x1, y1, score = cl.boxes(cam, 0.2)[0]
print(f"IoU {cl.iou((x0, y0, x1, y1), (60, 110, 210, 210)):.2f}")
mask = cl.segment(cl.saliency(net, wall))
figure = Figure(figsize=(9, 3.2), layout="constrained")
axes = figure.subplots(1, 3)
for axis, picture, title in zip(
    axes, [cam.overlay(), cam.image, cam.image * mask[:, :, None]], ["CAM", "its largest box", "GrabCut of saliency"]
):
    axis.imshow(picture)
    axis.set_title(title)
    axis.axis("off")
axes[1].add_patch(Rectangle((x0, y0), x1 - x0, y1 - y0, fill=False, color="red", linewidth=2))
figure.savefig("plot_objects.png")
