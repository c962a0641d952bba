// SPDX-License-Identifier: Apache-2.0
import LensKernelTable
import LensTensors

// First layers have three channels, which would leave a tile of 32 numbers or 16 lanes nearly empty. So an `AMXPlan` or a
// `WinogradPlan` computes another convolution, with the same numbers, that fills them.

/// The filter of another convolution, made of the weights of this one.
protocol RearrangedPacking: Packing {
  var shape: PackedShape { get }
  /// Of the other filter.
  var filterShape: Shape { get }
  /// Whose weight it has for an output, an input and a place: output, input, row, column; nil for 0.
  func source(_ output: Int, _ input: Int, _ row: Int, _ column: Int) -> (output: Int, input: Int, row: Int, column: Int)?
}

extension RearrangedPacking {
  var count: Int { shape.count }

  func pack(_ weights: Floats, _ original: Shape, _ groupCount: Int, _ scale: [Float]?, into packed: MutableFloats) {
    var filter: [Float] = []
    filter.reserveCapacity(filterShape.count)
    for output in 0..<filterShape[0] {
      for input in 0..<filterShape[1] {
        for row in 0..<filterShape[2] {
          for column in 0..<filterShape[3] {
            guard let (o, i, y, x) = source(output, input, row, column) else {
              filter.append(0)
              continue
            }
            filter.append(weights[((o * original[1] + i) * original[2] + y) * original[3] + x] * (scale?[o] ?? 1))
          }
        }
      }
    }
    filter.withUnsafeBufferPointer { shape.pack($0.baseAddress!, filterShape, 1, nil, into: packed) }
  }
}

/// Forward: what a row of the kernel meets, all columns and channels, are the inputs of a kernel of one column.
struct RowPacking: RearrangedPacking {
  let shape: PackedShape
  let filterShape: Shape
  /// Numbers of a pixel in the window, the channels and up to one zero; of a row of the kernel, in times of 32.
  let pixel, numbers: Int
  private let channels, columns, dilation: Int

  /// Nil where the channels are too many for a pixel.
  init?(_ g: ConvolutionGeometry, _ kernels: KernelTable) {
    guard g.groups == 1, g.inputChannels <= 4 else { return nil }
    (channels, columns, dilation) = (g.inputChannels, g.kernel.w, g.dilation.w)
    pixel = (channels + 1) / 2 * 2
    numbers = (pixel * ((columns - 1) * dilation + 1) + 31) / 32 * 32
    let virtual = ConvolutionGeometry(
      inputChannels: numbers, h: g.kernel.h, w: 1, outputChannels: g.outputChannels, kernel: .init(g.kernel.h, 1))
    (filterShape, shape) = (virtual.filterShape, virtual.packedAsHalves(kernels))
  }

  func source(_ output: Int, _ input: Int, _ row: Int, _ column: Int) -> (output: Int, input: Int, row: Int, column: Int)? {
    let (place, channel) = input.quotientAndRemainder(dividingBy: pixel)
    guard channel < channels, place % dilation == 0, place / dilation < columns else { return nil }
    return (output, channel, row, place / dilation)
  }
}

/// Backward: the pixels and channels of a patch of the input are the outputs of a convolution over dy. Lanes are
/// [row of the patch][channel][column].
struct PatchPacking: RearrangedPacking {
  let shape: PackedShape
  let filterShape: Shape
  /// Rows (columns) of the kernel that meet a row of the patch at each row of dy; nil for none.
  private let rows, columns: [[Int?]]
  private let channels: Int

  init(rows: [[Int?]], columns: [[Int?]], channels: Int, outputs: Int, _ kernels: KernelTable) {
    (self.rows, self.columns, self.channels) = (rows, columns, channels)
    let virtual = ConvolutionGeometry(
      inputChannels: outputs, h: rows[0].count, w: columns[0].count, outputChannels: rows.count * channels * columns.count,
      kernel: .init(rows[0].count, columns[0].count))
    (filterShape, shape) = (virtual.filterShape, virtual.packedAsHalves(kernels))
  }

  func source(_ output: Int, _ input: Int, _ row: Int, _ column: Int) -> (output: Int, input: Int, row: Int, column: Int)? {
    let (line, x) = output.quotientAndRemainder(dividingBy: columns.count), (y, channel) = line.quotientAndRemainder(dividingBy: channels)
    guard let row = rows[y][row], let column = columns[x][column] else { return nil }
    return (input, channel, row, column)
  }
}

/// Forward: a kernel of stride s is one of stride 1 over patches of s×s pixels, all of whose numbers are inputs. Zeros make its rows
/// and columns a multiple of s.
struct DepthPacking: RearrangedPacking {
  let shape: PackedShape
  let patches: Patches
  let filterShape: Shape
  let kernel: ConvolutionGeometry.Extent

