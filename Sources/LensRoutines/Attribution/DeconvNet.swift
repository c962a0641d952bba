// SPDX-License-Identifier: Apache-2.0
import LensEngine
import LensTensors

/// The network walked backwards with a ReLU on what comes back: R^l = (R^{l+1} > 0) R^{l+1}, switches kept at max-pooling.
///
/// Zeiler & Fergus, "Visualizing and Understanding Convolutional Networks", 2014, section 2.1. arXiv:1311.2901
/// - image: N×C×H×W.
public func deconvNet(
  _ session: Session, _ image: Tensor, _ objective: Objective = .top, reduction: ChannelReduction = .sum
) throws -> Attribution {
  try attribute(session, image, objective, .deconvnet, reduction)
}
