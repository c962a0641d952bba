// SPDX-License-Identifier: Apache-2.0
import Glibc
import LensEngine
import LensTensors

/// What a hidden part of a picture shows.
public enum Filling: Sendable, Equatable {
  /// The same number in all channels.
  case value(Float)
  /// The mean of each channel of the picture.
  case mean
  /// The picture out of focus: a Gaussian of 10 pixels, as in Fong & Vedaldi, "Interpretable Explanations of Black
  /// Boxes by Meaningful Perturbation", 2017, section 4.1. arXiv:1704.03296
  case blur

  /// The whole picture hidden.
  /// - image: 1×C×H×W
  func picture(_ image: Tensor) throws -> Tensor {
    switch self {
    case .value(let value):
      guard value.isFinite else { throw LensError(.invalidArgument, "the filling is \(value); it must be a finite number") }
      return Tensor(image.shape, repeating: value)
    case .mean:
      let means = image.spatialMean().values, pixels = image.shape.h * image.shape.w
      return Tensor(image.shape, means.flatMap { [Float](repeating: $0, count: pixels) })
    case .blur: return image.blurred(deviation: 10)
    }
  }
}

/// How far the objective falls, on average, where a window that covers the pixel hides the picture.
///
/// Zeiler & Fergus, "Visualizing and Understanding Convolutional Networks", 2014, section 4.2. arXiv:1311.2901
/// - image: N×C×H×W.
/// - window, stride: height and width of the window, and of its steps, in pixels. The last windows end at the border.
/// - progress: gets how many windows of all are done; false stops the call, which then throws `.cancelled`.
public func occlusion(
  _ session: Session, _ image: Tensor, _ objective: Objective = .top, window: (height: Int, width: Int) = (32, 32),
  stride: (height: Int, width: Int) = (8, 8), filling: Filling = .value(0), progress: ((Int, Int) -> Bool)? = nil
) throws -> Attribution {
  let shape = image.shape
  guard shape.rank == 4, shape.count > 0 else { throw LensError(.shapeMismatch, "the picture is \(shape); it must be N×C×H×W") }
  let rows = try windows(window.height, stride.height, shape.h, "high"), columns = try windows(window.width, stride.width, shape.w, "wide")
  let regions = rows.flatMap { rows in columns.map { Region(rows: rows, columns: $0) } }

  var maps = try Tensor(allocating: [shape.n, shape.h, shape.w]), scores: [Float] = [], targets: [Int] = []
  var incremental: IncrementalSession?
  for n in 0..<shape.n {
    let picture = image.single(n)
    let hidden = try filling.picture(picture)
    if let incremental {
      try incremental.rebase([picture])
    } else {
      incremental = try IncrementalSession(session.network, base: [picture], at: objective.layers, interrupt: session.interrupt)
      if let limit = session.memoryLimit { incremental!.memoryLimit = limit }
    }
    let base = try incremental!.baseValue(of: objective, image: n)
    let values = try incremental!.values(of: base.settled, for: regions.map { Perturbation($0, of: hidden) }) { done in
      progress?(n * regions.count + done, shape.n * regions.count) ?? true
    }
    maps.withMutablePointer { map in
      mean(drops: values.map { Double(base.score) - Double($0) }, over: regions, shape, into: map + n * shape.h * shape.w)
    }
    scores.append(base.score)
    targets.append(base.target)
  }
  return Attribution(maps, scores: scores, targets: targets)
}

/// Every `stride` pixels until the border is reached.
private func windows(_ size: Int, _ stride: Int, _ length: Int, _ word: String) throws -> [Range<Int>] {
  guard 1...length ~= size else {
    throw LensError(.invalidArgument, "the window is \(size) pixels \(word); on this picture it must be 1...\(length)")
  }
  guard 1...size ~= stride else {
    throw LensError(
      .invalidArgument, "the stride is \(stride); it must be 1...\(size), so that windows \(size) pixels \(word) leave nothing out")
  }
  return (0...(length - size + stride - 1) / stride).map { $0 * stride..<min($0 * stride + size, length) }
}

private func mean(drops: [Double], over regions: [Region], _ shape: Shape, into map: UnsafeMutablePointer<Float>) {
  var sums = [Double](repeating: 0, count: shape.h * shape.w), counts = sums
  for (drop, region) in zip(drops, regions) {
    for y in region.rows {
      for i in y * shape.w + region.columns.lowerBound..<y * shape.w + region.columns.upperBound {
        sums[i] += drop
        counts[i] += 1
      }
    }
  }
  for i in sums.indices { map[i] = Float(sums[i] / counts[i]) }
}

extension Tensor {
  /// 1×C×H×W, the `n`-th of a batch.
  fileprivate func single(_ n: Int) -> Tensor {
    let count = count / shape.n
    return Tensor(shape.with(0, 1), Array(UnsafeBufferPointer(start: pointer + n * count, count: count)))
  }

  /// N×C×H×W under a Gaussian, cut off at three deviations; at the border the mean is over what there is.
  func blurred(deviation: Double) -> Tensor { blurredAlongRows(deviation).transposed.blurredAlongRows(deviation).transposed }

  private var transposed: Tensor {
    let (h, w) = (shape.h, shape.w), old = values
    var result = old
    for plane in 0..<shape.n * shape.c {
      for y in 0..<h { for x in 0..<w { result[(plane * w + x) * h + y] = old[(plane * h + y) * w + x] } }
    }
    return Tensor([shape.n, shape.c, w, h], result)
  }

  private func blurredAlongRows(_ deviation: Double) -> Tensor {
    let radius = Int((3 * deviation).rounded(.up)), w = shape.w, old = values
    let weights = (0...radius).map { exp(-0.5 * Double($0 * $0) / (deviation * deviation)) }
    var result = old
    for row in stride(from: 0, to: count, by: w) {
      for x in 0..<w {
        var sum = 0.0, total = 0.0
        for tap in max(0, x - radius)...min(w - 1, x + radius) {
          sum += weights[abs(tap - x)] * Double(old[row + tap])
          total += weights[abs(tap - x)]
        }
        result[row + x] = Float(sum / total)
      }
    }
    return Tensor(shape, result)
  }
}
