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
    var x = first, trial = first
    try walk.toBorder(&x)
    for step in 1...steps {
      let distance = walk.distance(x)
      guard distance > 0 else { break }
      let reach = step == 1 ? 0.1 * walk.width : 0.01 * distance
      let count = min(Int(Double(samples) * Double(step).squareRoot()), mostSamples)
      try walk.findDirection(at: x, reach: reach, samples: count, &random)
      // As far as it takes, halved until it is still mistaken.
      var length = distance / Double(step).squareRoot(), isFooled = false
      for _ in 0..<30 where !isFooled {
        trial.copy(x)
        trial.move(along: walk.direction, by: length, norm)
        trial.limit(to: victim.goal.range)
        isFooled = victim.deceives(try victim.scores(trial)[0])
        length /= 2
      }
      if !isFooled { trial.copy(x) }
      try walk.toBorder(&trial)
      if walk.distance(trial) < distance { swap(&x, &trial) }
      if !victim.goesOn(after: step, of: steps, distance) { break }
    }
    return x
  }
}

private final class BorderWalk {
  let victim: Victim
  let norm: Norm
  /// Of the range of values.
  let width: Double
  /// Where more of the neighbours are mistaken.
  private(set) var direction: Tensor
  /// Where bisection ends; as the public implementations have it, for floats do not resolve the paper's d^(-3/2).
  private let threshold: Double
  private static let atOnce = 16
  private var change, middle, found, noise, trials: Tensor

  init(_ victim: Victim, _ norm: Norm) {
    (self.victim, self.norm) = (victim, norm)
    let shape = victim.original.shape
    width = victim.goal.range.map { Double($0.upperBound) - Double($0.lowerBound) } ?? 1
    threshold = 0.01 / Double(shape.count).squareRoot()
    (direction, change, middle, found) = (Tensor(shape), Tensor(shape), Tensor(shape), Tensor(shape))
    (noise, trials) = (Tensor([BorderWalk.atOnce, shape.count]), Tensor(shape.with(0, BorderWalk.atOnce)))
  }

  func distance(_ x: Tensor) -> Double {
    change.set(x, victim.original, -)
    return change.withPointer { norm.length($0, x.count) }
  }

  /// To the last mistaken picture on the way from `x` to the original: a line, or in the maximum norm a shrinking box.
  func toBorder(_ x: inout Tensor) throws {
    let far = distance(x)
    var low = 0.0, high = 1.0
    found.copy(x)
    while high - low > threshold {
      let share = (low + high) / 2, most = Float(share * far)
      if norm == .maximum {
        middle.set(victim.original, x) { $0 + min(max($1 - $0, -most), most) }
      } else {
        middle.set(victim.original, x) { Float(1 - share) * $0 + Float(share) * $1 }
      }
      if victim.deceives(try victim.scores(middle)[0]) {
        high = share
        found.copy(middle)
      } else {
        low = share
      }
    }
    x.copy(found)
  }

  /// Eq. (16).
  func findDirection(at x: Tensor, reach: Double, samples: Int, _ random: inout Random) throws {
    let count = x.count
    var hits = 0
    // The sum of all steps, and of those that are mistaken.
    change.withMutablePointer { $0.update(repeating: 0, count: count) }
    direction.withMutablePointer { $0.update(repeating: 0, count: count) }
    var left = samples
    while left > 0 {
      // Powers of two: a few plans serve all numbers of samples.
      let batch = min(BorderWalk.atOnce, 1 << (Int.bitWidth - 1 - left.leadingZeroBitCount))
      left -= batch
      if norm == .maximum {
        noise.setToUniform(of: batch, in: -1...1, using: &random)
      } else {
        noise.setToNormal(of: batch, using: &random)
      }
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
      for (k, scores) in try victim.scores(trials.leading(batch)).enumerated() {
        let isFooled = victim.deceives(scores)
        hits += isFooled ? 1 : 0
        noise.withPointer { u in
          change.withMutablePointer { for i in 0..<count { $0[i] += u[k * count + i] } }
          if isFooled { direction.withMutablePointer { for i in 0..<count { $0[i] += u[k * count + i] } } }
        }
      }
    }
    // The mean of (phi - mean of phi) u, with phi = 1 or -1; of phi u where all agree.
    if hits == samples { return }
    if hits == 0 { return direction.set(change) { -$0 } }
    direction.scale(by: 2)
    direction.add(-2 * Float(hits) / Float(samples), change)
  }
}
