// SPDX-License-Identifier: Apache-2.0
import LensEngine
import LensTensors

/// Where in a picture a network looks, in the method's own units: never rescaled.
public struct Attribution: Sendable {
  /// N×H×W, or N×C×H×W where the channels were kept.
  public let map: Tensor
  /// The objective's value for each image.
  public let scores: [Float]
  /// The class explained, for each image; -1 where the objective is not about classes.
  public let targets: [Int]
  /// The layer a CAM looks at.
  public let layer: Layer?
  /// A CAM at its layer's own resolution, N×h×w.
  public let native: Tensor?
  /// For methods whose values should add up to something: what is missing, for each image.
  public let gaps: [Float]?
  /// For methods that explain segments by a sum: one for each image.
  public var models: [LocalModel] = []

  init(_ map: Tensor, _ result: GradientResult, layer: Layer? = nil, native: Tensor? = nil) {
    self.init(map, scores: result.scores, targets: result.targets, layer: layer, native: native)
  }

  /// - map: N×H×W, or N×C×H×W; a score and a target for each image.
  public init(
    _ map: Tensor, scores: [Float], targets: [Int], layer: Layer? = nil, native: Tensor? = nil, gaps: [Float]? = nil
  ) {
    (self.map, self.scores, self.targets, self.layer, self.native, self.gaps) = (map, scores, targets, layer, native, gaps)
  }
}

/// How one number a channel becomes one number a pixel.
public enum ChannelReduction: Sendable, CaseIterable {
  /// The largest absolute value.
  case maximum
  /// The sum of absolute values.
  case absolute
  /// The signed sum.
  case sum
  /// Channels stay.
  case none

  func callAsFunction(_ gradient: Tensor) -> Tensor {
    switch self {
    case .maximum: gradient.foldedOverChannels(0) { max($0, abs($1)) }
    case .absolute: gradient.foldedOverChannels(0) { $0 + abs($1) }
    case .sum: gradient.foldedOverChannels(0, +)
    case .none: gradient
    }
  }
}

/// One gradient at the picture, and its result with the channels reduced.
func attribute(
  _ session: Session, _ image: Tensor, _ objective: Objective, _ rules: RuleMap, _ reduction: ChannelReduction,
  _ change: (Tensor) -> Tensor = { $0 }
) throws -> Attribution {
  try session.check(image)
  let result = try session.gradient(of: objective, at: [image], rules: rules)
  return Attribution(reduction(change(result.gradients[0])), result)
}
