// SPDX-License-Identifier: Apache-2.0
import LensEngine
import LensTensors

// Three ways to check a gradient. Each compares <J d, y> with <d, J^T y> for some direction d.
extension OperatorCheck {
  /// For affine operators J d = f(d) - f(0): no step size and no kinks.
  func adjoint(_ tolerance: Double) throws {
    var random = Random(seed: 0xAD301)
    let zero = try Doubles(op.applied(to: moved { _, shape in Tensor(shape) }))
    for _ in 0..<3 {
      let directions = inputs.map { Tensor.normal($0.shape, using: &random) }
      let there = try Doubles(op.applied(to: moved { k, _ in directions[k] }))
      let left = there.dot(outputGradient) - zero.dot(outputGradient)
      let right = differentiable.reduce(0) { $0 + Doubles(directions[$1]).dot(gradients[$1]) }
      let terms = there.magnitude(outputGradient) + zero.magnitude(outputGradient)
      guard abs(left - right) <= tolerance * terms + 1e-30 else {
        throw fail("<J x, y> is \(left) but <x, J^T y> is \(right); the terms are of size \(terms)")
      }
    }
  }

  /// The differentiable inputs replaced, the others as they are.
  private func moved(_ replace: (Int, Shape) -> Tensor) -> [Tensor] {
    inputs.indices.map { differentiable.contains($0) ? replace($0, inputs[$0].shape) : inputs[$0] }
  }

  /// Central differences of the reference: exact to ten digits, so that every element can be asked about.
  func differences(of reference: ([ReferenceTensor]) -> ReferenceTensor, _ tolerance: Double) throws {
    let point = inputs.map(ReferenceTensor.init), h = 1e-5
    for k in differentiable.sorted() {
      let scale = (Doubles(gradients[k]).values.reduce(0) { $0 + $1 * $1 } / Double(max(gradients[k].count, 1))).squareRoot()
      for direction in directions(k) {
        func moved(_ t: Double) -> Doubles {
          var moved = point
          for i in moved[k].values.indices { moved[k].values[i] += t * direction.values[i] }
          return Doubles(values: reference(moved).values)
        }
        let expected = (moved(h) - moved(-h)).dot(outputGradient) / (2 * h)
        try compare(k, direction, expected, tolerance, scale)
      }
    }
  }

  /// Central differences of the operator itself, in Float: coarse, for operators without a reference.
  func differences(step h: Float, _ tolerance: Double) throws {
    for k in differentiable.sorted() {
      let scale = (Doubles(gradients[k]).values.reduce(0) { $0 + $1 * $1 } / Double(max(gradients[k].count, 1))).squareRoot()
      for direction in directions(k) {
        func moved(_ t: Float) throws -> Doubles {
          var moved = inputs
          moved[k] = Tensor(inputs[k].shape, zip(inputs[k].values, direction.values).map { $0 + t * Float($1) })
          return try Doubles(op.applied(to: moved))
        }
        let expected = try (moved(h) - moved(-h)).dot(outputGradient) / Double(2 * h)
        try compare(k, direction, expected, tolerance, scale)
      }
    }
  }

  private func compare(_ k: Int, _ direction: Doubles, _ expected: Double, _ tolerance: Double, _ scale: Double) throws {
    let got = direction.dot(gradients[k]), terms = direction.magnitude(gradients[k]) + scale
    guard abs(got - expected) <= tolerance * terms + 1e-9 else {
      throw fail("along a direction of input \(k) the gradient is \(got), the difference quotient \(expected)")
    }
  }

  /// Every axis of a small input, random directions of a large one.
  private func directions(_ k: Int) -> [Doubles] {
    let count = inputs[k].count
    if count <= 48 {
      return (0..<count).map { axis in Doubles(values: (0..<count).map { $0 == axis ? 1 : 0 }) }
    }
    var random = Random(seed: 0xD12EC + UInt64(k))
    return (0..<4).map { _ in Doubles(Tensor.normal(inputs[k].shape, using: &random)) }
  }
}

/// Floats widened, for sums.
struct Doubles {
  let values: [Double]
  init(values: [Double]) { self.values = values }
  init(_ tensor: Tensor) { values = tensor.values.map(Double.init) }

  func dot(_ other: Tensor) -> Double { zip(values, other.values).reduce(0) { $0 + $1.0 * Double($1.1) } }
  /// The size of the terms of `dot`.
  func magnitude(_ other: Tensor) -> Double { zip(values, other.values).reduce(0) { $0 + abs($1.0 * Double($1.1)) } }
  static func - (a: Doubles, b: Doubles) -> Doubles { Doubles(values: zip(a.values, b.values).map { $0 - $1 }) }
}
