// SPDX-License-Identifier: Apache-2.0
import Glibc
import LensKernels
import LensTensors

/// exp(x) / sum exp(x) along one axis, or its logarithm. dx = y (dy - <y, dy>); for the logarithm dx = dy - exp(y) sum dy.
public struct Softmax: Operator {
  public var kind: String { isLogarithm ? "LogSoftmax" : "Softmax" }
  public let axes: Range<Int>
  public let isLogarithm: Bool

  /// - axes: normalised together (one axis; several for the flattening Softmax of ONNX before opset 13).
  public init(axes: Range<Int>, isLogarithm: Bool = false) { (self.axes, self.isLogarithm) = (axes, isLogarithm) }

  public func stage(for shapes: [Shape], in layouts: Layouts) throws -> Stage {
    let shape = shapes[0], isLogarithm = isLogarithm
    guard axes.lowerBound >= 0, axes.upperBound <= shape.rank else {
      throw LensError(.shapeMismatch, "axes \(axes) of a value of shape \(shape)")
    }
    let outer = shape.count(0..<axes.lowerBound), length = shape.count(axes), inner = shape.count(axes.upperBound..<shape.rank)
    return Stage(output: shape, keeps: .output) { pass in
      let input = pass.input(0), output = pass.output
      parallel(outer * inner, grain: 64) { rows in
        for row in rows {
          let start = row / inner * length * inner + row % inner
          let x = input + start, y = output + start
          if inner == 1, !isLogarithm {
            Softmax.row(x, y, length)
            continue
          }
          var largest = -Float.infinity
          for i in 0..<length { largest = max(largest, x[i * inner]) }
          var sum: Float = 0
          for i in 0..<length {
            let e = exp(x[i * inner] - largest)
            y[i * inner] = e
            sum += e
          }
          if isLogarithm {
            let shift = largest + log(sum)
            for i in 0..<length { y[i * inner] = x[i * inner] - shift }
          } else {
            for i in 0..<length { y[i * inner] /= sum }
          }
        }
      }
    } backward: { pass in
      guard let inputGradient = pass.inputGradient(0) else { return }
      let output = pass.output, outputGradient = pass.outputGradient
      parallel(outer * inner, grain: 64) { rows in
        for row in rows {
          let start = row / inner * length * inner + row % inner
          let y = output + start, dy = outputGradient + start, dx = inputGradient + start
          if inner == 1, !isLogarithm {
            Softmax.addGradient(y, dy, dx, length)
            continue
          }
          var dot: Float = 0
          for i in 0..<length { dot += isLogarithm ? dy[i * inner] : y[i * inner] * dy[i * inner] }
          for i in 0..<length {
            dx[i * inner] += isLogarithm ? dy[i * inner] - exp(y[i * inner]) * dot : y[i * inner] * (dy[i * inner] - dot)
          }
        }
      }
    }
  }

  private static func row(_ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>, _ count: Int) {
    var largest = -Float.infinity
    for i in 0..<count { largest = max(largest, x[i]) }
    for i in 0..<count { y[i] = x[i] - largest }
    Kernels.selected.curves.value(.exponential, UnsafePointer(y), y, count)
    let sum = interleavedSum(count) { y[$0] }
    for i in 0..<count { y[i] /= sum }
  }

  private static func addGradient(
    _ y: UnsafePointer<Float>, _ dy: UnsafePointer<Float>, _ dx: UnsafeMutablePointer<Float>, _ count: Int
  ) {
    let dot = interleavedSum(count) { y[$0] * dy[$0] }
    for i in 0..<count { dx[i] += y[i] * (dy[i] - dot) }
  }
}

/// A sum in eight interleaved parts, which keep up with the loads.
@inline(__always)
private func interleavedSum(_ count: Int, _ term: (Int) -> Float) -> Float {
  var parts = SIMD8<Float>.zero
  let whole = count & ~7
  for i in stride(from: 0, to: whole, by: 8) { for j in 0..<8 { parts[j] += term(i &+ j) } }
  for i in whole..<count { parts[i - whole] += term(i) }
  return parts.sum()
}
