// SPDX-License-Identifier: Apache-2.0
import LensKernels
import LensTensors

/// The window of a pooling operator, over one to three axes.
public struct PoolWindow: Sendable, Equatable {
  public let kernel: [Int]
  public let strides: [Int]
  public let dilations: [Int]
  /// Before each axis, then after each axis.
  public let padding: [Int]
  /// A last window that the input fills only in part counts too, as long as it starts inside the input or
  /// the padding before it ("ceil_mode").
  public let roundsUp: Bool

  public init(kernel: [Int], strides: [Int], dilations: [Int], padding: [Int], roundsUp: Bool) {
    self.kernel = kernel
    self.strides = strides
    self.dilations = dilations
    self.padding = padding
    self.roundsUp = roundsUp
  }

  /// A square window over height and width.
  public init(_ kernel: Int, stride: Int? = nil, padding: Int = 0, roundsUp: Bool = false) {
    self.init(
      kernel: [kernel, kernel], strides: [stride ?? kernel, stride ?? kernel], dilations: [1, 1],
      padding: [padding, padding, padding, padding], roundsUp: roundsUp)
  }

  /// How far the last two axes look.
  var window: Window? {
    guard kernel.count == 2, strides.count == 2, dilations.count == 2, padding.count == 4 else { return nil }
    return Window(vertical: reach(0), horizontal: reach(1))
  }

  private func reach(_ axis: Int) -> Window.Reach {
    .local(extent: (kernel[axis] - 1) * dilations[axis] + 1, stride: strides[axis], padding: padding[axis])
  }

  var description: String {
    let sizes = kernel.map(String.init).joined(separator: "×")
    return "a \(sizes) window, strides \(strides), dilations \(dilations), padding \(padding)"
  }

  func output(for shape: Shape) throws -> Shape {
    let axes = kernel.count, limit = 1 << 20
    guard 1...3 ~= axes, shape.rank == axes + 2, strides.count == axes, dilations.count == axes, padding.count == 2 * axes,
      (kernel + strides + dilations).allSatisfy({ 1..<limit ~= $0 }), padding.allSatisfy({ 0..<limit ~= $0 })
    else { throw LensError(.shapeMismatch, "\(description) over a value of shape \(shape)") }

    let lengths = try (0..<axes).map { axis in
      let length = shape[axis + 2], before = padding[axis], step = strides[axis]
      let room = length + before + padding[axes + axis] - ((kernel[axis] - 1) * dilations[axis] + 1) + (roundsUp ? step - 1 : 0)
      var count = room < 0 ? 0 : room / step + 1
      if roundsUp, (count - 1) * step >= length + before { count -= 1 }
      guard count > 0 else { throw LensError(.shapeMismatch, "\(description) is larger than the \(shape) it slides over") }
      return count
    }
    return try Shape(checking: [shape.n, shape.c] + lengths)
  }
}

/// A window's way over given sizes, as tables. Missing axes come first, with length 1.
struct Sweep: Sendable {
  /// The taps of one output index that meet the input: `count` of them, from number `tap` on, the first at index `start`.
  struct Reach {
    var start: Int
    var tap: Int
    var count: Int
  }

  /// An output index that sees an input index, and through which tap.
  struct Use {
    var output: Int
    var tap: Int
  }

  struct Axis: @unchecked Sendable {
    let inputLength: Int
    let outputLength: Int
    let kernel: Int
    let dilation: Int
    let reaches: UnsafePointer<Reach>
    /// The uses of input index i: uses[useStarts[i] ..< useStarts[i + 1]].
    let useStarts: UnsafePointer<Int>
    let uses: UnsafePointer<Use>
    /// Taps of each output index on the input, or on the input and its padding.
    let counts: UnsafePointer<Float>
    fileprivate let owned: [AnyObject]

