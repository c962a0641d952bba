// SPDX-License-Identifier: Apache-2.0
import LensEngine
import LensTensors

/// dS/dI * I: what each pixel contributes where the network is linear. It sums to S for a network of
/// convolutions without biases, ReLU and max-pooling.
///
/// Shrikumar, Greenside, Shcherbina & Kundaje, "Not Just a Black Box", 2016. arXiv:1605.01713
/// - image: N×C×H×W. The map is in units of the objective.
public func gradientTimesInput(
  _ session: Session, _ image: Tensor, _ objective: Objective = .top, reduction: ChannelReduction = .sum
) throws -> Attribution {
  try attribute(session, image, objective, .gradient, reduction) { $0 * image }
}
