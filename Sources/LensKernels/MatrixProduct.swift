// SPDX-License-Identifier: Apache-2.0
public import LensKernelTable

/// C = op(A) · op(B), plus a row or C if asked for; row-major, m×k times k×n, each transposed or not.
///
/// A row of C does not depend, to the last bit, on how many other rows there are (but for `rowsStay`), nor on the number of
/// threads.
public struct MatrixProduct: Sendable {
  public let m, n, k: Int
  /// A is stored k×m, B n×k.
  public let transposesA, transposesB: Bool
  /// Floats of scratch. It goes with `Threads.count` as it was when this was made.
  public let scratchCount: Int

  private let kernels: KernelTable
  private let path: Path
  private let slots: Int

  private enum Path {
    /// B's rows lie along the sum, as a dense layer's weights do: dot products, nothing is packed but a transposed A.
    case dots
    /// Few rows: B is read once, row after row but for those that A has zeros for. The same sums in the same order as `tiles`.
    case rows
    /// Register tiles; B is packed.
    case tiles
  }
  /// Terms per pass of `tiles` and `rows`, after which the sums rest in C.
  private static let depth = 256
  /// Terms per pass of `dots`, and the groups of B's columns that pass by together.
  private static let dotDepth = 1024, dotGroups = 16

  /// - rowsStay: no other call with fewer rows has to give the same bits. Many rows are then multiplied in tiles even where B is
  ///   transposed, whose dot products add up in another order.
  public init(
    m: Int, n: Int, k: Int, transposesA: Bool = false, transposesB: Bool = false, rowsStay: Bool = false,
    kernels: KernelTable = Kernels.selected
  ) {
    (self.m, self.n, self.k, self.transposesA, self.transposesB, self.kernels) = (m, n, k, transposesA, transposesB, kernels)
    slots = Threads.count
    let isLow = m < 2 * kernels.planarPixels(1)
    path = transposesB && (isLow || !rowsStay) ? .dots : isLow ? .rows : .tiles
    blocks = kernels.planarPixels(2) > 0 ? 2 : 1
    pixels = kernels.planarPixels(blocks)
    switch path {
    case .dots: scratchCount = 16 + (transposesA ? m * k : 0)
    case .rows: scratchCount = transposesA ? m * k : 0
    case .tiles:
      let width = 16 * blocks, columns = (n + width - 1) / width * width
      scratchCount = columns * (1 + min(k, MatrixProduct.depth)) + slots * pixels * width
    }
  }
  /// Of a tile.
  private let blocks, pixels: Int

  /// - Parameters:
  ///   - a: m×k, or k×m if transposed
  ///   - b: k×n, or n×k if transposed
  ///   - c: m×n; must not overlap the others
  ///   - row: n floats that every row of C begins with; nil for 0. Without meaning where `accumulates`
  ///   - scratch: `scratchCount` floats
  public func run(
    _ a: Floats, _ b: Floats, into c: MutableFloats, row: Floats? = nil, accumulates: Bool = false, scratch: MutableFloats
  ) {
    guard m > 0, n > 0 else { return }
    if !accumulates, k == 0 || row != nil && path != .tiles {
      for i in 0..<m { if let row { (c + i * n).update(from: row, count: n) } else { (c + i * n).update(repeating: 0, count: n) } }
    }
    if k == 0 { return }
    let accumulates = accumulates || row != nil && path != .tiles
    switch path {
    case .dots: dots(a, b, c, accumulates, scratch)
    case .rows: rows(a, b, c, accumulates, scratch)
    case .tiles: tiles(a, b, c, row, accumulates, scratch)
    }
  }

  private func dots(_ a: Floats, _ b: Floats, _ c: MutableFloats, _ accumulates: Bool, _ scratch: MutableFloats) {
    scratch.update(repeating: 0, count: 16)
    let rows = transposesA ? Floats(copied(a, to: scratch + 16)) : a
    let width = kernels.dotColumns, height = kernels.dotRows, groups = (n + width - 1) / width
    // Terms of A that stay in the second cache while those of a panel of B pass by. Few rows read each column to its end instead.
    let panel = m <= height ? 1 : min(MatrixProduct.dotGroups, max(1, groups / (4 * slots))), panels = (groups + panel - 1) / panel
    let most = max(height, (96 << 10) / min(k, MatrixProduct.dotDepth)), chunks = (m + most - 1) / most
    parallel(chunks * panels, grain: max(1, 16384 / (min(most, m) * panel * width * k))) { range in
      var call = TileCall(offsets: noTaps, bias: scratch)
      (call.depthStep, call.weightStep, call.pixelStep) = (k, k, n)
      withUnsafeMutablePointer(to: &call) { call in
        for job in range {
          let chunk = (0..<m).part(job / panels, of: chunks), tiles = (chunk.count + height - 1) / height
          let columns = (job % panels * panel * width)..<min(n, (job % panels + 1) * panel * width)
          for first in stride(from: 0, to: k, by: MatrixProduct.dotDepth) {
            call.pointee.depth = min(MatrixProduct.dotDepth, k - first)
            call.pointee.accumulates = accumulates || first > 0
            for column in stride(from: columns.lowerBound, to: columns.upperBound, by: width) {
              let next = column + width, count = min(width, columns.upperBound - column)
              // While these columns meet several tiles of rows, the next ones come nearer, some with every tile.
              let share = tiles > 1 && next < columns.upperBound ? (width + tiles - 1) / tiles : 0
              for index in 0..<tiles {
                let tile = chunk.part(index, of: tiles), row = tile.lowerBound
                (call.pointee.next, call.pointee.nextCount) = (b + ((next + index * share) * k + first), index * share < width ? share : 0)
                kernels.dotTile(tile.count, count)(call, rows + (row * k + first), b + (column * k + first), c + (row * n + column), nil)
              }
            }
          }
        }
      }
    }
  }

