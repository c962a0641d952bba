// SPDX-License-Identifier: Apache-2.0
import Glibc
import LensEngine
import LensTensors

/// The first attack: the smallest change r that makes the network see a class, by L-BFGS on |r|^2 + c loss(x + r), with a
/// search for the smallest c that works.
///
/// Szegedy et al., "Intriguing Properties of Neural Networks", 2014, section 4.1. arXiv:1312.6199. There it is |r|, and c
/// stands before it.
/// - image: N×C×H×W, one after the other.
/// - goal: without a target the runner-up of what the network sees is aimed at.
/// - steps: of L-BFGS, for each c.
/// - searches: how many times c is bisected, after it has grown tenfold until it works.
/// - weight: the first c.
/// - Throws: what `fgsm` throws.
public func lbfgsAttack(
  _ session: Session, _ image: Tensor, _ goal: AttackGoal = AttackGoal(), steps: Int = 20, searches: Int = 6, weight: Double = 0.1
) throws -> Adversarial {
  try check(steps: steps)
  try check(steps: searches, "searches", atLeast: 0)
  try check(positive: weight, "weight")
  return try attackEach(session, image, goal) { victim in
    let original = victim.original, scores = victim.originalScores[0], label = victim.classes[0]
    if victim.deceives(scores) { return original }
    let runnerUp = scores.indices.filter { $0 != label }.max { scores[$0] < scores[$1] }
    guard let aim = victim.goal.isTargeted ? label : runnerUp else { return original }

    var x = original, change = Tensor(original.shape), best: Tensor?, shortest = Double.infinity
    /// Nil: the caller has had enough.
    func works(_ c: Double, _ round: Int) throws -> Bool? {
      var optimizer = LBFGS(), w = original, works = false
      for step in 0..<steps {
        let value = try optimizer.step(&w) { w, gradient in
          x.copy(w)
          x.limit(to: victim.goal.range)
          let (slope, rows) = try victim.gradient(of: .crossEntropy([aim]), at: x), scores = rows[0]
          change.set(x, original, -)
          let distance = change.length
          if victim.deceives(scores) {
            works = true
            if distance < shortest {
              (shortest, best) = (distance, best ?? Tensor(x.shape))
              best?.copy(x)
            }
          }
          gradient.set(change, slope) { -2 * $0 - Float(c) * $1 }
          // Outside the box the picture is the nearest one inside, and the way out costs its square.
          change.set(w, x, -)
          let out = change.length
          gradient.replace(by: change) { -2 * $0 }
          return -(distance * distance + c * loss(scores, aim) + out * out)
        }
        if !victim.goesOn(after: round * steps + step + 1, of: (searches + 10) * steps, -value) { return nil }
      }
      return works
    }
    var c = weight, low = 0.0, round = 0
    while round < 10 {
      guard let isEnough = try works(c, round) else { return try victim.handedBack(best) }
      round += 1
      if isEnough { break }
      (low, c) = (c, c * 10)
    }
    if best != nil {
      var high = c
      for _ in 0..<searches {
        let middle = low > 0 ? (low * high).squareRoot() : high / 10
        guard let isEnough = try works(middle, round) else { break }
        round += 1
        if isEnough { high = middle } else { low = middle }
      }
    }
    return try victim.handedBack(best)
  }

  func loss(_ scores: [Float], _ aim: Int) -> Double {
    let highest = Double(scores[Victim.best(scores)])
    return log(scores.reduce(0) { $0 + exp(Double($1) - highest) }) + highest - Double(scores[aim])
  }
}

extension Victim {
  fileprivate func handedBack(_ picture: Tensor?) throws -> Tensor {
    try picture.map { try smallestMultiple(of: $0 - original) } ?? original
  }
}

extension Tensor {
  mutating func limit(to range: ClosedRange<Float>?) {
    if let range { ValueRange(range).project(&self) }
  }

  /// Where the other is not 0.
  fileprivate mutating func replace(by other: Tensor, _ f: (Float) -> Float) {
    let count = count
    other.withPointer { x in withMutablePointer { y in for i in 0..<count where x[i] != 0 { y[i] = f(x[i]) } } }
  }
}
