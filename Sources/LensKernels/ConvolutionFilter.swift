// SPDX-License-Identifier: Apache-2.0
import Glibc
import LensKernelTable
public import LensTensors
import Synchronization

/// The weights and biases of one convolution, with the packed forms that kernels have asked for.
///
/// Shared by all kernels of the convolution, whatever the size of their inputs.
public final class ConvolutionFilter: Sendable {
  /// O × C/groups × kh × kw
  public let weights: Tensor
  /// O floats, or nil for zeros
  public let bias: [Float]?
  public let groups: Int
  /// What each output channel's weights are multiplied with as they are packed; nil for 1.
  let scale: [Float]?

  private let packs = Mutex<[AnyHashable: FloatStorage]>([:])
  private let followers = Mutex<[ConvolutionFilter]>([])

  public convenience init(weights: Tensor, bias: [Float]? = nil, groups: Int = 1) {
    self.init(weights: weights, bias: bias, groups: groups, scale: nil)
  }

  private init(weights: Tensor, bias: [Float]?, groups: Int, scale: [Float]?) {
    precondition(weights.shape.rank == 4 && (bias == nil || bias!.count == weights.shape[0]))
    (self.weights, self.bias, self.groups, self.scale) = (weights, bias, groups, scale)
  }

  /// The filter whose convolution is scale · (this convolution) + shift, an output channel at a time: how a batch
  /// normalisation behind it disappears. Made once; the weights themselves are shared.
  public func followed(byScale factor: [Float], shift: [Float]) -> ConvolutionFilter {
    precondition(factor.count == weights.shape[0] && shift.count == factor.count)
    let scale = scale.map { zip($0, factor).map(*) } ?? factor
    let bias = bias.map { zip(zip($0, factor).map(*), shift).map(+) } ?? shift
    return followers.withLock { followers in
      if let known = followers.first(where: { $0.scale == scale && $0.bias == bias }) { return known }
      followers.append(ConvolutionFilter(weights: weights, bias: bias, groups: groups, scale: scale))
      return followers[followers.count - 1]
    }
  }

  /// The floats that packed copies take at present.
  public var packedCount: Int { packs.withLock { $0.values.reduce(0) { $0 + $1.count } } }

  /// Throws `.outOfMemory`.
  func packed(_ packing: any Packing) throws -> FloatStorage {
    try packs.withLock { packs in
      let key = AnyHashable(packing)
      if let pack = packs[key] { return pack }
      let pack = try FloatStorage(count: packing.count, uninitialized: true)
      weights.withPointer { packing.pack($0, weights.shape, groups, scale, into: pack.base) }
      packs[key] = pack
      return pack
    }
  }

  /// The bias, padded with zeros to whole blocks.
  func paddedBias() throws -> FloatStorage {
    let outputs = weights.shape[0]
    let result = try FloatStorage(count: Layout.blocks(outputs) * 16)
    if let bias { result.base.update(from: bias, count: outputs) }
    return result
  }
}

/// An order of weights; equal packings of one filter have equal contents.
protocol Packing: Hashable, Sendable {
  /// Floats of the packed weights.
  var count: Int { get }
  /// - weights: O × C/groups × kh × kw
  /// - scale: of each output channel, or nil for 1
  func pack(_ weights: Floats, _ shape: Shape, _ groupCount: Int, _ scale: [Float]?, into packed: MutableFloats)
}

/// Which weight goes where for a `CorrelationPlan`.
///
/// Lanes are the channels of the output. A weight is [group of lanes][input block][tap][16][lanes],
/// planar [group][input channel][tap][lanes], depthwise [block][tap][16]; as halves
/// [group][two input blocks][tap][high, low][block of lanes][16 pairs of inputs][16 lanes × pair].
struct PackedShape: Packing {
  enum Kind: Hashable, Sendable { case blocked, planar, depthwise, halves }
  struct Group: Hashable, Sendable {
    var firstBlock, blocks: Int
    /// Input channels (planar) or blocks of them that meet these lanes.
    var firstInput, inputs: Int
    /// Floats from the beginning.
    var offset: Int
    /// The blocks of inputs two by two: 0 and 1, 2 and 3, ...
    var pairs: Range<Int> { firstInput / 2..<(firstInput + inputs + 1) / 2 }
  }
  var kind: Kind
  /// Input and output of the filter change places.
  var isTransposed: Bool
  var groups: [Group]
  /// The kernel's row and column of each tap.
  var rows, columns: [Int]

  var taps: Int { rows.count * columns.count }
  func count(of group: Group) -> Int {
    switch kind {
    case .blocked: group.inputs * taps * 256 * group.blocks
    case .planar: group.inputs * taps * 16 * group.blocks
    case .depthwise: taps * 16
    case .halves: group.pairs.count * taps * 512 * group.blocks
    }
  }
  var count: Int { groups.last.map { $0.offset + count(of: $0) } ?? 0 }
  /// Blocks of lanes.
  var blocks: Int { groups.reduce(0) { $0 + $1.blocks } }