  func source(_ output: Int, _ input: Int, _ row: Int, _ column: Int) -> (output: Int, input: Int, row: Int, column: Int)? {
    let pixel = patches.pixel(input), y = row * patches.size.h + pixel.y, x = column * patches.size.w + pixel.x
    return y < kernel.h && x < kernel.w ? (output, pixel.channel, y, x) : nil
  }
}

/// A plain picture of few channels as a blocked map that is smaller and deeper: the numbers of a patch of its pixels are the lanes
/// [row of the patch][channel][column].
struct Patches: Hashable, Sendable {
  /// `w` divides 16.
  var size: ConvolutionGeometry.Extent
  /// Rows and columns of the first patch that lie before the picture.
  var before = ConvolutionGeometry.Extent(0)
  var channels, h, w: Int

  var lanes: Int { size.h * channels * size.w }
  var rows: Int { (before.h + h + size.h - 1) / size.h }
  var columns: Int { (before.w + w + size.w - 1) / size.w }

  func pixel(_ lane: Int) -> (y: Int, channel: Int, x: Int) {
    let (line, x) = lane.quotientAndRemainder(dividingBy: size.w), (y, channel) = line.quotientAndRemainder(dividingBy: channels)
    return (y, channel, x)
  }

  /// Takes some rows of patches out of the picture, with zeros around it.
  ///
  /// - blockStep: floats from 16 lanes to the next 16, here as in `spread`
  func gather(_ input: Floats, _ image: Int, _ rows: Range<Int>, to map: MutableFloats, blockStep: Int) {
    for block in 0..<Layout.blocks(lanes) { (map + block * blockStep).update(repeating: 0, count: rows.count * columns * 16) }
    forEachLine(image, rows, 0..<lanes, blockStep) { pixels, place in
      let p = input + pixels, q = map + place, (head, whole, tail, next) = cut
      q.update(from: p, count: head)
      copy(p + head, size.w, q + next, 16, whole)
      (q + (next + whole * 16)).update(from: p + (head + whole * size.w), count: tail)
    }
  }

  /// Takes some lanes of rows of patches from scratch to the picture.
  func spread(
    _ lanes: Range<Int>, _ map: Floats, blockStep: Int, _ image: Int, _ rows: Range<Int>, _ operands: ConvolutionOperands
  ) {
    forEachLine(image, rows, lanes, blockStep) { pixels, place in
      let p = map + place, q = operands.output + pixels, (head, whole, tail, next) = cut
      if operands.accumulates {
        let first = before.w % size.w
        for x in 0..<w { q[x] += p[(first + x) / size.w * 16 + (first + x) % size.w - first] }
      } else {
        q.update(from: p, count: head)
        copy(p + next, 16, q + head, size.w, whole)
        (q + (head + whole * size.w)).update(from: p + (next + whole * 16), count: tail)
      }
    }
  }

  /// Pixels of a row that are some of a patch, whole patches, and again some; floats from the first pixel to the first whole patch.
  private var cut: (head: Int, whole: Int, tail: Int, next: Int) {
    let first = before.w % size.w, head = first == 0 ? 0 : min(size.w - first, w), whole = (w - head) / size.w
    return (head, whole, w - head - whole * size.w, first == 0 ? 0 : 16 - first)
  }

  /// Rows of pixels: where they begin in the picture, and where in some lanes of patches.
  private func forEachLine(
    _ image: Int, _ rows: Range<Int>, _ lanes: Range<Int>, _ blockStep: Int, _ body: (_ pixels: Int, _ place: Int) -> Void
  ) {
    for row in rows {
      for lane in stride(from: lanes.lowerBound, to: min(lanes.upperBound, self.lanes), by: size.w) {
        let (line, channel, _) = pixel(lane), y = row * size.h + line - before.h
        guard y >= 0 && y < h else { continue }
        let column = ((row - rows.lowerBound) * columns + before.w / size.w) * 16 + before.w % size.w
        body(((image * channels + channel) * h + y) * w, (lane - lanes.lowerBound) / 16 * blockStep + lane % 16 + column)
      }
    }
  }

  private func copy(_ p: Floats, _ pStep: Int, _ q: MutableFloats, _ qStep: Int, _ count: Int) {
    /// A patch's row at a time.
    func copy<Row>(_: Row.Type) {
      var p = UnsafeRawPointer(p), q = UnsafeMutableRawPointer(q)
      for _ in 0..<count {
        q.storeBytes(of: p.loadUnaligned(as: Row.self), as: Row.self)
        p += 4 * pStep
        q += 4 * qStep
      }
    }
    switch size.w {
    case 1: copy(Float.self)
    case 2: copy(SIMD2<Float>.self)
    case 4: copy(SIMD4<Float>.self)
    case 8: copy(SIMD8<Float>.self)
    default: copy(SIMD16<Float>.self)
    }
  }
}

