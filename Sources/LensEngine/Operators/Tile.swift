// SPDX-License-Identifier: Apache-2.0
import LensTensors

/// The input repeated along each axis.
public struct Tile: Operator {
  public let kind = "Tile"
  public let repeats: [Int]

  public init(repeats: [Int]) { self.repeats = repeats }

  public func stage(for shapes: [Shape], in layouts: Layouts) throws -> Stage {
    let shape = shapes[0]
    guard repeats.count == shape.rank, repeats.allSatisfy({ 0...Shape.maximumCount ~= $0 }) else {
      throw LensError(.shapeMismatch, "repeats \(repeats) of a value of shape \(shape)")
    }
    let dimensions = zip(shape.dimensions, repeats).map { $0.multipliedReportingOverflow(by: $1) }
    guard !dimensions.contains(where: \.overflow) else { throw LensError(.shapeMismatch, "repeats \(repeats) of \(shape) are too many") }
    let output = try Shape(checking: dimensions.map(\.partialValue))
    let indices = (0..<shape.rank).map { axis in
      repeats[axis] == 1 ? nil : (0..<output[axis]).map { $0 % shape[axis] }
    }
    return Rearrangement(from: shape.dimensions, indices: indices).stage(output)
  }
}

/// Axes of length 1 stretched, and axes added in front, until the shape is the broadcast of the input's and `shape`.
public struct Expand: Operator {
  public let kind = "Expand"
  public let shape: Shape

  public init(to shape: Shape) { self.shape = shape }

  public func stage(for shapes: [Shape], in layouts: Layouts) throws -> Stage {
    let output = try shapes[0].broadcast(with: shape)
    let source = [Int](repeating: 1, count: output.rank - shapes[0].rank) + shapes[0].dimensions
    let indices = (0..<output.rank).map { axis in
      source[axis] == output[axis] ? nil : [Int](repeating: 0, count: output[axis])
    }
    return Rearrangement(from: source, indices: indices).stage(output)
  }
}
