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
          var dot: Float = 0
          for i in 0..<length { dot += isLogarithm ? dy[i * inner] : y[i * inner] * dy[i * inner] }
          for i in 0..<length {
            dx[i * inner] += isLogarithm ? dy[i * inner] - exp(y[i * inner]) * dot : y[i * inner] * (dy[i * inner] - dot)
          }
        }
      }
    }
  }
}
