// SPDX-License-Identifier: Apache-2.0
import LensTensors
import Synchronization

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
  private let workspace = Workspace(), blurs = LastBlur()
  public init(_ steps: Int, radius: Double) { (self.steps, self.radius) = (steps, radius) }

  public func apply(_ picture: inout Tensor, gradient: Tensor, step: Int) throws {
    guard steps > 0, radius > 0, (step + 1) % steps == 0 else { return }
    let blur = blurs.blur(picture.shape, deviation: radius), count = picture.count
    try workspace.use(count + blur.scratchCount) { memory in
      picture.withMutablePointer { x in
        memory.update(from: x, count: count)
        blur.apply(memory, to: x, scratch: memory + count)
      }
    }
  }
}

/// The blur that was used last: its tables are as large as some pictures.
private final class LastBlur: Sendable {
  private let kept = Mutex<Resampling?>(nil)

  func blur(_ shape: Shape, deviation: Double) -> Resampling {
    kept.withLock { kept in
      if let kept, kept.input == shape { return kept }
      let made = Resampling.blur(shape, deviation: deviation)
      kept = made
      return made
    }
  }
}

/// Pixels of small norm over the channels, below a percentile of all of the picture, become the center.
public struct SmallNorm: Regularizer {
  /// 0...100.
  public let percentile: Double
  public let center: [Float]
  private let workspace = Workspace()
  public init(percentile: Double, around center: [Float] = [0]) { (self.percentile, self.center) = (percentile, center) }

  public func apply(_ picture: inout Tensor, gradient: Tensor, step: Int) throws {
    try picture.reset(below: percentile, to: center, workspace) { pixel, center, _ in (pixel - center) * (pixel - center) }
  }
}

/// Pixels that contribute little, |sum over channels of x g| below a percentile of all of the picture, become the center.
public struct SmallContribution: Regularizer {
  /// 0...100.
  public let percentile: Double
  public let center: [Float]
  private let workspace = Workspace()
  public init(percentile: Double, around center: [Float] = [0]) { (self.percentile, self.center) = (percentile, center) }

  public func apply(_ picture: inout Tensor, gradient: Tensor, step: Int) throws {
    try gradient.withPointer { g in
      try picture.reset(below: percentile, to: center, workspace) { pixel, center, place in (pixel - center) * g[place] }
    }
  }
}

extension Tensor {
  /// The center of every plane.
  func centers(_ center: [Float]) -> [Float] { (0..<shape.n * shape.c).map { center.count == 1 ? center[0] : center[$0 % shape.c] } }

  /// Pixels get the center's colour where |sum over channels of `share`| is below a percentile of all of their image.
  /// - share: of a number of the picture, its center and its place.
  fileprivate mutating func reset(
    below percentile: Double, to center: [Float], _ workspace: Workspace, _ share: (Float, Float, Int) -> Float
  ) throws {
    let (shape, area) = (shape, shape.h * shape.w), centers = centers(center)
    let rank = min(Int(Double(area) * percentile / 100), area - 1)
    guard rank > 0 else { return }
    try workspace.use(2 * area) { sizes in
      withMutablePointer { x in
        for n in 0..<shape.n {
          let planes = n * shape.c..<(n + 1) * shape.c
          sizes.update(repeating: 0, count: area)
          for c in planes { for i in 0..<area { sizes[i] += share(x[c * area + i], centers[c], c * area + i) } }
          for i in 0..<area { sizes[i] = abs(sizes[i]) }
          (sizes + area).update(from: sizes, count: area)
          let limit = (sizes + area).smallest(rank, of: area)
          for c in planes { for i in 0..<area where sizes[i] < limit { x[c * area + i] = centers[c] } }
        }
      }
    }
  }
}

extension UnsafeMutablePointer<Float> {
  /// The number that sorting would put at `rank`; the others change places. Hoare, "Algorithm 65: Find", 1961.
  func smallest(_ rank: Int, of count: Int) -> Float {
    var low = 0, high = count - 1
    while low < high {
      let pivot = self[rank]
      var (i, j) = (low, high)
      while i <= j {
        while self[i] < pivot { i += 1 }
        while self[j] > pivot { j -= 1 }
        if i <= j {
          (self[i], self[j]) = (self[j], self[i])
          i += 1
          j -= 1
        }
      }
      if j < rank { low = i }
      if i > rank { high = j }
    }
    return self[rank]
  }
}

/// What is allowed for the regularizers of a picture of `channels`.
func check(center: [Float], channels: Int) throws {
  guard center.count == 1 || center.count == channels, center.allSatisfy(\.isFinite) else {
    throw LensError(.invalidArgument, "the center is \(center); one finite number is wanted, or one for each of \(channels) channels")
  }
}
