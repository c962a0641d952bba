// SPDX-License-Identifier: Apache-2.0
import LensKernelTable
import LensTensors

/// The one computation that forward passes and input gradients of every convolution come down to:
///
///     out[y, x][lane] = Σ over inputs, row taps t, column taps u:
///                       in[input][y·step.h + rows[t], x·step.w + columns[u]] · w[lane][input][t, u]
///
/// over a grid of y, x, where the input outside its bounds is 0. A lane is an output channel.
///
/// Tables are made here, once; running allocates nothing.
struct CorrelationPlan: ConvolutionPlan {
  struct Spec {
    var kind: PackedShape.Kind
    var n: Int
    /// Planes of the input: channels if planar, else blocks of 16.
    var inputs, inputH, inputW: Int
    var step: ConvolutionGeometry.Extent
    var rows, columns: [Int]
    var gridH, gridW: Int
    /// Nil: grid points are neighbours in the output, whole blocks of 16 lanes.
    var scatter: Scatter?
    /// Not nil: the output is plain, lanes are the pixels and channels of patches of it.
    var patches: Patches?
    var pack: PackedShape
    /// The forward pass's, if the weights of `pack` are not kept but made of it, a pass at a time.
    var forwardPack: PackedShape?
    var kernels: KernelTable

    /// No tap, no product: zeros.
    var isEmpty: Bool { rows.isEmpty || columns.isEmpty }
    /// The grid is the input's own and has one tap.
    var isPointwise: Bool {
      kind == .blocked && rows == [0] && columns == [0] && step == .init(1) && gridH == inputH && gridW == inputW
    }
    /// Neighbours in the grid are neighbours in the input, and all taps lie inside it.
    var isInside: Bool {
      guard kind == .blocked, !isEmpty, step == .init(1) else { return false }
      return min(rows.min()!, columns.min()!) >= 0 && rows.max()! + gridH <= inputH && columns.max()! + gridW <= inputW
    }
  }

  /// Grid point (y, x) is the pixel (y·step.h + first.h, x·step.w + first.w) of an output of h × w.
  struct Scatter: Sendable {
    var first, step: ConvolutionGeometry.Extent
    var h, w: Int
  }

  let spec: Spec
  /// Contiguous groups of lanes that one job works through, of about as many weights as a cache holds.
  let chunks: [Range<Int>]
  /// The inputs that each chunk meets.
  let chunkInputs: [Range<Int>]
  /// Bands of grid rows, `bandRows` each but for the last.
  let bands, bandRows: Int
  /// Jobs go band after band where weights are few: a thread then reads the rows that it wrote of the layer before. Else chunk after
  /// chunk, with weights that stay near.
  var goesByBands: Bool { spec.pack.count <= CorrelationPlan.nearWeights }
  /// The grid as this plan walks over it: where it is the output's own as well, all points are rows of one.
  let gridH, gridW: Int
  let isOneColumn: Bool
  /// Nothing is copied.
  let readsInPlace: Bool
  /// Grid points are `step` pixels apart in the output, and are written there.
  let isStrided: Bool
  /// A band is computed in scratch, from where its points are scattered.
  var isStaged: Bool { spec.scatter != nil && !isStrided }
  let window: Window
  /// Offsets of all taps of all inputs that a group of lanes meets; from `weightOffsets` on those of a depthwise tile's weights.
  let offsets: [Int]
  let weightOffsets: Int
  /// Inputs whose products make one pass over a band, so that their weights stay in the nearest cache.
  let inputsPerPass: Int
  /// Floats of scratch for one job: the copied input, a band's output, and what has been made of the forward pass's weights.
  let windowCount, stagedCount, turnedCount: Int
  var slotCount: Int { windowCount + stagedCount + turnedCount }
  let slots: Int

  var scratchCount: Int { slots * slotCount }
  var isEmpty: Bool { spec.isEmpty }
  var packing: any Packing { spec.forwardPack ?? spec.pack }
  /// Floats from one input plane to the next, and from a grid row's first point to the next one's, where the tiles read.
  let inputStep, inputPitch: Int

