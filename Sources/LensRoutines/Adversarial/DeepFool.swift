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
    func moved(_ way: Tensor) -> Tensor {
      var x = Tensor.zip(victim.original, way) { $0 + factor * $1 }
      allowed.project(&x)
      return x
    }
    var way = Tensor(image.shape.with(0, 1)), x = victim.original
    for step in 0..<steps {
      let results = try victim.gradients(of: borders.map { .logit([$0.1]) - .logit([$0.0]) }, at: x)
      guard !victim.deceives(results.scores) else { break }
      var best: (distance: Double, gap: Double, gradient: Tensor)?
      for (gap, gradient) in zip(results.gaps, results.gradients) {
        let size = gradient.withPointer { (norm == .maximum ? Norm.absolute : .euclidean).length($0, gradient.count) }
        let distance = abs(gap) / size
        if size > 0, distance < best?.distance ?? .infinity { best = (distance, abs(gap), gradient) }
      }
      guard let best else { break }
      way.move(along: best.gradient, by: best.distance, norm)
      x = moved(way)
      if !victim.goesOn(after: step + 1, of: steps, best.gap) { break }
    }
    let change = x - victim.original
    return victim.isStopped ? allowed.picture(x) : try victim.smallestMultiple(of: change)
  }
}

extension Victim {
  /// Several objectives at one picture: their values, their gradients, and the class scores.
  fileprivate func gradients(of objectives: [Objective], at x: Tensor) throws -> (gaps: [Double], gradients: [Tensor], scores: [Float]) {
    let results = try session.gradients(of: objectives, at: [x], activations: [.logits])
    noteQueries()
    return (results.map { Double($0.scores[0]) }, results.map { $0.gradients[0] }, results[0].activations[0].values)
  }
}
