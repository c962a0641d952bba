// SPDX-License-Identifier: Apache-2.0
import LensKernels
import LensTensors

/// x divided by its 1- or 2-norm along one axis; 0 where the norm is 0.
public struct LpNormalization: Operator {
  public let kind = "LpNormalization"
  public let axis: Int
  public let p: Int

  public init(axis: Int, p: Int) { (self.axis, self.p) = (axis, p) }

  public func stage(for shapes: [Shape], in layouts: Layouts) throws -> Stage {
    let shape = shapes[0], p = p
    guard (0..<shape.rank).contains(axis) else { throw LensError(.shapeMismatch, "axis \(axis) of a value of shape \(shape)") }
    guard p == 1 || p == 2 else { throw LensError(.invalidArgument, "p is \(p); it must be 1 or 2") }
    let outer = shape.count(0..<axis), length = shape[axis], inner = shape.count(axis + 1..<shape.rank)
    let grain = max(4096 / max(length, 1), 1)
    return Stage(output: shape, keeps: .output, auxiliaryCount: outer * inner, scratchCount: outer * inner) { pass in
      let input = pass.input(0), output = pass.output, norms = pass.auxiliary ?? pass.scratch
      parallel(outer * inner, grain: grain) { rows in
        for row in rows {
          let start = row / inner * length * inner + row % inner
          let x = input + start, y = output + start
          let sum = doubleSum(length) { p == 1 ? Double(abs(x[$0 * inner])) : Double(x[$0 * inner]) * Double(x[$0 * inner]) }
          let norm = Float(p == 1 ? sum : sum.squareRoot())
          norms[row] = norm
          for i in 0..<length { y[i * inner] = norm == 0 ? 0 : x[i * inner] / norm }
        }
      }
    } backward: { pass in
      guard let inputGradient = pass.inputGradient(0) else { return }
      let output = pass.output, outputGradient = pass.outputGradient, norms = pass.auxiliary
      parallel(outer * inner, grain: grain) { rows in
        for row in rows where norms[row] != 0 {
          let start = row / inner * length * inner + row % inner
          let y = output + start, dy = outputGradient + start, dx = inputGradient + start
          // d|x|/dx is sign(x) for the 1-norm and x / |x| = y for the 2-norm.
          let along = Float(doubleSum(length) { Double(dy[$0 * inner]) * Double(y[$0 * inner]) })
          for i in 0..<length {
            let direction = p == 1 ? sign(y[i * inner]) : y[i * inner]
            dx[i * inner] += (dy[i * inner] - direction * along) / norms[row]
          }
        }
      }
    }
  }
}

/// A sum in Double, in eight interleaved parts.
@inline(__always)
private func doubleSum(_ count: Int, _ term: (Int) -> Double) -> Double {
  var (a, b) = (SIMD4<Double>.zero, SIMD4<Double>.zero)
  let whole = count & ~7
  for i in stride(from: 0, to: whole, by: 8) {
    a += SIMD4(term(i), term(i &+ 1), term(i &+ 2), term(i &+ 3))
    b += SIMD4(term(i &+ 4), term(i &+ 5), term(i &+ 6), term(i &+ 7))
  }
  for i in whole..<count { a[0] += term(i) }
  return (a + b).sum()
}
