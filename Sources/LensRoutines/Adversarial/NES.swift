// SPDX-License-Identifier: Apache-2.0
import Glibc
import LensEngine
import LensTensors

/// Projected gradient steps whose gradient is guessed from class scores at random points round the picture.
///
/// Ilyas, Engstrom, Athalye & Lin, "Black-box Adversarial Attacks with Limited Queries and Information", 2018, algorithm 1
/// and section 2.1. arXiv:1804.08598
/// - image: N×C×H×W, one after the other.
/// - epsilon, step: radius of the ball and length of each step, in the maximum norm, in the units of the image.
/// - samples: n, pictures for each gradient; they come in pairs on both sides.
/// - deviation: sigma, how far away they are: normal noise, in the units of the image.
/// - Throws: what `fgsm` throws.
public func nes(
  _ session: Session, _ image: Tensor, _ goal: AttackGoal = AttackGoal(), epsilon: Double = 8.0 / 255, step: Double = 1.0 / 255,
  steps: Int = 50, samples: Int = 50, deviation: Double = 0.001
) throws -> Adversarial {
  try check(radius: epsilon)
  try check(positive: step, "step")
  try check(positive: deviation, "deviation")
  try check(steps: steps)
  guard 2...1 << 20 ~= samples else { throw LensError(.invalidArgument, "samples are \(samples); they must be at least 2") }
  return try attackEach(session, image, goal) { victim in
    let allowed = Allowed(victim, .maximum, radius: epsilon), count = victim.original.count
    var random = Random(seed: victim.goal.seed)
    var x = victim.original, seen = x, scores = victim.originalScores[0]
    var gradient = Tensor(x.shape), noise = Tensor([pairsAtOnce, count]), trials = Tensor(x.shape.with(0, 2 * pairsAtOnce))
    for index in 0..<steps where !victim.deceives(scores) {
      gradient.withMutablePointer { $0.update(repeating: 0, count: count) }
      for start in stride(from: 0, to: samples / 2, by: pairsAtOnce) {
        let pairs = min(pairsAtOnce, samples / 2 - start)
        noise.setToNormal(of: pairs, using: &random)
        trials.withMutablePointer { trials in
          noise.withPointer { u in
            x.withPointer { x in
              for pair in 0..<pairs {
                let (ahead, behind) = (trials + 2 * pair * count, trials + (2 * pair + 1) * count)
                for i in 0..<count {
                  let change = Float(deviation) * u[pair * count + i]
                  (ahead[i], behind[i]) = (x[i] + change, x[i] - change)
                }
              }
            }
          }
        }
        if let range = victim.goal.range { ValueRange(range).project(&trials) }
        // The loss rises as the class (without a target) becomes less likely.
        let losses = try victim.scores(trials.leading(2 * pairs)).map {
          -log(max(victim.probability($0), 1e-300)) * (victim.goal.isTargeted ? -1 : 1)
        }
        gradient.withMutablePointer { g in
          noise.withPointer { u in
            for pair in 0..<pairs {
              let weight = Float(losses[2 * pair] - losses[2 * pair + 1])
              for i in 0..<count { g[i] += weight * u[pair * count + i] }
            }
          }
        }
      }
      x.move(along: gradient, by: step, .maximum)
      allowed.project(&x)
      seen.copy(x)
      allowed.settle(&seen)
      scores = try victim.scores(seen)[0]
      if !victim.goesOn(after: index + 1, of: steps, victim.margin(scores)) { break }
    }
    return allowed.picture(x)
  }
}

private let pairsAtOnce = 8