    init(length: Int, outputLength: Int, kernel: Int, stride: Int, dilation: Int, before: Int, after: Int, countsPadding: Bool) {
      (inputLength, self.outputLength, self.kernel, self.dilation) = (length, outputLength, kernel, dilation)
      var reaches: [Reach] = [], counts: [Float] = [], uses: [(Int, Use)] = []
      for output in 0..<outputLength {
        let origin = output * stride - before
        let first = origin < 0 ? (-origin + dilation - 1) / dilation : 0
        let end = origin < length ? min(kernel, (length - 1 - origin) / dilation + 1) : 0
        let count = max(0, end - first)
        reaches.append(Reach(start: count > 0 ? origin + first * dilation : 0, tap: count > 0 ? first : 0, count: count))
        let counted = min(kernel, max(0, (length + after - 1 - origin) / dilation + 1))
        counts.append(Float(countsPadding ? counted : max(count, 1)))
        for tap in first..<max(first, end) { uses.append((origin + tap * dilation, Use(output: output, tap: tap))) }
      }
      let lists = Lists(count: length, uses)
      let tables = (Table(reaches), Table(lists.starts), Table(lists.entries), Table(counts))
      (self.reaches, useStarts, self.uses, self.counts) = (tables.0.base, tables.1.base, tables.2.base, tables.3.base)
      owned = [tables.0, tables.1, tables.2, tables.3]
    }
  }

  let planeCount: Int
  let d: Axis
  let h: Axis
  let w: Axis

  init(_ window: PoolWindow, from input: Shape, to output: Shape, in layout: Layout, countsPadding: Bool = false) {
    planeCount = layout.planeCount(of: input)
    let missing = 3 - window.kernel.count
    func axis(_ index: Int) -> Axis {
      let i = index - missing
      if i < 0 {
        return Axis(length: 1, outputLength: 1, kernel: 1, stride: 1, dilation: 1, before: 0, after: 0, countsPadding: false)
      }
      return Axis(
        length: input[i + 2], outputLength: output[i + 2], kernel: window.kernel[i], stride: window.strides[i],
        dilation: window.dilations[i], before: window.padding[i], after: window.padding[window.kernel.count + i],
        countsPadding: countsPadding)
    }
    (d, h, w) = (axis(0), axis(1), axis(2))
  }

  var tapCount: Int { d.kernel * h.kernel * w.kernel }
  var inputPlane: Int { d.inputLength * h.inputLength * w.inputLength }
  var outputPlane: Int { d.outputLength * h.outputLength * w.outputLength }
  /// Some window has no tap on the input at all.
  var hasEmptyWindows: Bool {
    [d, h, w].contains { axis in (0..<axis.outputLength).contains { axis.reaches[$0].count == 0 } }
  }

  /// body(plane, output index along d, along h) for all output rows, shared out to the threads.
  @inline(__always)
  func forEachOutputRow(_ body: (Int, Int, Int) -> Void) {
    let rows = d.outputLength * h.outputLength, grain = max(1, 4096 / max(w.outputLength * tapCount, 1))
    parallel(planeCount * rows, grain: grain) {
      for row in $0 { body(row / rows, row % rows / h.outputLength, row % h.outputLength) }
    }
  }

  /// body(plane, input index along d, along h) for all input rows: each gradient row is the sum over the output
  /// rows that look at it, so that no two jobs write the same float.
  @inline(__always)
  func forEachInputRow(_ body: (Int, Int, Int) -> Void) {
    let rows = d.inputLength * h.inputLength, grain = max(1, 4096 / max(w.inputLength * w.kernel, 1))
    parallel(planeCount * rows, grain: grain) {
      for row in $0 { body(row / rows, row % rows / h.inputLength, row % h.inputLength) }
    }
  }

  /// body(output row, its number in the plane, number of its first tap) for the output rows that see an input row.
  @inline(__always)
  func forEachUse(_ id: Int, _ ih: Int, _ body: (_ od: Int, _ oh: Int, _ firstTap: Int) -> Void) {
    for i in d.useStarts[id]..<d.useStarts[id + 1] {
      for j in h.useStarts[ih]..<h.useStarts[ih + 1] {
        let a = d.uses[i], b = h.uses[j]
        body(a.output, b.output, (a.tap * h.kernel + b.tap) * w.kernel)
      }
    }
  }
}
