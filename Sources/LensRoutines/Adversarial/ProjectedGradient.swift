// SPDX-License-Identifier: Apache-2.0
import Glibc
import LensEngine
import LensTensors

/// Steps up the loss, each brought back into the ball round the original: x <- P(x + step sign(dJ/dx)).
///
/// Madry et al., "Towards Deep Learning Models Resistant to Adversarial Attacks", 2018, section 2.1. arXiv:1706.06083.
/// Without the random start it is the basic iterative method of Kurakin, Goodfellow & Bengio, "Adversarial Examples in
/// the Physical World", 2017, section 2.2 (arXiv:1607.02533); with momentum that of Dong et al., "Boosting Adversarial
/// Attacks with Momentum", 2018, algorithm 1 (arXiv:1710.06081).
/// - image: N×C×H×W.
/// - epsilon: the radius of the ball, in the units of the image; |x' - x| <= epsilon holds exactly.
/// - step: the length of each step, in the same norm.
/// - momentum: mu, how much of the last direction stays; 0 for none.
/// - startsRandomly: at a random point of the ball: uniform, or in the other norms in a uniform direction.
/// - Throws: what `fgsm` throws.
public func pgd(
  _ session: Session, _ image: Tensor, _ goal: AttackGoal = AttackGoal(), norm: Norm = .maximum, epsilon: Double = 8.0 / 255,
  step: Double = 2.0 / 255, steps: Int = 10, momentum: Double = 0, startsRandomly: Bool = true
) throws -> Adversarial {
  try check(radius: epsilon)
  try check(positive: step, "step")
  try check(radius: momentum, "momentum")
  try check(steps: steps)
  return try handingBack(session, goal) { goal in
    let victim = try Victim(session, image, goal, seesOriginals: false)
    let allowed = Allowed(victim, norm, radius: epsilon)
    var x = image, pictures = image, velocity = Tensor(image.shape), best = image, isFound = [Bool](repeating: false, count: image.shape.n)
    if startsRandomly {
      x.moveRandomly(inBallOf: epsilon, norm, seed: goal.seed)
      allowed.project(&x)
    }
    func keep(_ pictures: Tensor, _ scores: [[Float]]) {
      for n in scores.indices where victim.deceives(scores[n], n) {
        best.copyImage(n, from: pictures)
        isFound[n] = true
      }
    }
    for index in 0..<steps {
      pictures.copy(x)
      allowed.settle(&pictures)
      let (gradient, scores) = try session.walking { try victim.ascent(at: pictures) }
      if index > 0 || startsRandomly { keep(pictures, scores) }
      if momentum > 0 { velocity.decay(momentum, adding: gradient) }
      x.move(along: momentum > 0 ? velocity : gradient, by: step, norm)
      allowed.project(&x)
      let margin = scores.indices.reduce(0.0) { $0 + victim.margin(scores[$1], $1) } / Double(scores.count)
      if !victim.goesOn(after: index + 1, of: steps, margin) { break }
    }
    // The last pictures, unless they fail where earlier ones did not.
    let last = allowed.picture(x)
    keep(last, try victim.scores(last))
    for n in isFound.indices where !isFound[n] { best.copyImage(n, from: last) }
    return victim.result(best, success: isFound)
  }
}

extension Tensor {
  /// - image: of the other, nil for the same.
  mutating func copyImage(_ n: Int, from other: Tensor, _ image: Int? = nil) {
    let count = count / shape.n, image = image ?? n
    withMutablePointer { y in other.withPointer { (y + n * count).update(from: $0 + image * count, count: count) } }
  }

  /// mu v + g/|g|_1, image by image: eq. (6) of Dong et al.
  fileprivate mutating func decay(_ momentum: Double, adding gradient: Tensor) {
    let images = shape.n, count = count / images
    gradient.withPointer { g in
      withMutablePointer { v in
        for n in 0..<images {
          let size = Norm.absolute.length(g + n * count, count), factor = size > 0 ? 1 / size : 0
          for i in n * count..<(n + 1) * count { v[i] = Float(momentum * Double(v[i]) + factor * Double(g[i])) }
        }
      }
    }
  }

  /// Every image by the same amount: uniform in the ball of the maximum norm; a uniform direction and a radius as in a
  /// uniform ball for the others.
  fileprivate mutating func moveRandomly(inBallOf radius: Double, _ norm: Norm, seed: UInt64) {
    let images = shape.n, count = count / images
    var random = Random(seed: seed)
    var noise = [Float](repeating: 0, count: count), size = 1.0
    for i in 0..<count {
      switch norm {
      case .maximum: noise[i] = 2 * random.uniform() - 1
      case .euclidean: noise[i] = random.normal()
      case .absolute:
        let length = -log(1 - Double(random.uniform()))
        noise[i] = Float(random.next() & 1 == 0 ? length : -length)
      }
    }
    if norm != .maximum {
      size = noise.withUnsafeBufferPointer { $0.baseAddress.map { norm.length($0, count) } ?? 1 }
      size /= pow(Double(random.uniform()), 1 / Double(count))
    }
    let factor = size > 0 ? radius / size : 0
    withMutablePointer { x in
      for n in 0..<images { for i in 0..<count { x[n * count + i] = Float(Double(x[n * count + i]) + factor * Double(noise[i])) } }
    }
  }
}
