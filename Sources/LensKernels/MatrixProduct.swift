// SPDX-License-Identifier: Apache-2.0
public import LensKernelTable

/// C = alpha · op(A) · op(B), plus C if asked for; row-major, m×k times k×n, each transposed or not.
///
/// A row of C does not depend, to the last bit, on how many other rows there are, nor on the number of threads.
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
    /// Few rows: B is read once, row after row. The same sums in the same order as `tiles`.
    case rows
    /// Both packed, register tiles.
    case tiles
  }
  /// Terms per pass of `tiles` and `rows`, after which the sums rest in C.
  private static let depth = 256

  public init(m: Int, n: Int, k: Int, transposesA: Bool = false, transposesB: Bool = false, kernels: KernelTable = Kernels.selected) {
    (self.m, self.n, self.k, self.transposesA, self.transposesB, self.kernels) = (m, n, k, transposesA, transposesB, kernels)
    slots = Threads.count
    path = transposesB ? .dots : m < 2 * kernels.planarPixels(1) ? .rows : .tiles
    let blocks = kernels.planarPixels(2) > 0 ? 2 : 1
    (self.blocks, pixels) = (blocks, kernels.planarPixels(blocks))
    switch path {
    // What beta and alpha need is decided by the call, so a copy of A is always provided for.
    case .dots: scratchCount = 16 + (transposesA ? m * k : 0)
    case .rows: scratchCount = 16 + m * k
    case .tiles:
      let depth = min(k, MatrixProduct.depth), width = 16 * blocks
      scratchCount = 16 * blocks + depth * ((n + width - 1) / width * width + (m + pixels - 1) / pixels * pixels) + slots * pixels * width
    }
  }
  /// Of a tile.
  private let blocks, pixels: Int

  /// - Parameters:
  ///   - a: m×k, or k×m if transposed
  ///   - b: k×n, or n×k if transposed
  ///   - c: m×n; must not overlap the others
  ///   - scratch: `scratchCount` floats
  public func run(_ a: Floats, _ b: Floats, into c: MutableFloats, alpha: Float = 1, accumulates: Bool = false, scratch: MutableFloats) {
    guard m > 0, n > 0 else { return }
    if k == 0 {
      if !accumulates { c.update(repeating: 0, count: m * n) }
      return
    }
    switch path {
    case .dots: dots(a, b, c, alpha, accumulates, scratch)
    case .rows: rows(a, b, c, alpha, accumulates, scratch)
    case .tiles: tiles(a, b, c, alpha, accumulates, scratch)
    }
  }

  private func dots(_ a: Floats, _ b: Floats, _ c: MutableFloats, _ alpha: Float, _ accumulates: Bool, _ scratch: MutableFloats) {
    scratch.update(repeating: 0, count: 16)
    let rows = transposesA ? Floats(copied(a, 1, to: scratch + 16)) : a
    let width = kernels.dotColumns, height = kernels.dotRows
    // Rows of A that stay in the second cache while those of B pass by.
    let chunk = max(height, 65536 / k / height * height)
    let groups = (n + width - 1) / width, jobs = (m + chunk - 1) / chunk * groups
    var call = TileCall(offsets: UnsafePointer(bitPattern: 64)!, bias: scratch)
    (call.depth, call.depthStep, call.weightStep, call.pixelStep) = (k, k, k, n)
    (call.accumulates, call.upper) = (accumulates, alpha)
    withUnsafePointer(to: call) { call in
      parallel(jobs, grain: max(1, 16384 / (min(chunk, m) * width * k))) { range in
        for job in range {
          let first = job / groups * chunk, column = job % groups * width, columns = min(width, n - column)
          var row = first
          while row < min(first + chunk, m) {
            let count = min(height, min(first + chunk, m) - row)
            kernels.dotTile(count, columns)(call, rows + row * k, b + column * k, c + (row * n + column), nil)
            row += count
          }
        }
      }
    }
  }

  private func rows(_ a: Floats, _ b: Floats, _ c: MutableFloats, _ alpha: Float, _ accumulates: Bool, _ scratch: MutableFloats) {
    let rows = transposesA || alpha != 1 ? Floats(copied(a, alpha, to: scratch)) : a
    let width = min(4096, max(64, (n / max(slots, 1) + 63) / 64 * 64)), panels = (n + width - 1) / width
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

  private func tiles(_ a: Floats, _ b: Floats, _ c: MutableFloats, _ alpha: Float, _ accumulates: Bool, _ scratch: MutableFloats) {
    let width = 16 * blocks, columnPanels = (n + width - 1) / width, rowPanels = (m + pixels - 1) / pixels
    let zeros = scratch, packedB = scratch + width
    zeros.update(repeating: 0, count: width)
    let depthMost = min(k, MatrixProduct.depth)
    let packedA = packedB + depthMost * columnPanels * width, edges = packedA + depthMost * rowPanels * pixels
    let chunk = max(1, 65536 / (depthMost * pixels)), chunks = (rowPanels + chunk - 1) / chunk
    var first = 0
    while first < k {
      let depth = min(depthMost, k - first)
      parallel(columnPanels + rowPanels, grain: 4) { range in
        for panel in range {
          if panel < columnPanels {
            packColumns(b + first * n, panel * width, depth, to: packedB + panel * width * depth)
          } else {
            packRows(a, (panel - columnPanels) * pixels, first, depth, alpha, to: packedA + (panel - columnPanels) * pixels * depth)
          }
        }
      }
      let goesOn = accumulates || first > 0
      parallelParts(columnPanels * chunks, slots) { slot, jobs in
        var zero = 0
        withUnsafePointer(to: &zero) { offset in
          var call = TileCall(offsets: offset, bias: zeros)
          (call.taps, call.depth, call.depthStep, call.blockStep, call.accumulates) = (1, depth, pixels, 16, goesOn)
          withUnsafeMutablePointer(to: &call) { call in
            for job in jobs {
              let panel = job % columnPanels, column = panel * width, columns = min(width, n - column)
              for rowPanel in (job / columnPanels * chunk)..<min(rowPanels, (job / columnPanels + 1) * chunk) {
                let row = rowPanel * pixels, count = min(pixels, m - row), output = c + (row * n + column)
                let tile = kernels.planarTile(blocks, count), x = packedA + rowPanel * pixels * depth, w = packedB + panel * width * depth
                if columns == width {
                  call.pointee.pixelStep = n
                  tile(call, x, w, output, nil)
                } else {
                  let edge = edges + slot * pixels * width
                  call.pointee.pixelStep = width
                  edge.update(repeating: 0, count: count * width)
                  if goesOn { for i in 0..<count { (edge + i * width).update(from: output + i * n, count: columns) } }
                  tile(call, x, w, edge, nil)
                  for i in 0..<count { (output + i * n).update(from: edge + i * width, count: columns) }
                }
              }
            }
          }
        }
      }
      first += depth
    }
  }

  /// `depth` rows of B, `width` columns, zeros behind the last.
  private func packColumns(_ b: Floats, _ column: Int, _ depth: Int, to destination: MutableFloats) {
    let width = 16 * blocks, columns = min(width, n - column)
    for i in 0..<depth {
      let p = destination + i * width
      p.update(from: b + (i * n + column), count: columns)
      if columns < width { (p + columns).update(repeating: 0, count: width - columns) }
    }
  }

  /// alpha · A, [k][row of the panel]; rows behind the last are left as they are, and not read.
  private func packRows(_ a: Floats, _ row: Int, _ first: Int, _ depth: Int, _ alpha: Float, to destination: MutableFloats) {
    let count = min(pixels, m - row), rowStep = transposesA ? 1 : k, step = transposesA ? m : 1
    for j in 0..<count {
      let p = a + ((row + j) * rowStep + first * step)
      for i in 0..<depth { destination[i &* pixels &+ j] = alpha * p[i &* step] }
    }
  }

  /// alpha · op(A) as m×k.
  private func copied(_ a: Floats, _ alpha: Float, to destination: MutableFloats) -> MutableFloats {
    parallel(m, grain: max(1, 16384 / k)) { range in
      for row in range {
        let p = transposesA ? a + row : a + row * k, step = transposesA ? m : 1, q = destination + row * k
        for i in 0..<k { q[i] = alpha * p[i &* step] }
      }
    }
    return destination
  }
}
