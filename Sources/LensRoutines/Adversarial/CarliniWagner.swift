// SPDX-License-Identifier: Apache-2.0
import Glibc
import LensEngine
import LensTensors

/// The smallest change, by Adam on |x' - x|^2 + c max(margin + confidence, 0), with a search for the smallest c that works.
///
/// Carlini & Wagner, "Towards Evaluating the Robustness of Neural Networks", 2017, sections V and VI-A. arXiv:1608.04644.
/// Pictures stay in their range because x' is a tanh of what is optimised.
/// - image: N×C×H×W, one after the other.
/// - confidence: kappa, by how much the wrong class must win, in units of the scores.
/// - rate: Adam's, in the space of the tanh.
/// - steps: of Adam, for each c.
/// - searches: how many values of c; the first is `weight`, which grows tenfold until it works and is then bisected.
/// - Throws: what `fgsm` throws.
public func carliniWagner(
  _ session: Session, _ image: Tensor, _ goal: AttackGoal = AttackGoal(), confidence: Double = 0, rate: Double = 0.01, steps: Int = 100,
  searches: Int = 5, weight: Double = 1
) throws -> Adversarial {
  try check(radius: confidence, "confidence")
  try check(positive: rate, "rate")
  try check(positive: weight, "weight")
  try check(steps: steps)
  try check(steps: searches, "searches")
  return try attackEach(session, image, goal) { victim in
    let original = victim.original, space = PictureSpace(goal.range), start = space.inside(original)
    var x = Tensor(original.shape), change = x, best = x, shortest = Double.infinity
    if victim.deceives(victim.originalScores[0]) && confidence == 0 { return original }
    var low = 0.0, high = Double.infinity, c = weight
    search: for search in 0..<searches {
      var optimizer = Adam(rate: Float(rate)), w = start, works = false
      for step in 0..<steps {
        var margin = 0.0
        _ = try optimizer.step(&w) { w, gradient in
          space.decode(w, to: &x)
          change.set(x, original, -)
          let (slope, rows) = try victim.gradient(of: .margin(victim.classes), at: x), scores = rows[0]
          margin = victim.margin(scores)
          let distance = change.length
          if margin <= -confidence, victim.deceives(scores) {
            works = true
            if distance < shortest {
              shortest = distance
              best.copy(x)
            }
          }
          // What is climbed: -(|change|^2 + c f). (`slope` is that of the margin of the class, whichever way it is to go.)
          let push = margin > -confidence ? Float(victim.goal.isTargeted ? c : -c) : 0
          gradient.set(change, slope) { -2 * $0 + push * $1 }
          space.pullBack(&gradient, at: w)
          return -(distance * distance + c * max(margin + confidence, 0))
        }
        if !victim.goesOn(after: search * steps + step + 1, of: searches * steps, margin) { break search }
      }
      if works { high = c } else { low = c }
      c = high < .infinity ? (low + high) / 2 : c * 10
    }
    return shortest < .infinity ? try victim.smallestMultiple(of: best - original) : original
  }
}

/// All floats, for the pictures of a range: x = middle + half tanh(w).
struct PictureSpace {
  private let middle, half: Float
  private let isBounded: Bool

  init(_ range: ClosedRange<Float>?) {
    isBounded = range != nil
    middle = range.map { ($0.lowerBound + $0.upperBound) / 2 } ?? 0
    half = range.map { ($0.upperBound - $0.lowerBound) / 2 } ?? 1
  }

  /// The picture of w.
  func decode(_ w: Tensor, to x: inout Tensor) {
    if isBounded { x.set(w) { middle + half * tanh($0) } } else { x.copy(w) }
  }

  /// The w of a picture; values at the very edge of the range are moved inside, for they would have no slope.
  func inside(_ x: Tensor) -> Tensor {
    isBounded ? x.map { half > 0 ? Float(atanh(min(max(Double(($0 - middle) / half), -1), 1) * 0.999_999)) : 0 } : x
  }

  /// Makes of a gradient at the picture one at w.
  func pullBack(_ gradient: inout Tensor, at w: Tensor) {
    guard isBounded else { return }
    let count = w.count
    w.withPointer { w in
      gradient.withMutablePointer { g in
        for i in 0..<count {
          let t = tanh(w[i])
          g[i] = g[i] * half * (1 - t * t)
        }
      }
    }
  }
}
