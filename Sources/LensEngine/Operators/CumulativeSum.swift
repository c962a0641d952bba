// SPDX-License-Identifier: Apache-2.0
import LensKernels
import LensTensors

/// The sum of all elements up to each one along an axis, itself included or not, from either end.
/// Its transpose runs from the other end.
public struct CumulativeSum: Operator {
  public let kind = "CumSum"
  public let axis: Int
  public let isExclusive: Bool
  public let isReversed: Bool

  public init(axis: Int, isExclusive: Bool, isReversed: Bool) {
    (self.axis, self.isExclusive, self.isReversed) = (axis, isExclusive, isReversed)
  }

  public func stage(for shapes: [Shape], in layouts: Layouts) throws -> Stage {
    let shape = shapes[0], isExclusive = isExclusive, isReversed = isReversed
    guard (0..<shape.rank).contains(axis) else { throw LensError(.shapeMismatch, "axis \(axis) of a value of shape \(shape)") }
    let outer = shape.count(0..<axis), length = shape[axis], inner = shape.count(axis + 1..<shape.rank)

    @Sendable func run(_ x: UnsafePointer<Float>, to y: UnsafeMutablePointer<Float>, fromEnd: Bool, adds: Bool) {
      parallel(outer * inner, grain: max(4096 / max(length, 1), 1)) { rows in
        for row in rows {
          let start = row / inner * length * inner + row % inner
          var sum = 0.0
          for i in 0..<length {
            let at = start + (fromEnd ? length - 1 - i : i) * inner
            let next = sum + Double(x[at])
            let value = Float(isExclusive ? sum : next)
            y[at] = adds ? y[at] + value : value
            sum = next
          }
        }
      }
    }
    return Stage(output: shape) { pass in
      run(pass.input(0), to: pass.output, fromEnd: isReversed, adds: false)
    } backward: { pass in
      guard let dx = pass.inputGradient(0) else { return }
      run(pass.outputGradient, to: dx, fromEnd: !isReversed, adds: true)
    }
  }
}
