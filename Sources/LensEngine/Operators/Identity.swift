// SPDX-License-Identifier: Apache-2.0
import LensKernels
import LensTensors

/// Its input, unchanged: Identity, Dropout outside training.
public struct Identity: Operator {
  public let kind: String
  public init(kind: String = "Identity") { self.kind = kind }

  public func layouts(for shapes: [Shape], given: [Layout]) -> Layouts { Layouts(inputs: [given[0]], output: given[0]) }
  public func stage(for shapes: [Shape], in layouts: Layouts) -> Stage { .view(shapes[0]) }
}

/// Its input's floats under another shape: Reshape, Flatten, Squeeze, Unsqueeze.
public struct Reshape: Operator {
  public let kind: String
  public let shape: Shape
  public init(to shape: Shape, kind: String = "Reshape") { (self.shape, self.kind) = (shape, kind) }

  public func stage(for shapes: [Shape], in layouts: Layouts) throws -> Stage {
    guard shapes[0].count == shape.count else {
      throw LensError(.shapeMismatch, "\(shapes[0]) cannot become \(shape): \(shapes[0].count) floats are not \(shape.count)")
    }
    return .view(shape)
  }
}
