// SPDX-License-Identifier: Apache-2.0
import LensKernelTable
import LensTensors

/// A depthwise convolution or its input gradient. There is little to do with a number but to fetch it, so the input is
/// read where it lies, and its borders are met by leaving taps out:
///
///     ┌─┬───────┬─┐   grid points that have the same taps inside the input make a piece: rows of register tiles, or
///     ├─┼───────┼─┤   columns of them at the sides
///     │ │       │ │
///     └─┴───────┴─┘
///
/// The gradient has a grid for each phase of the stride, as in `blockedGradientPlans`. A job takes a band of all of them,
/// so that neighbouring pixels are written soon after one another.
struct DepthwisePlan: ConvolutionPlan {
  typealias Extent = ConvolutionGeometry.Extent

  /// Grid point y, x is the output pixel (y, x)·outputStep + first, and reads the input pixels (y, x)·inputStep + offset.
  struct Phase {
    var first: Extent
    var rows, columns: [(offset: Int, kernel: Int)]
    var gridH, gridW: Int
  }

  /// A rectangle of grid points within a band, as one or two calls of a tile.
  private struct Piece {
    /// Floats from the beginning of a plane.
    var input, output: Int
    /// Where its taps begin in the lists, and how many they are.
    var list, taps: Int
    /// Tiles run down the columns.
    var isUpright: Bool
    /// Rows of tiles (or columns, if upright), each of some with `narrow` + 1 pixels and some with `narrow`.
    var rows, wideTiles, narrowTiles, narrow: Int
  }

  private let n, blocks: Int
  /// Floats of a plane, and from one grid point to the next, across and down.
  private struct Plane { var count, across, down: Int }
  private let input, output: Plane
  /// Band after band.
  private let pieces: [Piece]
  private let bands: [Range<Int>]
  /// Of each tap: floats from the grid point to its input, and to its weights.
  private let offsets, weightOffsets: [Int]
  private let pack: PackedShape
  private let kernels: KernelTable

  var packing: any Packing { pack }
  var scratchCount: Int { 0 }

  /// - input: pixels of a plane; `inputStep`: of them, from grid point to grid point; `output` likewise
  init(
    n: Int, blocks: Int, input: Extent, inputStep: Extent, output: Extent, outputStep: Extent, phases: [Phase], pack: PackedShape,
    _ kernels: KernelTable
  ) {
    (self.n, self.blocks, self.pack, self.kernels) = (n, blocks, pack, kernels)
    let source = Plane(count: input.h * input.w * 16, across: inputStep.w * 16, down: inputStep.h * input.w * 16)
    let target = Plane(count: output.h * output.w * 16, across: outputStep.w * 16, down: outputStep.h * output.w * 16)
    (self.input, self.output) = (source, target)

    // Enough jobs for all threads, if there is work enough.
    let gridH = phases.map(\.gridH).max() ?? 0, planes = n * blocks
    let products = planes * phases.reduce(0) { $0 + $1.gridH * $1.gridW * $1.rows.count * $1.columns.count } * 16
    let jobs = min(max(16, 4 * Threads.count), products / (1 << 16)), fitting = max(1, DepthwisePlan.nearCount / target.down)
    let bandCount = max((gridH + fitting - 1) / fitting, min((jobs + planes - 1) / planes, gridH / 4))

    var pieces: [Piece] = [], bands: [Range<Int>] = [], offsets: [Int] = [], weightOffsets: [Int] = []
    for band in CorrelationPlan.split(gridH, bandCount) {
      let start = pieces.count
      for phase in phases {
        let columns = DepthwisePlan.stretches(0..<phase.gridW, phase.columns, inputStep.w, input.w)
        for row in DepthwisePlan.stretches(band.clamped(to: 0..<phase.gridH), phase.rows, inputStep.h, input.h) {
          for column in columns {
            let y = row.points.lowerBound, x = column.points.lowerBound, first = (phase.first.h * output.w + phase.first.w) * 16
            pieces.append(
              DepthwisePlan.piece(
                row.points.count, column.points.count, input: y * source.down + x * source.across,
                output: first + y * target.down + x * target.across, list: offsets.count, taps: row.taps.count * column.taps.count,
                kernels.depthwisePixels))
            for y in row.taps {
              for x in column.taps {
                offsets.append((y.offset * input.w + x.offset) * 16)
                weightOffsets.append((y.kernel * pack.columns.count + x.kernel) * 16)
              }
            }
          }
        }
      }
      bands.append(start..<pieces.count)
    }
    (self.pieces, self.bands, self.offsets, self.weightOffsets) = (pieces, bands, offsets, weightOffsets)
  }
  /// Floats of output that stay near until all phases have been written.
  private static let nearCount = 16 << 10

