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
  /// The convolution's weights, as kernels want them. Nil where they make none.
  private let filter: ConvolutionFilter?

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
    filter = weights.shape.rank == 4 && weights.count > 0 && groups >= 1 ? ConvolutionFilter(weights: weights, groups: groups) : nil
  }

  public var parameterCount: Int { weights.count + (bias?.count ?? 0) }

  public var window: Window? {
    guard strides.count == 2 else { return nil }
    return Window(vertical: .enlarged(factor: Double(strides[0])), horizontal: .enlarged(factor: Double(strides[1])))
  }

  public func multiplyAdds(for shapes: [Shape], output: Shape) -> Int { shapes[0].count * weights.shape.count(1..<weights.shape.rank) }

  public func layouts(for shapes: [Shape], given: [Layout]) -> Layouts {
    guard let convolution = try? geometry(for: shapes[0]), convolution.outputShape == shapes[0] else {
      return Layouts(inputs: [.plain], output: .plain)
    }
    return Layouts(inputs: [.blocked], output: ConvolutionKernel.layouts(for: convolution, given: .plain).input)
  }

  /// Forward is the convolution's input gradient, backward its forward pass.
  public func stage(for shapes: [Shape], in layouts: Layouts) throws -> Stage {
    let convolution = try geometry(for: shapes[0]), output = convolution.inputShape
    guard layouts.inputs[0] == .blocked, let filter else { return plainStage(convolution, shapes[0]) }
    let kernel = try ConvolutionKernel(convolution, filter, inputLayout: layouts.output, outputLayout: .blocked)
    try kernel.prepareInputGradient()
    let addBias = bias.map { ChannelBias($0, output, layouts.output) }
    return Stage(output: output, scratchCount: kernel.scratchCount, overwrites: true) { pass in
      kernel.inputGradient(outputGradient: pass.input(0), inputGradient: pass.output, scratch: pass.scratch)
      addBias?.add(to: pass.output)
    } backward: { pass in
      guard let gradient = pass.inputGradient(0) else { return }
      let sum = Epilogue(residual: pass.accumulates(0) ? UnsafePointer(gradient) : nil)
      kernel.forward(input: pass.outputGradient, output: gradient, epilogue: sum, scratch: pass.scratch)
    }
  }

  private func plainStage(_ convolution: ConvolutionGeometry, _ shape: Shape) -> Stage {
    let loops = PlainConvolution(weights, convolution, outputH: shape.h, outputW: shape.w), bias = bias
    return Stage(output: convolution.inputShape, overwrites: true) { pass in
      loops.inputGradient(pass.input(0), pass.output, bias: bias, adds: false)
    } backward: { pass in
      guard let gradient = pass.inputGradient(0) else { return }
      loops.forward(pass.outputGradient, gradient, bias: nil, adds: pass.accumulates(0))
    }
  }

  /// The convolution it is the transpose of: from this operator's output to its input.
  ///
  /// Rows that the output padding adds have no input of their own: with less padding below, the convolution does not
  /// reach them either. Where that is impossible its output is larger than this operator's input.
  private func geometry(for shape: Shape) throws -> ConvolutionGeometry {
    let limit = 1 << 30
    guard filter != nil, strides.count == 2, dilations.count == 2, padding.count == 4, outputPadding.count == 2,
      (strides + dilations).allSatisfy({ 1..<limit ~= $0 }), (padding + outputPadding).allSatisfy({ 0..<limit ~= $0 }),
      bias.map({ $0.count == weights.shape[1] * groups }) ?? true
    else {
      throw LensError(
        .invalidArgument,
        "weights of shape \(weights.shape) in \(groups) groups with \(bias?.count ?? 0) biases, strides \(strides), dilations \(dilations), padding \(padding), output padding \(outputPadding)"
      )
    }
    guard shape.rank == 4, shape.count > 0, shape.c == weights.shape[0], shape.c % groups == 0 else {
      throw LensError(.shapeMismatch, "a value of shape \(shape) meets weights of shape \(weights.shape) in \(groups) groups")
    }
    func length(_ axis: Int) -> Int {
      let extent = (weights.shape[axis + 2] - 1) * dilations[axis] + 1
      return (shape[axis + 2] - 1) * strides[axis] + extent + outputPadding[axis] - padding[axis] - padding[axis + 2]
    }
    guard length(0) > 0, length(1) > 0 else {
      throw LensError(.shapeMismatch, "padding \(padding) leaves nothing of what \(shape) grows to")
    }
    _ = try Shape(checking: [shape.n, weights.shape[1] * groups, length(0), length(1)])
    return ConvolutionGeometry(
      n: shape.n, inputChannels: weights.shape[1] * groups, h: length(0), w: length(1), outputChannels: shape.c,
      kernel: .init(weights.shape[2], weights.shape[3]), stride: .init(strides[0], strides[1]),
      dilation: .init(dilations[0], dilations[1]),
      padding: .init(
        top: padding[0], left: padding[1], bottom: max(0, padding[2] - outputPadding[0]), right: max(0, padding[3] - outputPadding[1])),
      groups: groups)
  }
}

/// One number for each channel, added to every pixel.
private struct ChannelBias: Sendable {
  private let bias: Table<Float>
  private let layout: Layout
  private let planeCount: Int
  private let area: Int

  init(_ bias: [Float], _ shape: Shape, _ layout: Layout) {
    let padded = layout == .plain ? bias.count : (bias.count + 15) / 16 * 16
    self.bias = Table(bias + [Float](repeating: 0, count: padded - bias.count))
    (self.layout, planeCount, area) = (layout, layout.planeCount(of: shape), shape.h * shape.w)
  }

  func add(to y: UnsafeMutablePointer<Float>) {
    if layout == .plain { add(Float.self, to: y) } else { add(SIMD16<Float>.self, to: y) }
  }

  @inline(__always)
  private func add<V: Lanes>(_: V.Type, to y: UnsafeMutablePointer<Float>) {
    let blocks = bias.count / V.count
    parallel(planeCount, grain: max(1, 4096 / max(area, 1))) {
      for plane in $0 {
        let b = V.load(bias.base + plane % blocks * V.count), y = y + plane * area * V.count
        for i in 0..<area { (V.load(y + i * V.count) + b).store(y + i * V.count) }
      }
    }
  }
}
