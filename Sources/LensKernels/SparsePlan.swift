// SPDX-License-Identifier: Apache-2.0
import LensKernelTable
import LensTensors

/// A 1×1 correlation that leaves out the inputs that are zero: half of what comes out of a ReLU, and half of the gradient that
/// goes back through one.
///
///     a band of pixels,        values   v v v v | v v v | ...      tile: one pixel × 4 groups of 16 lanes
///     some of their   ──▶      places   0 3 4 7 | 1 2 9 | ...      sum[0..<64] += v · w[place][0..<64]
///     blocks of inputs         counts   4       | 3     | ...
///
/// What is left out would have added 0, so the bits are those of the dense plan, and every run may choose: it looks at some
/// of the pixels first.
///
/// A band is searched by the job that multiplies it, pass by pass. On the way back, where weights are turned for every band, bands
/// are large and several jobs multiply one, for some lanes each: it is searched before, and the lists are shared.
struct SparsePlan: ConvolutionPlan {
  /// The same computation with all inputs, from the same packing.
  let dense: CorrelationPlan
  /// Groups of lanes that a tile holds.
  let tiles: [Range<Int>]
  /// The tiles that one job works through.
  let chunks: [Range<Int>]
  /// Blocks of inputs whose weights for one tile stay in the nearest cache while the pixels pass by.
  let passes: [Range<Int>]
  /// Bands of grid rows, `bandRows` each but for the last.
  let bands, bandRows: Int
  /// The share of inputs that are not zero below which this is faster.
  let limit: Float
  /// Floats of a list, of a band and a pass: values, and in a quarter of the room places; counts; behind each what may be overwritten.
  let valueCount, listCount: Int
  /// How many bands are searched before they are multiplied; 0 where each job searches for itself.
  let bandsAhead: Int
  /// Floats of a tile's weights, if they are made of those of the forward pass.
  let turnedCount: Int
  let slots: Int

  var spec: CorrelationPlan.Spec { dense.spec }
  var packing: any Packing { dense.packing }
  var scratchCount: Int { max(dense.scratchCount, slots * turnedCount + max(slots, bandsAhead * passes.count) * listCount) }

  /// Nil where the other plan is always faster or the taps are more than one.
  init?(_ dense: CorrelationPlan) {
    let spec = dense.spec, groups = spec.pack.groups, loops = spec.kernels.sparse
    guard spec.kind == .blocked, !dense.isStaged, let row = spec.rows.first, let column = spec.columns.first, spec.pack.taps == 1,
      row >= 0, column >= 0, row + (spec.gridH - 1) * spec.step.h < spec.inputH, column + (spec.gridW - 1) * spec.step.w < spec.inputW,
      groups.allSatisfy({ $0.firstInput == 0 && $0.inputs == spec.inputs && loops.groups($0.blocks) > 0 })
    else { return nil }
    self.dense = dense

    var tiles: [Range<Int>] = [], first = 0
    while first < groups.count {
      let alike = groups[first...].prefix { $0.blocks == groups[first].blocks }.count
      let parts = (alike + loops.groups(groups[first].blocks) - 1) / loops.groups(groups[first].blocks)
      tiles += CorrelationPlan.split(alike, parts).map { (first + $0.lowerBound)..<(first + $0.upperBound) }
      first += alike
    }
    // 16 KB of weights.
    let widest = tiles.map { $0.count * groups[$0.lowerBound].blocks }.max() ?? 1
    let most = max(1, min(SparsePlan.mostBlocks, 16 / widest))

    let points = dense.gridH * dense.gridW, turns = spec.forwardPack != nil
    var bands = min(dense.gridH, (points + SparsePlan.mostPoints - 1) / SparsePlan.mostPoints), chunks = 1
    /// More jobs, of at least so many points or tiles.
    func cut(jobs: Int, points least: Int, tiles fewest: Int) {
      while bands * spec.n * chunks < jobs, bands < dense.gridH, points / (bands + 1) >= least { bands += 1 }
      while bands * spec.n * chunks < jobs, tiles.count >= 2 * fewest * chunks { chunks *= 2 }
    }
    // Every band turns the weights anew.
    cut(jobs: 4 * Threads.count, points: turns ? SparsePlan.turnedPoints : 64, tiles: turns ? 1 : 2)
    cut(jobs: 2 * Threads.count, points: turns ? 64 : 12, tiles: 1)
    bandRows = (dense.gridH + bands - 1) / bands
    self.bands = (dense.gridH + bandRows - 1) / bandRows
    (self.tiles, self.chunks) = (tiles, CorrelationPlan.split(tiles.count, chunks))
    passes = CorrelationPlan.split(spec.inputs, (spec.inputs + most - 1) / most)
    let perPass = passes.map(\.count).max() ?? 0, bandPoints = bandRows * dense.gridW
    valueCount = bandPoints * perPass * 16 + 16
    listCount = valueCount + valueCount / 4 + 16 + (bandPoints + 63) / 64 * 16
    bandsAhead = chunks == 1 || !turns ? 0 : max(1, min(spec.n * self.bands, SparsePlan.listsAhead / (listCount * passes.count)))
    turnedCount = turns ? perPass * 256 * widest : 0
    slots = max(1, min(Threads.count, spec.n * self.bands * chunks))

    // In dense products of an input with a block of lanes: weights come from far away once for each band, or are turned; whoever
    // searches for itself finds out about every input.
    let blocks = Float(spec.pack.blocks), fewest = Float(max(1, min(points, bandPoints)))
    let costs = loops.costs, fetching = turns ? 0 : 6 / fewest, turning: Float = turns ? 10 / fewest - 10 / Float(points) : 0
    limit =
      (blocks * (1 - turning) - costs.input * Float(bandsAhead > 0 ? 1 : chunks))
      / (blocks * (costs.block + fetching) + costs.tile * Float(tiles.count))
    if limit < 0.25 { return nil }
  }

