// SPDX-License-Identifier: Apache-2.0
import LensEngine
import LensTensors

/// Along the border of the wrong class by a gradient that is guessed from decisions alone, and back to the border by
/// bisection, again and again.
///
/// Chen, Jordan & Wainwright, "HopSkipJumpAttack", 2020, algorithm 2. arXiv:1904.02144
/// - image: N×C×H×W, one after the other.
/// - norm: what is kept small, `.euclidean` or `.maximum`.
/// - start: as in `boundary`.
/// - samples: B_0, pictures for the first gradient; sqrt(t) times as many for the t-th, `mostSamples` at most.
/// - Throws: what `boundary` throws.
public func hopSkipJump(
  _ session: Session, _ image: Tensor, _ goal: AttackGoal = AttackGoal(), norm: Norm = .euclidean, start: Tensor? = nil, steps: Int = 20,
  samples: Int = 100, mostSamples: Int = 1000
) throws -> Adversarial {
  guard norm != .absolute else {
    throw LensError(
      .invalidArgument, "the norm is the sum of absolute values; HopSkipJump keeps the length or the largest change small")
  }
  try check(steps: steps)
  try check(steps: samples, "samples")
  try check(steps: mostSamples, "most samples")
  return try attackFromOutside(session, image, goal, start) { victim, first, random in
    let walk = BorderWalk(victim, norm)
    var x = try walk.toBorder(first)
    for step in 1...steps {
      let distance = walk.distance(x)
      guard distance > 0 else { break }
      let reach = step == 1 ? 0.1 * walk.width : 0.01 * distance
      let count = min(Int(Double(samples) * Double(step).squareRoot()), mostSamples)
      let direction = try walk.direction(at: x, reach: reach, samples: count, &random)
      // As far as it takes, halved until it is still mistaken.
      var length = distance / Double(step).squareRoot(), trial = x
      for _ in 0..<30 {
        trial = x
        trial.move(along: direction, by: length, norm)
        trial = trial.limited(to: victim.goal.range)
        if victim.deceives(try victim.scores(trial)[0]) { break }
        (length, trial) = (length / 2, x)
      }
      let next = try walk.toBorder(trial)
      if walk.distance(next) < distance { x = next }
      if !victim.goesOn(after: step, of: steps, distance) { break }
    }
    return x
  }
}

private struct BorderWalk {
  let victim: Victim
  let norm: Norm
  /// Of the range of values.
  let width: Double
  /// Where bisection ends; as the public implementations have it, for floats do not resolve the paper's d^(-3/2).
  private let threshold: Double
  private static let atOnce = 16

  init(_ victim: Victim, _ norm: Norm) {
    (self.victim, self.norm) = (victim, norm)
    width = victim.goal.range.map { Double($0.upperBound) - Double($0.lowerBound) } ?? 1
    threshold = 0.01 / Double(victim.original.count).squareRoot()
  }

  func distance(_ x: Tensor) -> Double { (x - victim.original).withPointer { norm.length($0, x.count) } }

  /// The last mistaken picture on the way from `x` to the original: a line, or in the maximum norm a shrinking box.
  func toBorder(_ x: Tensor) throws -> Tensor {
    let far = distance(x), original = victim.original
    func picture(_ share: Double) -> Tensor {
      if norm == .maximum {
        let most = Float(share * far)
        return Tensor.zip(original, x) { $0 + min(max($1 - $0, -most), most) }
      }
      return Tensor.zip(original, x) { Float(1 - share) * $0 + Float(share) * $1 }
    }
    var low = 0.0, high = 1.0, found = x
    while high - low > threshold {
      let middle = (low + high) / 2, trial = picture(middle)
      if victim.deceives(try victim.scores(trial)[0]) { (high, found) = (middle, trial) } else { low = middle }
    }
    return found
  }

  /// Where more of the neighbours are mistaken: eq. (16).
  func direction(at x: Tensor, reach: Double, samples: Int, _ random: inout Random) throws -> Tensor {
    let count = x.count
    var all = Tensor(x.shape), mistaken = Tensor(x.shape), hits = 0
    for start in stride(from: 0, to: samples, by: BorderWalk.atOnce) {
      let batch = min(BorderWalk.atOnce, samples - start)
      var noise = norm == .maximum ? Tensor.uniform([batch, count], in: -1...1, using: &random) : .normal([batch, count], using: &random)
      var trials = Tensor(x.shape.with(0, batch))
      let range = victim.goal.range ?? -Float.infinity...Float.infinity
      trials.withMutablePointer { trials in
        noise.withMutablePointer { u in
          x.withPointer { x in
            for k in 0..<batch {
              let size = Norm.euclidean.length(u + k * count, count), factor = size > 0 ? Float(reach / size) : 0
              for i in 0..<count {
                trials[k * count + i] = min(max(x[i] + factor * u[k * count + i], range.lowerBound), range.upperBound)
                // The step that was really made.
                u[k * count + i] = trials[k * count + i] - x[i]
              }
            }
          }
        }
      }
      for (k, scores) in try victim.scores(trials).enumerated() {
        let isFooled = victim.deceives(scores)
        hits += isFooled ? 1 : 0
        noise.withPointer { u in
          all.withMutablePointer { for i in 0..<count { $0[i] += u[k * count + i] } }
          if isFooled { mistaken.withMutablePointer { for i in 0..<count { $0[i] += u[k * count + i] } } }
        }
      }
    }
    // The mean of (phi - mean of phi) u, with phi = 1 or -1; of phi u where all agree.
    if hits == 0 { return -1 * all }
    if hits == samples { return all }
    let mean = 2 * Float(hits) / Float(samples) - 1
    return Tensor.zip(mistaken, all) { 2 * $0 - (1 + mean) * $1 }
  }
}
