// SPDX-License-Identifier: Apache-2.0
import LensEngine
import LensTensors

/// Noise, or a photograph of something else, changed until the network is sure of a class: steps up the logarithm of its
/// probability, of equal length, as far from the original as it takes.
///
/// Nguyen, Yosinski & Clune, "Deep Neural Networks are Easily Fooled", 2015, section 3.3 (arXiv:1412.1897), after Simonyan,
/// Vedaldi & Zisserman, 2013, section 2 (arXiv:1312.6034).
/// - image: N×C×H×W, one after the other.
/// - goal: the classes to be seen; they are targets whatever `isTargeted` says.
/// - confidence: the probability to reach, below 1.
/// - step: the Euclidean length of a step, in the units of the image.
/// - Throws: `.invalidArgument`, as `fgsm`.
public func fool(
  _ session: Session, _ image: Tensor, _ goal: AttackGoal, confidence: Double = 0.99, step: Double = 0.5, steps: Int = 500
) throws -> Adversarial {
  try check(confidence: confidence)
  try check(positive: step, "step")
  try check(steps: steps)
  var goal = goal
  goal.isTargeted = true
  return try attackEach(session, image, goal, mayHaveReached: true) { victim in
    let allowed = Allowed(victim)
    var x = victim.original, seen = x
    for index in 0..<steps {
      let (gradient, scores) = try victim.ascent(at: seen)
      let probability = victim.probability(scores[0])
      guard probability < confidence, victim.goesOn(after: index, of: steps, 1 - probability) else { break }
      x.move(along: gradient, by: step, .euclidean)
      allowed.project(&x)
      seen.copy(x)
      allowed.settle(&seen)
    }
    return seen
  }
}

func check(confidence: Double) throws {
  guard confidence > 0, confidence < 1 else {
    throw LensError(.invalidArgument, "confidence is \(confidence); it must be above 0 and below 1")
  }
}
