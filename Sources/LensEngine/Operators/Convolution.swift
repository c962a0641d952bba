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
  public internal(set) var padding: [Int]
  public let groups: Int
  /// Nil: what suits the picture.
  var way: ConvolutionGeometry.Way?
  /// The weights again, as kernels want them, shared by all plans. Nil where they make no convolution.
  private var filter: ConvolutionFilter?

  public init(
    weights: Tensor, bias: [Float]?, strides: [Int] = [1, 1], dilations: [Int] = [1, 1], padding: [Int] = [0, 0, 0, 0], groups: Int = 1
  ) {
    self.weights = weights
    self.bias = bias
    self.strides = strides
    self.dilations = dilations
    self.padding = padding
    self.groups = groups
    let fits = weights.shape.rank == 4 && weights.count > 0 && groups >= 1 && bias.map { $0.count == weights.shape[0] } ?? true
    filter = fits ? ConvolutionFilter(weights: weights, bias: bias, groups: groups) : nil
  }

  /// This convolution with a batch normalisation behind it as one: the same filter, scaled as it is packed.
  func followed(by affine: ScaleShift) -> Convolution? {
    guard let filter, affine.scale.count == weights.shape[0], affine.shift.count == affine.scale.count else { return nil }
    var folded = self
    folded.filter = filter.followed(byScale: affine.scale, shift: affine.shift)
    return folded
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

  public func layouts(for shapes: [Shape], given: [Layout]) -> Layouts {
    guard let geometry = try? geometry(for: shapes[0]) else { return Layouts(inputs: [.plain], output: .plain) }
    let wanted = ConvolutionKernel.layouts(for: geometry, given: given[0])
    return Layouts(inputs: [wanted.input], output: wanted.output)
  }

  public func stage(for shapes: [Shape], in layouts: Layouts) throws -> Stage {
    let geometry = try geometry(for: shapes[0])
    guard layouts.output == .blocked, let filter else { return plainStage(geometry) }
    let kernel = try ConvolutionKernel(geometry, filter, inputLayout: layouts.inputs[0], outputLayout: layouts.output)
    var stage = Stage(output: geometry.outputShape, scratchCount: kernel.scratchCount, overwrites: true) { pass in
      kernel.forward(input: pass.input(0), output: pass.output, scratch: pass.scratch)
    } backward: { pass in
      guard let gradient = pass.inputGradient(0) else { return }
      kernel.inputGradient(
        outputGradient: pass.outputGradient, inputGradient: gradient, accumulates: pass.accumulates(0), gates: pass.inputGates,
        scratch: pass.scratch)
    }
    stage.closesInputGates = layouts.inputs[0] == .blocked
    stage.leavesGaps = kernel.leavesGaps
    stage.ending = { (ending: Ending) in
      { (pass: ForwardPass) in
        let residual = ending.adds ? pass.input(pass.inputCount - 1) : nil
        kernel.forward(
          input: pass.input(0), output: pass.output,
          epilogue: Epilogue(residual: residual, lower: ending.lower, upper: ending.upper, gates: pass.gates),
          scratch: pass.scratch)
      }
    }
    return stage
  }

  private func plainStage(_ geometry: ConvolutionGeometry) -> Stage {
    let loops = PlainConvolution(weights, geometry), bias = bias
    return Stage(output: geometry.outputShape, overwrites: true) { pass in
      loops.forward(pass.input(0), pass.output, bias: bias, adds: false)
    } backward: { pass in
      guard let gradient = pass.inputGradient(0) else { return }
      loops.inputGradient(pass.outputGradient, gradient, bias: nil, adds: pass.accumulates(0))
    }
  }

  func geometry(for shape: Shape) throws -> ConvolutionGeometry {
    guard filter != nil, strides.count == 2, dilations.count == 2, padding.count == 4 else {
      throw LensError(
        .invalidArgument,
        "weights of shape \(weights.shape) in \(groups) groups with \(bias?.count ?? 0) biases, strides \(strides), dilations \(dilations), padding \(padding)"
      )
    }
    guard shape.rank == 4, shape.c % groups == 0, shape.c / groups == weights.shape[1] else {
      throw LensError(.shapeMismatch, "a value of shape \(shape) meets weights of shape \(weights.shape) in \(groups) groups")
    }
    var geometry = ConvolutionGeometry(
      n: shape.n, inputChannels: shape.c, h: shape.h, w: shape.w, outputChannels: weights.shape[0],
      kernel: .init(weights.shape[2], weights.shape[3]), stride: .init(strides[0], strides[1]),
      dilation: .init(dilations[0], dilations[1]),
      padding: .init(top: padding[0], left: padding[1], bottom: padding[2], right: padding[3]), groups: groups)
    geometry.way = way
    try geometry.check()
    return geometry
  }
}

extension Operator {
  /// A convolution that computes every output by itself; anything else as it is.
  var computedDirectly: any Operator {
    guard var convolution = self as? Convolution else { return self }
    convolution.way = .direct
    return convolution
  }
}

extension ConvolutionGeometry {
  /// `validate`, after making sure that its own arithmetic cannot overflow.
  func check() throws {
    let numbers = [stride.h, stride.w, dilation.h, dilation.w, padding.top, padding.left, padding.bottom, padding.right]
    guard numbers.allSatisfy({ -1 << 30..<1 << 30 ~= $0 }) else {
      throw LensError(.invalidArgument, "strides, dilations and padding \(numbers) are not possible")
    }
    try validate()
  }
}
