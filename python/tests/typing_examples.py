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


def whether_it_is_right(net: cl.Network, photo: str) -> float:
    pieces: cl.SegmentMap = cl.lime(net, photo, "tabby", segments="grid")
    print(pieces.weights, pieces.fit, pieces.top(3))
    table: cl.Table = cl.compare(net, [photo], ["saliency", cl.grad_cam], ["deletion", "insertion"])
    check: cl.SanityCheck = cl.sanity_check(net, photo, "saliency", layers=4)
    print(table.to_dict(), check.similarity["rank"], cl.boxes(pieces, 0.3))
    scores: cl.ClassMap = cl.class_map(net, photo, "tabby", size=448)
    curve: cl.Curve = cl.deletion(net, photo, scores.enlarged(), "tabby")
    return float(curve)
