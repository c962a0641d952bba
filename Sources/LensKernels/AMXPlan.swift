// SPDX-License-Identifier: Apache-2.0
import LensKernelTable
import LensTensors

/// A correlation on the processor's matrix unit, which adds up floats but multiplies numbers of eight digits: every float is
/// cut into two of these.
///
///     x = high + low + (2⁻¹⁷ x at most)      x · w ≈ low · high + high · high + high · low
///
///     band of the input         window: 32 numbers a tap                tile: 2 runs of 16 pixels × 32 lanes
///     [c0..c15] [c16..c31]  ──▶ [64 bytes of highs][64 bytes of lows]   sums stay in registers over all taps
///
/// A sum is rounded as a sum of floats is; what the halves leave out comes to a relative L2 error of 4e-6 a layer.
struct AMXPlan: ConvolutionPlan {
  /// Neighbouring grid points, 16 at most.
  struct Run: Sendable {
    /// Floats from the beginning of the window, and from the band's first output.
    var input, output: Int
    var points: Int
  }

  /// So many tiles of one block that have nothing to multiply.
  struct Ending: Sendable {
    var tile: TileFunction
    var count: Int
  }

  let spec: CorrelationPlan.Spec
  let packing: any Packing
  let loops: AMXLoops
  /// Groups of lanes that one job works through, and the pairs of input blocks that each chunk meets.
  let chunks: [Range<Int>]
  let chunkPairs: [Range<Int>]
  /// A job has a band of so many images: small ones are not worth reading the weights for each.
  let imagesAtOnce: Int
  let bands, bandRows: Int
  let window: any HalvesWindow
  /// A band is computed in scratch, from where its points are scattered.
  let isStaged: Bool
  private let stagedBlocks: Int
  /// Of all taps of all pairs that a group of lanes meets.
  let offsets: [Int]
  /// Those of a band, wide ones first; of the last band.
  let runs, lastRuns: [Run]
  /// For runs of 0...16 points: what adds bias and residual, clamps and gates, and how many times.
  let endings: [Ending]
  let windowCount, stagedCount: Int
  let slots: Int

  var isEmpty: Bool { spec.isEmpty }
  var scratchCount: Int { slots * (windowCount + stagedCount) }

  /// Nil for what is not packed as halves.
  init?(_ spec: CorrelationPlan.Spec) {
    guard spec.pack.kind == .halves, let loops = spec.kernels.amx else { return nil }
    self.init(spec, spec.pack, loops) { BlockedHalves(spec, loops, bandRows: $0) }
  }

  /// - packing: whose weights lie in the order of `spec.pack`
  /// - window: of bands of so many rows
  init(
    _ spec: CorrelationPlan.Spec, _ packing: any Packing, _ loops: AMXLoops, window windowOfRows: (_ bandRows: Int) -> any HalvesWindow
  ) {
    (self.spec, self.packing, self.loops) = (spec, packing, loops)
    let groups = spec.pack.groups
    // Runs of narrow grids go on from row to row in scratch.
    isStaged = spec.patches != nil || (spec.scatter != nil && spec.gridW < 12)

    let (chunkCount, bandCount, images) = AMXPlan.cut(spec, windowOfRows)
    chunks = CorrelationPlan.split(groups.count, chunkCount)
    chunkPairs = chunks.map { AMXPlan.pairs(of: groups[$0]) }
    imagesAtOnce = images
    bandRows = (spec.gridH + bandCount - 1) / bandCount
    bands = (spec.gridH + bandRows - 1) / bandRows
    let window = windowOfRows(bandRows)
    self.window = window
    let imageStep = window.count(pairs: chunkPairs.map(\.count).max() ?? 0)
    windowCount = images * imageStep
    stagedBlocks = groups.map(\.blocks).max() ?? 1
    stagedCount = isStaged ? images * stagedBlocks * bandRows * spec.gridW * 16 : 0
    slots = max(1, min(Threads.count, chunks.count * bands * (spec.n / images)))
    offsets = (0..<(groups.map(\.pairs.count).max() ?? 0)).flatMap { pair in
      window.offsets.map { pair * window.pairStep + $0 }
    }
    let rows = bandRows, lastRows = spec.gridH - (bands - 1) * rows, isStaged = isStaged
    let imageSteps = (imageStep, isStaged ? stagedBlocks * rows * spec.gridW * 16 : AMXPlan.outputStep(spec))
    func layOut(_ rows: Int) -> [Run] { AMXPlan.runs(spec, window, isStaged, rows, images, imageSteps) }
    (runs, lastRuns) = (layOut(rows), layOut(lastRows))
    endings = (0...16).map { points in
      let each = (1...14).last { points % $0 == 0 }!
      return Ending(tile: spec.kernels.blockedTile(1, each), count: points / each)
    }
  }