  /// Blocked weights with the taps of each input together: planar, in blocks of 16 inputs.
  var byInput: PackedShape {
    var result = self
    result.kind = .planar
    for i in groups.indices { (result.groups[i].firstInput, result.groups[i].inputs) = (16 * groups[i].firstInput, 16 * groups[i].inputs) }
    return result
  }

  /// Where the weights between 16 inputs and 16 outputs of a filter lie, a row of outputs for each input.
  struct Squares {
    /// Of the first tap.
    var place: Int
    var tapStep, rowStep: Int
  }

  /// Of weights that are not transposed, by input or not.
  func squares(input: Int, output: Int) -> Squares {
    // All groups but the last have as many blocks as the first.
    let group = groups[min(output / groups[0].blocks, groups.count - 1)], width = 16 * group.blocks
    let place = group.offset + input * 16 * taps * width + (output - group.firstBlock) * 16
    return kind == .planar
      ? Squares(place: place, tapStep: width, rowStep: taps * width) : Squares(place: place, tapStep: 16 * width, rowStep: width)
  }

  func pack(_ weights: Floats, _ shape: Shape, _ groupCount: Int, _ scale: [Float]?, into packed: MutableFloats) {
    let source = SourceWeights(weights, shape, groupCount, scale, isTransposed: isTransposed)
    nonisolated(unsafe) let packed = packed
    parallel(groups.count) { range in
      for group in groups[range] {
        if kind == .halves { packHalves(group, source, packed + group.offset) } else { packFloats(group, source, packed + group.offset) }
      }
    }
  }

  private func packFloats(_ group: Group, _ source: SourceWeights, _ packed: MutableFloats) {
    let depth = kind == .blocked ? 16 : 1, lanes = group.firstBlock * 16..<(group.firstBlock + group.blocks) * 16
    var p = packed
    for input in group.firstInput..<(group.firstInput + group.inputs) {
      for row in rows {
        for column in columns {
          for k in 0..<depth {
            source.write(kind == .depthwise ? nil : input * depth + k, row, column, lanes, to: p)
            p += lanes.count
          }
        }
      }
    }
  }

  private func packHalves(_ group: Group, _ source: SourceWeights, _ packed: MutableFloats) {
    let lanes = group.firstBlock * 16..<(group.firstBlock + group.blocks) * 16
    withUnsafeTemporaryAllocation(of: Float.self, capacity: 32 * lanes.count) { buffer in
      let floats = buffer.baseAddress!
      var p = packed
      for pair in group.pairs {
        for row in rows {
          for column in columns {
            for k in 0..<32 { source.write(pair * 32 + k, row, column, lanes, to: floats + k * lanes.count) }
            for block in 0..<group.blocks {
              Halves.split(floats + block * 16, lanes.count, high: p + block * 256, low: p + (group.blocks + block) * 256)
            }
            p += 512 * group.blocks
          }
        }
      }
    }
  }
}

/// The weights of a filter by the channels that they connect, whichever way.
private struct SourceWeights: @unchecked Sendable {
  /// What one output or input channel contributes to the place of a weight, and to its value.
  private struct Channel {
    var place, group: Int
    var factor: Float
  }
  private let weights: Floats
  private let kernelWidth: Int
  private let lanes, inputs: [Channel]
  /// Of depthwise weights, which have one input of their own each.
  private let own: [Channel]

  init(_ weights: Floats, _ shape: Shape, _ groupCount: Int, _ scale: [Float]?, isTransposed: Bool) {
    let perGroup = shape[1], area = shape[2] * shape[3], outputsPerGroup = shape[0] / groupCount
    let own = (0..<shape[0]).map { Channel(place: $0 * perGroup * area, group: $0 / outputsPerGroup, factor: scale?[$0] ?? 1) }
    let inputs = (0..<(perGroup * groupCount)).map { Channel(place: $0 % perGroup * area, group: $0 / perGroup, factor: 1) }
    (self.weights, kernelWidth, self.own) = (weights, shape[3], own)
    (self.lanes, self.inputs) = isTransposed ? (inputs, own) : (own, inputs)
  }

  /// What some lanes have of one tap of one input, 0 where they have none; without an input what they have of their own.
  func write(_ input: Int?, _ row: Int, _ column: Int, _ lanes: Range<Int>, to p: MutableFloats) {
    let tap = row * kernelWidth + column
    guard let input else {
      for (i, lane) in lanes.enumerated() { p[i] = lane < own.count ? weights[own[lane].place + tap] * own[lane].factor : 0 }
      return
    }
    guard input < inputs.count else { return p.update(repeating: 0, count: lanes.count) }
    let source = inputs[input]
    for (i, lane) in lanes.enumerated() {
      var value: Float = 0
      if lane < self.lanes.count, self.lanes[lane].group == source.group {
        value = weights[self.lanes[lane].place + source.place + tap] * (self.lanes[lane].factor * source.factor)
      }
      p[i] = value
    }
  }
}
