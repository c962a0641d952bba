// SPDX-License-Identifier: Apache-2.0
import LensTensors

/// Replaces the backward pass of the nodes it is given; what they compute forward stays.
///
/// A rule sees the operator itself and its shapes, so it may read weights or ask for more kept memory, auxiliary
/// floats or scratch than the stage had.
public protocol BackwardRule: Sendable {
  func applied(to stage: Stage, of op: any Operator, shapes: [Shape], layouts: Layouts) throws -> Stage
}

/// The operators that DeconvNet and guided backpropagation treat as rectifiers: ReLU and whatever took its place.
enum Rectifiers {
  static func contain(_ op: any Operator) -> Bool {
    if op is ReLU || op is PReLU { return true }
    guard let pointwise = op as? Pointwise else { return false }
    switch pointwise.function {
    case .leakyRelu, .elu, .selu, .celu, .gelu, .mish, .hardSwish, .swish, .softplus, .thresholdedRelu: return true
    case .clip(let lower, _): return lower == 0
    default: return false
    }
  }
}
