// SPDX-License-Identifier: Apache-2.0
import LensEngine
import LensTensors

/// How much each pixel would change the objective: M = max_c |dS/dI_c|.
///
/// Simonyan, Vedaldi & Zisserman, "Deep Inside Convolutional Networks", 2013, section 3.1. arXiv:1312.6034
/// - image: N×C×H×W. The map is in units of the objective per unit of the image.
public func saliency(
  _ session: Session, _ image: Tensor, _ objective: Objective = .top, reduction: ChannelReduction = .maximum
) throws -> Attribution {
  try attribute(session, image, objective, .gradient, reduction)
}
