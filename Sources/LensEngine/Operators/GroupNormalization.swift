// SPDX-License-Identifier: Apache-2.0
import LensKernels
import LensTensors

/// Channels normalised in groups, each image for itself, then scaled and shifted by channel.
/// Wu & He, "Group Normalization", 2018, arXiv:1803.08494. One group a channel is instance normalisation.
public struct GroupNormalization: Operator {
  public let kind: String
  public let groups: Int
  public let scale: [Float]
  public let bias: [Float]
  public let epsilon: Float

  public init(groups: Int, scale: [Float], bias: [Float], epsilon: Float, kind: String = "GroupNormalization") {
    (self.groups, self.scale, self.bias, self.epsilon, self.kind) = (groups, scale, bias, epsilon, kind)
  }

  public var parameterCount: Int { scale.count + bias.count }

  public func stage(for shapes: [Shape], in layouts: Layouts) throws -> Stage {
    let shape = shapes[0], scale = scale, bias = bias, epsilon = epsilon, groups = groups
    guard shape.rank >= 2, shape.c == scale.count, shape.c == bias.count else {
      throw LensError(.shapeMismatch, "\(scale.count) scales and \(bias.count) biases for a value of shape \(shape)")
    }
    guard groups > 0, shape.c % groups == 0 else {
      throw LensError(.shapeMismatch, "\(shape.c) channels do not make \(groups) equal groups")
    }
    let channels = shape.c / groups, pixels = shape.count(2..<shape.rank), count = channels * pixels
    let grain = max(8192 / max(count, 1), 1)
    return Stage(output: shape, keeps: .inputs, auxiliaryCount: 2 * shape.n * groups) { pass in
      parallel(shape.n * groups, grain: grain) { rows in
        for row in rows {
          let x = pass.input(0) + row * count, y = pass.output + row * count
          let statistics = Statistics(x, count, epsilon: epsilon)
          statistics.keep(pass.auxiliary?.advanced(by: 2 * row))
          for c in 0..<channels {
            let channel = row % groups * channels + c
            statistics.write(
              x + c * pixels, to: y + c * pixels, pixels, scale: OneFactor(value: scale[channel]), bias: OneFactor(value: bias[channel]))
          }
        }
      }
    } backward: { pass in
      guard let inputGradient = pass.inputGradient(0) else { return }
      parallel(shape.n * groups, grain: grain) { rows in
        for row in rows {
          let x = pass.input(0) + row * count, dy = pass.outputGradient + row * count, dx = inputGradient + row * count
          let first = row % groups * channels
          let statistics = Statistics(pass.auxiliary + 2 * row)
          func factor(_ c: Int) -> OneFactor { OneFactor(value: scale[first + c]) }
          var sums = SIMD2<Double>.zero
          for c in 0..<channels { sums += statistics.sums(x + c * pixels, dy + c * pixels, pixels, scale: factor(c)) }
          for c in 0..<channels {
            let at = c * pixels
            statistics.addGradient(x + at, dy + at, to: dx + at, pixels, scale: factor(c), means: sums / Double(count))
          }
        }
      }
    }
  }
}
