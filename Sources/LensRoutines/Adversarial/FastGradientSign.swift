// SPDX-License-Identifier: Apache-2.0
import LensEngine
import LensTensors

/// One step along the gradient of the loss: x' = x + epsilon sign(dJ/dx), or along g/|g| for the other norms.
///
/// Goodfellow, Shlens & Szegedy, "Explaining and Harnessing Adversarial Examples", 2015, section 4. arXiv:1412.6572
/// - image: N×C×H×W.
/// - epsilons: sizes of the step in the units of the image, one result for each; the gradient is computed once.
///   |x' - x| <= epsilon holds exactly.
/// - Throws: `.invalidArgument` for an epsilon below 0, a target that is missing or seen already, a class that does not
///   exist, an image outside the goal's range.
public func fgsm(
  _ session: Session, _ image: Tensor, _ goal: AttackGoal = AttackGoal(), epsilons: [Double], norm: Norm = .maximum
) throws -> [Adversarial] {
  for epsilon in epsilons { try check(radius: epsilon) }
  let victim = try Victim(session, image, goal, seesOriginals: false)
  let gradient = try session.walking { try victim.ascent(at: image) }.gradient
  return try epsilons.map { epsilon in
    var x = image
    x.move(along: gradient, by: epsilon, norm)
    return try victim.result(Allowed(victim, norm, radius: epsilon).picture(x))
  }
}

/// The same for one size.
public func fgsm(
  _ session: Session, _ image: Tensor, _ goal: AttackGoal = AttackGoal(), epsilon: Double, norm: Norm = .maximum
) throws -> Adversarial {
  try fgsm(session, image, goal, epsilons: [epsilon], norm: norm)[0]
}
