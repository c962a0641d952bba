// SPDX-License-Identifier: Apache-2.0
import LensEngine
import LensTensors

/// Random squares of colour at the edge of the ball, kept where they help: needs the class scores, no gradient.
///
/// Andriushchenko, Croce, Flammarion & Hein, "Square Attack", 2020, algorithms 1 and 2, for the maximum norm.
/// arXiv:1912.00049
/// - image: N×C×H×W, one after the other.
/// - epsilon: the radius of the ball, in the units of the image.
/// - steps: the most squares that are tried; each is a picture shown to the network.
/// - share: p, of the picture that the first squares cover; they shrink as the paper's section 4.1 says.
/// - Throws: what `fgsm` throws; `.shapeMismatch` for what is no picture.
public func square(
  _ session: Session, _ image: Tensor, _ goal: AttackGoal = AttackGoal(), epsilon: Double = 8.0 / 255, steps: Int = 1000,
  share: Double = 0.05
) throws -> Adversarial {
  try check(radius: epsilon)
  try check(steps: steps)
  guard share > 0, share <= 1 else { throw LensError(.invalidArgument, "share is \(share); it must be above 0 and at most 1") }
  try check(picture: image)
  return try attackEach(session, image, goal) { victim in
    let (c, h, w) = (image.shape.c, image.shape.h, image.shape.w), original = victim.original
    let allowed = Allowed(victim, .maximum, radius: epsilon)
    var random = Random(seed: victim.goal.seed)
    func sign() -> Double { random.next() & 1 == 0 ? epsilon : -epsilon }

    if victim.deceives(victim.originalScores[0]) { return original }
    // Vertical stripes, one pixel wide.
    var x = original
    x.withMutablePointer { x in
      for line in 0..<c * w {
        let change = sign()
        for y in 0..<h { x[(line / w * h + y) * w + line % w] += Float(change) }
      }
    }
    allowed.settle(&x)
    var trial = x, scores = try victim.scores(x)[0], best = victim.margin(scores)
    for step in 0..<steps where !victim.deceives(scores) {
      let side = max(1, min(min(h, w), Int((share * shrinking(step, of: steps) * Double(h * w)).squareRoot().rounded())))
      let top = Int.random(in: 0...h - side, using: &random), left = Int.random(in: 0...w - side, using: &random)
      trial.copy(x)
      trial.withMutablePointer { x in
        original.withPointer { base in
          for channel in 0..<c {
            let change = sign()
            for y in top..<top + side {
              for i in (channel * h + y) * w + left..<(channel * h + y) * w + left + side { x[i] = Float(Double(base[i]) + change) }
            }
          }
        }
      }
      allowed.settle(&trial)
      let found = try victim.scores(trial)[0], margin = victim.margin(found)
      if margin < best {
        swap(&x, &trial)
        (scores, best) = (found, margin)
      }
      if !victim.goesOn(after: step + 1, of: steps, best) { break }
    }
    return x
  }
}

/// What is left of `share` after so many of all steps; the paper's table is for 10,000.
private func shrinking(_ step: Int, of steps: Int) -> Double {
  let place = step * 10_000 / steps
  let halvings = [10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000].count { place > $0 }
  return 1 / Double(1 << halvings)
}

func check(picture image: Tensor) throws {
  guard image.shape.rank == 4, image.count > 0 else {
    throw LensError(.shapeMismatch, "the picture is \(image.shape); it must be N×C×H×W")
  }
}
