// SPDX-License-Identifier: Apache-2.0
import Glibc
import LensKernelTable
import LensTensors

/// The gradient of a first layer's input, which is plain and has few channels: vectors of channels would be nearly
/// empty, so the roles change. Vectors hold neighbouring pixels of one phase of the stride, and weights are broadcast:
///
///     dx[c][s·y + p, s·x + q] = Σ over output channels o, taps t, u of the phase:  w[o][c][t, u] · dy[o][y + rows[t], x + columns[u]]
///
/// A job is a band of y. It goes over the output channels in passes: the band's rows of dy become planes in scratch,
/// which all phases read, and every phase and channel adds up its pixels in scratch, too. A row of planes is followed by
/// the next, zeros between them, so a band is one run of pixels; what comes out between its rows is left behind.
struct PlainGradientPlan: ConvolutionPlan {
  private let g: ConvolutionGeometry
  private let pack: PlainGradientPacking
  private let kernels: KernelTable
  /// Rows of each phase, and how many of them a band has.
  private let gridH, bandRows: Int
  /// Columns of a row of dy in scratch, and the column and row of dy, counted from the band's, that is the first.
  private let pitch, firstColumn, firstRow: Int
  /// Rows of dy that a band of one row meets.
  private let reach: Int
  /// Floats from one output channel to the next in scratch, and from one sum of a band to the next.
  private let windowStep, sumStep: Int
  /// Of all taps, phase after phase.
  private let offsets: [Int]
  private let slots: Int

  var packing: any Packing { pack }
  private var windowCount: Int { pack.passChannels * windowStep }
  private var slotCount: Int { windowCount + pack.phases.count * g.inputChannels * sumStep }
  var scratchCount: Int { slots * slotCount }
  private var bands: Int { (gridH + bandRows - 1) / bandRows }

  init(_ g: ConvolutionGeometry, _ kernels: KernelTable) {
    (self.g, self.kernels) = (g, kernels)
    let rows = (0..<min(g.stride.h, g.h)).map { g.rowTaps($0) }, columns = (0..<min(g.stride.w, g.w)).map { g.columnTaps($0) }
    let most = (1..<Layout.block).last { kernels.turnedVectors($0) > 0 }!
    let groups = CorrelationPlan.split(g.inputChannels, (g.inputChannels + most - 1) / most)
    pack = PlainGradientPacking(
      outputs: g.outputChannels, passChannels: min(PlainGradientPlan.passChannels, g.outputChannels), groups: groups,
      phases: rows.indices.flatMap { y in
        columns.indices.map { x in .init(y: y, x: x, rows: rows[y].map(\.kernel), columns: columns[x].map(\.kernel)) }
      })
    let rowOffsets = rows.joined().map(\.offset), columnOffsets = columns.joined().map(\.offset)
    (firstRow, firstColumn) = (rowOffsets.min() ?? 0, columnOffsets.min() ?? 0)
    reach = (rowOffsets.max() ?? 0) - firstRow + 1
    let gridH = (g.h + g.stride.h - 1) / g.stride.h, gridW = (g.w + g.stride.w - 1) / g.stride.w
    let pitch = gridW + (columnOffsets.max() ?? 0) - firstColumn
    (self.gridH, self.pitch) = (gridH, pitch)

    // Enough bands for all threads, and what one reads and adds up in half a megabyte, half of a second cache.
    let sums = pack.phases.count * g.inputChannels, passChannels = pack.passChannels, reach = reach
    var bands = min(gridH, max(1, min(max(8, 4 * Threads.count), g.multiplyAdds / (1 << 18)) / g.n))
    func rowsPerBand() -> Int { (gridH + bands - 1) / bands }
    func floats() -> Int { (passChannels * (rowsPerBand() + reach - 1) + sums * rowsPerBand()) * pitch }
    while bands < gridH && floats() > 120 << 10 { bands = min(gridH, bands + max(1, bands / 4)) }
    bandRows = rowsPerBand()

    // Whole tiles, behind the last row, too; a group of fewer channels has wider ones.
    let run = bandRows * pitch
    sumStep = groups.map { 16 * kernels.turnedVectors($0.count) }.map { (run + $0 - 1) / $0 * $0 }.max() ?? 0
    // Odd multiples of a cache line keep channels apart in the cache.
    windowStep = (sumStep + reach * pitch + 15) / 32 * 32 + 16
    offsets = rows.flatMap { rows in
      columns.flatMap { columns in
        rows.flatMap { row in columns.map { (row.offset - rowOffsets.min()!) * pitch + $0.offset - columnOffsets.min()! } }
      }
    }
    slots = max(1, min(Threads.count, (gridH + bandRows - 1) / bandRows * g.n))
  }
  /// Output channels of a pass: rows of a tile stay in the first cache.
  private static let passChannels = 32

  func run(_ operands: ConvolutionOperands) {
    offsets.withUnsafeBufferPointer { offsets in
      let offsets = offsets.baseAddress ?? noTaps
      parallelParts(bands * g.n, slots) { slot, jobs in
        let window = operands.scratch + slot * slotCount, sums = window + windowCount
        for job in jobs {
          let image = job / bands, row = job % bands * bandRows, rows = min(bandRows, gridH - row)
          var first = 0
          while first < g.outputChannels {
            let count = min(pack.passChannels, g.outputChannels - first)
            copy(operands.input, image, row, rows, first, count, to: window)
            let weights = operands.weights + first * pack.countPerOutput
            multiply(Floats(window), weights, count, rows, offsets, operands.zeros, first > 0, to: sums)
            first += count
          }
          spread(Floats(sums), image, row, rows, operands)
        }
      }
    }
  }

