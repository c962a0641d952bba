// SPDX-License-Identifier: Apache-2.0
import LensTensors

/// How an operator looks at a picture: a value N×...×H×W of which each output pixel sees a window of input pixels.
///
/// All its inputs are seen through the same window, except those that have one number for the whole of a map.
public struct Locality: Sendable {
  /// A window along one axis: output i sees inputs i·stride - padding ..< i·stride - padding + extent.
  public struct Taps: Sendable, Hashable {
    public var extent: Int
    public var stride: Int
    public var padding: Int

    public init(extent: Int, stride: Int, padding: Int) { (self.extent, self.stride, self.padding) = (extent, stride, padding) }

    /// Each output sees the input at its own place.
    public static let own = Taps(extent: 1, stride: 1, padding: 0)

    /// The outputs, `count` in all, that see any of the inputs in `range`; where none does, one that need not change.
    /// In squares of `tile` every output sees what any of its square sees.
    func reached(from range: Range<Int>, of count: Int, tile: Int = 1) -> Range<Int> {
      if tile > 1 {
        let squares = Taps(extent: needed(for: tile), stride: stride * tile, padding: padding)
        let reached = squares.reached(from: range, of: (count + tile - 1) / tile)
        return reached.lowerBound * tile..<min(reached.upperBound * tile, count)
      }
      let lowest = range.lowerBound + padding - extent + 1
      let first = min(lowest <= 0 ? 0 : (lowest + stride - 1) / stride, count - 1)
      return first..<max(min((range.upperBound - 1 + padding) / stride + 1, count), first + 1)
    }

    /// The inputs that `count` outputs see.
    func needed(for count: Int) -> Int { (count - 1) * stride + extent }
  }

  public var vertical: Taps
  public var horizontal: Taps
  /// What the window sees outside the picture.
  public var fill: Float
  /// Outputs are computed in squares of this size, counted from the picture's corner: the bits of each depend on all
  /// that its square sees. 1 where every output is computed by itself.
  public var tile: Int
  /// Inputs may have one number for the whole of a map.
  public var broadcasts: Bool
  /// The operator for `images` crops with outputs of `height` × `width`: its inputs are what those need, with `fill`
  /// where that is outside the picture, so that it pads no more.
  public var crop: @Sendable (_ images: Int, _ height: Int, _ width: Int) -> any Operator

  public init(
    vertical: Taps, horizontal: Taps, fill: Float = 0, tile: Int = 1, broadcasts: Bool = false,
    crop: @escaping @Sendable (_ images: Int, _ height: Int, _ width: Int) -> any Operator
  ) {
    (self.vertical, self.horizontal, self.fill, self.tile) = (vertical, horizontal, fill, tile)
    (self.broadcasts, self.crop) = (broadcasts, crop)
  }

  /// For operators that see nothing but the pixel's own place, and take any size.
  public static func own(_ op: any Operator, broadcasts: Bool = false) -> Locality {
    Locality(vertical: .own, horizontal: .own, broadcasts: broadcasts) { _, _, _ in op }
  }

  /// Each output sees the input at its own place.
  var isOwn: Bool { vertical == .own && horizontal == .own }
}

// MARK: Windows

extension Convolution {
  public func locality(for shapes: [Shape]) -> Locality? {
    guard case .local(let tall, let down, let top) = window?.vertical, case .local(let wide, let across, let left) = window?.horizontal,
      padding.allSatisfy({ $0 >= 0 }), let geometry = try? geometry(for: shapes[0])
    else { return nil }
    var unpadded = self
    unpadded.padding = [0, 0, 0, 0]
    unpadded.way = geometry.tile == 1 ? .direct : .tiles
    return Locality(
      vertical: .init(extent: tall, stride: down, padding: top), horizontal: .init(extent: wide, stride: across, padding: left),
      tile: geometry.tile
    ) { [unpadded] _, _, _ in unpadded }
  }
}

extension PoolWindow {
  /// The window over height and width, and the same without padding.
  fileprivate func locality(_ shape: Shape, fill: Float, _ op: (PoolWindow) -> any Operator) -> Locality? {
    guard case .local(let tall, let down, let top) = window?.vertical, case .local(let wide, let across, let left) = window?.horizontal,
      shape.rank == 4
    else { return nil }
    let op = op(PoolWindow(kernel: kernel, strides: strides, dilations: dilations, padding: [0, 0, 0, 0], roundsUp: false))
    return Locality(
      vertical: .init(extent: tall, stride: down, padding: top), horizontal: .init(extent: wide, stride: across, padding: left),
      fill: fill
    ) { _, _, _ in op }
  }
}

