# SPDX-License-Identifier: Apache-2.0
"""The CAM family on one photograph.

All weigh the maps of the last layer with one. Grad-CAM takes each map's mean gradient, Grad-CAM++ counts every place of
the class alike, HiResCAM and LayerCAM weigh unit by unit, XGrad-CAM by each unit's share, Eigen-CAM asks for no class
at all, Ablation-CAM sees what the score loses without a map, FullGrad adds what every bias contributes.
"""

import pathlib

import cnnlens as cl
from cnnlens.maps import Panel

photo = pathlib.Path(cl.__file__).parent / "data" / "chelsea.jpg"
net = cl.load("efficientnet-lite0")

variants = ["gradcam", "gradcam++", "hirescam", "xgradcam", "layercam", "eigencam", "ablationcam"]
maps = [cl.grad_cam(net, photo, "tabby", variant=variant, progress=False) for variant in variants]
Panel([*maps, cl.fullgrad(net, photo, "tabby")]).save("plot_cams.png")
