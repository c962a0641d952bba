// SPDX-License-Identifier: Apache-2.0
import LensKernels
import LensTensors

/// A two-dimensional convolution, as networks mean it: the kernel is not flipped.
public struct Convolution: Operator {
  public let kind = "Conv"
  /// O × C/groups × kh × kw.
  public let weights: Tensor
  public let bias: [Float]?
  public let strides: [Int]
  public let dilations: [Int]
  /// Top, left, bottom, right.
  public let padding: [Int]
  public let groups: Int

  public init(weights: Tensor, bias: [Float]?, strides: [Int] = [1, 1], dilations: [Int] = [1, 1], padding: [Int] = [0, 0, 0, 0], groups: Int = 1) {
    self.weights = weights
    self.bias = bias
    self.strides = strides
    self.dilations = dilations
    self.padding = padding
    self.groups = groups
  }

  public var parameterCount: Int { weights.count + (bias?.count ?? 0) }

  public var window: Window? {
    guard weights.shape.rank == 4, strides.count == 2, dilations.count == 2, padding.count == 4 else { return nil }
    func reach(_ axis: Int) -> Window.Reach {
      .local(extent: (weights.shape[axis + 2] - 1) * dilations[axis] + 1, stride: strides[axis], padding: padding[axis])
    }
    return Window(vertical: reach(0), horizontal: reach(1))
  }

  public func multiplyAdds(for shapes: [Shape], output: Shape) -> Int { output.count * weights.shape.count(1..<weights.shape.rank) }

  public func stage(for shapes: [Shape], in layouts: Layouts) throws -> Stage {
    let shape = shapes[0], limit = 1 << 30
    guard weights.shape.rank == 4, strides.count == 2, dilations.count == 2, padding.count == 4, groups >= 1, weights.count > 0,
      (strides + dilations).allSatisfy({ 1..<limit ~= $0 }), padding.allSatisfy({ 0..<limit ~= $0 }),
      weights.shape[0] % groups == 0, bias.map({ $0.count == weights.shape[0] }) ?? true
    else {
      throw LensError(.invalidArgument, "weights of shape \(weights.shape), \(bias?.count ?? 0) biases, strides \(strides), dilations \(dilations), padding \(padding), \(groups) groups")
    }
    guard shape.rank == 4, shape.c / groups == weights.shape[1], shape.c % groups == 0 else {
      throw LensError(.shapeMismatch, "a value of shape \(shape) meets weights of shape \(weights.shape) in \(groups) groups")
    }
    func length(_ axis: Int) -> Int {
      let extent = (weights.shape[axis + 2] - 1) * dilations[axis] + 1, room = shape[axis + 2] + padding[axis] + padding[axis + 2] - extent
      return room < 0 ? 0 : room / strides[axis] + 1
    }
    let output = try Shape(checking: [shape.n, weights.shape[0], length(0), length(1)])
    guard output.count > 0 else {
      throw LensError(.shapeMismatch, "a \(weights.shape[2])×\(weights.shape[3]) kernel with dilations \(dilations) does not fit into \(shape) with padding \(padding)")
    }
    let loops = PlainConvolution(
      weights: weights, n: shape.n, groups: groups, input: (shape.c, shape.h, shape.w), output: (output.c, output.h, output.w),
      stride: (strides[0], strides[1]), dilation: (dilations[0], dilations[1]), before: (padding[0], padding[1]))
    let bias = bias
    return Stage(output: output, overwrites: true) { pass in
      loops.forward(pass.input(0), pass.output, bias: bias, adds: false)
    } backward: { pass in
      guard let dx = pass.inputGradient(0) else { return }
      loops.inputGradient(pass.outputGradient, dx, bias: nil, adds: pass.accumulates(0))
    }
  }
}
