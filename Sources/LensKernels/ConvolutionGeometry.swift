// SPDX-License-Identifier: Apache-2.0
public import LensKernelTable
public import LensTensors

/// A two-dimensional convolution without its numbers.
public struct ConvolutionGeometry: Hashable, Sendable {
  /// Sizes along y and x.
  public struct Extent: Hashable, Sendable {
    public var h, w: Int
    public init(_ h: Int, _ w: Int) { (self.h, self.w) = (h, w) }
    public init(_ both: Int) { (h, w) = (both, both) }
  }
  /// Zeros around the input; any numbers from 0.
  public struct Padding: Hashable, Sendable {
    public var top, left, bottom, right: Int
    public init(top: Int, left: Int, bottom: Int, right: Int) {
      (self.top, self.left, self.bottom, self.right) = (top, left, bottom, right)
    }
    public init(_ all: Int) { (top, left, bottom, right) = (all, all, all, all) }
  }

  /// How the forward pass is computed. Ways differ in the last bits.
  public enum Way: Hashable, Sendable {
    /// Every output by itself.
    case direct
    /// Squares of outputs together; see `tile`.
    case tiles
  }

  public var n, inputChannels, h, w, outputChannels: Int
  public var kernel, stride, dilation: Extent
  public var padding: Padding
  public var groups: Int
  /// For a crop of a picture: the way of the whole picture. Nil: what is best for one image of this size.
  public var way: Way?

  public init(
    n: Int = 1, inputChannels: Int, h: Int, w: Int, outputChannels: Int, kernel: Extent, stride: Extent = Extent(1),
    dilation: Extent = Extent(1), padding: Padding = Padding(0), groups: Int = 1
  ) {
    (self.n, self.inputChannels, self.h, self.w, self.outputChannels) = (n, inputChannels, h, w, outputChannels)
    (self.kernel, self.stride, self.dilation, self.padding, self.groups) = (kernel, stride, dilation, padding, groups)
  }

  public var outputH: Int { ConvolutionGeometry.size(h + padding.top + padding.bottom, kernel.h, stride.h, dilation.h) }
  public var outputW: Int { ConvolutionGeometry.size(w + padding.left + padding.right, kernel.w, stride.w, dilation.w) }
  private static func size(_ padded: Int, _ kernel: Int, _ stride: Int, _ dilation: Int) -> Int {
    max(0, (padded - dilation * (kernel - 1) - 1 + stride) / stride)
  }

  public var inputShape: Shape { Shape(n: n, c: inputChannels, h: h, w: w) }
  public var outputShape: Shape { Shape(n: n, c: outputChannels, h: outputH, w: outputW) }
  public var filterShape: Shape { [outputChannels, inputChannels / max(groups, 1), kernel.h, kernel.w] }

  /// Of the textbook definition, zeros of the padding included.
  public var multiplyAdds: Int { outputShape.count * filterShape.count(1..<4) }

  /// One input channel to each output channel.
  public var isDepthwise: Bool { groups == inputChannels && groups == outputChannels && groups > 1 }

  /// - Throws: `LensError` (`.shapeMismatch`) if the numbers make no convolution.
  public func validate() throws {
    func require(_ condition: Bool, _ message: @autoclosure () -> String) throws {
      if !condition { throw LensError(.shapeMismatch, message()) }
    }
    try require(
      n >= 1 && h >= 1 && w >= 1 && inputChannels >= 1 && outputChannels >= 1,
      "a convolution of \(inputShape) to \(outputChannels) channels has nothing to do")
    try require(kernel.h >= 1 && kernel.w >= 1, "the kernel is \(kernel.h)×\(kernel.w); it must be at least 1×1")
    try require(stride.h >= 1 && stride.w >= 1, "the stride is \(stride.h)×\(stride.w); it must be at least 1×1")
    try require(dilation.h >= 1 && dilation.w >= 1, "the dilation is \(dilation.h)×\(dilation.w); it must be at least 1×1")
    try require(min(padding.top, padding.left, padding.bottom, padding.right) >= 0, "the padding is negative")
    try require(
      groups >= 1 && inputChannels % groups == 0 && outputChannels % groups == 0,
      "\(inputChannels) input and \(outputChannels) output channels do not divide into \(groups) groups")
    try require(outputH >= 1 && outputW >= 1, "a kernel of \(kernel.h)×\(kernel.w) does not fit into \(inputShape) with its padding")
    _ = try Shape(checking: inputShape.dimensions)
    _ = try Shape(checking: outputShape.dimensions)
  }
}

/// What happens to an output before it is stored: plus the bias (always), plus `residual`, then clamped.
public struct Epilogue: Sendable {
  /// In the layout of the output; added if not nil.
  nonisolated(unsafe) public var residual: UnsafePointer<Float>?
  public var lower: Float
  public var upper: Float
  /// In the layout of the output: whether each lies strictly between the bounds; written if not nil.
  nonisolated(unsafe) public var gates: MutableGates?

  public init(
    residual: UnsafePointer<Float>? = nil, lower: Float = -.infinity, upper: Float = .infinity, gates: MutableGates? = nil
  ) {
    (self.residual, self.lower, self.upper, self.gates) = (residual, lower, upper, gates)
  }
  public static let none = Epilogue()
  public static let relu = Epilogue(lower: 0)
  public static let relu6 = Epilogue(lower: 0, upper: 6)
}
