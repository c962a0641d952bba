// SPDX-License-Identifier: Apache-2.0
import LensEngine
import LensTensors

/// How a layer's map is enlarged to the picture.
public enum Enlargement: Sendable { case bilinear, nearest }

/// The ways to weigh the maps of a layer: each is a file of its own.
public enum CAMVariant: String, Sendable, CaseIterable {
  case gradCAM = "gradcam"
  case gradCAMPlusPlus = "gradcam++"
  case hiResCAM = "hirescam"
  case xGradCAM = "xgradcam"
  case layerCAM = "layercam"
  case eigenCAM = "eigencam"
  case scoreCAM = "scorecam"
  case ablationCAM = "ablationcam"
}

/// The maps of a layer, weighted by how the objective's gradient points at each on average:
/// L = ReLU(sum_k alpha_k A^k), alpha_k = 1/(HW) sum_ij dS/dA^k_ij.
///
/// Selvaraju et al., "Grad-CAM", 2017, equations 1 and 2. arXiv:1610.02391
/// - image: N×C×H×W.
/// - layer: one with maps; by default the last of them before the class scores, as the result says.
/// - variant: another way to weigh the maps; the ReLU and the enlargement are the same.
/// - keepsPositive: the ReLU of equation 2.
/// - progress: told by the variants that take many passes, `.scoreCAM` and `.ablationCAM`.
public func gradCAM(
  _ session: Session, _ image: Tensor, _ objective: Objective = .top, at layer: Layer? = nil, variant: CAMVariant = .gradCAM,
  keepsPositive: Bool = true, enlargement: Enlargement = .bilinear, progress: Steps? = nil
) throws -> Attribution {
  try session.check(image)
  let layer = try layer ?? session.lastSpatialLayer(inputs: [image.shape])
  let evidence = try CAMEvidence(session, image, objective, layer, needsGradient: variant.needsGradient)
  let sum =
    switch variant {
    case .gradCAM: evidence.maps.weightedOverChannels(evidence.gradients.spatialMean())
    case .gradCAMPlusPlus: gradCAMPlusPlus(evidence)
    case .hiResCAM: hiResCAM(evidence)
    case .xGradCAM: xGradCAM(evidence)
    case .layerCAM: layerCAM(evidence)
    case .eigenCAM: eigenCAM(evidence)
    case .scoreCAM: try scoreCAM(evidence, session, image, objective, progress)
    case .ablationCAM: try ablationCAM(evidence, session, image, objective, progress)
    }
  let native = keepsPositive ? sum.map { max($0, 0) } : sum
  return Attribution(
    try native.enlarged(to: image.shape, enlargement), scores: evidence.scores, targets: evidence.targets, layer: layer, native: native)
}

extension CAMVariant {
  fileprivate var needsGradient: Bool { ![.eigenCAM, .scoreCAM, .ablationCAM].contains(self) }
}

/// A layer's maps and how the objective's gradient points at them, both N×C×h×w.
struct CAMEvidence {
  let layer: Layer
  let maps: Tensor
  /// Empty for methods that look at no gradient.
  let gradients: Tensor
  let scores: [Float]
  let targets: [Int]

  init(_ session: Session, _ image: Tensor, _ objective: Objective, _ layer: Layer, needsGradient: Bool = true) throws {
    try CAMEvidence.check(session, image, layer)
    self.layer = layer
    let result = try session.gradient(of: objective, at: [image], wrt: needsGradient ? [layer] : [], activations: [layer])
    (maps, scores, targets) = (result.activations[0], result.scores, result.targets)
    gradients = result.gradients.first ?? Tensor([0])
  }

  /// Before anything runs: a layer must have maps.
  static func check(_ session: Session, _ image: Tensor, _ layer: Layer) throws {
    let shape = try session.shapes(of: [layer], inputs: [image.shape])[0]
    guard shape.rank == 4 else {
      throw LensError(.invalidArgument, "layer '\(layer)' is \(shape) and has no maps; choose one that is N×C×H×W")
    }
  }
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

  /// N×C, the sum over rows and columns of f(self, other).
  func spatialSum(_ other: Tensor, _ f: (Float, Float) -> Double) -> [Double] {
    let area = shape.h * shape.w
    return withPointer { a in
      other.withPointer { b in
        (0..<shape.n * shape.c).map { plane in (plane * area..<(plane + 1) * area).reduce(0.0) { $0 + f(a[$1], b[$1]) } }
      }
    }
  }
}
