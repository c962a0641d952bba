// SPDX-License-Identifier: Apache-2.0

/// The dimensions of a block of floats, outermost first: N×C×H×W for pictures and activations,
/// N×K for class scores, anything up to rank 8 in between.
public struct Shape: Hashable, Sendable, CustomStringConvertible, ExpressibleByArrayLiteral {
  public static let maximumRank = 8

  public let dimensions: [Int]

  public init(_ dimensions: [Int]) { self.dimensions = dimensions }
  public init(arrayLiteral dimensions: Int...) { self.dimensions = dimensions }
  public init(n: Int = 1, c: Int, h: Int, w: Int) { dimensions = [n, c, h, w] }

  public var rank: Int { dimensions.count }
  /// The number of floats. Shapes made from untrusted sizes come from `init(checking:)`, so this cannot overflow.
  public var count: Int { dimensions.reduce(1, *) }

  public var n: Int { self[or1: 0] }
  public var c: Int { self[or1: 1] }
  public var h: Int { self[or1: 2] }
  public var w: Int { self[or1: 3] }
  private subscript(or1 axis: Int) -> Int { axis < rank ? dimensions[axis] : 1 }

  public subscript(axis: Int) -> Int { dimensions[axis] }

  /// The product of the dimensions in `axes`.
  public func count(_ axes: Range<Int>) -> Int { dimensions[axes].reduce(1, *) }

  /// Floats between neighbours along each axis of a contiguous block.
  public var strides: [Int] {
    var strides = [Int](repeating: 1, count: rank)
    for axis in stride(from: rank - 2, through: 0, by: -1) { strides[axis] = strides[axis + 1] * dimensions[axis + 1] }
    return strides
  }

  /// This shape with one dimension changed.
  public func with(_ axis: Int, _ dimension: Int) -> Shape {
    var dimensions = dimensions
    dimensions[axis] = dimension
    return Shape(dimensions)
  }

  public var description: String {
    dimensions.isEmpty ? "scalar" : dimensions.map(String.init).joined(separator: "×")
  }
}

extension Shape {
  /// The largest number of floats one value may have: 16 GB of them.
  public static let maximumCount = 1 << 32

  /// A shape from sizes nobody vouches for.
  ///
  /// - Throws: `LensError` (`.shapeMismatch`) for a negative size, more than `maximumRank` dimensions or
  ///   more than `maximumCount` floats.
  public init(checking dimensions: [Int]) throws {
    guard dimensions.count <= Shape.maximumRank else {
      throw LensError(.shapeMismatch, "a value has \(dimensions.count) dimensions; at most \(Shape.maximumRank) are possible")
    }
    var count = 1
    for dimension in dimensions {
      guard dimension >= 0 else {
        throw LensError(.shapeMismatch, "the shape \(Shape(dimensions)) has a negative dimension")
      }
      let (product, overflow) = count.multipliedReportingOverflow(by: max(dimension, 1))
      guard !overflow, product <= Shape.maximumCount else {
        throw LensError(
          .shapeMismatch, "a value of shape \(Shape(dimensions)) is too large: at most \(Shape.maximumCount) floats are possible")
      }
      count = product
    }
    self.dimensions = dimensions
  }

  /// The shape that two shapes broadcast to (NumPy's rule: aligned at the end, 1 stretches).
  public func broadcast(with other: Shape) throws -> Shape {
    let rank = max(self.rank, other.rank)
    var result = [Int](repeating: 1, count: rank)
    for axis in 0..<rank {
      let a = axis - (rank - self.rank), b = axis - (rank - other.rank)
      let p = a < 0 ? 1 : dimensions[a], q = b < 0 ? 1 : other.dimensions[b]
      guard p == q || p == 1 || q == 1 else {
        throw LensError(.shapeMismatch, "shapes \(self) and \(other) do not broadcast: \(p) against \(q)")
      }
      result[axis] = p == 1 ? q : p
    }
    return try Shape(checking: result)
  }
}
