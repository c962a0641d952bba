// SPDX-License-Identifier: Apache-2.0
import LensTensors

/// Axes in another order: axis i of the output is axis `permutation[i]` of the input.
public struct Transpose: Operator {
  public let kind = "Transpose"
  public let permutation: [Int]

  public init(permutation: [Int]) { self.permutation = permutation }

  public func stage(for shapes: [Shape], in layouts: Layouts) throws -> Stage {
    let shape = shapes[0]
    guard permutation.sorted() == Array(0..<shape.rank) else {
      throw LensError(.shapeMismatch, "permutation \(permutation) of a value of shape \(shape)")
    }
    let output = Shape(permutation.map { shape[$0] })
    let staying = permutation.filter { shape[$0] != 1 }
    if staying == staying.sorted() { return .view(output) }
    return Rearrangement(transposing: shape.dimensions, by: permutation).stage(output)
  }
}