  /// What places and counts can number, and pixels of a band (of one row at least).
  private static let mostBlocks = 8, mostPoints = 256
  /// Points of a band for which weights are turned; floats of lists that stay in a cache until they are multiplied.
  private static let turnedPoints = 160, listsAhead = 1 << 20

  func run(_ operands: ConvolutionOperands) {
    if isSparse(operands) { skipZeros(operands) } else { dense.run(operands) }
  }

  /// Whether so many inputs of some pixels, spread over all images, are zero.
  func isSparse(_ operands: ConvolutionOperands) -> Bool {
    let points = dense.gridH * dense.gridW, samples = min(max(spec.n, 8), spec.n * points), pixels = pixels(operands, 0)
    var found = 0
    for sample in 0..<samples {
      let index = (2 * sample + 1) * spec.n * points / (2 * samples), point = index % points
      let pixel = operands.input + place(index / points, point / dense.gridW) + point % dense.gridW * pixelStep
      for pass in passes { found += spec.kernels.sparse.collect(pixel + pass.lowerBound * plane, pixelStep, plane, pass.count, pixels, 1) }
      // Where no ReLU was, one pixel tells.
      if Float(found) > 0.95 * Float((sample + 1) * spec.inputs * 16) { return false }
    }
    return Float(found) < limit * Float(samples * spec.inputs * 16)
  }

  func skipZeros(_ operands: ConvolutionOperands) {
    let all = spec.n * bands
    guard bandsAhead > 0 else {
      return parallelParts(all * chunks.count, slots) { slot, jobs in
        for job in jobs {
          let (chunk, band) = job.quotientAndRemainder(dividingBy: all)
          compute(operands, chunks[chunk], band, slot) { pass in
            let list = pixels(operands, slot)
            search(operands, band, pass, to: list)
            return list
          }
        }
      }
    }
    for first in stride(from: 0, to: all, by: bandsAhead) {
      let count = min(bandsAhead, all - first)
      parallelParts(count * passes.count, slots) { _, jobs in
        for job in jobs { search(operands, first + job / passes.count, job % passes.count, to: pixels(operands, job)) }
      }
      parallelParts(count * chunks.count, slots) { slot, jobs in
        for job in jobs {
          let (chunk, band) = job.quotientAndRemainder(dividingBy: count)
          compute(operands, chunks[chunk], first + band, slot) { pixels(operands, band * passes.count + $0) }
        }
      }
    }
  }

  /// One of the lists.
  private func pixels(_ operands: ConvolutionOperands, _ list: Int) -> SparsePixels {
    let values = operands.scratch + slots * turnedCount + list * listCount
    let bytes = UnsafeMutableRawPointer(values + valueCount).assumingMemoryBound(to: UInt8.self)
    return SparsePixels(values: values, places: bytes, counts: bytes + valueCount + 64)
  }

