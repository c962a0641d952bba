// SPDX-License-Identifier: Apache-2.0
import LensKernelTable
import LensTensors

// First layers have three channels, which would leave a tile of 32 numbers or 16 lanes nearly empty. So an `AMXPlan` computes
// another convolution, with the same numbers, that fills them.

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

/// Where the lanes of a `PatchPacking` have their places: plain pictures of h × w.
struct Patches: Sendable {
  /// `w` divides 16.
  var size: ConvolutionGeometry.Extent
  var channels, h, w: Int

  /// Takes some lanes of rows of patches from scratch to the picture.
  ///
  /// - blockStep: floats from 16 lanes to the next 16
  func spread(
    _ lanes: Range<Int>, _ staging: Floats, _ blockStep: Int, _ image: Int, _ rows: Range<Int>, _ operands: ConvolutionOperands
  ) {
    let width = size.w, whole = w / width, rest = w - whole * width, pitch = (w + width - 1) / width * 16
    for row in rows {
      for lane in stride(from: lanes.lowerBound, to: min(lanes.upperBound, size.h * channels * width), by: width) {
        let (line, channel) = (lane / width).quotientAndRemainder(dividingBy: channels), y = row * size.h + line
        guard y < h else { break }
        let place = lane - lanes.lowerBound
        var p = staging + ((row - rows.lowerBound) * pitch + place / 16 * blockStep + place % 16)
        var q = operands.output + ((image * channels + channel) * h + y) * w
        func take(_ count: Int) {
          if operands.accumulates { for i in 0..<count { q[i] += p[i] } } else { for i in 0..<count { q[i] = p[i] } }
        }
        for _ in 0..<whole {
          take(width)
          p += 16
          q += width
        }
        take(rest)
      }
    }
  }
}

extension ConvolutionGeometry {
  func plainGradientPlan(_ kernels: KernelTable) -> any ConvolutionPlan {
    if let plan = patchGradientPlan(kernels) { return plan }
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