  private func rows(_ a: Floats, _ b: Floats, _ c: MutableFloats, _ accumulates: Bool, _ scratch: MutableFloats) {
    let rows = transposesA ? Floats(copied(a, to: scratch)) : a
    // Of several rows all but the first find B in the second cache.
    let width = min(m > 1 ? 1024 : 4096, max(64, (n / max(slots, 1) + 63) / 64 * 64)), panels = (n + width - 1) / width
    parallel(panels, grain: max(1, 16384 / (width * k))) { range in
      for panel in range {
        let column = panel * width, columns = min(width, n - column)
        if !accumulates { for row in 0..<m { (c + (row * n + column)).update(repeating: 0, count: columns) } }
        var first = 0
        while first < k {
          let depth = min(MatrixProduct.depth, k - first)
          for row in 0..<m {
            kernels.addRows(rows + (row * k + first), b + (first * n + column), c + (row * n + column), columns, depth, n)
          }
          first += depth
        }
      }
    }
  }

  private func tiles(
    _ a: Floats, _ b: Floats, _ c: MutableFloats, _ row: Floats?, _ accumulates: Bool, _ scratch: MutableFloats
  ) {
    let width = 16 * blocks, panels = (n + width - 1) / width, rowGroups = (m + pixels - 1) / pixels
    let starts = scratch, packed = starts + panels * width
    let depthMost = min(k, MatrixProduct.depth)
    let edges = packed + depthMost * panels * width
    // A transposed A has its rows next to each other.
    let (rowStep, termStep) = transposesA ? (1, m) : (k, 1)
    starts.update(repeating: 0, count: panels * width)
    if let row, !accumulates { starts.update(from: row, count: n) }
    // Rows of A that stay in the second cache while the panels of B pass by.
    let chunk = max(1, 65536 / (depthMost * pixels)), chunks = (rowGroups + chunk - 1) / chunk
    var first = 0
    while first < k {
      let depth = min(depthMost, k - first), goesOn = accumulates || first > 0
      if first > 0 { starts.update(repeating: 0, count: panels * width) }
      parallel(panels, grain: max(1, 8192 / (depth * width))) { range in
        for panel in range { pack(b, panel * width, first, depth, to: packed + panel * width * depth) }
      }
      parallelParts(panels * chunks, slots) { slot, jobs in
        var zero = 0
        withUnsafePointer(to: &zero) { offset in
          var call = TileCall(offsets: offset, bias: starts)
          (call.taps, call.depth, call.depthStep, call.inputStep) = (1, depth, termStep, rowStep)
          (call.blockStep, call.accumulates) = (16, goesOn)
          withUnsafeMutablePointer(to: &call) { call in
            for job in jobs {
              let panel = job % panels, column = panel * width, columns = min(width, n - column)
              let start = job / panels * chunk * pixels, end = min(m, start + chunk * pixels), whole = (end - start) / pixels
              let w = packed + panel * width * depth
              call.pointee.bias = Floats(starts + column)
              func run(_ count: Int, _ tiles: Int, at row: Int) {
                let tile = kernels.planarTile(blocks, count), x = a + (row * rowStep + first * termStep)
                if columns == width {
                  (call.pointee.pixelStep, call.pointee.tiles) = (n, tiles)
                  return tile(call, x, w, c + (row * n + column), nil)
                }
                (call.pointee.pixelStep, call.pointee.tiles) = (width, 1)
                let edge = edges + slot * pixels * width
                for i in 0..<tiles {
                  let output = c + ((row + i * count) * n + column)
                  edge.update(repeating: 0, count: count * width)
                  if goesOn { for j in 0..<count { (edge + j * width).update(from: output + j * n, count: columns) } }
                  tile(call, x + i * count * rowStep, w, edge, nil)
                  for j in 0..<count { (output + j * n).update(from: edge + j * width, count: columns) }
                }
              }
              if whole > 0 { run(pixels, whole, at: start) }
              if start + whole * pixels < end { run(end - start - whole * pixels, 1, at: start + whole * pixels) }
            }
          }
        }
      }
      first += depth
    }
  }

  /// Terms from `first` on of the columns of a panel of B, [term][column], zeros behind the last column.
  private func pack(_ b: Floats, _ column: Int, _ first: Int, _ depth: Int, to destination: MutableFloats) {
    let width = 16 * blocks
    for block in 0..<blocks {
      let start = column + 16 * block, columns = max(0, min(16, n - start)), q = destination + 16 * block
      if transposesB {
        if blocks == 1 {
          kernels.interleave(b + (start * k + first), k, columns, q, depth, false)
        } else {
          for j in 0..<16 {
            let p = b + ((start + j) * k + first)
            for i in 0..<depth { q[i &* width &+ j] = j < columns ? p[i] : 0 }
          }
        }
      } else if columns == 16 {
        for i in 0..<depth {
          let x = UnsafeRawPointer(b + ((first &+ i) &* n &+ start)).loadUnaligned(as: SIMD16<Float>.self)
          UnsafeMutableRawPointer(q + i &* width).storeBytes(of: x, as: SIMD16<Float>.self)
        }
      } else {
        for i in 0..<depth { for j in 0..<16 { q[i &* width &+ j] = j < columns ? b[(first &+ i) &* n &+ start &+ j] : 0 } }
      }
    }
  }

  /// A transposed A as m×k.
  private func copied(_ a: Floats, to destination: MutableFloats) -> MutableFloats {
    parallel(m, grain: max(1, 16384 / k)) { range in
      for row in range {
        let q = destination + row * k
        for i in 0..<k { q[i] = a[i &* m &+ row] }
      }
    }
    return destination
  }
}
