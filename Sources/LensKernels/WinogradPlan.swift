// SPDX-License-Identifier: Apache-2.0
import LensKernelTable
import LensTensors

/// A 3×3 or 5×5 correlation of stride 1 by Winograd's minimal filtering: 36 multiplications for 4×4 outputs of a 3×3
/// kernel (2×2 of a 5×5) where the definition has 144 (100). Lavin & Gray 2016, arXiv:1509.09308.
///
///     6×6 patch ──Bᵀ d B──▶ V[36][input blocks][tile][16]
///                                  · U[36][lanes][input blocks][16]        a matrix product for each of 36 positions
///                           M[36][output blocks][tile][16] ──Aᵀ M A──▶ 4×4 outputs
///
/// Every output comes out of its own tile in one order, so its bits do not depend on how tiles are handed out, nor, as
/// tiles lie on a fixed grid, on anything outside its image.
struct WinogradPlan: ConvolutionPlan {
  let k: Int
  /// Rows and columns of outputs in a tile.
  let m: Int
  let n, inputBlocks, inputH, inputW: Int
  /// Zero rows above and columns left of the input.
  let top, left: Int
  let gridH, gridW: Int
  let tilesDown, tilesAcross: Int
  let pack: WinogradPacking
  let kernels: KernelTable

  /// Tiles that go through the three phases together.
  let chunk: Int
  /// A thread takes a chunk through all phases, within its own cache; otherwise all threads share each phase.
  let isFused: Bool
  let slots: Int

  private static let positions = 36
  private static let patchCount = 576 + 576
  var packing: any Packing { pack }
  private var tiles: Int { n * tilesDown * tilesAcross }
  /// Floats from one position to the next; odd multiples of a cache line keep positions apart in the cache.
  private var inputStep: Int { WinogradPlan.spread(inputBlocks * chunk * 16) }
  private var outputStep: Int { WinogradPlan.spread(pack.blocks * chunk * 16) }
  private static func spread(_ count: Int) -> Int { count + (count / 16 % 2 == 0 ? 48 : 32) }
  private var workCount: Int { WinogradPlan.positions * (inputStep + outputStep) }
  var scratchCount: Int { slots * WinogradPlan.patchCount + (isFused ? slots : 1) * workCount }

  /// Nil where another way is faster or the geometry is not one of these.
  init?(_ g: ConvolutionGeometry, isTransposed: Bool, _ kernels: KernelTable) {
    let k = g.kernel.h, m = 7 - k
    guard k == 3 || k == 5, g.kernel.w == k, g.stride == .init(1), g.dilation == .init(1), g.groups == 1,
      max(g.padding.top, g.padding.left, g.padding.bottom, g.padding.right) < k,
      min(g.inputChannels, g.outputChannels) >= Layout.block, g.way != .direct
    else { return nil }
    (self.k, self.m, n, self.kernels) = (k, m, g.n, kernels)
    (gridH, gridW) = isTransposed ? (g.h, g.w) : (g.outputH, g.outputW)
    (inputH, inputW) = isTransposed ? (g.outputH, g.outputW) : (g.h, g.w)
    top = isTransposed ? k - 1 - g.padding.top : g.padding.top
    left = isTransposed ? k - 1 - g.padding.left : g.padding.left
    (tilesDown, tilesAcross) = ((gridH + m - 1) / m, (gridW + m - 1) / m)
    // Below this the four times larger weights take longer to read than the products they save.
    guard tilesDown * tilesAcross >= 12 || g.way == .tiles else { return nil }
    let inputs = isTransposed ? g.outputChannels : g.inputChannels, outputs = isTransposed ? g.inputChannels : g.outputChannels
    inputBlocks = Layout.blocks(inputs)
    pack = WinogradPacking(k: k, isTransposed: isTransposed, inputBlocks: inputBlocks, blocks: Layout.blocks(outputs), kernels)

    let tiles = g.n * tilesDown * tilesAcross, floatsPerTile = WinogradPlan.positions * 16 * (inputBlocks + pack.blocks)
    let fitting = (WinogradPlan.nearCache / floatsPerTile) / 6 * 6
    slots = Threads.count
    isFused = fitting >= 12 && tiles >= 2 * fitting * Threads.count
    let most = isFused ? fitting : max(24, WinogradPlan.farCache / floatsPerTile)
    // Chunks as even as can be.
    let chunks = (tiles + most - 1) / most
    chunk = (tiles + chunks - 1) / chunks
  }
  /// Floats that one thread's share of V and M may take, and that all of V and M may take.
  private static let nearCache = 160 << 10, farCache = 3 << 20

