// SPDX-License-Identifier: Apache-2.0
import LensEngine
import LensTensors

/// The gradient with negative signals stopped at every rectifier: R^l = (f^l > 0) (R^{l+1} > 0) R^{l+1}.
///
/// Springenberg, Dosovitskiy, Brox & Riedmiller, "Striving for Simplicity", 2015, figure 1. arXiv:1412.6806
/// - image: N×C×H×W.
public func guidedBackprop(
  _ session: Session, _ image: Tensor, _ objective: Objective = .top, reduction: ChannelReduction = .sum
) throws -> Attribution {
  try attribute(session, image, objective, .guided, reduction)
}
