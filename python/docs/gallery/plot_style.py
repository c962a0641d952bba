# SPDX-License-Identifier: Apache-2.0
"""A photograph in the style of a painting.

The painting is made of strokes along a swirl, in blue, white and gold. Its Gram matrices at five layers of a VGG-16
tell which colours and strokes go together, not where; the photograph's code at a deeper layer tells where its shapes
are. The cat comes out painted.
"""

import os
import pathlib

import matplotlib
import numpy as np

matplotlib.use("Agg")
import matplotlib.pyplot as plt

import cnnlens as cl

cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache"))
trunk = cache / "cnnlens" / "vgg16-trunk.onnx"
if not trunk.exists():
    raise SystemExit(f"there is no {trunk}; python/tools/vgg_trunk.py writes it (make demo-style does that)")
photo = pathlib.Path(cl.__file__).parent / "data" / "chelsea.jpg"

random = np.random.default_rng(3)
colors = ["#f2d94d", "#3359cc", "#f2f7f7", "#268cbf", "#f29926", "#1a2673"]
canvas = plt.figure(figsize=(2, 2), dpi=96, facecolor="#1a2666")
axes = canvas.add_axes((0, 0, 1, 1), xlim=(0, 192), ylim=(0, 192))
axes.axis("off")
for x, y in random.uniform(0, 192, (2600, 2)):
    angle, length = np.sin(x / 30) + np.cos(y / 25) + 0.3 * random.normal(), random.uniform(4, 9)
    dx, dy = length * np.cos(angle), length * np.sin(angle)
    shade = int(3 * (np.sin(x / 40) * np.cos(y / 40) + 1) + random.integers(0, 2)) % 6
    axes.plot([x - dx, x + dx], [y - dy, y + dy], color=colors[shade], linewidth=2.2)
canvas.canvas.draw()
painting = np.asarray(canvas.canvas.buffer_rgba())[:, :, :3].copy()

painted = cl.style_transfer(
    cl.load(trunk),
    photo,
    painting,
    content_layers="block4_relu2",
    style_layers=[f"block{block}_relu1" for block in range(1, 6)],
    tv_weight=1e-5,
    image_size=128,
    num_iterations=40,
    init="image",
    progress=False,
)
painted.save("plot_style.png")