  func run(_ operands: ConvolutionOperands) {
    let patches = operands.scratch, work = patches + slots * WinogradPlan.patchCount
    let chunks = (tiles + chunk - 1) / chunk
    func range(_ index: Int) -> Range<Int> { (tiles * index / chunks)..<(tiles * (index + 1) / chunks) }
    let products = WinogradPlan.positions * pack.groups.count
    if isFused {
      parallelParts(chunks, slots) { slot, jobs in
        let patch = patches + slot * WinogradPlan.patchCount, v = work + slot * workCount
        let m = v + WinogradPlan.positions * inputStep
        for job in jobs {
          let tiles = range(job)
          for block in 0..<inputBlocks { transformInput(operands, block, tiles, tiles.lowerBound, v, patch) }
          multiply(operands, 0..<products, tiles.count, v, m)
          for block in 0..<pack.blocks { transformOutput(operands, block, tiles, tiles.lowerBound, m, patch) }
        }
      }
    } else {
      let v = work, m = v + WinogradPlan.positions * inputStep
      for index in 0..<chunks {
        let tiles = range(index), bands = 4 * slots
        func band(_ job: Int) -> Range<Int> {
          (tiles.lowerBound + tiles.count * (job % bands) / bands)..<(tiles.lowerBound + tiles.count * (job % bands + 1) / bands)
        }
        parallelParts(inputBlocks * bands, slots) { slot, jobs in
          let patch = patches + slot * WinogradPlan.patchCount
          for job in jobs { transformInput(operands, job / bands, band(job), tiles.lowerBound, v, patch) }
        }
        parallelParts(products, slots) { _, jobs in multiply(operands, jobs, tiles.count, v, m) }
        parallelParts(pack.blocks * bands, slots) { slot, jobs in
          let patch = patches + slot * WinogradPlan.patchCount
          for job in jobs { transformOutput(operands, job / bands, band(job), tiles.lowerBound, m, patch) }
        }
      }
    }
  }

  /// One block of 16 channels of some tiles to V.
  private func transformInput(
    _ operands: ConvolutionOperands, _ block: Int, _ tiles: Range<Int>, _ first: Int, _ v: MutableFloats, _ patch: MutableFloats
  ) {
    let scratch = patch + 576, perImage = tilesDown * tilesAcross, step = inputStep
    for tile in tiles {
      let image = tile / perImage, row = tile % perImage / tilesAcross * m - top, column = tile % tilesAcross * m - left
      let plane = operands.input + (image * inputBlocks + block) * inputH * inputW * 16
      let place = v + (block * chunk + tile - first) * 16
      if row >= 0 && column >= 0 && row + 6 <= inputH && column + 6 <= inputW {
        kernels.winograd.input(plane + (row * inputW + column) * 16, inputW * 16, place, step, scratch)
      } else {
        let columns = max(0, -column)..<max(max(0, -column), min(6, inputW - column))
        for i in 0..<6 {
          let q = patch + i * 96
          if row + i < 0 || row + i >= inputH || columns.isEmpty {
            q.update(repeating: 0, count: 96)
          } else {
            if columns.lowerBound > 0 { q.update(repeating: 0, count: columns.lowerBound * 16) }
            if columns.upperBound < 6 { (q + columns.upperBound * 16).update(repeating: 0, count: (6 - columns.upperBound) * 16) }
            let p = plane + ((row + i) * inputW + column + columns.lowerBound) * 16
            (q + columns.lowerBound * 16).update(from: p, count: columns.count * 16)
          }
        }
        kernels.winograd.input(patch, 96, place, step, scratch)
      }
    }
  }

  /// M = U V for some of (position, group of lanes).
  private func multiply(_ operands: ConvolutionOperands, _ jobs: Range<Int>, _ tiles: Int, _ v: MutableFloats, _ m: MutableFloats) {
    let inputStep = inputStep, outputStep = outputStep
    withUnsafeTemporaryAllocation(of: Int.self, capacity: inputBlocks) { offsets in
      for i in 0..<inputBlocks { offsets[i] = i * chunk * 16 }
      var call = TileCall(offsets: UnsafePointer(offsets.baseAddress!), bias: operands.zeros)
      call.blockStep = chunk * 16
      withUnsafeMutablePointer(to: &call) { call in
        for job in jobs {
          let position = job / pack.groups.count, group = pack.groups[job % pack.groups.count]
          let most = kernels.blockedPixels(group.count), parts = (tiles + most - 1) / most
          let narrow = tiles / parts, wide = tiles - parts * narrow
          let narrowTile = kernels.blockedTile(group.count, narrow)
          let wideTile = wide > 0 ? kernels.blockedTile(group.count, narrow + 1) : narrowTile
          // 20 KB of weights stay in the nearest cache while the tiles pass by.
          let pass = max(1, 20 / group.count)
          let weights = operands.weights + (position * pack.blocks + group.lowerBound) * inputBlocks * 256
          let output = m + (position * outputStep + group.lowerBound * chunk * 16)
          var first = 0
          while first < inputBlocks {
            call.pointee.taps = min(pass, inputBlocks - first)
            call.pointee.accumulates = first > 0
            let x = Floats(v) + (position * inputStep + first * chunk * 16), beyond = wide * (narrow + 1) * 16
            let weights = weights + first * 256 * group.count
            call.pointee.tiles = wide
            if wide > 0 { wideTile(call, x, weights, output, nil) }
            call.pointee.tiles = parts - wide
            if wide < parts { narrowTile(call, x + beyond, weights, output + beyond, nil) }
            first += pass
          }
        }
      }
    }
  }