  /// Floats from one image of the output to the next.
  private static func outputStep(_ spec: CorrelationPlan.Spec) -> Int {
    spec.pack.blocks * (spec.scatter.map { $0.h * $0.w } ?? spec.gridH * spec.gridW) * 16
  }

  /// Rows of points cut as evenly as can be (49 = 13 + 12 + 12 + 12), wide runs first: a new width takes a moment.
  private static func runs(
    _ spec: CorrelationPlan.Spec, _ window: any HalvesWindow, _ isStaged: Bool, _ rows: Int, _ images: Int,
    _ imageSteps: (input: Int, output: Int)
  ) -> [Run] {
    var pointStep = 16, rowStep = spec.gridW * 16, lines = rows, length = spec.gridW
    if let to = spec.scatter, !isStaged { (pointStep, rowStep) = (to.step.w * 16, to.step.h * to.w * 16) }
    // Rows that follow one another are one.
    if window.rowStep == window.pointStep * spec.gridW, rowStep == pointStep * spec.gridW { (lines, length) = (1, rows * spec.gridW) }
    // Two at a time.
    var count = (length + 15) / 16
    if count > 1, count * lines * images % 2 > 0 { count += 1 }
    var wide: [Run] = [], narrow: [Run] = []
    for image in 0..<images {
      for line in 0..<lines {
        for points in CorrelationPlan.split(length, count) {
          let run = Run(
            input: image * imageSteps.input + line * window.rowStep + points.lowerBound * window.pointStep,
            output: image * imageSteps.output + line * rowStep + points.lowerBound * pointStep, points: points.count)
          if run.points == (length + count - 1) / count { wide.append(run) } else { narrow.append(run) }
        }
      }
    }
    return wide + narrow
  }

  /// All pairs that some of the groups meet.
  private static func pairs(of groups: ArraySlice<PackedShape.Group>) -> Range<Int> {
    let first = groups.map(\.pairs.lowerBound).min() ?? 0
    return first..<max(first, groups.map(\.pairs.upperBound).max() ?? 0)
  }

  /// Floats of a window, which stays in the second cache beside the weights of a group.
  private static let nearWindow = 160 << 10

  /// Into how many chunks of lanes and bands of rows the work is cut, and how many images a job has. The results do not depend on it.
  private static func cut(
    _ spec: CorrelationPlan.Spec, _ window: (_ bandRows: Int) -> any HalvesWindow
  ) -> (chunks: Int, bands: Int, images: Int) {
    let groups = spec.pack.groups, taps = spec.pack.taps
    var chunks = 1, bands = 1
    func rows() -> Int { (spec.gridH + bands - 1) / bands }
    func floats() -> Int {
      window(rows()).count(pairs: CorrelationPlan.split(groups.count, chunks).map { AMXPlan.pairs(of: groups[$0]).count }.max() ?? 0)
    }
    // Groups of channels have inputs of their own.
    if groups.contains(where: { $0.firstInput > 0 }) { chunks = groups.count }
    let all = floats()
    while bands < spec.gridH && floats() > nearWindow { bands = min(spec.gridH, bands + max(1, bands / 4)) }
    let products = groups.reduce(0) { $0 + $1.pairs.count * $1.blocks } * taps * 512 * spec.gridH * spec.gridW
    let target = min(max(16, 4 * Threads.count), products * spec.n / (1 << 20))
    // Every chunk cuts the input, every band reads the weights.
    if spec.pack.count > all { chunks = max(chunks, min(groups.count, target / (bands * spec.n))) }
    while chunks * bands * spec.n < target {
      if rows() > 1 && rows() * spec.gridW >= 64 {
        bands = min(bands * 2, spec.gridH)
      } else if chunks < groups.count {
        chunks = min(chunks * 2, groups.count)
      } else {
        break
      }
    }
    var images = 1
    if bands == 1 {
      let size = floats()
      images =
        (1...spec.n).last {
          spec.n % $0 == 0 && ($0 == 1 || ($0 * size <= nearWindow && chunks * (spec.n / $0) >= min(target, 2 * Threads.count)))
        } ?? 1
    }
    return (chunks, bands, images)
  }

  private struct Filling: Equatable {
    var band: Int
    var pairs: Range<Int>
  }

