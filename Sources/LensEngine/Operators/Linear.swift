// SPDX-License-Identifier: Apache-2.0
import LensKernels
import LensTensors

/// y = W x + b along the last axis: Gemm and MatMul with weights that are part of the network.
public struct Linear: Operator {
  public let kind: String
  /// outputs × inputs.
  public let weights: Tensor
  public let bias: [Float]?

  public init(weights: Tensor, bias: [Float]?, kind: String = "Gemm") { (self.weights, self.bias, self.kind) = (weights, bias, kind) }

  public var parameterCount: Int { weights.count + (bias?.count ?? 0) }
  public func multiplyAdds(for shapes: [Shape], output: Shape) -> Int { output.count * weights.shape[1] }

  public func stage(for shapes: [Shape], in layouts: Layouts) throws -> Stage {
    let shape = shapes[0], weights = weights
    guard weights.shape.rank == 2, bias.map({ $0.count == weights.shape[0] }) ?? true else {
      throw LensError(.invalidArgument, "weights of shape \(weights.shape) with \(bias?.count ?? 0) biases")
    }
    guard shape.rank >= 1, shape[shape.rank - 1] == weights.shape[1] else {
      throw LensError(.shapeMismatch, "a value of shape \(shape) meets weights for \(weights.shape[1]) inputs")
    }
    let outputs = weights.shape[0], inputs = weights.shape[1], rows = shape.count(0..<shape.rank - 1)
    let result = try Shape(checking: Array(shape.dimensions.dropLast()) + [outputs])
    let bias = Table(bias ?? [Float](repeating: 0, count: outputs))
    return Stage(output: result, overwrites: true) { pass in
      let x = pass.input(0), y = pass.output, w = weights.pointer
      parallel(outputs, grain: max(1, (1 << 15) / max(inputs, 1))) {
        for o in $0 {
          for row in 0..<rows { y[row * outputs + o] = dot(x + row * inputs, w + o * inputs, inputs) + bias.base[o] }
        }
      }
    } backward: { pass in
      guard let dx = pass.inputGradient(0) else { return }
      let dy = pass.outputGradient, w = weights.pointer, adds = pass.accumulates(0)
      let width = 512, bands = (inputs + width - 1) / width
      parallel(rows * bands, grain: max(1, (1 << 15) / max(outputs * width, 1))) {
        for job in $0 {
          let row = job / bands, from = job % bands * width, count = min(width, inputs - from)
          let dx = dx + row * inputs + from, dy = dy + row * outputs
          if !adds { dx.update(repeating: 0, count: count) }
          for o in 0..<outputs {
            let w = w + o * inputs + from, g = dy[o]
            for i in 0..<count { dx[i] += g * w[i] }
          }
        }
      }
    }
  }
}

/// <a, b>, in sixteen sums.
@inline(__always)
func dot(_ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, _ count: Int) -> Float {
  var sums = SIMD16<Float>(repeating: 0)
  var i = 0
  while i + 16 <= count {
    sums += SIMD16<Float>.load(a + i) * SIMD16<Float>.load(b + i)
    i += 16
  }
  var sum = sums.sum()
  while i < count {
    sum += a[i] * b[i]
    i += 1
  }
  return sum
}
