// SPDX-License-Identifier: Apache-2.0
import LensKernels
import LensTensors

/// The transpose of a convolution plus a bias: each input pixel paints its kernel onto the output.
public struct TransposedConvolution: Operator {
  public let kind = "ConvTranspose"
  /// C × O/groups × kh × kw: the weights of the convolution it is the transpose of.
  public let weights: Tensor
  public let bias: [Float]?
  public let strides: [Int]
  public let dilations: [Int]
  /// Top, left, bottom, right: rows and columns of the output that are cut off.
  public let padding: [Int]
  /// Rows and columns added below and to the right.
  public let outputPadding: [Int]
  public let groups: Int

  public init(
    weights: Tensor, bias: [Float]?, strides: [Int] = [1, 1], dilations: [Int] = [1, 1], padding: [Int] = [0, 0, 0, 0],
    outputPadding: [Int] = [0, 0], groups: Int = 1
  ) {
    self.weights = weights
    self.bias = bias
    self.strides = strides
    self.dilations = dilations
    self.padding = padding
    self.outputPadding = outputPadding
    self.groups = groups
  }

  public var parameterCount: Int { weights.count + (bias?.count ?? 0) }

  public var window: Window? {
    guard strides.count == 2 else { return nil }
    return Window(vertical: .enlarged(factor: Double(strides[0])), horizontal: .enlarged(factor: Double(strides[1])))
  }

  public func multiplyAdds(for shapes: [Shape], output: Shape) -> Int { shapes[0].count * weights.shape.count(1..<weights.shape.rank) }

  public func stage(for shapes: [Shape], in layouts: Layouts) throws -> Stage {
    let shape = shapes[0], limit = 1 << 30
    guard weights.shape.rank == 4, strides.count == 2, dilations.count == 2, padding.count == 4, outputPadding.count == 2, groups >= 1,
      weights.count > 0, (strides + dilations).allSatisfy({ 1..<limit ~= $0 }),
      (padding + outputPadding).allSatisfy({ 0..<limit ~= $0 }), bias.map({ $0.count == weights.shape[1] * groups }) ?? true
    else {
      throw LensError(.invalidArgument, "weights of shape \(weights.shape), \(bias?.count ?? 0) biases, strides \(strides), dilations \(dilations), padding \(padding), output padding \(outputPadding), \(groups) groups")
    }
    guard shape.rank == 4, shape.count > 0, shape.c == weights.shape[0], shape.c % groups == 0 else {
      throw LensError(.shapeMismatch, "a value of shape \(shape) meets weights of shape \(weights.shape) in \(groups) groups")
    }
    func length(_ axis: Int) -> Int {
      (shape[axis + 2] - 1) * strides[axis] + (weights.shape[axis + 2] - 1) * dilations[axis] + 1 + outputPadding[axis] - padding[axis] - padding[axis + 2]
    }
    let output = try Shape(checking: [shape.n, weights.shape[1] * groups, length(0), length(1)])
    guard output.count > 0 else { throw LensError(.shapeMismatch, "padding \(padding) leaves nothing of what \(shape) grows to") }
    let loops = PlainConvolution(
      weights: weights, n: shape.n, groups: groups, input: (output.c, output.h, output.w), output: (shape.c, shape.h, shape.w),
      stride: (strides[0], strides[1]), dilation: (dilations[0], dilations[1]), before: (padding[0], padding[1]))
    let bias = bias
    return Stage(output: output, overwrites: true) { pass in
      loops.inputGradient(pass.input(0), pass.output, bias: bias, adds: false)
    } backward: { pass in
      guard let dx = pass.inputGradient(0) else { return }
      loops.forward(pass.outputGradient, dx, bias: nil, adds: pass.accumulates(0))
    }
  }
}
