// SPDX-License-Identifier: Apache-2.0
import LensEngine
import LensTensors

/// A walk along the border of the wrong class towards the original: needs what the network says and nothing more.
///
/// Brendel, Rauber & Bethge, "Decision-Based Adversarial Attacks", 2018, algorithm 1 and section 2.4. arXiv:1712.04248
/// - image: N×C×H×W, one after the other.
/// - start: pictures that are mistaken already, of the image's shape; nil: the image in as little noise as it takes, which
///   a targeted attack seldom finds.
/// - orthogonal, towards: the lengths of the two parts of a step relative to the distance, at first; they adapt.
/// - Throws: what `fgsm` throws, and `.invalidArgument` without a range.
public func boundary(
  _ session: Session, _ image: Tensor, _ goal: AttackGoal = AttackGoal(), start: Tensor? = nil, steps: Int = 1000,
  orthogonal: Double = 0.01, towards: Double = 0.01
) throws -> Adversarial {
  try check(steps: steps)
  try check(positive: orthogonal, "orthogonal")
  try check(positive: towards, "towards")
  return try attackFromOutside(session, image, goal, start) { victim, x, random in
    let original = victim.original, allowed = Allowed(victim)
    var x = x, away = Tensor(x.shape), noise = away, sphere = away, trial = away
    var orthogonal = orthogonal, towards = towards
    var onSphere = Tally(), inward = Tally()
    for step in 0..<steps {
      away.set(x, original, -)
      let distance = away.length
      guard distance > 0 else { break }
      // A random direction of length `orthogonal`, at right angles to the way to the original ...
      noise.setToNormal(using: &random)
      noise.add(-Float(noise.product(away) / (distance * distance)), away)
      noise.scale(by: Float(orthogonal * distance / max(noise.length, 1e-30)))
      // ... back on the sphere ...
      let scale = Float(1 / (1 + orthogonal * orthogonal).squareRoot())
      noise.add(1, away)
      sphere.set(original, noise) { $0 + scale * $1 }
      sphere.limit(to: allowed.range)
      // ... and a step inwards.
      noise.set(sphere, original, -)
      let reached = noise.length
      let length = reached > 0 ? max(0, (towards * distance + reached - distance) / reached) : 0
      let share = Float(min(length, 1))
      trial.set(sphere, noise) { $0 - share * $1 }
      trial.limit(to: allowed.range)

      if step % 10 == 0 { onSphere.add(victim.deceives(try victim.scores(sphere)[0])) }
      let isFooled = victim.deceives(try victim.scores(trial)[0])
      inward.add(isFooled)
      noise.set(trial, original, -)
      if isFooled, noise.length < distance { swap(&x, &trial) }
      if let rate = onSphere.rate(after: 10) {
        if rate > 0.5 { (orthogonal, towards) = (orthogonal * 1.5, towards * 1.5) }
        if rate < 0.2 { (orthogonal, towards) = (orthogonal / 1.5, towards / 1.5) }
      }
      if let rate = inward.rate(after: 30) {
        if rate > 0.25 { towards *= 1.5 }
        if rate < 0.1 { towards /= 1.5 }
      }
      if !victim.goesOn(after: step + 1, of: steps, distance) { break }
    }
    return x
  }
}

/// How often something worked lately.
private struct Tally {
  private var tries = 0, successes = 0

  mutating func add(_ success: Bool) { (tries, successes) = (tries + 1, successes + (success ? 1 : 0)) }

  /// Once there are enough tries, which are then forgotten.
  mutating func rate(after enough: Int) -> Double? {
    guard tries >= enough else { return nil }
    defer { (tries, successes) = (0, 0) }
    return Double(successes) / Double(tries)
  }
}

/// Attacks that begin at a picture that is mistaken and come closer.
///
/// - attack: gets the victim, the first picture, and where random numbers come from; what it gives is rounded here.
func attackFromOutside(
  _ session: Session, _ image: Tensor, _ goal: AttackGoal, _ start: Tensor?,
  _ attack: (Victim, Tensor, inout Random) throws -> Tensor
) throws -> Adversarial {
  guard goal.range != nil else {
    throw LensError(.invalidArgument, "the range of values is not known; this attack starts from noise within it")
  }
  if let start, start.shape != image.shape {
    throw LensError(.shapeMismatch, "the start is \(start.shape); it must be \(image.shape) as the image")
  }
  var n = 0
  return try attackEach(session, image, goal) { victim in
    defer { n += 1 }
    if victim.deceives(victim.originalScores[0]) { return victim.original }
    var random = Random(seed: goal.seed)
    guard let first = try victim.mistaken(start?.single(n), &random) else { return victim.original }
    return try victim.smallestMultiple(of: attack(victim, first, &random) - victim.original)
  }
}

extension Victim {
  /// A picture that deceives, to start from: the one given, else the original in the least noise of some.
  fileprivate func mistaken(_ start: Tensor?, _ random: inout Random) throws -> Tensor? {
    guard let range = goal.range else { return nil }
    if let start {
      var start = start
      start.limit(to: range)
      guard deceives(try scores(start)[0]) else {
        throw LensError(.invalidArgument, "the start does not deceive the network; it must be a picture that is mistaken already")
      }
      return start
    }
    let steps = 16
    for _ in 0..<16 {
      let noise = Tensor.uniform(original.shape, in: range, using: &random)
      for step in 1...steps {
        let share = Float(step) / Float(steps)
        let trial = Tensor.zip(original, noise) { (1 - share) * $0 + share * $1 }
        if deceives(try scores(trial)[0]) { return trial }
      }
    }
    return nil
  }
}

extension Tensor {
  var length: Double { withPointer { Norm.euclidean.length($0, count) } }
}
