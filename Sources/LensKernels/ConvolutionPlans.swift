// SPDX-License-Identifier: Apache-2.0
import LensKernelTable
import LensTensors

/// One way to compute a convolution, or (a part of) its input gradient.
protocol ConvolutionPlan: Sendable {
  /// The order in which it reads weights.
  var packing: any Packing { get }
  /// Floats of scratch.
  var scratchCount: Int { get }
  /// Nothing is multiplied: all outputs are zero.
  var isEmpty: Bool { get }
  func run(_ operands: ConvolutionOperands)
}

extension ConvolutionPlan {
  var isEmpty: Bool { false }
}

/// What one run of a plan is given.
struct ConvolutionOperands {
  var input: Floats
  /// In the plan's packing.
  var weights: Floats
  /// As many floats as there are lanes, or nil for zeros.
  var bias: Floats?
  /// As many zeros as a group has lanes.
  var zeros: Floats
  var output: MutableFloats
  var accumulates = false
  var epilogue = Epilogue.none
  /// In the layout of the output, which is blocked: what becomes 0 at the end.
  var gatedBy: Gates?
  var scratch: MutableFloats
}

/// A list without taps has no address, and is not read.
var noTaps: UnsafePointer<Int> { UnsafePointer(bitPattern: 64)! }

// Which way a convolution is computed. The choice must depend on nothing but the geometry of one image, or an image's
// numbers would depend on its batch. (What `SparsePlan` chooses changes no number.)

extension ConvolutionGeometry {
  /// Rows and columns of the squares in which the forward pass computes its outputs, counted from the first; 1 where
  /// every output is computed by itself.
  public var tile: Int {
    let layout = ConvolutionKernel.layouts(for: self, given: .plain).input
    return (forwardPlan(layout, Kernels.selected) as? WinogradPlan)?.m ?? 1
  }

  func forwardPlan(_ inputLayout: Layout, _ kernels: KernelTable) -> any ConvolutionPlan {
    if inputLayout == .plain, let plan = rowPlan(kernels) { return plan }
    if inputLayout == .plain, let winograd = WinogradPlan(firstLayer: self, isTransposed: false, kernels) { return winograd }
    if inputLayout == .blocked, let winograd = WinogradPlan(self, isTransposed: false, kernels) { return winograd }
    if let depthwise = depthwisePlan(isTransposed: false, kernels) { return depthwise }
    let kind = isDepthwise ? .depthwise : inputLayout == .plain ? .planar : blockedKind(of: inputChannels, kernels)
    let pack = packedShape(
      kind, isTransposed: false, lanes: outputChannels, rows: Array(0..<kernel.h), columns: Array(0..<kernel.w), kernels)
    return correlationPlan(
      .init(
        kind: kind, n: n, inputs: kind == .planar ? inputChannels : Layout.blocks(inputChannels), inputH: h, inputW: w, step: stride,
        rows: (0..<kernel.h).map { $0 * dilation.h - padding.top }, columns: (0..<kernel.w).map { $0 * dilation.w - padding.left },
        gridH: outputH, gridW: outputW, scatter: nil, pack: pack, forwardPack: nil, kernels: kernels))
  }

  /// What multiplies blocks with blocks: halves of floats on the matrix unit, if there is one and a sum is long enough to fill it.
  private func blockedKind(of inputs: Int, _ kernels: KernelTable) -> PackedShape.Kind {
    kernels.amx == nil || inputs * kernel.h * kernel.w <= Layout.block ? .blocked : .halves
  }

  private func correlationPlan(_ spec: CorrelationPlan.Spec) -> any ConvolutionPlan {
    if let plan = AMXPlan(spec) { return plan }
    let plan = CorrelationPlan(spec)
    return SparsePlan(plan) ?? plan
  }

  /// Input pixel i meets tap k where i + padding - k·dilation is a multiple s·o of the stride; o is the output pixel.
  /// So the pixels that are `stride` apart form a phase with taps of its own, each a convolution of stride 1.
  ///
  /// - forwardPack: of the forward pass, if that is a `CorrelationPlan`'s
  func blockedGradientPlans(_ forwardPack: PackedShape?, _ kernels: KernelTable) -> [any ConvolutionPlan] {
    if let winograd = WinogradPlan(self, isTransposed: true, kernels) { return [winograd] }
    if let depthwise = depthwisePlan(isTransposed: true, kernels) { return [depthwise] }
    var plans: [any ConvolutionPlan] = []
    let turns = groups == 1 && forwardPack?.kind == .blocked && h / stride.h * (w / stride.w) >= CorrelationPlan.turnedPoints
    for y in 0..<min(stride.h, h) {
      for x in 0..<min(stride.w, w) {
        let rows = rowTaps(y), columns = columnTaps(x), kind = isDepthwise ? .depthwise : blockedKind(of: outputChannels, kernels)
        let plan = correlationPlan(
          .init(
            kind: kind, n: n, inputs: Layout.blocks(outputChannels), inputH: outputH, inputW: outputW, step: Extent(1),
            rows: rows.map(\.offset), columns: columns.map(\.offset), gridH: (h - y + stride.h - 1) / stride.h,
            gridW: (w - x + stride.w - 1) / stride.w,
            scatter: stride == Extent(1) ? nil : .init(first: Extent(y, x), step: stride, h: h, w: w),
            pack: packedShape(
              kind, isTransposed: true, lanes: inputChannels, rows: rows.map(\.kernel), columns: columns.map(\.kernel), kernels),
            forwardPack: turns ? forwardPack : nil, kernels: kernels))
        plans.append(plan)
      }
    }
    return plans
  }