  /// Runs of grid points that find the same of their taps inside the input.
  private static func stretches(_ grid: Range<Int>, _ taps: [(offset: Int, kernel: Int)], _ step: Int, _ size: Int) -> [(
    points: Range<Int>, taps: [(offset: Int, kernel: Int)]
  )] {
    var result: [(points: Range<Int>, taps: [(offset: Int, kernel: Int)])] = []
    for point in grid {
      let inside = taps.filter { (0..<size).contains(point * step + $0.offset) }
      if let last = result.last, last.taps.map(\.kernel) == inside.map(\.kernel) {
        result[result.count - 1].points = last.points.lowerBound..<(point + 1)
      } else {
        result.append((point..<(point + 1), inside))
      }
    }
    return result
  }

  /// In whichever direction there are fewer tiles, as even as can be: 14 = 5 + 5 + 4 rather than 6 + 6 + 2.
  private static func piece(_ rows: Int, _ columns: Int, input: Int, output: Int, list: Int, taps: Int, _ most: Int) -> Piece {
    func tiles(_ count: Int) -> Int { (count + most - 1) / most }
    let isUpright = tiles(rows) * columns < tiles(columns) * rows
    let length = isUpright ? rows : columns, count = tiles(length), narrow = length / count, wide = length - count * narrow
    return Piece(
      input: input, output: output, list: list, taps: taps, isUpright: isUpright, rows: isUpright ? columns : rows, wideTiles: wide,
      narrowTiles: count - wide, narrow: narrow)
  }

  func run(_ operands: ConvolutionOperands) {
    offsets.withUnsafeBufferPointer { offsets in
      weightOffsets.withUnsafeBufferPointer { weightOffsets in
        pieces.withUnsafeBufferPointer { pieces in
          parallel(n * blocks * bands.count) { jobs in
            var call = TileCall(offsets: noTaps, bias: operands.zeros)
            (call.lower, call.upper, call.accumulates) = (operands.epilogue.lower, operands.epilogue.upper, operands.accumulates)
            call.clamps = call.lower > -.infinity || call.upper < .infinity || operands.epilogue.gates != nil
            withUnsafeMutablePointer(to: &call) { call in
              for job in jobs {
                let plane = job / bands.count
                if let bias = operands.bias { call.pointee.bias = bias + plane % blocks * 16 }
                for index in bands[job % bands.count] {
                  call.pointee.offsets = (offsets.baseAddress ?? noTaps) + pieces[index].list
                  call.pointee.weightOffsets = (weightOffsets.baseAddress ?? noTaps) + pieces[index].list
                  compute(pieces[index], plane, operands, call)
                }
              }
            }
          }
        }
      }
    }
  }

  private func compute(_ piece: Piece, _ plane: Int, _ operands: ConvolutionOperands, _ call: UnsafeMutablePointer<TileCall>) {
    (call.pointee.taps, call.pointee.rows) = (piece.taps, piece.rows)
    (call.pointee.inputStep, call.pointee.inputRowStep) = piece.isUpright ? (input.down, input.across) : (input.across, input.down)
    (call.pointee.pixelStep, call.pointee.rowStep) = piece.isUpright ? (output.down, output.across) : (output.across, output.down)
    var x = operands.input + (plane * input.count + piece.input), at = plane * output.count + piece.output
    let weights = operands.weights + plane % blocks * pack.taps * 16
    func go(_ tiles: Int, _ pixels: Int) {
      call.pointee.tiles = tiles
      call.pointee.gates = operands.epilogue.gates.map { $0 + (at >> 4) }
      call.pointee.gatedBy = operands.gatedBy.map { $0 + (at >> 4) }
      kernels.depthwiseTile(pixels)(call, x, weights, operands.output + at, operands.epilogue.residual.map { $0 + at })
    }
    if piece.wideTiles > 0 {
      go(piece.wideTiles, piece.narrow + 1)
      x += piece.wideTiles * (piece.narrow + 1) * call.pointee.inputStep
      at += piece.wideTiles * (piece.narrow + 1) * call.pointee.pixelStep
    }
    go(piece.narrowTiles, piece.narrow)
  }
}
