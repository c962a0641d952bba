// SPDX-License-Identifier: Apache-2.0
import LensTensors

/// Groups of blockSize² channels laid out as blockSize × blockSize pixels (Shi et al. 2016 call it pixel shuffle).
public struct DepthToSpace: Operator {
  public let kind = "DepthToSpace"
  public let blockSize: Int
  /// Input channels run over channel, row, column ("CRD", as PyTorch's); else over row, column, channel ("DCR").
  public let isColumnRowDepth: Bool

  public init(blockSize: Int, isColumnRowDepth: Bool) { (self.blockSize, self.isColumnRowDepth) = (blockSize, isColumnRowDepth) }

  public func stage(for shapes: [Shape], in layouts: Layouts) throws -> Stage {
    let shape = shapes[0], b = blockSize
    guard shape.rank == 4, 1...1 << 15 ~= b, shape.c % (b * b) == 0 else {
      throw LensError(.shapeMismatch, "block size \(b) for a value of shape \(shape)")
    }
    let c = shape.c / (b * b)
    let output = Shape(n: shape.n, c: c, h: shape.h * b, w: shape.w * b)
    let rearrangement =
      isColumnRowDepth
      ? Rearrangement(transposing: [shape.n, c, b, b, shape.h, shape.w], by: [0, 1, 4, 2, 5, 3])
      : Rearrangement(transposing: [shape.n, b, b, c, shape.h, shape.w], by: [0, 3, 4, 1, 5, 2])
    return rearrangement.stage(output)
  }
}

/// Blocks of blockSize × blockSize pixels stacked as channels: row, column, channel, or channel, row, column.
public struct SpaceToDepth: Operator {
  public let kind = "SpaceToDepth"
  public let blockSize: Int
  public let isColumnRowDepth: Bool

  public init(blockSize: Int, isColumnRowDepth: Bool = false) { (self.blockSize, self.isColumnRowDepth) = (blockSize, isColumnRowDepth) }

  public func stage(for shapes: [Shape], in layouts: Layouts) throws -> Stage {
    let shape = shapes[0], b = blockSize
    guard shape.rank == 4, 1...1 << 15 ~= b, shape.h % b == 0, shape.w % b == 0 else {
      throw LensError(.shapeMismatch, "block size \(b) for a value of shape \(shape)")
    }
    let output = try Shape(checking: [shape.n, shape.c * b * b, shape.h / b, shape.w / b])
    let order = isColumnRowDepth ? [0, 1, 3, 5, 2, 4] : [0, 3, 5, 1, 2, 4]
    return Rearrangement(transposing: [shape.n, shape.c, shape.h / b, b, shape.w / b, b], by: order).stage(output)
  }
}
