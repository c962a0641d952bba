// SPDX-License-Identifier: Apache-2.0
import LensEngine
import LensTensors

/// How a layer's map is enlarged to the picture.
public enum Enlargement: Sendable { case bilinear, nearest }

/// The maps of a layer, weighted by how the objective's gradient points at each on average:
/// L = ReLU(sum_k alpha_k A^k), alpha_k = 1/(HW) sum_ij dS/dA^k_ij.
///
/// Selvaraju et al., "Grad-CAM", 2017, equations 1 and 2. arXiv:1610.02391
/// - image: N×C×H×W.
/// - layer: one with maps; by default the last of them before the class scores, as the result says.
/// - keepsPositive: the ReLU of equation 2.
public func gradCAM(
  _ session: Session, _ image: Tensor, _ objective: Objective = .top, at layer: Layer? = nil, keepsPositive: Bool = true,
  enlargement: Enlargement = .bilinear
) throws -> Attribution {
  let layer = try layer ?? session.lastSpatialLayer(inputs: [image.shape])
  let result = try session.gradient(of: objective, at: [image], wrt: [layer], activations: [layer])
  let maps = result.activations[0]
  guard maps.shape.rank == 4 else {
    throw LensError(.invalidArgument, "layer '\(layer)' is \(maps.shape) and has no maps; choose one that is N×C×H×W")
  }
  let sum = maps.weightedOverChannels(result.gradients[0].spatialMean())
  let native = keepsPositive ? sum.map { max($0, 0) } : sum
  return Attribution(try native.enlarged(to: image.shape, enlargement), result, layer: layer, native: native)
}

extension Tensor {
  /// N×h×w maps at the height and width of `shape`.
  func enlarged(to shape: Shape, _ enlargement: Enlargement) throws -> Tensor {
    let maps = reshaped(to: [self.shape[0], 1, self.shape[1], self.shape[2]])
    let scales = [1, 1, Double(shape.h) / Double(maps.shape.h), Double(shape.w) / Double(maps.shape.w)]
    let resize = Resize(
      output: [maps.shape.n, 1, shape.h, shape.w], scales: scales,
      mode: enlargement == .bilinear ? .linear : .nearest(.floor), coordinates: enlargement == .bilinear ? .halfPixel : .asymmetric)
    return try resize(maps).reshaped(to: [maps.shape.n, shape.h, shape.w])
  }
}
