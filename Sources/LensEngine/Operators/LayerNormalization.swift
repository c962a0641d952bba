// SPDX-License-Identifier: Apache-2.0
import LensKernels
import LensTensors

/// Everything from one axis on normalised together, then scaled and shifted element by element.
/// Ba, Kiros & Hinton, "Layer Normalization", 2016, arXiv:1607.06450.
public struct LayerNormalization: Operator {
  public let kind = "LayerNormalization"
  public let axis: Int
  /// Broadcast to the dimensions from `axis` on.
  public let scale: Tensor?
  public let bias: Tensor?
  public let epsilon: Float

  public init(axis: Int, scale: Tensor?, bias: Tensor?, epsilon: Float) {
    (self.axis, self.scale, self.bias, self.epsilon) = (axis, scale, bias, epsilon)
  }

  public var parameterCount: Int { (scale?.count ?? 0) + (bias?.count ?? 0) }

  public func stage(for shapes: [Shape], in layouts: Layouts) throws -> Stage {
    try normalization(shapes[0], from: axis, scale: scale, bias: bias, epsilon: epsilon, centred: true)
  }
}

/// x / sqrt(mean(x^2) + epsilon) over everything from one axis on, then scaled element by element.
/// Zhang & Sennrich, "Root Mean Square Layer Normalization", 2019, arXiv:1910.07467.
public struct RootMeanSquareNormalization: Operator {
  public let kind = "RMSNormalization"
  public let axis: Int
  public let scale: Tensor?
  public let epsilon: Float

  public init(axis: Int, scale: Tensor?, epsilon: Float) { (self.axis, self.scale, self.epsilon) = (axis, scale, epsilon) }

  public var parameterCount: Int { scale?.count ?? 0 }

  public func stage(for shapes: [Shape], in layouts: Layouts) throws -> Stage {
    try normalization(shapes[0], from: axis, scale: scale, bias: nil, epsilon: epsilon, centred: false)
  }
}

private func normalization(
  _ shape: Shape, from axis: Int, scale: Tensor?, bias: Tensor?, epsilon: Float, centred: Bool
) throws -> Stage {
  guard (0..<shape.rank).contains(axis) else { throw LensError(.shapeMismatch, "axis \(axis) of a value of shape \(shape)") }
  let inner = Shape(Array(shape.dimensions[axis...]))
  let scale = try Table(scale?.expanded(to: inner).values ?? [Float](repeating: 1, count: inner.count))
  let bias = try Table(bias?.expanded(to: inner).values ?? [Float](repeating: 0, count: inner.count))
  let rows = shape.count(0..<axis), count = inner.count
  let grain = max(8192 / max(count, 1), 1)
  return Stage(output: shape, keeps: .inputs, auxiliaryCount: 2 * rows) { pass in
    parallel(rows, grain: grain) { rows in
      for row in rows {
        let x = pass.input(0) + row * count
        let statistics = Statistics(x, count, epsilon: epsilon, centred: centred)
        statistics.keep(pass.auxiliary?.advanced(by: 2 * row))
        statistics.write(x, to: pass.output + row * count, count, scale: EachFactor(base: scale.base), bias: EachFactor(base: bias.base))
      }
    }
  } backward: { pass in
    guard let inputGradient = pass.inputGradient(0) else { return }
    parallel(rows, grain: grain) { rows in
      for row in rows {
        let x = pass.input(0) + row * count, dy = pass.outputGradient + row * count
        let statistics = Statistics(pass.auxiliary + 2 * row), scale = EachFactor(base: scale.base)
        let means = statistics.sums(x, dy, count, scale: scale) / Double(count)
        statistics.addGradient(x, dy, to: inputGradient + row * count, count, scale: scale, means: means, centred: centred)
      }
    }
  }
}

extension Tensor {
  /// Repeated along the axes where it is broadcast.
  fileprivate func expanded(to shape: Shape) throws -> Tensor {
    let lanes = try Broadcasting([shape, self.shape])
    guard lanes.output == shape else { throw LensError(.shapeMismatch, "\(self.shape) does not broadcast to \(shape)") }
    var result = try Tensor(allocating: shape)
    let step = lanes.step(1)
    result.withMutablePointer { y in
      withPointer { x in
        lanes.forEachRun(in: 0..<shape.count) { run in
          for i in 0..<run.count { y[run.start + i] = x[run.offsets[1] + i * step] }
        }
      }
    }
    return result
  }
}