extension MaxPool {
  public func locality(for shapes: [Shape]) -> Locality? { poolWindow.locality(shapes[0], fill: -.infinity) { MaxPool($0) } }
}

extension AveragePool {
  /// Only where every window divides by the same number.
  public func locality(for shapes: [Shape]) -> Locality? {
    guard let output = try? poolWindow.output(for: shapes[0]), output.rank == 4 else { return nil }
    let isUniform = (0..<2).allSatisfy { axis in
      let (before, after) = (poolWindow.padding[axis], poolWindow.padding[axis + 2])
      let extent = (poolWindow.kernel[axis] - 1) * poolWindow.dilations[axis] + 1
      let end = (output[axis + 2] - 1) * poolWindow.strides[axis] - before + extent
      return countsPadding ? end <= shapes[0][axis + 2] + after : before == 0 && end <= shapes[0][axis + 2]
    }
    return isUniform ? poolWindow.locality(shapes[0], fill: 0) { AveragePool($0) } : nil
  }
}

extension LpPool {
  public func locality(for shapes: [Shape]) -> Locality? { poolWindow.locality(shapes[0], fill: 0) { LpPool($0, p: p) } }
}

extension Pad {
  /// Padding with a number is a window of one pixel that looks beyond the border.
  public func locality(for shapes: [Shape]) -> Locality? {
    let last = shapes[0].rank - 1
    guard case .constant(let fill) = mode, last >= 2, before.count == last + 1, after.count == last + 1,
      (0..<last - 1).allSatisfy({ before[$0] == 0 && after[$0] == 0 })
    else { return nil }
    return Locality(
      vertical: .init(extent: 1, stride: 1, padding: before[last - 1]), horizontal: .init(extent: 1, stride: 1, padding: before[last]),
      fill: fill
    ) { _, _, _ in Identity() }
  }
}

// MARK: Each pixel by itself

extension Identity { public func locality(for shapes: [Shape]) -> Locality? { .own(self) } }
extension ReLU { public func locality(for shapes: [Shape]) -> Locality? { .own(self) } }
extension Pointwise { public func locality(for shapes: [Shape]) -> Locality? { .own(self) } }
extension ScaleShift { public func locality(for shapes: [Shape]) -> Locality? { shapes[0].rank == 4 ? .own(self) : nil } }
extension PReLU { public func locality(for shapes: [Shape]) -> Locality? { .own(self, broadcasts: true) } }
extension LocalResponse { public func locality(for shapes: [Shape]) -> Locality? { shapes[0].rank == 4 ? .own(self) : nil } }
extension Binary { public func locality(for shapes: [Shape]) -> Locality? { .own(self, broadcasts: true) } }
extension Variadic { public func locality(for shapes: [Shape]) -> Locality? { .own(self, broadcasts: true) } }
extension Where { public func locality(for shapes: [Shape]) -> Locality? { .own(self, broadcasts: true) } }

extension Concat {
  public func locality(for shapes: [Shape]) -> Locality? { 1..<max(1, shapes[0].rank - 2) ~= axis ? .own(self) : nil }
}

extension Slice {
  public func locality(for shapes: [Shape]) -> Locality? {
    let shape = shapes[0], last = shape.rank - 1
    guard last >= 2, starts.count == last + 1, steps.count == last + 1, counts.count == last + 1,
      [0, last - 1, last].allSatisfy({ starts[$0] == 0 && steps[$0] == 1 && counts[$0] == shape[$0] })
    else { return nil }
    return Locality(vertical: .own, horizontal: .own) { [starts, steps, counts, kind] images, height, width in
      Slice(starts: starts, steps: steps, counts: [images] + counts[1..<last - 1] + [height, width], kind: kind)
    }
  }
}

extension Gather {
  public func locality(for shapes: [Shape]) -> Locality? {
    1..<max(1, shapes[0].rank - 2) ~= axis && indexShape.rank >= 1 ? .own(self) : nil
  }
}

extension Reshape {
  /// Channels in another order of axes, as in a channel shuffle.
  public func locality(for shapes: [Shape]) -> Locality? {
    let from = shapes[0].dimensions, to = shape.dimensions
    guard from.count >= 3, to.count >= 3, from[0] == to[0], from.suffix(2) == to.suffix(2) else { return nil }
    return Locality(vertical: .own, horizontal: .own) { [kind] images, height, width in
      Reshape(to: Shape([images] + to[1..<to.count - 2] + [height, width]), kind: kind)
    }
  }
}

extension Transpose {
  public func locality(for shapes: [Shape]) -> Locality? {
    let last = permutation.count - 1
    return last >= 2 && permutation[0] == 0 && permutation[last - 1] == last - 1 && permutation[last] == last ? .own(self) : nil
  }
}
