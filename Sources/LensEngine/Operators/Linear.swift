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

  /// From so many rows an image on, packing the weights is little beside multiplying with them.
  private static let manyRows = 32

  public var parameterCount: Int { weights.count + (bias?.count ?? 0) }

  /// The same with a bias; nil where it has one, or there is not one number for each output.
  func adding(_ row: Tensor) -> Linear? {
    guard bias == nil, row.count == weights.shape[0], row.shape.dimensions.last == row.count else { return nil }
    return Linear(weights: weights, bias: row.values, kind: kind)
  }

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
    // Rows of one image (its places, its tokens) are always together; images may come one at a time.
    let perImage = shape.rank > 2 ? shape.count(1..<shape.rank - 1) : 1
    let forward = MatrixProduct(m: rows, n: outputs, k: inputs, transposesB: true, rowsStay: perImage >= Linear.manyRows)
    let backward = MatrixProduct(m: rows, n: inputs, k: outputs)
    return Stage(output: result, scratchCount: max(forward.scratchCount, backward.scratchCount), overwrites: true) { pass in
      forward.run(pass.input(0), weights.pointer, into: pass.output, row: bias.base, scratch: pass.scratch)
    } backward: { pass in
      guard let gradient = pass.inputGradient(0) else { return }
      backward.run(pass.outputGradient, weights.pointer, into: gradient, accumulates: pass.accumulates(0), scratch: pass.scratch)
    }
  }
}