  /// Nil where a window is faster: of stride 1, where most of the outputs meet the border.
  private func depthwisePlan(isTransposed: Bool, _ kernels: KernelTable) -> DepthwisePlan? {
    let inner = (outputH - (kernel.h - 1) * dilation.h) * max(0, outputW - (kernel.w - 1) * dilation.w)
    guard isDepthwise, stride != Extent(1) || 3 * inner >= outputH * outputW else { return nil }
    let rows = Array(0..<kernel.h), columns = Array(0..<kernel.w), near = Extent(h, w), far = Extent(outputH, outputW)
    let pack = packedShape(.depthwise, isTransposed: false, lanes: inputChannels, rows: rows, columns: columns, kernels)
    let blocks = Layout.blocks(inputChannels)
    guard isTransposed else {
      let phase = DepthwisePlan.Phase(
        first: Extent(0), rows: rows.map { ($0 * dilation.h - padding.top, $0) },
        columns: columns.map { ($0 * dilation.w - padding.left, $0) }, gridH: outputH, gridW: outputW)
      return DepthwisePlan(
        n: n, blocks: blocks, input: near, inputStep: stride, output: far, outputStep: Extent(1), phases: [phase], pack: pack, kernels)
    }
    let phases = (0..<min(stride.h, h)).flatMap { y in
      (0..<min(stride.w, w)).map { x in
        DepthwisePlan.Phase(
          first: Extent(y, x), rows: rowTaps(y), columns: columnTaps(x), gridH: (h - y + stride.h - 1) / stride.h,
          gridW: (w - x + stride.w - 1) / stride.w)
      }
    }
    return DepthwisePlan(
      n: n, blocks: blocks, input: far, inputStep: Extent(1), output: near, outputStep: stride, phases: phases, pack: pack, kernels)
  }

  /// For the input rows (or columns) at `position` and multiples of the stride further on: the offsets of the output
  /// rows that they meet, ascending, and by which row of the kernel.
  func rowTaps(_ position: Int) -> [(offset: Int, kernel: Int)] {
    ConvolutionGeometry.taps(position + padding.top, kernel.h, stride.h, dilation.h)
  }
  func columnTaps(_ position: Int) -> [(offset: Int, kernel: Int)] {
    ConvolutionGeometry.taps(position + padding.left, kernel.w, stride.w, dilation.w)
  }
  private static func taps(_ position: Int, _ kernel: Int, _ stride: Int, _ dilation: Int) -> [(offset: Int, kernel: Int)] {
    (0..<kernel).reversed().map { (position - $0 * dilation, $0) }.filter { $0.0.isMultiple(of: stride) }.map { ($0.0 / stride, $0.1) }
  }

  /// Cuts the lanes into groups as wide as the register tile likes them, each with the inputs that it meets.
  ///
  /// Grouped convolutions with fewer than 16 channels a group meet whole blocks, and multiply by zeros.
  func packedShape(
    _ kind: PackedShape.Kind, isTransposed: Bool, lanes: Int, rows: [Int], columns: [Int], _ kernels: KernelTable
  ) -> PackedShape {
    let inputs = isTransposed ? outputChannels : inputChannels, outputs = isTransposed ? inputChannels : outputChannels
    let perGroup = outputs / groups
    func pixels(_ blocks: Int) -> Int {
      switch kind {
      case .blocked: kernels.blockedPixels(blocks)
      case .halves: blocks <= 2 ? 16 : 0
      case .planar, .depthwise: kernels.planarPixels(blocks)
      }
    }
    // The most accumulators; of equals the fewest blocks.
    let widest = kind == .depthwise || (groups > 1 && perGroup < 32) ? 1 : (1...3).max { ($0 * pixels($0), -$0) < ($1 * pixels($1), -$1) }!
    var result: [PackedShape.Group] = [], first = 0, offset = 0
    let count = Layout.blocks(lanes)
    while first < count {
      var blocks = min(widest, count - first)
      while blocks > 1 && pixels(blocks) == 0 { blocks -= 1 }
      // 2 + 2 + 1 is better as 2 + 3.
      if widest == 2 && count - first == 3 && pixels(3) > 0 { blocks = 3 }
      var group = PackedShape.Group(firstBlock: first, blocks: blocks, firstInput: first, inputs: 1, offset: offset)
      if kind != .depthwise {
        let low = groups == 1 ? 0 : first * 16 / perGroup * (inputs / groups)
        let high = groups == 1 ? inputs : (min((first + blocks) * 16, outputs) - 1) / perGroup * (inputs / groups) + inputs / groups
        group.firstInput = kind == .planar ? low : low / 16
        group.inputs = (kind == .planar ? high : Layout.blocks(high)) - group.firstInput
      }
      let shape = PackedShape(kind: kind, isTransposed: isTransposed, groups: [group], rows: rows, columns: columns)
      offset += shape.count(of: group)
      first += blocks
      result.append(group)
    }
    return PackedShape(kind: kind, isTransposed: isTransposed, groups: result, rows: rows, columns: columns)
  }
}
