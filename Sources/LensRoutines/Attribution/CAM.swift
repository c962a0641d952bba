// SPDX-License-Identifier: Apache-2.0
import LensEngine
import LensTensors

/// The last maps weighted by what the class makes of each after global pooling: M_c = sum_k w_k^c A_k.
///
/// Zhou, Khosla, Lapedriza, Oliva & Torralba, "Learning Deep Features for Discriminative Localization", 2016,
/// equation 2. arXiv:1512.04150. For networks that pool globally (average or maximum) and are linear after it.
/// - image: N×C×H×W.
public func cam(_ session: Session, _ image: Tensor, _ objective: Objective = .top) throws -> Attribution {
  try session.check(image)
  let (maps, pooled) = try session.globalPool(inputs: [image.shape])
  // Behind the pool the network is linear: the gradient there is the row of weights of the class.
  let result = try session.gradient(of: objective, at: [image], wrt: [pooled], activations: [maps])
  let native = result.activations[0].weightedOverChannels(result.gradients[0])
  return Attribution(try native.enlarged(to: image.shape, .bilinear), result, layer: maps, native: native)
}
