// SPDX-License-Identifier: Apache-2.0

public typealias Floats = UnsafePointer<Float>
public typealias MutableFloats = UnsafeMutablePointer<Float>

/// One bit for each of 16 consecutive floats, the first in the lowest: what a clamp lets through on the way back.
public typealias Gates = UnsafePointer<UInt16>
public typealias MutableGates = UnsafeMutablePointer<UInt16>

/// What stays the same from tile to tile.
///
/// A tile is `pixels` neighbouring outputs of `blocks` × 16 channels, held in registers. It starts at the
/// bias (or at the output, to go on with a sum), adds the products of every tap, and ends with the epilogue.
public struct TileCall {
  /// Where each tap begins, in floats from the tile's input pointer.
  public var offsets: UnsafePointer<Int>
  public var taps: Int
  /// So many tiles, one behind the other along the pixels.
  public var tiles: Int
  /// Products per tap, and floats from one to the next in a planar input. Matrix unit: from highs to lows.
  public var depth: Int
  public var depthStep: Int
  /// Floats from one output pixel, and from one block of 16 channels, to the next.
  public var pixelStep: Int
  public var blockStep: Int
  /// Floats from one row of weights to the next where that is not 16 × blocks; sparse: from one group's to the next's.
  public var weightStep: Int
  /// Floats from one input pixel to the next: depthwise, on the matrix unit, and in a planar input 1, in the rows of a matrix their
  /// length.
  public var inputStep: Int
  /// Depthwise: the weights of each tap, in floats from the first. Depthwise and sparse: how often all of this is to be done,
  /// `inputRowStep` and `rowStep` floats further on.
  public var weightOffsets: UnsafePointer<Int>
  public var rows: Int
  public var inputRowStep: Int
  public var rowStep: Int
  /// The weights that are read next, and how many of them (sparse: of each group's; dot products: how many rows) to fetch with
  /// every tile. Blocked, sparse and dot products.
  public var next: Floats
  public var nextCount: Int
  /// 16 × blocks floats.
  public var bias: Floats
  public var accumulates: Bool
  public var clamps: Bool
  public var lower: Float
  public var upper: Float
  /// Of the tile's first pixel: where a clamp notes which of its outputs lie strictly between the bounds.
  public var gates: MutableGates?
  /// Of the tile's first pixel: outputs whose bit is not set become 0.
  public var gatedBy: Gates?

  public init(offsets: UnsafePointer<Int>, bias: Floats) {
    (self.offsets, self.bias) = (offsets, bias)
    (taps, tiles, depth, depthStep) = (0, 1, 16, 1)
    (pixelStep, blockStep, weightStep) = (16, 0, 0)
    (weightOffsets, inputStep, rows, inputRowStep, rowStep) = (offsets, 16, 1, 0, 0)
    (next, nextCount) = (bias, 0)
    (accumulates, clamps, lower, upper) = (false, false, 0, 0)
    (gates, gatedBy) = (nil, nil)
  }
}

/// Call, input, weights, output, what to add to the output before clamping.
public typealias TileFunction = @Sendable (UnsafePointer<TileCall>, Floats, Floats, MutableFloats, Floats?) -> Void

/// What is not zero in some neighbouring pixels, input after input, pixel after pixel.
public struct SparsePixels {
  public var values: MutableFloats
  /// The input that each of them is.
  public var places: UnsafeMutablePointer<UInt8>
  /// How many each pixel has.
  public var counts: UnsafeMutablePointer<UInt8>

  public init(values: MutableFloats, places: UnsafeMutablePointer<UInt8>, counts: UnsafeMutablePointer<UInt8>) {
    (self.values, self.places, self.counts) = (values, places, counts)
  }
}

/// Call, input, weights, output, what to add to the output before clamping.
public typealias SparseTileFunction = @Sendable (UnsafePointer<TileCall>, SparsePixels, Floats, MutableFloats, Floats?) -> Void

