// SPDX-License-Identifier: Apache-2.0
import LensEngine
import LensTensors

/// Guided backprop where Grad-CAM looks: their product, pixel by pixel, summed over the colours.
///
/// Selvaraju et al., "Grad-CAM", 2017, section 3.2. arXiv:1610.02391
/// - image: N×C×H×W.
public func guidedGradCAM(
  _ session: Session, _ image: Tensor, _ objective: Objective = .top, at layer: Layer? = nil
) throws -> Attribution {
  try session.check(image)
  let layer = try layer ?? session.lastSpatialLayer(inputs: [image.shape])
  let cam = try gradCAM(session, image, objective, at: layer)
  let guided = try session.gradient(of: objective, at: [image], rules: .guided)
  return Attribution(guided.gradients[0].foldedOverChannels(0, +) * cam.map, guided, layer: layer, native: cam.native)
}