  /// The rows of dy that a band meets, as planes with zeros around them.
  private func copy(
    _ gradient: Floats, _ image: Int, _ row: Int, _ rows: Int, _ first: Int, _ count: Int, to window: MutableFloats
  ) {
    let h = g.outputH, w = g.outputW, blocks = Layout.blocks(g.outputChannels)
    let left = min(pitch, max(0, -firstColumn)), right = max(left, min(pitch, w - firstColumn))
    for slot in 0..<(rows + reach - 1) {
      let y = row + firstRow + slot, q = window + slot * pitch, isInside = y >= 0 && y < h && left < right
      for channel in 0..<count {
        let q = q + channel * windowStep
        if !isInside {
          memset(q, 0, pitch * 4)
        } else {
          if left > 0 { memset(q, 0, left * 4) }
          if right < pitch { memset(q + right, 0, (pitch - right) * 4) }
        }
      }
      guard isInside else { continue }
      for channel in stride(from: 0, to: count, by: 16) {
        let source = gradient + (((image * blocks + (first + channel) / 16) * h + y) * w + firstColumn + left) * 16
        kernels.deinterleave(source, q + (channel * windowStep + left), windowStep, min(16, count - channel), right - left, false)
      }
    }
  }

  /// Adds a pass to the sums of a band: [phase][channel][row][`pitch`].
  private func multiply(
    _ window: Floats, _ weights: Floats, _ depth: Int, _ rows: Int, _ offsets: UnsafePointer<Int>, _ zeros: Floats, _ goesOn: Bool,
    to sums: MutableFloats
  ) {
    var call = TileCall(offsets: offsets, bias: zeros)
    (call.depth, call.depthStep, call.blockStep, call.accumulates) = (depth, windowStep, sumStep, goesOn)
    withUnsafeMutablePointer(to: &call) { call in
      var w = weights, y = sums
      for phase in pack.phases {
        call.pointee.taps = phase.taps
        for group in pack.groups {
          let width = 16 * kernels.turnedVectors(group.count)
          call.pointee.tiles = (rows * pitch + width - 1) / width
          kernels.turnedTile(group.count)(call, window, w, y, nil)
          w += phase.taps * depth * group.count
          y += group.count * sumStep
        }
        call.pointee.offsets += phase.taps
      }
    }
  }

  /// Takes the sums of a band to where they belong.
  private func spread(_ sums: Floats, _ image: Int, _ row: Int, _ rows: Int, _ operands: ConvolutionOperands) {
    let step = g.stride.w
    var p = sums
    for phase in pack.phases {
      let columns = (g.w - phase.x + step - 1) / step
      for channel in 0..<g.inputChannels {
        for i in 0..<rows {
          let y = (row + i) * g.stride.h + phase.y
          guard y < g.h else { break }
          let p = p + i * pitch, q = operands.output + (((image * g.inputChannels + channel) * g.h + y) * g.w + phase.x)
          if operands.accumulates {
            for x in 0..<columns { q[x &* step] += p[x] }
          } else if step == 1 {
            memcpy(q, p, columns * 4)
          } else {
            for x in 0..<columns { q[x &* step] = p[x] }
          }
        }
        p += sumStep
      }
    }
  }
}

/// Which weight goes where for a `PlainGradientPlan`:
/// [pass of output channels][phase][group of input channels][tap][output channel][input channel].
struct PlainGradientPacking: Packing {
  /// Input pixels that are a stride apart, from y, x on, and the rows and columns of the kernel that meet them.
  struct Phase: Hashable, Sendable {
    var y, x: Int
    var rows, columns: [Int]
    var taps: Int { rows.count * columns.count }
  }
  /// All output channels, and those of a pass; the last may have fewer.
  var outputs, passChannels: Int
  /// Of input channels, as many as a tile takes.
  var groups: [Range<Int>]
  var phases: [Phase]

  /// Floats that belong to one output channel.
  var countPerOutput: Int { phases.reduce(0) { $0 + $1.taps } * (groups.last?.upperBound ?? 0) }
  var count: Int { outputs * countPerOutput }

  func pack(_ weights: Floats, _ shape: Shape, _ groupCount: Int, _ scale: [Float]?, into packed: MutableFloats) {
    let channels = shape[1], kw = shape[3], area = shape[2] * shape[3]
    var p = packed
    for first in stride(from: 0, to: outputs, by: passChannels) {
      for phase in phases {
        for group in groups {
          for tap in 0..<phase.taps {
            let place = phase.rows[tap / phase.columns.count] * kw + phase.columns[tap % phase.columns.count]
            for output in first..<min(first + passChannels, outputs) {
              for channel in group {
                p[0] = weights[(output * channels + channel) * area + place] * (scale?[output] ?? 1)
                p += 1
              }
            }
          }
        }
      }
    }
  }
}