  init(_ spec: Spec) {
    // Narrow grids are better off with copies in which all rows of a band are one run of tiles.
    let isOneColumn = spec.isPointwise && spec.scatter == nil, readsInPlace = spec.isPointwise || spec.isInside && spec.gridW >= 6
    let gridH = isOneColumn ? spec.gridH * spec.gridW : spec.gridH, gridW = isOneColumn ? 1 : spec.gridW
    (self.spec, self.gridH, self.gridW) = (spec, gridH, gridW)
    (self.isOneColumn, self.readsInPlace) = (isOneColumn, readsInPlace)
    // Narrow grids are better off with all rows of a band as one run of tiles.
    isStrided = spec.scatter != nil && gridW >= 12
    let groups = spec.pack.groups, taps = spec.rows.count * spec.columns.count, unit = spec.kind == .planar ? 1 : 16
    let largest = groups.map(\.blocks).max() ?? 1

    let pitchInPlace = isOneColumn ? 16 : readsInPlace ? spec.inputW * 16 : nil
    let (chunkCount, bandCount) = CorrelationPlan.cut(spec, gridH, gridW, pitchInPlace)
    bandRows = max(1, (gridH + bandCount - 1) / bandCount)
    bands = (gridH + bandRows - 1) / bandRows
    chunks = CorrelationPlan.split(groups.count, chunkCount)
    chunkInputs = chunks.map { CorrelationPlan.inputs(of: groups[$0]) }

    let window = Window(spec, bandRows: bandRows)
    self.window = window
    windowCount = readsInPlace ? 0 : (chunkInputs.map(\.count).max() ?? 0) * window.planeCount * unit
    stagedCount = spec.scatter == nil || isStrided ? 0 : largest * 16 * bandRows * gridW
    slots = max(1, min(Threads.count, chunks.count * bands * spec.n))

    let inputStep = readsInPlace ? spec.inputH * spec.inputW * 16 : window.planeCount * unit
    (self.inputStep, inputPitch) = (inputStep, pitchInPlace ?? window.pitch * unit)
    let places = readsInPlace ? spec.rows.flatMap { row in spec.columns.map { row * spec.inputW + $0 } } : window.offsets
    let inputOffsets = (0..<(spec.kind == .depthwise ? 1 : groups.map(\.inputs).max() ?? 0)).flatMap { input in
      places.map { input * inputStep + $0 * unit }
    }
    weightOffsets = inputOffsets.count
    offsets = inputOffsets + (spec.kind == .depthwise ? (0..<taps).map { $0 * 16 } : [])
    // 20 KB of weights, in passes as even as can be.
    let inputs = max(1, groups.map(\.inputs).max() ?? 1), most = spec.kind == .blocked ? max(1, 20 / max(1, taps * largest)) : inputs
    inputsPerPass = (inputs + (inputs + most - 1) / most - 1) / ((inputs + most - 1) / most)
    turnedCount = spec.forwardPack == nil ? 0 : inputsPerPass * taps * 256 * largest
  }

  /// Points of a band for which it is worth while to turn the weights of the forward pass, which takes as long as the products of
  /// some ten points. It saves the memory of weights that only the way back reads.
  static let turnedPoints = 192
  /// Floats of weights that stay in the second cache.
  private static let nearWeights = 64 << 10

  /// Into how many chunks of lanes and bands of rows the work is cut. The results do not depend on it.
  private static func cut(_ spec: Spec, _ gridH: Int, _ gridW: Int, _ pitchInPlace: Int?) -> (chunks: Int, bands: Int) {
    // What a job keeps in the second cache beside weights: some rows of the input. Depthwise: in the first.
    let inputCount = spec.kind == .depthwise ? 6 << 10 : 120 << 10
    let groups = spec.pack.groups, unit = spec.kind == .planar ? 1 : 16
    var chunks = spec.kind == .depthwise ? groups.count : min(groups.count, max(1, (spec.pack.count + nearWeights - 1) / nearWeights))
    var bands = 1
    func rows() -> Int { (gridH + bands - 1) / bands }
    func floats() -> Int {
      let inputs = split(groups.count, chunks).map { CorrelationPlan.inputs(of: groups[$0]).count }.max() ?? 1
      return inputs * (pitchInPlace.map { rows() * $0 } ?? Window(spec, bandRows: rows()).planeCount * unit)
    }
    while bands < gridH && floats() > inputCount { bands = min(gridH, bands + max(1, bands / 4)) }
    // Enough jobs for all threads, if there is work enough.
    let products =
      groups.reduce(0) { $0 + $1.inputs * $1.blocks } * spec.rows.count * spec.columns.count * (spec.kind == .blocked ? 256 : 16)
    let target = min(max(16, 4 * Threads.count), products * gridH * gridW * spec.n / (1 << 18))
    // Every band turns the weights anew.
    if spec.forwardPack != nil { chunks = max(chunks, min(groups.count, target / (bands * spec.n))) }
    while chunks * bands * spec.n < target {
      if rows() > 1 && rows() * gridW >= (spec.forwardPack == nil ? 96 : 2 * CorrelationPlan.turnedPoints) {
        bands = min(bands * 2, gridH)
      } else if chunks < groups.count {
        chunks = min(chunks * 2, groups.count)
      } else {
        break
      }
    }
    return (chunks, bands)
  }