  func run(_ operands: ConvolutionOperands) {
    let imageGroups = spec.n / imagesAtOnce, outputBlocks = spec.pack.blocks
    // What is in each slot's window: a thread comes with piece after piece of the work.
    withUnsafeTemporaryAllocation(of: Filling.self, capacity: slots) { fillings in
      fillings.initialize(repeating: Filling(band: -1, pairs: 0..<0))
      nonisolated(unsafe) let fillings = fillings
      let offsets = self.offsets.withUnsafeBufferPointer { $0.baseAddress ?? noTaps }
      parallelParts(imageGroups * bands * chunks.count, slots) { slot, jobs in
        let window = operands.scratch + slot * (windowCount + stagedCount), staging = window + windowCount
        var rowsOfTiles = (0, 0)
        // Sums on the matrix unit, and what then happens to them.
        var product = TileCall(offsets: offsets, bias: operands.zeros), ending = TileCall(offsets: noTaps, bias: operands.zeros)
        for job in jobs {
          let (bandOfImages, number) = job.quotientAndRemainder(dividingBy: chunks.count)
          let image = bandOfImages / bands * imagesAtOnce, band = bandOfImages % bands
          let firstRow = band * bandRows, rows = min(bandRows, spec.gridH - firstRow), pairs = chunkPairs[number]
          let filling = Filling(band: bandOfImages, pairs: pairs)
          if fillings[slot] != filling {
            for i in 0..<imagesAtOnce {
              self.window.fill(operands.input, image + i, firstRow, pairs, to: window + i * windowCount / imagesAtOnce)
            }
            fillings[slot] = filling
          }
          for group in spec.pack.groups[chunks[number]] {
            let input = Floats(window) + (group.pairs.lowerBound - pairs.lowerBound) * self.window.pairStep
            let place = spec.place(image * outputBlocks + group.firstBlock, firstRow)
            compute(
              group, band == bands - 1 ? lastRuns : runs, input, isStaged ? staging : operands.output + place, place, operands,
              &product, &ending, &rowsOfTiles)
            guard isStaged else { continue }
            let blockStep = bandRows * spec.gridW * 16
            for i in 0..<imagesAtOnce {
              spec.spread(
                group, Floats(staging) + i * stagedBlocks * blockStep, blockStep: blockStep, image + i, firstRow..<(firstRow + rows),
                operands)
            }
          }
        }
        loops.release()
      }
    }
  }

  /// A band of one group of lanes, two runs at a time.
  private func compute(
    _ group: PackedShape.Group, _ runs: [Run], _ input: Floats, _ output: MutableFloats, _ place: Int, _ operands: ConvolutionOperands,
    _ product: inout TileCall, _ ending: inout TileCall, _ rowsOfTiles: inout (Int, Int)
  ) {
    let epilogue = operands.epilogue, bias = operands.bias, weights = operands.weights + group.offset
    product.taps = group.pairs.count * spec.pack.taps
    (product.inputStep, product.depthStep) = (window.pointStep, window.lowStep)
    // While these weights are multiplied, those of the next group come nearer. Whole lines of 16.
    let end = group.offset + spec.pack.count(of: group), calls = (runs.count + 1) / 2
    let nextCount = min(spec.pack.count(of: group), spec.pack.count - end)
    product.next = operands.weights + end
    product.nextCount = product.taps == 0 ? 0 : (nextCount + 16 * calls * product.taps - 1) / (16 * calls * product.taps) * 16
    let nextEnd = product.next + nextCount
    product.accumulates = operands.accumulates && !isStaged
    product.blockStep = (isStaged ? bandRows : spec.gridH) * spec.gridW * 16
    if let to = spec.scatter, !isStaged { (product.pixelStep, product.blockStep) = (to.step.w * 16, to.h * to.w * 16) }
    ending.accumulates = true
    ending.pixelStep = product.pixelStep
    ending.clamps = epilogue.lower > -.infinity || epilogue.upper < .infinity || epilogue.gates != nil
    (ending.lower, ending.upper) = (epilogue.lower, epilogue.upper)
    let gatedBy = isStaged ? nil : operands.gatedBy
    let ends = bias != nil || epilogue.residual != nil || ending.clamps || gatedBy != nil

    func finish(_ run: Run) {
      ending.tiles = endings[run.points].count
      for block in 0..<group.blocks {
        let distance = run.output + block * product.blockStep, at = place + distance
        if let bias { ending.bias = bias + (group.firstBlock + block) * 16 }
        ending.gates = epilogue.gates.map { $0 + at / 16 }
        ending.gatedBy = gatedBy.map { $0 + at / 16 }
        endings[run.points].tile(&ending, input, weights, output + distance, epilogue.residual.map { $0 + at })
      }
    }
    let pair = loops.tile(2, group.blocks), single = loops.tile(1, group.blocks)
    var index = 0
    while index < runs.count {
      let first = runs[index], second = index + 1 < runs.count ? runs[index + 1] : nil
      let rows = (first.points, second?.points ?? first.points)
      if rowsOfTiles != rows {
        loops.configure(rows.0, rows.1)
        rowsOfTiles = rows
      }
      if let second {
        (product.inputRowStep, product.rowStep) = (second.input - first.input, second.output - first.output)
        pair(&product, input + first.input, weights, output + first.output, nil)
      } else {
        single(&product, input + first.input, weights, output + first.output, nil)
      }
      if ends {
        finish(first)
        if let second { finish(second) }
      }
      product.next += product.taps * product.nextCount
      if product.next >= nextEnd { product.nextCount = 0 }
      index += 2
    }
  }
}
