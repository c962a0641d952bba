// SPDX-License-Identifier: Apache-2.0

/// A function of one number that networks use often and that takes more than a comparison.
public enum Curve: Sendable, Equatable {
  case exponential, sigmoid, hyperbolicTangent, errorFunction
  /// x · sigmoid(alpha x); SiLU where alpha is 1.
  case swish(alpha: Float)
  /// x times the normal distribution function.
  case gelu
  /// The same by way of tanh: x · sigmoid(2 sqrt(2 / pi) (x + 0.044715 x^3)).
  case geluByTanh
  /// x · tanh(log(1 + e^x))
  case mish
  /// x · min(max(x + 3, 0), 6) / 6; its slope is 0 at -3 and 1 at 3.
  case hardSwish

  /// Whether the derivative is written from the output rather than from the input.
  public var derivativeReadsOutput: Bool {
    switch self {
    case .exponential, .sigmoid, .hyperbolicTangent: true
    default: false
    }
  }
}

/// A number's value does not depend on where it stands or on what is next to it.
public struct CurveLoops: Sendable {
  /// y = f(x): function, x, y, count. The two may be the same memory.
  public let value: @Sendable (Curve, Floats, MutableFloats, Int) -> Void
  /// dx = dy · f', or dx += that: function, what the derivative reads, dy, dx, count, whether to add.
  public let gradient: @Sendable (Curve, Floats, Floats, MutableFloats, Int, Bool) -> Void

  public init(
    value: @escaping @Sendable (Curve, Floats, MutableFloats, Int) -> Void,
    gradient: @escaping @Sendable (Curve, Floats, Floats, MutableFloats, Int, Bool) -> Void
  ) {
    (self.value, self.gradient) = (value, gradient)
  }
}
