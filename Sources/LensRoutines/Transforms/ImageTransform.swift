// SPDX-License-Identifier: Apache-2.0
import LensEngine
import LensTensors

/// What may happen to a picture before a network sees it: drawn anew for each step, so that what the network finds does
/// not hang on single pixels. Olah, Mordvintsev & Schubert, "Feature Visualization", 2017. doi:10.23915/distill.00007
public protocol ImageTransform: Sendable {
  /// What it does to pictures of `shape`, N×C×H×W, this time; the same to all of them.
  func sample(for shape: Shape, using random: inout Random) throws -> any ImageMap
}

/// A linear map of pictures, plus a constant: y = A x + b, plane by plane.
public protocol ImageMap: Sendable {
  var output: Shape { get }
  /// Floats of memory that `apply` and `adjoint` need.
  var scratchCount: Int { get }
  /// Writes y.
  func apply(_ x: UnsafePointer<Float>, to y: UnsafeMutablePointer<Float>, scratch: UnsafeMutablePointer<Float>)
  /// Writes A^T gradient.
  func adjoint(_ gradient: UnsafePointer<Float>, to result: UnsafeMutablePointer<Float>, scratch: UnsafeMutablePointer<Float>)
}

extension ImageMap {
  public var scratchCount: Int { 0 }
}

/// Maps one after the other.
struct Composition: ImageMap {
  let maps: [any ImageMap]
  let output: Shape

  init(_ maps: [any ImageMap], of shape: Shape) { (self.maps, output) = (maps, maps.last?.output ?? shape) }

  /// Each transform drawn in turn, for the shape that the one before leaves.
  static func sample(_ transforms: [any ImageTransform], for shape: Shape, using random: inout Random) throws -> Composition {
    var maps: [any ImageMap] = [], current = shape
    for transform in transforms {
      let map = try transform.sample(for: current, using: &random)
      current = map.output
      maps.append(map)
    }
    return Composition(maps, of: shape)
  }

  private var betweenCount: Int { maps.dropLast().map(\.output.count).max() ?? 0 }
  var scratchCount: Int { 2 * betweenCount + (maps.map(\.scratchCount).max() ?? 0) }

  func apply(_ x: UnsafePointer<Float>, to y: UnsafeMutablePointer<Float>, scratch: UnsafeMutablePointer<Float>) {
    let between = betweenCount
    var source = x
    for (i, map) in maps.enumerated() {
      let target = i == maps.count - 1 ? y : scratch + i % 2 * between
      map.apply(source, to: target, scratch: scratch + 2 * between)
      source = UnsafePointer(target)
    }
    if maps.isEmpty { y.update(from: x, count: output.count) }
  }

  func adjoint(_ gradient: UnsafePointer<Float>, to result: UnsafeMutablePointer<Float>, scratch: UnsafeMutablePointer<Float>) {
    let between = betweenCount
    var source = gradient
    for (i, map) in maps.enumerated().reversed() {
      let target = i == 0 ? result : scratch + i % 2 * between
      map.adjoint(source, to: target, scratch: scratch + 2 * between)
      source = UnsafePointer(target)
    }
    if maps.isEmpty { result.update(from: gradient, count: output.count) }
  }
}

/// Transforms in an order that is drawn each time.
public struct RandomOrder: ImageTransform {
  public let transforms: [any ImageTransform]
  public init(_ transforms: [any ImageTransform]) { self.transforms = transforms }

  public func sample(for shape: Shape, using random: inout Random) throws -> any ImageMap {
    try Composition.sample(transforms.shuffled(using: &random), for: shape, using: &random)
  }
}

/// Lucid's robust set: padded with grey, moved by up to 8 pixels, scaled by 0.9 to 1.1, turned by up to 10 degrees, moved
/// by up to 4, and cut to the size it had.
public func standardTransforms(for shape: Shape) -> [any ImageTransform] {
  [
    Padding(12, border: .value(0.5)), Jitter(8), RandomScale(0.9...1.1), RandomRotation(-10...10), Jitter(4),
    Crop(height: shape.h, width: shape.w),
  ]
}

extension Random {
  /// One of `range`, each as likely.
  mutating func whole(in range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &self) }

  mutating func number(in range: ClosedRange<Double>) -> Double {
    range.lowerBound + (range.upperBound - range.lowerBound) * Double(uniform())
  }

  /// A stream of its own for each `index`.
  init(seed: UInt64, stream index: Int) {
    var base = Random(seed: seed)
    self.init(seed: base.next() ^ (UInt64(bitPattern: Int64(index)) &* 0xD1B5_4A32_D192_ED03))
  }
}