/// Products of what is not zero only; see `SparsePlan`.
public struct SparseLoops: Sendable {
  /// Source, floats from one pixel to the next, from one block to the next, blocks (at most 15), destination, pixels; returns how
  /// many values there are. Up to 16 more are overwritten.
  public let collect: @Sendable (Floats, Int, Int, Int, SparsePixels, Int) -> Int
  /// The most groups of lanes in a tile, each of so many blocks; 0 where there is no such tile.
  public let groups: @Sendable (_ blocks: Int) -> Int
  public let tile: @Sendable (_ blocks: Int, _ groups: Int) -> SparseTileFunction
  public let costs: SparseCosts

  public init(
    collect: @escaping @Sendable (Floats, Int, Int, Int, SparsePixels, Int) -> Int, groups: @escaping @Sendable (Int) -> Int,
    tile: @escaping @Sendable (Int, Int) -> SparseTileFunction, costs: SparseCosts
  ) {
    (self.collect, self.groups, self.tile, self.costs) = (collect, groups, tile, costs)
  }
}

/// Measured, in the time that a dense tile takes for a value and a block of lanes.
public struct SparseCosts: Sendable {
  /// Of an input, to find out whether it is zero; of a value, in every tile and for every block.
  public var input, tile, block: Float

  public init(input: Float, tile: Float, block: Float) { (self.input, self.tile, self.block) = (input, tile, block) }
}

/// Products of floats cut into halves of bfloat16, on a processor that multiplies those a tile at a time; see `AMXPlan`.
public struct AMXLoops: Sendable {
  /// Neighbouring pixels of two blocks of channels to their halves: both sources (the second nil for zeros), floats from pixel to
  /// pixel there, destination (32 floats' room a pixel), pixels.
  public let split: @Sendable (Floats, Floats?, Int, MutableFloats, Int) -> Void
  /// Planes of at most four channels to the halves of their pixels, an even number each: source, floats from plane to plane,
  /// channels, destination of the highs, floats' room from there to the lows, pixels.
  public let splitPlanes: @Sendable (Floats, Int, Int, MutableFloats, Int, Int) -> Void
  /// The pixels, at most 16, of the first and the second run of those tiles that follow on this thread.
  public let configure: @Sendable (Int, Int) -> Void
  public let release: @Sendable () -> Void
  /// `y[pixel] (+)= Σ over taps: x[offsets[tap] + inputStep·pixel] · w[tap]`, 32 halves each, without bias and epilogue; `depthStep`
  /// leads to the lows, `inputRowStep` and `rowStep` to the second run.
  public let tile: @Sendable (_ runs: Int, _ blocks: Int) -> TileFunction

  public init(
    split: @escaping @Sendable (Floats, Floats?, Int, MutableFloats, Int) -> Void,
    splitPlanes: @escaping @Sendable (Floats, Int, Int, MutableFloats, Int, Int) -> Void,
    configure: @escaping @Sendable (Int, Int) -> Void, release: @escaping @Sendable () -> Void,
    tile: @escaping @Sendable (Int, Int) -> TileFunction
  ) {
    (self.split, self.splitPlanes, self.configure, self.release, self.tile) = (split, splitPlanes, configure, release, tile)
  }
}

/// Where a Winograd tile's outputs go, and what happens to them on the way; see `WinogradPlan`.
public struct WinogradOutput {
  /// Floats from one of the 36 positions to the next.
  public var positionStep: Int
  /// Floats from one row of the output to the next.
  public var rowStep: Int
  /// The rows and columns of the tile that lie inside the output.
  public var rows, columns: Int
  /// 16 floats.
  public var bias: Floats
  public var accumulates: Bool
  public var clamps: Bool
  public var lower: Float
  public var upper: Float
  /// As in `TileCall`.
  public var gates: MutableGates?
  public var gatedBy: Gates?

  public init(positionStep: Int, rowStep: Int, bias: Floats) {
    (self.positionStep, self.rowStep, self.bias) = (positionStep, rowStep, bias)
    (rows, columns, accumulates, clamps, lower, upper) = (0, 0, false, false, 0, 0)
    (gates, gatedBy) = (nil, nil)
  }
}

