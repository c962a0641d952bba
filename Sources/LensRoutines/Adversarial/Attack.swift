// SPDX-License-Identifier: Apache-2.0
import Glibc
import LensEngine
import LensTensors

/// What an attack is to reach, and what its pictures may be.
public struct AttackGoal {
  /// The true classes, which are to be left; with `isTargeted` those to be reached. One for all images or one for each; nil:
  /// what the network sees now.
  public var classes: [Int]?
  public var isTargeted: Bool
  /// The values that a picture may have; nil for tensors that are no pictures.
  public var range: ClosedRange<Float>?
  /// Results are whole multiples of 1/levels: 255 for pictures that are stored as bytes. The network is attacked with
  /// what is stored, so that success survives. 0: any float.
  public var levels: Int
  /// Every image of a batch gets the same random numbers, so that it becomes what it would become alone.
  public var seed: UInt64
  /// Gets how many steps of all are done and a value that the attack lowers. False: enough, the result is what there is.
  public var progress: ((_ step: Int, _ steps: Int, _ value: Double) -> Bool)?

  public init(
    _ classes: [Int]? = nil, isTargeted: Bool = false, range: ClosedRange<Float>? = 0...1, levels: Int = 0, seed: UInt64 = 0,
    progress: ((Int, Int, Double) -> Bool)? = nil
  ) {
    (self.classes, self.isTargeted, self.range, self.levels) = (classes, isTargeted, range, levels)
    (self.seed, self.progress) = (seed, progress)
  }
}

/// What an attack made.
public struct Adversarial: Sendable {
  /// Of the shape of the originals.
  public let images: Tensor
  /// The classes that were to be left, or to be reached.
  public let classes: [Int]
  /// Whether the network now sees another class, or that class.
  public let success: [Bool]
  /// How many pictures the network was shown, for each image.
  public let queries: [Int]
}

/// The network under attack, and the pictures that it is to mistake.
final class Victim {
  let session: Session
  let goal: AttackGoal
  let original: Tensor
  let classes: [Int]
  /// Pictures shown so far, for each image.
  private(set) var queries = 0
  private(set) var isStopped = false
  /// The class scores of the originals; empty where they were not asked for.
  private(set) var originalScores: [[Float]] = []
  /// What the last step's gradient and scores stand in, for the next one's.
  private var slope = Tensor.empty, logits = Tensor.empty

  var imageCount: Int { original.shape.n }

  /// - seesOriginals: false for attacks that need their scores only where no class is named.
  /// - mayHaveReached: a targeted attack may start where the target is seen already.
  init(
    _ session: Session, _ image: Tensor, _ goal: AttackGoal, seesOriginals: Bool = true, mayHaveReached: Bool = false
  ) throws {
    (self.session, self.goal, original) = (session, goal, image)
    let images = image.shape.n
    guard image.shape.rank >= 2, image.count > 0 else {
      throw LensError(.shapeMismatch, "the picture is \(image.shape); it must be N×C×H×W")
    }
    guard 0...65535 ~= goal.levels else {
      throw LensError(.invalidArgument, "levels are \(goal.levels); they must be 0 (any value) to 65535")
    }
    try Victim.check(image, goal)
    if let classes = goal.classes {
      guard classes.count == 1 || classes.count == images else {
        throw LensError(.invalidArgument, "\(classes.count) classes came for \(images) images; give one for all, or one for each")
      }
      guard let lowest = classes.min(), lowest >= 0 else {
        throw LensError(.invalidArgument, "class \(classes.min() ?? -1) does not exist; classes count from 0")
      }
    } else if goal.isTargeted {
      throw LensError(.invalidArgument, "a targeted attack needs the class to reach; none was given")
    }
    guard seesOriginals || goal.isTargeted || goal.classes == nil else {
      classes = goal.classes.map { $0.count == 1 ? [Int](repeating: $0[0], count: images) : $0 } ?? []
      return
    }
    let scores = try Victim.scores(session, image)
    let seen = scores.map(Victim.best)
    classes = goal.classes.map { $0.count == 1 ? [Int](repeating: $0[0], count: images) : $0 } ?? seen
    queries = 1
    originalScores = scores
    if let row = scores.first, let wrong = classes.first(where: { $0 >= row.count }) {
      throw LensError(.invalidArgument, "class \(wrong) does not exist; the network has \(row.count) classes (0...\(row.count - 1))")
    }
    if goal.isTargeted, !mayHaveReached, let n = (0..<images).first(where: { seen[$0] == classes[$0] }) {
      throw LensError(
        .invalidArgument, "the target of image \(n) is class \(classes[n]), which the network sees in it already; aim at another")
    }
  }

