// SPDX-License-Identifier: Apache-2.0
import LensEngine
import LensTensors

/// Gradient averaged on the straight way from a baseline to the picture, times the difference:
/// IG_i = (x_i - x'_i) * integral over a in 0...1 of dS/dx_i(x' + a (x - x')).
///
/// The values sum to S(x) - S(x'); `gaps` of the result is what is missing of that.
/// Sundararajan, Taly & Yan, "Axiomatic Attribution for Deep Networks", 2017, equation 1. arXiv:1703.01365
/// - image: N×C×H×W.
public func integratedGradients(
  _ session: Session, _ image: Tensor, _ objective: Objective = .top, baseline: Filling = .value(0), steps: Int = 50,
  rule: Quadrature = .gaussLegendre, reduction: ChannelReduction = .sum, progress: Steps? = nil
) throws -> Attribution {
  var gaps: [Float] = []
  return try alongPaths(session, image, objective, baseline, try rule.points(steps), progress) { path in
    var mean = WeightedSum(path.picture.shape)
    try path.forEachPass { pictures, weights in
      mean.add(try session.gradient(of: path.objective, at: [pictures]).gradients[0], weights)
    }
    let attribution = (path.picture - path.baseline) * mean.tensor
    gaps.append(Float(Double(path.difference) - attribution.total))
    return reduction(attribution)
  } finish: {
    Attribution($0, scores: $1, targets: $2, gaps: gaps)
  }
}

/// The straight way from a baseline to one picture.
struct Path {
  let session: Session
  let picture: Tensor
  let baseline: Tensor
  let objective: Objective
  /// S(picture) - S(baseline)
  let difference: Float
  fileprivate let points: [Quadrature.Point]
  fileprivate let report: (Int) throws -> Void

  /// `body` gets pictures on the way, several at once, and the weight of each.
  func forEachPass(_ body: (Tensor, [Double]) throws -> Void) throws {
    let size = session.picturesPerPass(picture.shape), change = picture - baseline
    for start in stride(from: 0, to: points.count, by: size) {
      let part = points[start..<min(start + size, points.count)]
      try body(.stacked(part.map { baseline + Float($0.place) * change }), part.map(\.weight))
      try report(start + part.count)
    }
  }
}

/// One map for each picture from the way to it.
func alongPaths(
  _ session: Session, _ image: Tensor, _ objective: Objective, _ baseline: Filling, _ points: [Quadrature.Point], _ progress: Steps?,
  _ map: (Path) throws -> Tensor, finish: (Tensor, [Float], [Int]) throws -> Attribution
) throws -> Attribution {
  try session.check(image)
  var maps: [Tensor] = [], scores: [Float] = [], targets: [Int] = []
  let count = image.shape.n
  for n in 0..<count {
    let picture = image.single(n), start = try baseline.picture(picture, n, of: count)
    let settled = try session.settle(objective, at: [picture], image: n)
    let lower = try session.settle(settled.objective, at: [start]).score
    let path = Path(
      session: session, picture: picture, baseline: start, objective: settled.objective, difference: settled.score - lower, points: points
    ) { done in
      guard progress?(n * points.count + done, count * points.count) ?? true else {
        throw LensError(.cancelled, "stopped after \(n * points.count + done) of \(count * points.count) steps")
      }
    }
    maps.append(try map(path))
    scores.append(settled.score)
    targets.append(settled.target)
  }
  return try finish(.stacked(maps), scores, targets)
}

/// A weighted sum of tensors, in Double.
struct WeightedSum {
  let shape: Shape
  private var sum: [Double]

  init(_ shape: Shape) { (self.shape, sum) = (shape, [Double](repeating: 0, count: shape.count)) }

  /// One weight for each image of the batch.
  mutating func add(_ batch: Tensor, _ weights: [Double]) {
    batch.withPointer { x in
      sum.withUnsafeMutableBufferPointer { sum in
        for (k, weight) in weights.enumerated() {
          let part = x + k * sum.count
          for i in sum.indices { sum[i] += weight * Double(part[i]) }
        }
      }
    }
  }

  var tensor: Tensor { Tensor(shape, sum.map { Float($0) }) }
}
