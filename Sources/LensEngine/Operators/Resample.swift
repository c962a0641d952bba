// SPDX-License-Identifier: Apache-2.0
import LensTensors

/// Every map's rows and columns mixed by two matrices: rows · X · columnsᵀ. Resizing and cropping are of this kind, and so
/// is what carries a gradient back through them: rowsᵀ · G · columns.
public struct Resample: Operator {
  public let kind = "Resample"
  /// h × H and w × W, for maps of H × W.
  public let rows, columns: Tensor
  private let vertical, horizontal: AxisFilter
  /// The values that results are cut to. The gradient knows nothing of it: weights that add to one leave a range by
  /// rounding alone.
  public let range: ClosedRange<Float>?

  public init(rows: Tensor, columns: Tensor, range: ClosedRange<Float>? = nil) {
    (self.rows, self.columns, self.range) = (rows, columns, range)
    (vertical, horizontal) = (AxisFilter(rows), AxisFilter(columns))
  }

  public func stage(for shapes: [Shape], in layouts: Layouts) throws -> Stage {
    let shape = shapes[0]
    guard rows.shape.rank == 2, columns.shape.rank == 2, rows.count > 0, columns.count > 0 else {
      throw LensError(.shapeMismatch, "rows are \(rows.shape) and columns \(columns.shape); they must be matrices")
    }
    guard shape.rank == 4, shape.h == rows.shape[1], shape.w == columns.shape[1] else {
      throw LensError(.shapeMismatch, "the picture is \(shape) but it must be \(rows.shape[1])×\(columns.shape[1]) pixels")
    }
    let maps = shape.n * shape.c, h = rows.shape[0], w = columns.shape[0], range = range
    let output = try Shape(checking: [shape.n, shape.c, h, w])
    let (vertical, horizontal) = (vertical, horizontal)
    return Stage(output: output, scratchCount: maps * h * shape.w, overwrites: true) { pass in
      vertical.forward(maps, shape.w, from: pass.input(0), to: pass.scratch)
      horizontal.forward(maps * h, 1, from: UnsafePointer(pass.scratch), to: pass.output)
      guard let range else { return }
      let y = pass.output
      for i in 0..<output.count { y[i] = min(max(y[i], range.lowerBound), range.upperBound) }
    } backward: { pass in
      guard let gradient = pass.inputGradient(0) else { return }
      horizontal.backward(maps * h, 1, from: pass.outputGradient, to: pass.scratch, adds: false)
      vertical.backward(maps, shape.w, from: UnsafePointer(pass.scratch), to: gradient, adds: pass.accumulates(0))
    }
  }
}

extension AxisFilter {
  /// - matrix: targets × sources.
  fileprivate convenience init(_ matrix: Tensor) {
    let (m, n) = matrix.shape.rank == 2 ? (matrix.shape[0], matrix.shape[1]) : (0, 0)
    let weights = matrix.pointer
    self.init(
      sourceLength: n,
      taps: (0..<m).map { i in (0..<n).filter { weights[i * n + $0] != 0 }.map { (index: $0, weight: Double(weights[i * n + $0])) } })
    withExtendedLifetime(matrix) {}
  }
}