  private static func check(_ image: Tensor, _ goal: AttackGoal) throws {
    let count = image.count, levels = Double(goal.levels)
    if let range = goal.range {
      let (low, high) = (range.lowerBound, range.upperBound)
      let outside = image.withPointer { x in (0..<count).first { !(x[$0] >= low && x[$0] <= high) }.map { x[$0] } }
      if let outside {
        throw LensError(.invalidArgument, "the image has a value \(outside) outside the range \(low)...\(high) that results may have")
      }
    }
    guard goal.levels > 0 else { return }
    let astray = image.withPointer { x in
      (0..<count).first { !(abs(Double(x[$0]) * levels - (Double(x[$0]) * levels).rounded()) < 1e-2) }.map { x[$0] }
    }
    if let astray {
      throw LensError(.invalidArgument, "the image has a value \(astray) that is no multiple of 1/\(goal.levels); levels 0 take any value")
    }
  }

  // MARK: Asking

  /// One row of class scores for each picture.
  func scores(_ pictures: Tensor) throws -> [[Float]] {
    queries += pictures.shape.n / imageCount
    return try Victim.scores(session, pictures)
  }

  private static func scores(_ session: Session, _ pictures: Tensor) throws -> [[Float]] {
    try rows(try session.activations(of: [pictures], at: [.logits])[0], pictures.shape.n)
  }

  private static func rows(_ logits: Tensor, _ images: Int) throws -> [[Float]] {
    guard logits.shape.rank >= 2, logits.shape.n == images, logits.count == images * logits.shape.c, logits.count > 0 else {
      throw LensError(.shapeMismatch, "the output is \(logits.shape), not one score a class for each of \(images) images")
    }
    let values = logits.values, count = logits.shape.c
    return (0..<images).map { Array(values[$0 * count..<($0 + 1) * count]) }
  }

  /// The direction in which each picture deceives more, with its class scores: up the cross-entropy of the class that is
  /// to be left, or down that of the class to be reached.
  func ascent(at pictures: Tensor) throws -> (gradient: Tensor, scores: [[Float]]) {
    let loss = Objective.crossEntropy(classes)
    return try gradient(of: goal.isTargeted ? -1 * loss : loss, at: pictures)
  }

  func gradient(of objective: Objective, at pictures: Tensor) throws -> (gradient: Tensor, scores: [[Float]]) {
    queries += 1
    if slope.shape == pictures.shape {
      try slope.withMutablePointer { gradient in
        try logits.withMutablePointer { logits in
          _ = try session.gradient(of: objective, at: [pictures], activations: [.logits], into: [gradient, logits])
        }
      }
    } else {
      let result = try session.gradient(of: objective, at: [pictures], activations: [.logits])
      (slope, logits) = (result.gradients[0], result.activations[0])
    }
    return (slope, try Victim.rows(logits, pictures.shape.n))
  }

  /// Several objectives at one picture: their values, their gradients one behind the other, and the class scores.
  func gradients(of objectives: [Objective], at picture: Tensor) throws -> (values: [Double], gradients: Tensor, scores: [Float]) {
    queries += 1
    try slope.fit(picture.shape.with(0, objectives.count))
    try logits.fit(session.shapes(of: [.logits], inputs: [picture.shape])[0])
    let results = try slope.withMutablePointer { gradient in
      try logits.withMutablePointer { logits in
        try session.gradients(of: objectives, at: [picture], activations: [.logits], into: [gradient, logits])
      }
    }
    return (results.map { Double($0.scores[0]) }, slope, try Victim.rows(logits, 1)[0])
  }

  /// Pictures that were shown past `scores` and `gradient`.
  func noteQueries(_ count: Int = 1) { queries += count }

  // MARK: Judging

  static func best(_ scores: [Float]) -> Int { scores.indices.reduce(0) { scores[$1] > scores[$0] ? $1 : $0 } }

