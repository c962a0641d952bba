// SPDX-License-Identifier: Apache-2.0
import LensKernelTable
import LensTensors

/// A 3×3, 4×4 or 5×5 correlation of stride 1 by Winograd's minimal filtering: 36 multiplications for 4×4 outputs of a 3×3
/// kernel (3×3 of a 4×4, 2×2 of a 5×5) where the definition has 144 (144, 100). Lavin & Gray 2016, arXiv:1509.09308.
///
///     6×6 patch ──Bᵀ d B──▶ V[36][input blocks][tile][16]
///     k×k taps  ──G g Gᵀ──▶ U[36][lanes][input blocks][16]     then a matrix product for each of 36 positions
///                           M[36][output blocks][tile][16] ──Aᵀ M A──▶ 4×4 outputs
///
/// Weights are transformed as they are used: memory keeps k×k of them, the 36 live in a cache.
/// Every output comes out of its own tile in one order, so its bits do not depend on how the work is handed out, nor, as
/// tiles lie on a fixed grid, on anything outside its image.
///
/// A first layer with strides is one of these, too: see `Patches`. Its plain picture is taken apart, or put together, some rows
/// at a time.
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
  let n, channels, inputBlocks, blocks: Int
  let input, grid: ConvolutionGeometry.Extent
  /// Zero rows above and columns left of the input.
  let top, left: Int
  let tilesDown, tilesAcross: Int
  /// Input and output of the filter change places, and its rows and columns run backwards.
  let isTransposed: Bool
  /// Not nil: the input, or with `isTransposed` the output, is a plain picture in patches.
  let patches: Patches?
  /// The forward pass's, whichever way this goes.
  let pack: PackedShape
  let packing: any Packing
  /// Of 16 lanes each, as many together as the register tile likes.
  let groups: [Range<Int>]
  let kernels: KernelTable

  let share: Share
  /// Tiles that go through the phases together.
  let chunk: Int
  /// Rows of tiles that a thread takes at once where there are patches, and rows of these that it then has in scratch.
  let bandTiles, bandRows: Int
  /// Groups of lanes whose weights are in U together, and how many blocks of inputs these then have.
  let lanes: [Range<Int>]
  let inputsAtOnce: Int
  /// Floats from one position of U, V and M to the next.
  let weightStep, inputStep, outputStep: Int
  let slots: Int

  static let positions = 36
  /// A patch and what its transform needs; or the taps of 16 × 16 weights.
  var patchCount: Int { 576 + max(576, k * k * 256) }
  /// A band of patches.
  var windowCount: Int { patches == nil ? 0 : (isTransposed ? blocks : inputBlocks) * bandRows * (isTransposed ? grid : input).w * 16 }
  var tiles: Int { n * tilesDown * tilesAcross }
  /// What each thread has of its own: patches, M, and V or U.
  var slotCount: Int { windowCount + patchCount + WinogradPlan.positions * (outputStep + (share == .tiles ? inputStep : weightStep)) }
  var scratchCount: Int { WinogradPlan.positions * (share == .tiles ? weightStep : inputStep) + slots * slotCount }

  /// Of maps in blocks of 16 channels. Nil where another way is faster or the geometry is not one of these.
  init?(_ g: ConvolutionGeometry, isTransposed: Bool, _ kernels: KernelTable) {
    let k = g.kernel.h
    guard k == 3 || k == 5, g.kernel.w == k, g.stride == .init(1), g.dilation == .init(1), g.groups == 1,
      max(g.padding.top, g.padding.left, g.padding.bottom, g.padding.right) < k,
      min(g.inputChannels, g.outputChannels) >= Layout.block, g.way != .direct
    else { return nil }
    let near = ConvolutionGeometry.Extent(g.h, g.w), far = ConvolutionGeometry.Extent(g.outputH, g.outputW)
    let grid = isTransposed ? near : far, tile = 7 - k, perImage = (grid.h + tile - 1) / tile * ((grid.w + tile - 1) / tile)
    // A matrix unit is faster on small maps, and on large ones only while nobody shares it.
    guard kernels.amx == nil || perImage >= 49 || g.way == .tiles else { return nil }
    // In vector products for each input and 16 lanes: 36 a tile, and the transform of the weights takes as long as 120; by the
    // definition k² a pixel, of which a quarter is left for the other transforms.
    guard WinogradPlan.positions * perImage + 120 <= k * k * grid.h * grid.w * 3 / 4 || g.way == .tiles else { return nil }
    self.init(
      g, isTransposed: isTransposed, input: isTransposed ? far : near, grid: grid,
      top: isTransposed ? k - 1 - g.padding.top : g.padding.top, left: isTransposed ? k - 1 - g.padding.left : g.padding.left,
      patches: nil, kernels
    ) { $0 }
  }

  /// Of a plain picture of few channels. A row of patches reaches beyond the kernel's last row only where its last tap is 0, and what
  /// the last row of a tile's patches adds is a multiple of that: outputs depend on nothing that the kernel does not see.
  ///
  /// Nil where another way is faster or the geometry is not one of these.
  init?(firstLayer g: ConvolutionGeometry, isTransposed: Bool, _ kernels: KernelTable) {
    guard let patches = Patches(g), g.way != .direct else { return nil }
    let k = (g.kernel.h + g.stride.h - 1) / g.stride.h
    guard 3...5 ~= k, k == (g.kernel.w + g.stride.w - 1) / g.stride.w else { return nil }
    let near = ConvolutionGeometry.Extent(patches.rows, patches.columns), far = ConvolutionGeometry.Extent(g.outputH, g.outputW)
    let virtual = ConvolutionGeometry(
      n: g.n, inputChannels: patches.lanes, h: near.h, w: near.w, outputChannels: g.outputChannels, kernel: .init(k))
    // Products of an output, of which a quarter is left for the transforms; and tiles enough to repay those of the weights.
    let m = 7 - k, products = WinogradPlan.positions * Layout.block * Layout.blocks(patches.lanes) / (m * m)
    guard g.outputChannels >= Layout.block, g.padding.bottom <= g.kernel.h, g.padding.right <= g.kernel.w,
      4 * products <= 3 * g.kernel.h * g.kernel.w * g.inputChannels,
      far.h * far.w >= 16 * m * m || g.way == .tiles
    else { return nil }
    self.init(
      virtual, isTransposed: isTransposed, input: isTransposed ? far : near, grid: isTransposed ? near : far,
      top: isTransposed ? k - 1 : 0, left: isTransposed ? k - 1 : 0, patches: patches, kernels
    ) { DepthPacking(shape: $0, patches: patches, filterShape: virtual.filterShape, kernel: g.kernel) }
  }

  private init(
    _ g: ConvolutionGeometry, isTransposed: Bool, input: ConvolutionGeometry.Extent, grid: ConvolutionGeometry.Extent, top: Int, left: Int,
    patches: Patches?, _ kernels: KernelTable, packing: (PackedShape) -> any Packing
  ) {
    let k = g.kernel.h, m = 7 - k
    (self.k, self.m, n, self.isTransposed, self.patches, self.kernels) = (k, m, g.n, isTransposed, patches, kernels)
    (self.input, self.grid, self.top, self.left) = (input, grid, top, left)
    (tilesDown, tilesAcross) = ((grid.h + m - 1) / m, (grid.w + m - 1) / m)
    let perImage = tilesDown * tilesAcross
    channels = isTransposed ? g.outputChannels : g.inputChannels
    inputBlocks = Layout.blocks(channels)
    func packed(_ isTransposed: Bool) -> PackedShape {
      let taps = Array(0..<k), lanes = isTransposed ? g.inputChannels : g.outputChannels
      return g.packedShape(.blocked, isTransposed: isTransposed, lanes: lanes, rows: taps, columns: taps, kernels)
    }
    pack = packed(false).byInput
    self.packing = packing(pack)
    groups = packed(isTransposed).groups.map { $0.firstBlock..<($0.firstBlock + $0.blocks) }
    blocks = groups[groups.count - 1].upperBound

    let tiles = g.n * perImage, floatsPerTile = WinogradPlan.positions * 16 * (inputBlocks + blocks)
    let fitting = (patches == nil ? WinogradPlan.nearCache : min(WinogradPlan.nearCache, Processor.secondCache / 4)) / floatsPerTile / 6 * 6
    slots = Threads.count
    // Where U takes long to write for all, only many tiles repay it.
    share = patches != nil || fitting >= 12 && tiles >= max(2 * fitting * slots, 150) ? .tiles : .lanes
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
    var together = tiles
    if patches != nil {
      // Rows overlap from band to band, so the more the better, if every thread has some and they stay in the second cache.
      let row = (isTransposed ? blocks * grid.w : inputBlocks * input.w) * 16, most = tilesDown * g.n / (4 * slots)
      bandTiles = max(1, min(most, (WinogradPlan.nearWindow / row - 6 + m) / m, tilesDown))
      bandRows = bandTiles * m + (isTransposed ? 0 : 6 - m)
      together = bandTiles * tilesAcross
    } else {
      (bandTiles, bandRows) = (0, 0)
    }
    // Chunks as even as can be.
    let chunks = (together + most - 1) / most
    chunk = (together + chunks - 1) / chunks
    let groups = groups, blocksAtOnce = lanes.map { groups[$0.upperBound - 1].upperBound - groups[$0.lowerBound].lowerBound }.max()!
    weightStep = WinogradPlan.apart(blocksAtOnce * inputsAtOnce * 256)
    inputStep = WinogradPlan.apart(inputBlocks * chunk * 16)
    outputStep = WinogradPlan.apart(blocksAtOnce * chunk * 16)
  }
  /// Floats that one thread's V and M may take, and that the V of all may take.
  private static let nearCache = 160 << 10, farCache = 2 << 20
  /// Floats of a band of patches.
  private static let nearWindow = 40 << 10
  /// Odd multiples of a cache line do not meet in the cache.
  private static func apart(_ count: Int) -> Int { count + (count / 16 % 2 == 0 ? 48 : 32) }
}
