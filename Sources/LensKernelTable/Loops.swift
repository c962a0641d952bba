// SPDX-License-Identifier: Apache-2.0

/// `count` neighbouring outputs of a row whose windows have the same taps, over pixels of 16 channels. Steps are in floats.
public struct PoolCall {
  public var count: Int
  /// Input from one output to the next.
  public var step: Int
  /// Taps of a window, and the input from one to the next.
  public var rows, columns: Int
  public var rowStep, columnStep: Int
  /// Number of the first tap, and from one row of taps to the next; columns count by one.
  public var firstTap = 0
  public var tapRowStep = 0
  /// Of a mean.
  public var divisor: Float = 1

  public init(count: Int, step: Int, rows: Int, columns: Int, rowStep: Int, columnStep: Int) {
    (self.count, self.step, self.rows, self.columns) = (count, step, rows, columns)
    (self.rowStep, self.columnStep) = (rowStep, columnStep)
  }
}

/// Windows over blocked values; see `PoolCall`.
public struct PoolingLoops: Sendable {
  /// Call, input at the first tap of the first window, output, switches or nil.
  public let largest: @Sendable (UnsafePointer<PoolCall>, Floats, MutableFloats, UnsafeMutablePointer<UInt8>?) -> Void
  /// Call (of one row of taps), gradient of the outputs, their switches, gradient of the input to add to.
  public let largestGradient: @Sendable (UnsafePointer<PoolCall>, Floats, UnsafePointer<UInt8>, MutableFloats) -> Void
  /// Call, input, output: the mean.
  public let mean: @Sendable (UnsafePointer<PoolCall>, Floats, MutableFloats) -> Void
  /// Call (of one row of taps), gradient of the outputs, gradient of the input to add to.
  public let meanGradient: @Sendable (UnsafePointer<PoolCall>, Floats, MutableFloats) -> Void

  public init(
    largest: @escaping @Sendable (UnsafePointer<PoolCall>, Floats, MutableFloats, UnsafeMutablePointer<UInt8>?) -> Void,
    largestGradient: @escaping @Sendable (UnsafePointer<PoolCall>, Floats, UnsafePointer<UInt8>, MutableFloats) -> Void,
    mean: @escaping @Sendable (UnsafePointer<PoolCall>, Floats, MutableFloats) -> Void,
    meanGradient: @escaping @Sendable (UnsafePointer<PoolCall>, Floats, MutableFloats) -> Void
  ) {
    (self.largest, self.largestGradient, self.mean, self.meanGradient) = (largest, largestGradient, mean, meanGradient)
  }
}

/// One factor for each of 16 channels, over pixels of them.
public struct ChannelLoops: Sendable {
  /// y = x · scale + shift (+ addend), clamped: x, scale, shift, y, pixels, addend, bounds, and gates if they are wanted.
  public let affine: @Sendable (Floats, Floats, Floats, MutableFloats, Int, Floats?, Float, Float, MutableGates?) -> Void
  /// y = x · scale, or y += x · scale: x, scale, y, pixels, whether to add.
  public let scale: @Sendable (Floats, Floats, MutableFloats, Int, Bool) -> Void
  /// sums += Σ over pixels of x · y: x, y, sums, pixels.
  public let products: @Sendable (Floats, Floats, MutableFloats, Int) -> Void

  public init(
    affine: @escaping @Sendable (Floats, Floats, Floats, MutableFloats, Int, Floats?, Float, Float, MutableGates?) -> Void,
    scale: @escaping @Sendable (Floats, Floats, MutableFloats, Int, Bool) -> Void,
    products: @escaping @Sendable (Floats, Floats, MutableFloats, Int) -> Void
  ) {
    (self.affine, self.scale, self.products) = (affine, scale, products)
  }
}
