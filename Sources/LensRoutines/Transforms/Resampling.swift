// SPDX-License-Identifier: Apache-2.0
import Glibc
import LensEngine
import LensTensors

/// Rows, then columns, as weighted sums of others: resizing and blurring.
struct Resampling: ImageMap {
  let input: Shape
  let output: Shape
  private let vertical, horizontal: AxisFilter

  init(_ input: Shape, vertical: AxisFilter, horizontal: AxisFilter) {
    (self.input, self.vertical, self.horizontal) = (input, vertical, horizontal)
    output = input.with(2, vertical.targetLength).with(3, horizontal.targetLength)
  }

  var scratchCount: Int { input.n * input.c * output.h * input.w }

  func apply(_ x: UnsafePointer<Float>, to y: UnsafeMutablePointer<Float>, scratch: UnsafeMutablePointer<Float>) {
    let planes = input.n * input.c
    vertical.forward(planes, input.w, from: x, to: scratch)
    horizontal.forward(planes * output.h, 1, from: UnsafePointer(scratch), to: y)
  }

  func adjoint(_ gradient: UnsafePointer<Float>, to result: UnsafeMutablePointer<Float>, scratch: UnsafeMutablePointer<Float>) {
    let planes = input.n * input.c
    horizontal.backward(planes * output.h, 1, from: gradient, to: scratch, adds: false)
    vertical.backward(planes, input.w, from: UnsafePointer(scratch), to: result, adds: false)
  }

  /// Bilinear; a triangle as wide as the reduction where the picture shrinks, so that it does not alias (Pillow's).
  static func resize(_ shape: Shape, height: Int, width: Int) -> Resampling {
    Resampling(shape, vertical: triangle(shape.h, height), horizontal: triangle(shape.w, width))
  }

  private static func triangle(_ count: Int, _ size: Int) -> AxisFilter {
    let scale = Double(count) / Double(size), reach = max(scale, 1)
    let taps = (0..<size).map { index -> [(index: Int, weight: Double)] in
      let center = (Double(index) + 0.5) * scale
      let first = max(Int((center - reach + 0.5).rounded(.down)), 0), last = min(Int((center + reach + 0.5).rounded(.down)), count)
      let weights = (first..<max(last, first + 1)).map { (index: $0, weight: max(0, 1 - abs(Double($0) + 0.5 - center) / reach)) }
      let sum = weights.reduce(0) { $0 + $1.weight }
      return weights.map { (index: $0.index, weight: $0.weight / sum) }
    }
    return AxisFilter(sourceLength: count, taps: taps)
  }

  /// A Gaussian, cut off at four deviations; at the border the mean is over what there is.
  static func blur(_ shape: Shape, deviation: Double) -> Resampling {
    Resampling(shape, vertical: gaussian(shape.h, deviation), horizontal: gaussian(shape.w, deviation))
  }

  private static func gaussian(_ count: Int, _ deviation: Double) -> AxisFilter {
    let radius = deviation > 0 ? Int(min((4 * deviation).rounded(.up), Double(count))) : 0
    let taps = (0..<count).map { center -> [(index: Int, weight: Double)] in
      let weights = (max(0, center - radius)...min(count - 1, center + radius)).map { tap in
        (index: tap, weight: deviation > 0 ? exp(-0.5 * Double((tap - center) * (tap - center)) / (deviation * deviation)) : 1)
      }
      let sum = weights.reduce(0) { $0 + $1.weight }
      return weights.map { (index: $0.index, weight: $0.weight / sum) }
    }
    return AxisFilter(sourceLength: count, taps: taps)
  }
}

/// Out of focus by a Gaussian whose deviation, in pixels, is drawn each time.
public struct RandomBlur: ImageTransform {
  public let deviations: ClosedRange<Double>
  public init(_ deviations: ClosedRange<Double>) { self.deviations = deviations }

  public func sample(for shape: Shape, using random: inout Random) throws -> any ImageMap {
    guard deviations.lowerBound >= 0, deviations.upperBound.isFinite else {
      throw LensError(
        .invalidArgument, "the blur's radius is \(deviations.lowerBound)...\(deviations.upperBound); it must be finite and not negative")
    }
    return Resampling.blur(shape, deviation: random.number(in: deviations))
  }
}

extension Tensor {
  /// N×C×H×W under a map.
  func mapped(by map: any ImageMap) throws -> Tensor {
    var result = try Tensor(allocating: map.output), scratch = try Tensor(allocating: [map.scratchCount])
    withPointer { x in result.withMutablePointer { y in scratch.withMutablePointer { map.apply(x, to: y, scratch: $0) } } }
    return result
  }

  /// N×C×H×W at another size.
  func resized(height: Int, width: Int) throws -> Tensor {
    shape.h == height && shape.w == width ? self : try mapped(by: Resampling.resize(shape, height: height, width: width))
  }
}
