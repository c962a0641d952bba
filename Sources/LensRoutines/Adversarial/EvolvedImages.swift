// SPDX-License-Identifier: Apache-2.0
import Glibc
import LensEngine
import LensTensors

/// How an evolved picture is written down.
public enum ImageEncoding: Sendable, CaseIterable {
  /// Every value by itself.
  case direct
  /// As a small network that paints it.
  case pattern
}

/// Pictures that mean nothing to people and that a network is sure of, bred without any gradient.
///
/// Nguyen, Yosinski & Clune, "Deep Neural Networks are Easily Fooled", 2015, section 2.3 (arXiv:1412.1897): polynomial mutation
/// of a tenth of all values, a share that halves every thousand generations, or compositional pattern-producing networks
/// (Stanley, 2007). Here each class is bred by itself: of parents and children the best remain.
/// - shape: N×C×H×W of the pictures, which begin as noise or as the simplest patterns.
/// - goal: the classes to be seen, one for all or one for each; they are targets whatever `isTargeted` says.
/// - confidence: the probability to reach, below 1.
/// - population: parents, and children of each generation.
/// - Throws: `.invalidArgument`, as `fgsm`, and without a range; patterns need one or three channels.
public func evolveFool(
  _ session: Session, shape: Shape, _ goal: AttackGoal, encoding: ImageEncoding = .pattern, confidence: Double = 0.99,
  population: Int = 16, generations: Int = 500
) throws -> Adversarial {
  try check(confidence: confidence)
  guard 1...4096 ~= population else { throw LensError(.invalidArgument, "population is \(population); it must be 1...4096") }
  try check(steps: generations, "generations")
  guard shape.rank == 4, shape.count > 0, encoding == .direct || [1, 3].contains(shape.c) else {
    throw LensError(.shapeMismatch, "the picture is \(shape); it must be N×C×H×W, and for a pattern of 1 or 3 channels")
  }
  guard let range = goal.range else {
    throw LensError(.invalidArgument, "the range of values is not known; this attack draws values from it")
  }
  var goal = goal
  goal.isTargeted = true
  let middle = Tensor(shape, repeating: range.lowerBound)
  return try attackEach(session, middle, goal, mayHaveReached: true) { victim in
    var random = Random(seed: victim.goal.seed)
    switch encoding {
    case .direct:
      return try breed(victim, population, generations, confidence, &random) {
        Tensor.uniform(victim.original.shape, in: range, using: &$0)
      } mutated: {
        $0.mutated(0.1 * pow(0.5, Double($1 / 1000)), range, &$2)
      } picture: {
        $0
      }
    case .pattern:
      return try breed(victim, population, generations, confidence, &random) {
        PatternGenome(channels: shape.c, &$0)
      } mutated: {
        $0.mutated(&$2)
      } picture: {
        $0.picture(victim.original.shape, range)
      }
    }
  }
}

private func breed<Genome>(
  _ victim: Victim, _ population: Int, _ generations: Int, _ confidence: Double, _ random: inout Random, first: (inout Random) -> Genome,
  mutated: (Genome, Int, inout Random) -> Genome, picture: (Genome) -> Tensor
) throws -> Tensor {
  let allowed = Allowed(victim)
  func judged(_ genome: Genome) throws -> (genome: Genome, worth: Double) {
    let scores = try victim.scores(stored(genome))[0]
    return (genome, victim.probability(scores))
  }
  func stored(_ genome: Genome) -> Tensor { allowed.picture(picture(genome)) }
  var parents = try (0..<population).map { _ in try judged(first(&random)) }
  parents.sort { $0.worth > $1.worth }
  for generation in 0..<generations where parents[0].worth < confidence {
    var children: [(genome: Genome, worth: Double)] = []
    for _ in 0..<population {
      let parent = parents[min(random.index(population), random.index(population))].genome
      children.append(try judged(mutated(parent, generation, &random)))
    }
    // (Among equals the younger one stays: it keeps things moving where the network is blind.)
    parents = Array((children + parents).sorted { $0.worth > $1.worth }.prefix(population))
    if !victim.goesOn(after: generation + 1, of: generations, 1 - parents[0].worth) { break }
  }
  return stored(parents[0].genome)
}

extension Tensor {
  /// Deb's polynomial mutation, with the paper's strength of 15, of a random share of all values.
  fileprivate func mutated(_ share: Double, _ range: ClosedRange<Float>, _ random: inout Random) -> Tensor {
    let width = Double(range.upperBound) - Double(range.lowerBound), exponent = 1.0 / 16
    return map { value in
      guard Double(random.uniform()) < share else { return value }
      let u = Double(random.uniform())
      let change = u < 0.5 ? pow(2 * u, exponent) - 1 : 1 - pow(2 * (1 - u), exponent)
      return min(max(Float(Double(value) + change * width), range.lowerBound), range.upperBound)
    }
  }
}