/// Winograd's transforms with six points, of 16 channels at once. `k` is the side of the kernel: 3, 4 or 5.
public struct WinogradTransforms: Sendable {
  /// A 6×6 patch to its 36 positions: source, floats from row to row, destination, floats from position to position,
  /// 576 floats of scratch.
  public let input: @Sendable (Floats, Int, MutableFloats, Int, MutableFloats) -> Void
  /// 36 positions to 7 - k rows and columns of output: call, k, source, output, what is added before clamping, 576 floats of scratch.
  public let output: @Sendable (UnsafePointer<WinogradOutput>, Int, Floats, MutableFloats, Floats?, MutableFloats) -> Void
  /// k×k weights of 16 lanes to 36 positions, but for the factors of G's rows, which `output` brings in: k, weights, floats from
  /// tap to tap, destination, floats from position to position, 576 floats of scratch.
  public let filter: @Sendable (Int, Floats, Int, MutableFloats, Int, MutableFloats) -> Void

  public init(
    input: @escaping @Sendable (Floats, Int, MutableFloats, Int, MutableFloats) -> Void,
    output: @escaping @Sendable (UnsafePointer<WinogradOutput>, Int, Floats, MutableFloats, Floats?, MutableFloats) -> Void,
    filter: @escaping @Sendable (Int, Floats, Int, MutableFloats, Int, MutableFloats) -> Void
  ) {
    (self.input, self.output, self.filter) = (input, output, filter)
  }
}

/// Inputs, output, count.
public typealias BinaryFunction = @Sendable (Floats, Floats, MutableFloats, Int) -> Void

/// Everything that one set of instructions (portable, AVX2, AVX-512) offers.
///
/// Nothing here is generic or inlinable: code compiled for a newer CPU must not end up in a symbol that the
/// linker shares with code for an older one.
public struct KernelTable: Sendable {
  public private(set) var name: String
  /// Nil where there is nothing better than vectors.
  public private(set) var amx: AMXLoops?

  /// The most pixels a tile of so many blocks may have; 0 where there is no such tile.
  public let blockedPixels: @Sendable (_ blocks: Int) -> Int
  public let planarPixels: @Sendable (_ blocks: Int) -> Int
  public let depthwisePixels: Int

  /// Input pixels are 16 floats apart, products of a tap are neighbours.
  public let blockedTile: @Sendable (_ blocks: Int, _ pixels: Int) -> TileFunction
  /// Input pixels are `inputStep` apart, products of a tap `depthStep`.
  public let planarTile: @Sendable (_ blocks: Int, _ pixels: Int) -> TileFunction
  /// Lane by lane: 16 channels times their own weights.
  public let depthwiseTile: @Sendable (_ pixels: Int) -> TileFunction
  /// Vectors of neighbouring pixels in a tile of so many channels; 0 where there is no such tile.
  public let turnedVectors: @Sendable (_ channels: Int) -> Int
  /// Input pixels are neighbours and fill the vectors, products of a tap `depthStep` apart; each channel is a block of the
  /// output, its pixels neighbours.
  public let turnedTile: @Sendable (_ channels: Int) -> TileFunction
  public let sparse: SparseLoops
  public let winograd: WinogradTransforms
  public let pooling: PoolingLoops
  public let channels: ChannelLoops

  /// c[i·pixelStep + j] = Σ a[i·depthStep + k] · b[j·weightStep + k], k < depth.
  public let dotRows: Int
  public let dotColumns: Int
  public let dotTile: @Sendable (_ rows: Int, _ columns: Int) -> TileFunction
  /// y[0..<n] += Σ a[k] · b[k·step ..< n], k ascending, without those where a[k] is 0: a, b, y, n, depth, step.
  public let addRows: @Sendable (Floats, Floats, MutableFloats, Int, Int, Int) -> Void