  /// Grid rows of a band, and how they are walked over: all points of one column are one run.
  private func rows(of band: Int) -> (image: Int, rows: Range<Int>, runs: Int, width: Int) {
    let first = band % bands * bandRows, rows = first..<min(first + bandRows, dense.gridH)
    return (band / bands, rows, dense.isOneColumn ? 1 : rows.count, dense.isOneColumn ? rows.count : dense.gridW)
  }

  private func search(_ operands: ConvolutionOperands, _ band: Int, _ pass: Int, to list: SparsePixels) {
    let (image, rows, runs, width) = rows(of: band)
    var found = list
    for row in rows.lowerBound..<(rows.lowerBound + runs) {
      let source = operands.input + place(image, row) + passes[pass].lowerBound * plane
      let count = spec.kernels.sparse.collect(source, pixelStep, plane, passes[pass].count, found, width)
      found = SparsePixels(values: found.values + count, places: found.places + count, counts: found.counts + width)
    }
  }

  // Steps and places of the input, in floats.
  private var plane: Int { spec.inputH * spec.inputW * 16 }
  private var pixelStep: Int { spec.step.w * 16 }
  private func place(_ image: Int, _ row: Int) -> Int {
    image * spec.inputs * plane + (dense.isOneColumn ? row * 16 : ((row * spec.step.h + spec.rows[0]) * spec.inputW + spec.columns[0]) * 16)
  }

  /// A band of some lanes: pass after pass over the inputs.
  private func compute(
    _ operands: ConvolutionOperands, _ chunk: Range<Int>, _ band: Int, _ slot: Int, _ list: (_ pass: Int) -> SparsePixels
  ) {
    let groups = spec.pack.groups, outputBlocks = spec.pack.blocks, epilogue = operands.epilogue
    let (image, rows, runs, width) = rows(of: band), turned = operands.scratch + slot * turnedCount
    var call = TileCall(offsets: noTaps, bias: operands.zeros)
    (call.rows, call.tiles) = (runs, width)
    (call.pixelStep, call.blockStep, call.rowStep) = (16, dense.gridH * dense.gridW * 16, dense.gridW * 16)
    if let to = spec.scatter { (call.pixelStep, call.blockStep, call.rowStep) = (to.step.w * 16, to.h * to.w * 16, to.step.h * to.w * 16) }
    (call.lower, call.upper) = (epilogue.lower, epilogue.upper)
    for (index, pass) in passes.enumerated() {
      let pixels = list(index)
      let isLast = index == passes.count - 1
      call.accumulates = index > 0 || operands.accumulates
      call.clamps = isLast && (epilogue.lower > -.infinity || epilogue.upper < .infinity || epilogue.gates != nil)
      for (number, tile) in zip(chunk, tiles[chunk]) {
        let group = groups[tile.lowerBound], at = dense.place(image * outputBlocks + group.firstBlock, rows.lowerBound)
        call.bias = operands.zeros
        if let bias = operands.bias, !call.accumulates { call.bias = bias + group.firstBlock * 16 }
        call.gates = isLast ? epilogue.gates.map { $0 + at / 16 } : nil
        call.gatedBy = isLast ? operands.gatedBy.map { $0 + at / 16 } : nil
        let tileWeights: Floats
        if let forwardPack = spec.forwardPack {
          call.weightStep = pass.count * 256 * group.blocks
          for (place, group) in groups[tile].enumerated() {
            dense.turn(operands.weights, of: forwardPack, group, pass, to: turned + place * call.weightStep)
          }
          tileWeights = Floats(turned)
        } else {
          call.weightStep = spec.pack.count(of: group)
          tileWeights = weights(operands, group, pass)
          let (nextTile, nextPass) = number + 1 < chunk.upperBound ? (number + 1, index) : (chunk.lowerBound, (index + 1) % passes.count)
          call.next = weights(operands, groups[tiles[nextTile].lowerBound], passes[nextPass])
          // Whole lines of 16.
          call.nextCount = (pass.count * 16 * group.blocks + runs * width - 1) / (runs * width) * 16
        }
        spec.kernels.sparse.tile(group.blocks, tile.count)(
          &call, pixels, tileWeights, operands.output + at, isLast ? epilogue.residual.map { $0 + at } : nil)
      }
    }
  }

  private func weights(_ operands: ConvolutionOperands, _ group: PackedShape.Group, _ pass: Range<Int>) -> Floats {
    operands.weights + group.offset + pass.lowerBound * 256 * group.blocks
  }
}
