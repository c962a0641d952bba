// SPDX-License-Identifier: Apache-2.0
import Glibc
import LensKernels
import LensTensors

/// x / (bias + alpha / size * sum of x^2 over `size` neighbouring channels)^beta.
/// Krizhevsky, Sutskever & Hinton, "ImageNet Classification with Deep Convolutional Neural Networks", 2012, section 3.3;
/// division of alpha by the size as in Caffe and ONNX.
public struct LocalResponse: Operator {
  public let kind = "LRN"
  public let size: Int
  public let alpha: Float
  public let beta: Float
  public let bias: Float

  public init(size: Int, alpha: Float, beta: Float, bias: Float) {
    (self.size, self.alpha, self.beta, self.bias) = (size, alpha, beta, bias)
  }

  private static let chunk = 256

  /// With s_c the sum in the brackets: dx_c = dy_c s_c^-beta - 2 alpha beta / size x_c sum of dy_j x_j s_j^(-beta - 1)
  /// over the channels j in whose window c lies.
  public func stage(for shapes: [Shape], in layouts: Layouts) throws -> Stage {
    let shape = shapes[0]
    guard shape.rank >= 2 else { throw LensError(.shapeMismatch, "a value of shape \(shape) has no channels") }
    guard size > 0 else { throw LensError(.invalidArgument, "size is \(size); it must be at least 1") }
    let channels = shape.c, pixels = shape.count(2..<shape.rank), beta = beta, bias = bias
    let before = (size - 1) / 2, after = size / 2, rate = alpha / Float(size)
    let pieces = (pixels + Self.chunk - 1) / Self.chunk
    /// Chunks of pixels, each with all its channels: offset of the first float, and how many pixels.
    @Sendable func forEachChunk(_ body: (Int, Int) -> Void) {
      parallel(shape.n * pieces) { jobs in
        for job in jobs {
          let first = job % pieces * Self.chunk
          body(job / pieces * channels * pixels + first, min(Self.chunk, pixels - first))
        }
      }
    }
    // Auxiliary: s. Scratch: dy x s^(-beta - 1).
    return Stage(output: shape, keeps: .inputs, auxiliaryCount: shape.count, scratchCount: shape.count) { pass in
      forEachChunk { start, count in
        let x = pass.input(0) + start, y = pass.output + start, s = (pass.auxiliary ?? pass.scratch) + start
        for c in 0..<channels {
          let sum = s + c * pixels
          sum.update(repeating: 0, count: count)
          for j in max(c - before, 0)...min(c + after, channels - 1) {
            let x = x + j * pixels
            for i in 0..<count { sum[i] += x[i] * x[i] }
          }
          let x = x + c * pixels, y = y + c * pixels
          for i in 0..<count { sum[i] = bias + rate * sum[i] }
          if beta == 0.75 {
            for i in 0..<count { y[i] = x[i] / (sum[i] * sum[i].squareRoot()).squareRoot() }
          } else {
            for i in 0..<count { y[i] = x[i] * pow(sum[i], -beta) }
          }
        }
      }
    } backward: { pass in
      guard let inputGradient = pass.inputGradient(0) else { return }
      forEachChunk { start, count in
        let x = pass.input(0) + start, s = pass.auxiliary + start, t = pass.scratch + start
        let dy = pass.outputGradient + start, dx = inputGradient + start
        for c in 0..<channels {
          for i in c * pixels..<c * pixels + count {
            let g = dy[i] * (beta == 0.75 ? 1 / (s[i] * s[i].squareRoot()).squareRoot() : pow(s[i], -beta))
            t[i] = g * x[i] / s[i]
            dx[i] += g
          }
        }
        for c in 0..<channels {
          let x = x + c * pixels, dx = dx + c * pixels
          for j in max(c - after, 0)...min(c + before, channels - 1) {
            let t = t + j * pixels
            for i in 0..<count { dx[i] -= 2 * rate * beta * x[i] * t[i] }
          }
        }
      }
    }
  }
}
