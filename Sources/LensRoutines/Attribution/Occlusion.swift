// SPDX-License-Identifier: Apache-2.0
import LensEngine
import LensTensors

/// How far the objective falls, on average, where a window that covers the pixel hides the picture.
///
/// Zeiler & Fergus, "Visualizing and Understanding Convolutional Networks", 2014, section 4.2. arXiv:1311.2901
/// - image: N×C×H×W.
/// - window, stride: height and width of the window, and of its steps, in pixels. The last windows end at the border.
/// - exact: every score has the bits of the hidden picture's full pass. Otherwise scores may differ by rounding, and come in as
///   little as half the time.
/// - progress: gets how many windows of all are done; false stops the call, which then throws `.cancelled`.
public func occlusion(
  _ session: Session, _ image: Tensor, _ objective: Objective = .top, window: (height: Int, width: Int) = (32, 32),
  stride: (height: Int, width: Int) = (8, 8), filling: Filling = .value(0), exact: Bool = false, progress: ((Int, Int) -> Bool)? = nil
) throws -> Attribution {
  let shape = image.shape
  try session.check(image)
  let rows = try windows(window.height, stride.height, shape.h, "high"), columns = try windows(window.width, stride.width, shape.w, "wide")
  let regions = rows.flatMap { rows in columns.map { Region(rows: rows, columns: $0) } }

  var maps = try Tensor(allocating: [shape.n, shape.h, shape.w]), scores: [Float] = [], targets: [Int] = []
  var incremental: IncrementalSession?
  for n in 0..<shape.n {
    let picture = image.single(n)
    let hidden = try filling.picture(picture, n, of: shape.n)
    if let incremental {
      try incremental.rebase([picture])
    } else {
      incremental = try IncrementalSession(
        session.network, base: [picture], at: objective.layers, quickFor: exact ? [] : regions, interrupt: session.interrupt)
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
