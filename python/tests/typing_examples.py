# SPDX-License-Identifier: Apache-2.0
"""What a user writes, as mypy --strict sees it (`make lint`)."""

import numpy as np
import numpy.typing as npt

import cnnlens as cl


def everyday(net: cl.Network, photo: str) -> npt.NDArray[np.float32]:
    prediction: cl.Prediction = net.predict(photo, top=3)
    print(prediction.labels, prediction.probs)
    difference: cl.Objective = cl.logit("tabby") - 0.5 * cl.prob(3) + cl.unit("conv5", 12, (6, 6))
    heat: cl.Map = cl.grad_cam(net, photo, difference, layer="conv5")
    heat.save("heat.png")
    panel: cl.Panel = cl.explain(net, [photo, photo], ["tabby", 3])
    panel.save("panel.png")
    raw = np.zeros((1, 3, 224, 224), np.float32)
    several: dict[str, npt.NDArray[np.float32]] = net.gradient(raw, None, ["input", "conv1"])
    print(net(raw).argmax(), several["input"].shape)
    return net.gradient(raw)
