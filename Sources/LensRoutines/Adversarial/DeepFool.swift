// SPDX-License-Identifier: Apache-2.0
import LensEngine
import LensTensors

/// The shortest way to another class, as if the network were linear, again and again until it is one.
///
/// Moosavi-Dezfooli, Fawzi & Frossard, "DeepFool: a Simple and Accurate Method to Fool Deep Neural Networks", 2016,
/// algorithm 2; eq. (11) for the maximum norm. arXiv:1511.04599. With a target only that class's border is walked to.
/// - image: N×C×H×W, one after the other.
/// - norm: what is kept small, `.euclidean` or `.maximum`.
/// - candidates: how many classes are looked at: those with the highest scores.
/// - overshoot: how much further than the border the result lies, relative to the way.
/// - Throws: `.invalidArgument`, as `fgsm`, and for the norm `.absolute`.
public func deepFool(
  _ session: Session, _ image: Tensor, _ goal: AttackGoal = AttackGoal(), norm: Norm = .euclidean, candidates: Int = 10,
  overshoot: Double = 0.02, steps: Int = 50
) throws -> Adversarial {
  guard norm != .absolute else {
    throw LensError(.invalidArgument, "the norm is the sum of absolute values; DeepFool keeps the length or the largest change small")
  }
  try check(steps: candidates, "candidates")
  try check(radius: overshoot, "overshoot")
  try check(steps: steps)
  return try attackEach(session, image, goal) { victim in
    let scores = victim.originalScores[0]
    guard !victim.deceives(scores) else { return victim.original }
    // Of the border between `left` and `reached`: f = z_left - z_reached.
    let label = victim.classes[0], seen = Victim.best(scores)
    let others = scores.indices.filter { $0 != label }.sorted { (scores[$0], $1) > (scores[$1], $0) }.prefix(candidates)
    let borders = victim.goal.isTargeted ? [(seen, label)] : others.map { (label, $0) }
    guard !borders.isEmpty else { return victim.original }

    let allowed = Allowed(victim), factor = Float(1 + overshoot)
    let objectives = borders.map { .logit([$0.1]) - .logit([$0.0]) as Objective }
    var way = Tensor(image.shape.with(0, 1)), direction = Tensor(image.shape.with(0, 1)), x = victim.original
    for step in 0..<steps {
      let (gaps, gradients, scores) = try victim.gradients(of: objectives, at: x)
      guard !victim.deceives(scores) else { break }
      var best: (distance: Double, gap: Double, index: Int)?
      for (index, gap) in gaps.enumerated() {
        let size = gradients.withPointer { (norm == .maximum ? Norm.absolute : .euclidean).length($0 + index * x.count, x.count) }
        let distance = abs(gap) / size
        if size > 0, distance < best?.distance ?? .infinity { best = (distance, abs(gap), index) }
      }
      guard let best else { break }
      direction.copyImage(0, from: gradients, best.index)
      way.move(along: direction, by: best.distance, norm)
      x.set(victim.original, way) { $0 + factor * $1 }
      allowed.project(&x)
      if !victim.goesOn(after: step + 1, of: steps, best.gap) { break }
    }
    let change = x - victim.original
    return victim.isStopped ? allowed.picture(x) : try victim.smallestMultiple(of: change)
  }
}