  static func split(_ count: Int, _ parts: Int) -> [Range<Int>] {
    (0..<max(parts, 1)).map { (count * $0 / max(parts, 1))..<(count * ($0 + 1) / max(parts, 1)) }.filter { !$0.isEmpty }
  }

  /// All inputs that some of the groups meet.
  static func inputs(of groups: ArraySlice<PackedShape.Group>) -> Range<Int> {
    let first = groups.map(\.firstInput).min() ?? 0
    return first..<max(first, groups.map { $0.firstInput + $0.inputs }.max() ?? 0)
  }
}

/// How a band of the input lies in scratch: every column tap finds its neighbours `unit` floats apart, whatever the
/// stride, and zeros where the input ends.
///
///     plane p:  row slot 0   | 0 x0 x1 x2 ... 0 |   `pitch` columns, each input column p.first + step·i
///               row slot 1   | 0 x0 x1 x2 ... 0 |
///
/// Narrow grids get one plane for each column tap, with a pitch of the grid's width: then all the rows of a band are
/// one run of pixels, and tiles need not end where rows do.
struct Window: Sendable {
  /// For each plane the input column of its first pixel, and the pixels that lie inside the input.
  let firstColumns: [Int]
  let inside: [Range<Int>]
  /// For each slot the input row, relative to the first grid row times the step.
  let slotRows: [Int]
  let pitch: Int
  /// [row tap][column tap], in units.
  let offsets: [Int]

  /// Units (floats or vectors of 16) for one plane of the input.
  var planeCount: Int { firstColumns.count * slotRows.count * pitch }

  init(_ spec: CorrelationPlan.Spec, bandRows: Int) {
    let (slotRows, bases) = Window.slots(spec.rows, spec.step.h, bandRows)
    let columns = spec.columns, step = spec.step.w
    // Taps that differ by a multiple of the step share a plane.
    let least = columns.min() ?? 0
    var shared: [Int: Int] = [:]
    for column in columns { shared[(column - least) % step] = min(shared[(column - least) % step] ?? .max, column) }
    let firsts = shared.values.sorted()
    let sharedPitch = spec.gridW + (columns.map { ($0 - shared[($0 - least) % step]!) / step }.max() ?? 0)
    let expands =
      sharedPitch > spec.gridW
      && (([.blocked, .halves].contains(spec.kind) && spec.gridW < 12 && columns.count <= 3)
        || firsts.count * sharedPitch >= columns.count * spec.gridW)
    let pitch = expands ? spec.gridW : sharedPitch
    let firstColumns = expands ? columns : firsts
    let places = columns.enumerated().map { index, column in
      expands
        ? (plane: index, shift: 0)
        : (plane: firsts.firstIndex(of: shared[(column - least) % step]!)!, shift: (column - shared[(column - least) % step]!) / step)
    }
    (self.slotRows, self.pitch, self.firstColumns) = (slotRows, pitch, firstColumns)
    inside = firstColumns.map { first in
      let low = min(pitch, max(0, (step - 1 - first) / step))
      let high = first >= spec.inputW ? 0 : min(pitch, (spec.inputW - 1 - first) / step + 1)
      return low..<max(low, high)
    }
    offsets = bases.flatMap { base in places.map { ($0.plane * slotRows.count + base) * pitch + $0.shift } }
  }

  /// Row taps less than a band apart share slots.
  static func slots(_ rows: [Int], _ step: Int, _ bandRows: Int) -> ([Int], [Int]) {
    var slotRows: [Int] = [], bases = [Int](repeating: 0, count: rows.count)
    let least = rows.min() ?? 0
    let order = rows.indices.sorted { ((rows[$0] - least) % step, rows[$0]) < ((rows[$1] - least) % step, rows[$1]) }
    var previous: Int?
    for tap in order {
      if let p = previous, (rows[tap] - rows[p]) % step == 0, (rows[tap] - rows[p]) / step < bandRows {
        bases[tap] = bases[p] + (rows[tap] - rows[p]) / step
      } else {
        bases[tap] = slotRows.count
      }
      while slotRows.count < bases[tap] + bandRows { slotRows.append(rows[tap] + (slotRows.count - bases[tap]) * step) }
      previous = tap
    }
    return (slotRows, bases)
  }
}