extension Patches {
  /// Those that the strides of a kernel make of its input; nil where they cannot be lanes.
  init?(_ g: ConvolutionGeometry) {
    guard g.groups == 1, g.dilation == .init(1), g.inputChannels < Layout.block, Layout.block % g.stride.w == 0 else { return nil }
    self.init(
      size: g.stride, before: .init(g.padding.top, g.padding.left), channels: g.inputChannels, h: g.h, w: g.w)
  }
}

extension ConvolutionGeometry {
  func plainGradientPlan(_ kernels: KernelTable) -> any ConvolutionPlan {
    if let plan = patchGradientPlan(kernels) { return plan }
    if let winograd = WinogradPlan(firstLayer: self, isTransposed: true, kernels) { return winograd }
    return PlainGradientPlan(self, kernels)
  }

  /// Nil without a matrix unit, or for strides that leave no patch whose rows fit into 16 lanes.
  func patchGradientPlan(_ kernels: KernelTable) -> AMXPlan? {
    guard groups == 1, let loops = kernels.amx else { return nil }
    func taps(_ size: Int, _ tapsOfRow: (Int) -> [(offset: Int, kernel: Int)]) -> (offsets: [Int], kernels: [[Int?]]) {
      let rows = (0..<size).map(tapsOfRow), offsets = Set(rows.joined().map(\.offset)).sorted()
      return (offsets, rows.map { row in offsets.map { offset in row.first { $0.offset == offset }?.kernel } })
    }
    // So many steps of dy a patch that the fewest tiles are multiplied for a pixel.
    let steps = [1, 2, 4].flatMap { h in [1, 2, 4].map { Extent(h, $0) } }
    var best: (step: Extent, cost: Float)?
    for step in steps where 16 % (step.w * stride.w) == 0 {
      let size = Extent(step.h * stride.h, step.w * stride.w)
      let count = taps(size.h, rowTaps).offsets.count * taps(size.w, columnTaps).offsets.count
      let cost = Float(count * Layout.blocks(size.h * size.w * inputChannels)) / Float(size.h * size.w)
      if cost < best?.cost ?? .infinity { best = (step, cost) }
    }
    guard let step = best?.step else { return nil }
    let size = Extent(step.h * stride.h, step.w * stride.w), rows = taps(size.h, rowTaps), columns = taps(size.w, columnTaps)
    let packing = PatchPacking(rows: rows.kernels, columns: columns.kernels, channels: inputChannels, outputs: outputChannels, kernels)
    let spec = CorrelationPlan.Spec(
      kind: .halves, n: n, inputs: Layout.blocks(outputChannels), inputH: outputH, inputW: outputW, step: step, rows: rows.offsets,
      columns: columns.offsets, gridH: (h + size.h - 1) / size.h, gridW: (w + size.w - 1) / size.w, scatter: nil,
      patches: Patches(size: size, channels: inputChannels, h: h, w: w), pack: packing.shape, forwardPack: nil, kernels: kernels)
    return AMXPlan(spec, packing, loops) { BlockedHalves(spec, loops, bandRows: $0) }
  }

  /// Nil without a matrix unit, for more than four channels, and where vectors are as fast: sums of few products, which have to be
  /// loaded once more for their end.
  func rowPlan(_ kernels: KernelTable) -> AMXPlan? {
    guard let loops = kernels.amx, let packing = RowPacking(self, kernels) else { return nil }
    guard kernel.h * kernel.w * inputChannels > 6 * kernel.h * packing.numbers / 32 + 40 else { return nil }
    let spec = CorrelationPlan.Spec(
      kind: .halves, n: n, inputs: inputChannels, inputH: h, inputW: w, step: stride, rows: Array(0..<kernel.h), columns: [0],
      gridH: outputH, gridW: outputW, scatter: nil, patches: nil, pack: packing.shape, forwardPack: nil, kernels: kernels)
    return AMXPlan(spec, packing, loops) { PlainHalves(self, packing, loops, bandRows: $0) }
  }

  /// The order of a filter's own weights, cut into halves.
  fileprivate func packedAsHalves(_ kernels: KernelTable) -> PackedShape {
    packedShape(
      .halves, isTransposed: false, lanes: outputChannels, rows: Array(0..<kernel.h), columns: Array(0..<kernel.w), kernels)
  }
}
