// SPDX-License-Identifier: Apache-2.0
import LensTensors

/// A rectangle of a picture.
public struct Region: Hashable, Sendable, CustomStringConvertible {
  public var rows: Range<Int>
  public var columns: Range<Int>

  public init(rows: Range<Int>, columns: Range<Int>) { (self.rows, self.columns) = (rows, columns) }

  public var description: String { "rows \(rows), columns \(columns)" }
}

/// A picture that differs from the base in one rectangle at most.
public struct Perturbation: Sendable {
  public var region: Region
  /// 1×C×H×W like the base; looked at inside the region only, so that one picture can serve many regions.
  public var picture: Tensor

  public init(_ region: Region, of picture: Tensor) { (self.region, self.picture) = (region, picture) }

  /// With the smallest rectangle that holds every difference; one pixel where there is none.
  public init(_ picture: Tensor, differingFrom base: Tensor) {
    let h = base.shape.h, w = base.shape.w
    var rows = (h, 0), columns = (w, 0)
    for row in 0..<base.shape.n * base.shape.c * h {
      let a = picture.pointer + row * w, b = base.pointer + row * w
      guard let first = (0..<w).first(where: { a[$0].bitPattern != b[$0].bitPattern }) else { continue }
      let last = (first..<w).last { a[$0].bitPattern != b[$0].bitPattern }!
      rows = (min(rows.0, row % h), max(rows.1, row % h + 1))
      columns = (min(columns.0, first), max(columns.1, last + 1))
    }
    let isSame = rows.0 >= rows.1
    self.init(
      Region(rows: isSame ? 0..<1 : rows.0..<rows.1, columns: isSame ? 0..<1 : columns.0..<columns.1), of: picture)
  }
}