  /// M to one block of 16 output channels of some tiles.
  private func transformOutput(
    _ operands: ConvolutionOperands, _ block: Int, _ tiles: Range<Int>, _ first: Int, _ source: MutableFloats, _ patch: MutableFloats
  ) {
    let perImage = tilesDown * tilesAcross, epilogue = operands.epilogue
    var call = WinogradOutput(
      positionStep: outputStep, rowStep: gridW * 16, bias: operands.bias.map { $0 + block * 16 } ?? operands.zeros)
    call.accumulates = operands.accumulates
    (call.clamps, call.lower, call.upper) =
      (epilogue.lower > -.infinity || epilogue.upper < .infinity, epilogue.lower, epilogue.upper)
    for tile in tiles {
      let image = tile / perImage, row = tile % perImage / tilesAcross * m, column = tile % tilesAcross * m
      (call.rows, call.columns) = (min(m, gridH - row), min(m, gridW - column))
      let place = ((image * pack.blocks + block) * gridH * gridW + row * gridW + column) * 16
      call.gates = epilogue.gates.map { $0 + place / 16 }
      call.gatedBy = operands.gatedBy.map { $0 + place / 16 }
      kernels.winograd.output(
        &call, k, source + (block * chunk + tile - first) * 16, operands.output + place, epilogue.residual.map { $0 + place }, patch)
    }
  }
}

/// Transformed weights: [position][group of output blocks][input block][16][16 × blocks of the group].
struct WinogradPacking: Packing {
  let k: Int
  /// Input and output of the filter change places, and its rows and columns run backwards.
  let isTransposed: Bool
  let inputBlocks, blocks: Int
  /// Of output blocks, as wide as the register tile likes them.
  let groups: [Range<Int>]
  private let variant: String

  var count: Int { 36 * inputBlocks * blocks * 256 }

  init(k: Int, isTransposed: Bool, inputBlocks: Int, blocks: Int, _ kernels: KernelTable) {
    (self.k, self.isTransposed, self.inputBlocks, self.blocks) = (k, isTransposed, inputBlocks, blocks)
    groups = kernels.blockGroups(blocks)
    variant = kernels.name
  }

  func pack(_ weights: Floats, _ shape: Shape, _ groupCount: Int, _ scale: [Float]?, into packed: MutableFloats) {
    let kernels = Kernels.available.first { $0.name == variant } ?? Kernels.selected
    let outputs = isTransposed ? shape[1] : shape[0], inputs = isTransposed ? shape[0] : shape[1]
    let area = k * k, outputStep = isTransposed ? area : shape[1] * area, inputStep = isTransposed ? shape[1] * area : area
    nonisolated(unsafe) let weights = weights, packed = packed
    parallel(groups.count) { range in
      withUnsafeTemporaryAllocation(of: Float.self, capacity: 400 + 576) { memory in
        let taps = memory.baseAddress!, scratch = taps + 400
        for group in groups[range] {
          for input in 0..<(inputBlocks * 16) {
            for block in group {
              taps.update(repeating: 0, count: area * 16)
              if input < inputs {
                for lane in 0..<min(16, outputs - block * 16) {
                  let w = weights + ((block * 16 + lane) * outputStep + input * inputStep)
                  let factor = scale?[isTransposed ? input : block * 16 + lane] ?? 1
                  for tap in 0..<area { taps[tap * 16 + lane] = factor * w[isTransposed ? area - 1 - tap : tap] }
                }
              }
              let place = (group.lowerBound * inputBlocks * 16 + input * group.count + block - group.lowerBound) * 16
              kernels.winograd.filter(k, taps, packed + place, blocks * inputBlocks * 256, scratch)
            }
          }
        }
      }
    }
  }
}

extension KernelTable {
  /// Cuts blocks of 16 lanes into groups as wide as the register tile likes them.
  func blockGroups(_ count: Int) -> [Range<Int>] {
    // The most accumulators; of equals the fewest blocks.
    let widest = (1...3).max { ($0 * blockedPixels($0), -$0) < ($1 * blockedPixels($1), -$1) }!
    var groups: [Range<Int>] = [], first = 0
    while first < count {
      // 2 + 2 + 1 is better as 2 + 3.
      let width = widest == 2 && count - first == 3 && blockedPixels(3) > 0 ? 3 : min(widest, count - first)
      groups.append(first..<(first + width))
      first += width
    }
    return groups
  }
}
