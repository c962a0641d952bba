// SPDX-License-Identifier: Apache-2.0
import LensKernelTable
import LensTensors

/// A 3×3 or 5×5 correlation of stride 1 by Winograd's minimal filtering: 36 multiplications for 4×4 outputs of a 3×3
/// kernel (2×2 of a 5×5) where the definition has 144 (100). Lavin & Gray 2016, arXiv:1509.09308.
///
///     6×6 patch ──Bᵀ d B──▶ V[36][input blocks][tile][16]
///     k×k taps  ──G g Gᵀ──▶ U[36][lanes][input blocks][16]     then a matrix product for each of 36 positions
///                           M[36][output blocks][tile][16] ──Aᵀ M A──▶ 4×4 outputs
///
/// Weights are transformed as they are used: memory keeps k×k of them, the 36 live in a cache.
/// Every output comes out of its own tile in one order, so its bits do not depend on how the work is handed out, nor, as
/// tiles lie on a fixed grid, on anything outside its image.
struct WinogradPlan: ConvolutionPlan {
  /// What a thread takes through the phases.
  enum Share {
    /// Some tiles, with V and M of its own. U is transformed first, for all.
    case tiles
    /// Some lanes, with U and M of its own. V is transformed first, for all.
    case lanes
  }

  let k: Int
  /// Rows and columns of outputs in a tile.
  let m: Int
  let n, inputBlocks, blocks, inputH, inputW: Int
  /// Zero rows above and columns left of the input.
  let top, left: Int
  let gridH, gridW: Int
  let tilesDown, tilesAcross: Int
  /// Input and output of the filter change places, and its rows and columns run backwards.
  let isTransposed: Bool
  /// The forward pass's, whichever way this goes.
  let pack: PackedShape
  /// Of 16 lanes each, as many together as the register tile likes.
  let groups: [Range<Int>]
  let kernels: KernelTable

  let share: Share
  /// Tiles that go through the phases together.
  let chunk: Int
  /// Groups of lanes whose weights are in U together, and how many blocks of inputs these then have.
  let lanes: [Range<Int>]
  let inputsAtOnce: Int
  /// Floats from one position of U, V and M to the next.
  let weightStep, inputStep, outputStep: Int
  let slots: Int

  static let positions = 36
  /// A patch and what its transform needs; or the taps of 16 × 16 weights.
  var patchCount: Int { 576 + max(576, k * k * 256) }
  var packing: any Packing { pack }
  var tiles: Int { n * tilesDown * tilesAcross }
  /// What each thread has of its own: patches, M, and V or U.
  var slotCount: Int { patchCount + WinogradPlan.positions * (outputStep + (share == .tiles ? inputStep : weightStep)) }
  var scratchCount: Int { WinogradPlan.positions * (share == .tiles ? weightStep : inputStep) + slots * slotCount }

  /// Nil where another way is faster or the geometry is not one of these.
  init?(_ g: ConvolutionGeometry, isTransposed: Bool, _ kernels: KernelTable) {
    let k = g.kernel.h, m = 7 - k
    guard k == 3 || k == 5, g.kernel.w == k, g.stride == .init(1), g.dilation == .init(1), g.groups == 1,
      max(g.padding.top, g.padding.left, g.padding.bottom, g.padding.right) < k,
      min(g.inputChannels, g.outputChannels) >= Layout.block, g.way != .direct
    else { return nil }
    (self.k, self.m, n, self.isTransposed, self.kernels) = (k, m, g.n, isTransposed, kernels)
    (gridH, gridW) = isTransposed ? (g.h, g.w) : (g.outputH, g.outputW)
    (inputH, inputW) = isTransposed ? (g.outputH, g.outputW) : (g.h, g.w)
    top = isTransposed ? k - 1 - g.padding.top : g.padding.top
    left = isTransposed ? k - 1 - g.padding.left : g.padding.left
    (tilesDown, tilesAcross) = ((gridH + m - 1) / m, (gridW + m - 1) / m)
    let perImage = tilesDown * tilesAcross
    // A matrix unit is faster on small maps, and on large ones only while nobody shares it.
    guard kernels.amx == nil || perImage >= 49 || g.way == .tiles else { return nil }
    // In vector products for each input and 16 lanes: 36 a tile, and the transform of the weights takes as long as 120; by the
    // definition k² a pixel, of which a quarter is left for the other transforms.
    guard WinogradPlan.positions * perImage + 120 <= k * k * gridH * gridW * 3 / 4 || g.way == .tiles else { return nil }
    inputBlocks = Layout.blocks(isTransposed ? g.outputChannels : g.inputChannels)
    func packed(_ isTransposed: Bool) -> PackedShape {
      let taps = Array(0..<k), lanes = isTransposed ? g.inputChannels : g.outputChannels
      return g.packedShape(.blocked, isTransposed: isTransposed, lanes: lanes, rows: taps, columns: taps, kernels)
    }
    pack = packed(false).byInput
    groups = packed(isTransposed).groups.map { $0.firstBlock..<($0.firstBlock + $0.blocks) }
    blocks = groups[groups.count - 1].upperBound

    let tiles = g.n * perImage, floatsPerTile = WinogradPlan.positions * 16 * (inputBlocks + blocks)
    let fitting = WinogradPlan.nearCache / floatsPerTile / 6 * 6
    slots = Threads.count
    // Where U takes long to write for all, only many tiles repay it.
    share = fitting >= 12 && tiles >= max(2 * fitting * slots, 150) ? .tiles : .lanes
    let most: Int
    switch share {
    case .tiles:
      // Where U does not stay in the second cache it is read for every chunk, so a larger cache takes larger ones; but every
      // thread must have some.
      let staysNear = WinogradPlan.positions * 256 * inputBlocks * blocks < Processor.secondCache / 8
      let larger = staysNear ? 0 : min(Processor.secondCache / 6 / floatsPerTile, tiles / (4 * slots)) / 6 * 6
      (lanes, inputsAtOnce, most) = ([0..<groups.count], inputBlocks, max(fitting, larger))
    case .lanes:
      // 36 × 8 squares of weights, 295 KB, stay in the second cache; where M of twice the lanes does so, too, V is read half as often.
      let blocksAtOnce = tiles >= 48 && Processor.secondCache > 1 << 20 ? 4 : 2
      let widest = groups[0].count, together = max(1, min(blocksAtOnce / widest, groups.count / (2 * slots)))
      lanes = CorrelationPlan.split(groups.count, (groups.count + together - 1) / together)
      inputsAtOnce = min(inputBlocks, 8 / (together * widest))
      most = min(128, max(24, WinogradPlan.farCache / (WinogradPlan.positions * 16 * inputBlocks)))
    }
    // Chunks as even as can be.
    let chunks = (tiles + most - 1) / most
    chunk = (tiles + chunks - 1) / chunks
    let groups = groups, blocksAtOnce = lanes.map { groups[$0.upperBound - 1].upperBound - groups[$0.lowerBound].lowerBound }.max()!
    weightStep = WinogradPlan.apart(blocksAtOnce * inputsAtOnce * 256)
    inputStep = WinogradPlan.apart(inputBlocks * chunk * 16)
    outputStep = WinogradPlan.apart(blocksAtOnce * chunk * 16)
  }
  /// Floats that one thread's V and M may take, and that the V of all may take.
  private static let nearCache = 160 << 10, farCache = 2 << 20
  /// Odd multiples of a cache line do not meet in the cache.
  private static func apart(_ count: Int) -> Int { count + (count / 16 % 2 == 0 ? 48 : 32) }
}
