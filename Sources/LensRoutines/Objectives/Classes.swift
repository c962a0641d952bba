// SPDX-License-Identifier: Apache-2.0
import Glibc
import LensEngine
import LensTensors

extension Objective {
  /// Class scores before the softmax: one class for all images, or one for each.
  public static func logit(_ classes: [Int]) -> Objective {
    Objective("logit \(named(classes))", at: [.logits], settle: settling(classes) { .logit($0) }) { activations, seeds in
      let logits = try ClassScores(activations)
      let targets = try logits.targets(classes, firstImage: activations.firstImage)
      seeds.add(at: .logits) { gradient, weight in
        for (n, target) in targets.enumerated() { gradient[logits.position(n, target)] += weight }
      }
      return Value(scores: targets.enumerated().map { logits[$0, $1] }, targets: targets)
    }
  }

  /// The highest class score of each image.
  public static let top = Objective("top logit", at: [.logits], settle: { .logit([try ClassScores($0).best(0)]) }) { activations, seeds in
    let logits = try ClassScores(activations)
    let targets = (0..<logits.imageCount).map(logits.best)
    seeds.add(at: .logits) { gradient, weight in
      for (n, target) in targets.enumerated() { gradient[logits.position(n, target)] += weight }
    }
    return Value(scores: targets.enumerated().map { logits[$0, $1] }, targets: targets)
  }

  /// Class probabilities, exp(z_k) / sum exp(z). dp_k/dz_j = p_k ([j = k] - p_j): it vanishes as p_k nears 1.
  public static func probability(_ classes: [Int]) -> Objective {
    Objective("probability \(named(classes))", at: [.logits], settle: settling(classes) { .probability($0) }) { activations, seeds in
      let logits = try ClassScores(activations)
      let targets = try logits.targets(classes, firstImage: activations.firstImage)
      let scores = targets.enumerated().map { n, target in
        let p = logits.probabilities(n)
        seeds.add(at: .logits) { gradient, weight in
          for j in p.indices { gradient[logits.position(n, j)] += weight * p[target] * ((j == target ? 1 : 0) - p[j]) }
        }
        return p[target]
      }
      return Value(scores: scores, targets: targets)
    }
  }

  /// -log of the class probabilities: the loss that training lowers and attacks raise.
  public static func crossEntropy(_ classes: [Int]) -> Objective {
    Objective("cross-entropy \(named(classes))", at: [.logits], settle: settling(classes) { .crossEntropy($0) }) { activations, seeds in
      let logits = try ClassScores(activations)
      let targets = try logits.targets(classes, firstImage: activations.firstImage)
      let scores = targets.enumerated().map { n, target in
        let p = logits.probabilities(n)
        seeds.add(at: .logits) { gradient, weight in
          for j in p.indices { gradient[logits.position(n, j)] += weight * (p[j] - (j == target ? 1 : 0)) }
        }
        return logits.logSumExp(n) - logits[n, target]
      }
      return Value(scores: scores, targets: targets)
    }
  }

  /// The class of the one image there is.
  private static func settling(
    _ classes: [Int], _ objective: @escaping @Sendable ([Int]) -> Objective
  ) -> @Sendable (Activations) throws -> Objective {
    { objective(try ClassScores($0).targets(classes, firstImage: $0.firstImage)) }
  }

  private static func named(_ classes: [Int]) -> String {
    classes.count == 1 ? "\(classes[0])" : "of \(classes.count) classes"
  }
}

/// The logits of a batch as N rows of K numbers.
struct ClassScores {
  private let view: TensorView
  let imageCount: Int
  let classCount: Int

  /// - Throws: `.shapeMismatch` where the network's output is not one score a class for each image.
  init(_ activations: Activations) throws {
    view = activations[.logits]
    imageCount = activations.imageCount
    classCount = view.stride
    guard view.shape.rank >= 2, view.shape[0] == imageCount, view.shape[1] == classCount, classCount > 0 else {
      throw LensError(
        .shapeMismatch,
        "the output is \(view.shape), not one score a class for each of \(imageCount) images; name a layer and a unit instead of a class")
    }
  }

  subscript(n: Int, k: Int) -> Float { view.base[position(n, k)] }
  func position(_ n: Int, _ k: Int) -> Int { n * classCount + k }

  func best(_ n: Int) -> Int { (0..<classCount).reduce(0) { self[n, $1] > self[n, $0] ? $1 : $0 } }

  func targets(_ classes: [Int], firstImage: Int) throws -> [Int] {
    guard classes.count == 1 || classes.count >= firstImage + imageCount else {
      throw LensError(
        .invalidArgument,
        "\(classes.count) classes came for a batch of at least \(firstImage + imageCount) images; give one, or one for each image")
    }
    if let wrong = classes.first(where: { !(0..<classCount).contains($0) }) {
      throw LensError(.invalidArgument, "class \(wrong) does not exist; the network has \(classCount) classes (0...\(classCount - 1))")
    }
    return (0..<imageCount).map { classes.count == 1 ? classes[0] : classes[firstImage + $0] }
  }

  func logSumExp(_ n: Int) -> Float {
    let largest = self[n, best(n)]
    return largest + log((0..<classCount).reduce(0) { $0 + exp(self[n, $1] - largest) })
  }

  func probabilities(_ n: Int) -> [Float] {
    let shift = logSumExp(n)
    return (0..<classCount).map { exp(self[n, $0] - shift) }
  }
}