  func deceives(_ scores: [Float], _ n: Int = 0) -> Bool { (Victim.best(scores) == classes[n]) == goal.isTargeted }

  /// How far the network is from being deceived, in units of its scores; below 0 it is.
  func margin(_ scores: [Float], _ n: Int = 0) -> Double {
    var other = -Float.infinity
    for (k, score) in scores.enumerated() where k != classes[n] { other = max(other, score) }
    let margin = Double(scores[classes[n]]) - Double(other)
    return goal.isTargeted ? -margin : margin
  }

  /// The probability of the class.
  func probability(_ scores: [Float], _ n: Int = 0) -> Double {
    let highest = Double(scores[Victim.best(scores)])
    return exp(Double(scores[classes[n]]) - highest) / scores.reduce(0) { $0 + exp(Double($1) - highest) }
  }

  /// False: enough.
  func goesOn(after step: Int, of steps: Int, _ value: Double) -> Bool {
    if goal.progress?(step, steps, value) == false { isStopped = true }
    return !isStopped
  }

  /// What is handed back.
  func result(_ images: Tensor) throws -> Adversarial {
    let scores = try scores(images)
    return result(images, success: scores.indices.map { deceives(scores[$0], $0) })
  }

  func result(_ images: Tensor, success: [Bool]) -> Adversarial {
    Adversarial(images: images, classes: classes, success: success, queries: [Int](repeating: queries, count: imageCount))
  }
}

/// Runs an attack of several steps. The session's interrupt ends it when a step is done, with the pictures reached; another one
/// ends it at once, as it ends a pass: with `.cancelled`.
func handingBack<Result>(_ session: Session, _ goal: AttackGoal, _ attack: (AttackGoal) throws -> Result) rethrows -> Result {
  guard let interrupt = session.interrupt else { return try attack(goal) }
  // An interrupt that lasts counts once.
  var interrupts = 0, lasts = false
  session.interrupt = {
    let isAsked = interrupt()
    if isAsked, !lasts { interrupts += 1 }
    lasts = isAsked
    return interrupts > 1
  }
  defer { session.interrupt = interrupt }
  var goal = goal
  let progress = goal.progress
  goal.progress = { step, steps, value in interrupts == 0 && progress?(step, steps, value) != false }
  return try attack(goal)
}

/// An attack on one picture after the other.
///
/// - attack: gets the victim of one picture, and gives a picture.
func attackEach(
  _ session: Session, _ image: Tensor, _ goal: AttackGoal, mayHaveReached: Bool = false, _ attack: (Victim) throws -> Tensor
) throws -> Adversarial {
  try handingBack(session, goal) { try attackEach(session, image, $0, mayHaveReached, attack) }
}

private func attackEach(
  _ session: Session, _ image: Tensor, _ goal: AttackGoal, _ mayHaveReached: Bool, _ attack: (Victim) throws -> Tensor
) throws -> Adversarial {
  guard image.shape.rank >= 2, image.count > 0 else {
    throw LensError(.shapeMismatch, "the picture is \(image.shape); it must be N×C×H×W")
  }
  let images = image.shape.n, count = image.count / images
  if let classes = goal.classes, classes.count != 1, classes.count != images {
    throw LensError(.invalidArgument, "\(classes.count) classes came for \(images) images; give one for all, or one for each")
  }
  var changed = try Tensor(allocating: image.shape), isStopped = false
  var classes: [Int] = [], success: [Bool] = [], queries: [Int] = []
  for n in 0..<images {
    var single = goal
    single.classes = goal.classes.map { [$0.count == 1 ? $0[0] : $0[n]] }
    single.progress = goal.progress.map { progress in { progress(n &* $1 &+ $0, images &* $1, $2) } }
    let victim = try Victim(session, image.single(n), single, mayHaveReached: mayHaveReached)
    let result = try victim.result(isStopped ? victim.original : try attack(victim))
    isStopped = isStopped || victim.isStopped
    changed.withMutablePointer { y in result.images.withPointer { (y + n * count).update(from: $0, count: count) } }
    classes += result.classes
    success += result.success
    queries += result.queries
  }
  return Adversarial(images: changed, classes: classes, success: success, queries: queries)
}
