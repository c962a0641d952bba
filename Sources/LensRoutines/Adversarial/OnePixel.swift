// SPDX-License-Identifier: Apache-2.0
import LensEngine
import LensTensors

/// A few pixels that change everything, found by differential evolution of their places and colours.
///
/// Su, Vargas & Sakurai, "One Pixel Attack for Fooling Deep Neural Networks", 2019, section III. arXiv:1710.08864: 400
/// candidates, 100 generations, F = 0.5, no crossover, every child against its parent. Each candidate changes so little
/// that only what it reaches in the network is computed.
/// - image: N×C×H×W, one after the other.
/// - pixels: how many.
/// - Throws: what `fgsm` throws, `.invalidArgument` without a range, `.shapeMismatch` for what is no picture.
public func onePixel(
  _ session: Session, _ image: Tensor, _ goal: AttackGoal = AttackGoal(), pixels: Int = 1, population: Int = 400, generations: Int = 100,
  difference: Double = 0.5
) throws -> Adversarial {
  try check(picture: image)
  try check(steps: pixels, "pixels")
  try check(steps: generations, "generations")
  guard difference > 0, difference <= 2 else {
    throw LensError(.invalidArgument, "difference is \(difference); it must be above 0 and at most 2")
  }
  guard pixels <= image.shape.h * image.shape.w else {
    throw LensError(.invalidArgument, "pixels are \(pixels); the picture has \(image.shape.h * image.shape.w)")
  }
  guard 4...1 << 16 ~= population else { throw LensError(.invalidArgument, "population is \(population); it must be 4...65536") }
  guard let range = goal.range else {
    throw LensError(.invalidArgument, "the range of values is not known; this attack draws colours from it")
  }
  return try attackEach(session, image, goal) { victim in
    if victim.deceives(victim.originalScores[0]) { return victim.original }
    let jury = try Jury(victim, range)
    var random = Random(seed: victim.goal.seed)
    var candidates = (0..<population).map { _ in jury.candidate(pixels, &random) }
    var (costs, winner) = try jury.costs(of: candidates)
    for generation in 0..<generations where winner == nil {
      let children = candidates.indices.map { _ in
        let (a, b, c) = (random.index(population), random.index(population), random.index(population))
        return zip(candidates[a], zip(candidates[b], candidates[c])).map { min(max($0 + Float(difference) * ($1.0 - $1.1), 0), 1) }
      }
      let (childCosts, found) = try jury.costs(of: children)
      for i in candidates.indices where childCosts[i] < costs[i] { (candidates[i], costs[i]) = (children[i], childCosts[i]) }
      winner = found.map { index in
        candidates[index] = children[index]
        return index
      }
      if !victim.goesOn(after: generation + 1, of: generations, costs.min() ?? 0) { break }
    }
    let best = winner ?? costs.indices.min { costs[$0] < costs[$1] } ?? 0
    return jury.picture(candidates[best])
  }
}

/// What candidates are worth. A candidate has a row, a column and a colour for each pixel, all in 0...1.
private final class Jury {
  private let victim: Victim
  private let range: ClosedRange<Float>
  private let incremental: IncrementalSession?
  private let c, h, w: Int
  private static let atOnce = 16

  init(_ victim: Victim, _ range: ClosedRange<Float>) throws {
    (self.victim, self.range) = (victim, range)
    (c, h, w) = (victim.original.shape.c, victim.original.shape.h, victim.original.shape.w)
    // Networks that fix their batch, say, are shown whole pictures.
    incremental = try? IncrementalSession(
      victim.session.network, base: [victim.original], at: [.logits], interrupt: victim.session.interrupt)
    if let limit = victim.session.memoryLimit { incremental?.memoryLimit = limit }
  }

  /// The paper's first generation: uniform places, normal colours.
  func candidate(_ pixels: Int, _ random: inout Random) -> [Float] {
    (0..<pixels).flatMap { _ in
      [random.uniform(), random.uniform()] + (0..<c).map { _ in min(max(0.5 + 0.5 * random.normal(), 0), 1) }
    }
  }

  /// Floats that the candidate changes, with what they become.
  private func changes(_ candidate: [Float]) -> [(y: Int, x: Int, values: [Float])] {
    stride(from: 0, to: candidate.count, by: c + 2).map { start in
      let y = min(Int(candidate[start] * Float(h)), h - 1), x = min(Int(candidate[start + 1] * Float(w)), w - 1)
      let values = candidate[start + 2..<start + 2 + c].map { value in
        let value = range.lowerBound + (range.upperBound - range.lowerBound) * value, levels = Float(victim.goal.levels)
        return levels > 0 ? (value * levels).rounded() / levels : value
      }
      return (y, x, values)
    }
  }

  func picture(_ candidate: [Float]) -> Tensor {
    var picture = victim.original
    picture.withMutablePointer { p in
      for (y, x, values) in changes(candidate) { for (k, value) in values.enumerated() { p[(k * h + y) * w + x] = value } }
    }
    return picture
  }

  /// The class's probability (its opposite where that is the target) for each, and the first that deceives.
  func costs(of candidates: [[Float]]) throws -> ([Double], winner: Int?) {
    var costs: [Double] = [], winner: Int?
    for start in stride(from: 0, to: candidates.count, by: Jury.atOnce) {
      let batch = candidates[start..<min(start + Jury.atOnce, candidates.count)]
      for scores in try self.scores(Array(batch)) {
        if winner == nil, victim.deceives(scores) { winner = costs.count }
        costs.append(victim.probability(scores) * (victim.goal.isTargeted ? -1 : 1))
      }
      if winner != nil {
        costs += [Double](repeating: .infinity, count: candidates.count - costs.count)
        break
      }
    }
    return (costs, winner)
  }

  private func scores(_ candidates: [[Float]]) throws -> [[Float]] {
    let pictures = candidates.map(picture)
    guard let incremental else {
      var batch = Tensor(victim.original.shape.with(0, pictures.count))
      let count = victim.original.count
      batch.withMutablePointer { p in
        for (k, picture) in pictures.enumerated() { picture.withPointer { (p + k * count).update(from: $0, count: count) } }
      }
      return try victim.scores(batch)
    }
    victim.noteQueries(pictures.count)
    let changed = zip(candidates, pictures).map { candidate, picture in
      let places = changes(candidate), rows = places.map(\.y), columns = places.map(\.x)
      let region = Region(rows: (rows.min() ?? 0)..<(rows.max() ?? 0) + 1, columns: (columns.min() ?? 0)..<(columns.max() ?? 0) + 1)
      return Perturbation(region, of: picture)
    }
    let logits = try incremental.activations(of: changed)[0], values = logits.values, classes = logits.count / pictures.count
    return pictures.indices.map { Array(values[$0 * classes..<($0 + 1) * classes]) }
  }
}

extension Random {
  mutating func index(_ count: Int) -> Int { Int.random(in: 0..<count, using: &self) }
}
