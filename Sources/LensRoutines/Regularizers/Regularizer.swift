// SPDX-License-Identifier: Apache-2.0
import LensTensors

/// What is done to a picture after a step, besides keeping it legal: x <- r(x + eta g).
///
/// Yosinski et al., "Understanding Neural Networks Through Deep Visualization", 2015, section 3.1. arXiv:1506.06579.
/// Their pictures are differences from the mean colour, so everything here is measured from a `center`: one number per
/// channel, or one for all.
public protocol Regularizer: Sendable {
  /// - gradient: of the objective with respect to the picture, where the step began.
  /// - step: from 0.
  func apply(_ picture: inout Tensor, gradient: Tensor, step: Int) throws
}

/// Extreme values are pulled back: x <- (1 - rate) x.
public struct Decay: Regularizer {
  public let rate: Float
  public let center: [Float]
  public init(_ rate: Float, around center: [Float] = [0]) { (self.rate, self.center) = (rate, center) }

  public func apply(_ picture: inout Tensor, gradient: Tensor, step: Int) throws {
    let area = picture.shape.h * picture.shape.w, centers = picture.centers(center), keep = 1 - rate
    picture.withMutablePointer { x in
      for (plane, c) in centers.enumerated() { for i in plane * area..<(plane + 1) * area { x[i] = c + keep * (x[i] - c) } }
    }
  }
}

/// High frequencies are damped: a Gaussian blur every few steps.
public struct BlurEvery: Regularizer {
  public let steps: Int
  /// The deviation, in pixels.
  public let radius: Double
  public init(_ steps: Int, radius: Double) { (self.steps, self.radius) = (steps, radius) }

  public func apply(_ picture: inout Tensor, gradient: Tensor, step: Int) throws {
    guard steps > 0, radius > 0, (step + 1) % steps == 0 else { return }
    picture.copy(try picture.mapped(by: Resampling.blur(picture.shape, deviation: radius)))
  }
}

/// Pixels of small norm over the channels, below a percentile of all of the picture, become the center.
public struct SmallNorm: Regularizer {
  /// 0...100.
  public let percentile: Double
  public let center: [Float]
  public init(percentile: Double, around center: [Float] = [0]) { (self.percentile, self.center) = (percentile, center) }

  public func apply(_ picture: inout Tensor, gradient: Tensor, step: Int) throws {
    let (shape, area) = (picture.shape, picture.shape.h * picture.shape.w), centers = picture.centers(center)
    for n in 0..<shape.n {
      var sizes = [Float](repeating: 0, count: area)
      picture.withPointer { x in
        for c in n * shape.c..<(n + 1) * shape.c {
          for i in 0..<area { sizes[i] += (x[c * area + i] - centers[c]) * (x[c * area + i] - centers[c]) }
        }
      }
      picture.reset(n, where: sizes, below: percentile, to: centers)
    }
  }
}

/// Pixels that contribute little, |sum over channels of x g| below a percentile of all of the picture, become the center.
public struct SmallContribution: Regularizer {
  /// 0...100.
  public let percentile: Double
  public let center: [Float]
  public init(percentile: Double, around center: [Float] = [0]) { (self.percentile, self.center) = (percentile, center) }

  public func apply(_ picture: inout Tensor, gradient: Tensor, step: Int) throws {
    let (shape, area) = (picture.shape, picture.shape.h * picture.shape.w), centers = picture.centers(center)
    for n in 0..<shape.n {
      var sizes = [Float](repeating: 0, count: area)
      picture.withPointer { x in
        gradient.withPointer { g in
          for c in n * shape.c..<(n + 1) * shape.c { for i in 0..<area { sizes[i] += (x[c * area + i] - centers[c]) * g[c * area + i] } }
        }
      }
      picture.reset(n, where: sizes.map(abs), below: percentile, to: centers)
    }
  }
}

extension Tensor {
  /// The center of every plane.
  func centers(_ center: [Float]) -> [Float] { (0..<shape.n * shape.c).map { center.count == 1 ? center[0] : center[$0 % shape.c] } }

  /// The pixels of image `n` whose size is below the percentile get the center's colour.
  fileprivate mutating func reset(_ n: Int, where sizes: [Float], below percentile: Double, to centers: [Float]) {
    let count = sizes.count, rank = min(Int(Double(count) * percentile / 100), count - 1)
    guard count > 0, rank > 0 else { return }
    let limit = sizes.sorted()[rank], (c, area) = (shape.c, count)
    withMutablePointer { x in
      for channel in n * c..<(n + 1) * c { for i in 0..<area where sizes[i] < limit { x[channel * area + i] = centers[channel] } }
    }
  }
}

/// What is allowed for the regularizers of a picture of `channels`.
func check(center: [Float], channels: Int) throws {
  guard center.count == 1 || center.count == channels, center.allSatisfy(\.isFinite) else {
    throw LensError(.invalidArgument, "the center is \(center); one finite number is wanted, or one for each of \(channels) channels")
  }
}