  /// Copies vectors of 16 floats: source, floats from one to the next there, destination, count.
  public let gatherVectors: @Sendable (Floats, Int, MutableFloats, Int) -> Void
  /// The way back, to vectors that are a multiple of 16 floats apart: source, destination, floats from one to the next
  /// there, count, whether to add, and the gates that then apply, of the first vector.
  public let scatterVectors: @Sendable (Floats, MutableFloats, Int, Int, Bool, Gates?) -> Void
  /// The columns of a 16 × 16 square as rows: source, floats from row to row there, destination, floats from row to row there.
  public let turn: @Sendable (Floats, Int, MutableFloats, Int) -> Void
  /// 16 planes to 16-channel pixels: source, plane step, planes (1...16, the other lanes become 0), destination, pixels.
  public let interleave: @Sendable (Floats, Int, Int, MutableFloats, Int, Bool) -> Void
  /// The way back: source, destination, plane step, planes, pixels.
  public let deinterleave: @Sendable (Floats, MutableFloats, Int, Int, Int, Bool) -> Void

  public let add: BinaryFunction
  public let multiply: BinaryFunction
  /// Input, output, count, bounds, and gates if they are wanted.
  public let clamp: @Sendable (Floats, MutableFloats, Int, Float, Float, MutableGates?) -> Void
  /// x where its bit is set, else 0: x, gates, output, count, whether to add.
  public let gate: @Sendable (Floats, Gates, MutableFloats, Int, Bool) -> Void
  public let curves: CurveLoops

  public init(
    name: String,
    blockedPixels: @escaping @Sendable (Int) -> Int, planarPixels: @escaping @Sendable (Int) -> Int, depthwisePixels: Int,
    blockedTile: @escaping @Sendable (Int, Int) -> TileFunction, planarTile: @escaping @Sendable (Int, Int) -> TileFunction,
    depthwiseTile: @escaping @Sendable (Int) -> TileFunction,
    turnedVectors: @escaping @Sendable (Int) -> Int, turnedTile: @escaping @Sendable (Int) -> TileFunction, sparse: SparseLoops,
    winograd: WinogradTransforms, pooling: PoolingLoops, channels: ChannelLoops,
    dotRows: Int, dotColumns: Int, dotTile: @escaping @Sendable (Int, Int) -> TileFunction,
    addRows: @escaping @Sendable (Floats, Floats, MutableFloats, Int, Int, Int) -> Void,
    gatherVectors: @escaping @Sendable (Floats, Int, MutableFloats, Int) -> Void,
    scatterVectors: @escaping @Sendable (Floats, MutableFloats, Int, Int, Bool, Gates?) -> Void,
    turn: @escaping @Sendable (Floats, Int, MutableFloats, Int) -> Void,
    interleave: @escaping @Sendable (Floats, Int, Int, MutableFloats, Int, Bool) -> Void,
    deinterleave: @escaping @Sendable (Floats, MutableFloats, Int, Int, Int, Bool) -> Void,
    add: @escaping BinaryFunction, multiply: @escaping BinaryFunction,
    clamp: @escaping @Sendable (Floats, MutableFloats, Int, Float, Float, MutableGates?) -> Void,
    gate: @escaping @Sendable (Floats, Gates, MutableFloats, Int, Bool) -> Void,
    curves: CurveLoops
  ) {
    self.name = name
    (self.blockedPixels, self.planarPixels, self.depthwisePixels) = (blockedPixels, planarPixels, depthwisePixels)
    (self.blockedTile, self.planarTile, self.depthwiseTile) = (blockedTile, planarTile, depthwiseTile)
    (self.turnedVectors, self.turnedTile) = (turnedVectors, turnedTile)
    (self.sparse, self.winograd, self.pooling, self.channels) = (sparse, winograd, pooling, channels)
    (self.dotRows, self.dotColumns, self.dotTile, self.addRows) = (dotRows, dotColumns, dotTile, addRows)
    (self.gatherVectors, self.scatterVectors) = (gatherVectors, scatterVectors)
    (self.turn, self.interleave, self.deinterleave) = (turn, interleave, deinterleave)
    (self.add, self.multiply, self.clamp, self.gate) = (add, multiply, clamp, gate)
    self.curves = curves
  }

  /// The same with tiles of bfloat16.
  public func with(_ amx: AMXLoops, name: String) -> KernelTable {
    var table = self
    (table.name, table.amx) = (name, amx)
    return table
  }
}
