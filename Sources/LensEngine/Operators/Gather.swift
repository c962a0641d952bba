// SPDX-License-Identifier: Apache-2.0
import LensTensors

/// Entries of one axis, picked by number: output[..., i, ...] = input[..., indices[i], ...].
/// Negative indices count from the end; what was picked twice gets the sum of both gradients.
public struct Gather: Operator {
  public let kind = "Gather"
  public let axis: Int
  public let indices: [Int]
  public let indexShape: Shape

  public init(axis: Int, indices: [Int], indexShape: Shape) {
    (self.axis, self.indices, self.indexShape) = (axis, indices, indexShape)
  }

  public func stage(for shapes: [Shape], in layouts: Layouts) throws -> Stage {
    let shape = shapes[0]
    try check(indices, indexShape)
    guard (0..<shape.rank).contains(axis) else { throw LensError(.shapeMismatch, "axis \(axis) of a value of shape \(shape)") }
    let picked = try indices.map { try resolved($0, in: shape[axis], "axis \(axis) of \(shape)") }
    let output = try Shape(checking: shape.dimensions[..<axis] + indexShape.dimensions + shape.dimensions[(axis + 1)...])
    let extents = [shape.count(0..<axis), shape[axis], shape.count(axis + 1..<shape.rank)]
    return Rearrangement(from: extents, indices: [nil, picked, nil]).stage(output)
  }
}

/// Slices picked by tuples of indices: output[b, i, ...] = input[b, indices[b, i, 0], indices[b, i, 1], ...].
public struct GatherND: Operator {
  public let kind = "GatherND"
  public let indices: [Int]
  public let indexShape: Shape
  public let batchDimensions: Int

  public init(indices: [Int], indexShape: Shape, batchDimensions: Int) {
    (self.indices, self.indexShape, self.batchDimensions) = (indices, indexShape, batchDimensions)
  }

  public func stage(for shapes: [Shape], in layouts: Layouts) throws -> Stage {
    let shape = shapes[0], batch = batchDimensions
    try check(indices, indexShape)
    guard batch >= 0, indexShape.rank > batch, shape.rank > batch, let depth = indexShape.dimensions.last, depth >= 1,
      batch + depth <= shape.rank, shape.dimensions.prefix(batch) == indexShape.dimensions.prefix(batch)
    else {
      throw LensError(.shapeMismatch, "indices of shape \(indexShape) with \(batch) batch dimensions for a value of shape \(shape)")
    }
    let output = try Shape(checking: Array(indexShape.dimensions.dropLast() + shape.dimensions[(batch + depth)...]))
    let sliceCount = shape.count(0..<batch + depth), tupleCount = indices.count / depth
    let tuplesPerBatch = max(1, tupleCount / max(1, shape.count(0..<batch)))
    let picked = try (0..<tupleCount).map { tuple in
      try (0..<depth).reduce(tuple / tuplesPerBatch) { flat, i in
        flat * shape[batch + i] + (try resolved(indices[tuple * depth + i], in: shape[batch + i], "axis \(batch + i) of \(shape)"))
      }
    }
    return Rearrangement(from: [sliceCount, shape.count(batch + depth..<shape.rank)], indices: [picked, nil]).stage(output)
  }
}

/// Single floats picked along one axis: output[i, j, k] = input[i, indices[i, j, k], k] for axis 1.
public struct GatherElements: Operator {
  public let kind = "GatherElements"
  public let axis: Int
  public let indices: [Int]
  public let indexShape: Shape

  public init(axis: Int, indices: [Int], indexShape: Shape) {
    (self.axis, self.indices, self.indexShape) = (axis, indices, indexShape)
  }

  public func stage(for shapes: [Shape], in layouts: Layouts) throws -> Stage {
    let shape = shapes[0]
    try check(indices, indexShape)
    guard (0..<shape.rank).contains(axis), indexShape.rank == shape.rank,
      (0..<shape.rank).allSatisfy({ $0 == axis || indexShape[$0] <= shape[$0] })
    else {
      throw LensError(.shapeMismatch, "indices of shape \(indexShape) along axis \(axis) of a value of shape \(shape)")
    }
    let strides = shape.strides, indexStrides = indexShape.strides
    let picked = try indices.indices.map { i in
      try (0..<shape.rank).reduce(0) { offset, a in
        let index = a == axis ? try resolved(indices[i], in: shape[a], "axis \(a) of \(shape)") : i / indexStrides[a] % indexShape[a]
        return offset + index * strides[a]
      }
    }
    return Rearrangement(from: [shape.count], indices: [picked]).stage(indexShape)
  }
}

private func check(_ indices: [Int], _ shape: Shape) throws {
  guard indices.count == (try Shape(checking: shape.dimensions)).count else {
    throw LensError(.invalidArgument, "\(indices.count) indices for the index shape \(shape)")
  }
}

private func resolved(_ index: Int, in length: Int, _ place: String) throws -> Int {
  guard -length..<length ~= index else {
    throw LensError(.shapeMismatch, "index \(index) is outside \(place)")
  }
  return index < 0 ? index + length : index
}
