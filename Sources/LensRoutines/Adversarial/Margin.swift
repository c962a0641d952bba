// SPDX-License-Identifier: Apache-2.0
import LensEngine
import LensTensors

extension Objective {
  /// z_y - max z_k over k != y, of one class for all images or one for each: below 0 where the network sees something else.
  ///
  /// Carlini & Wagner, "Towards Evaluating the Robustness of Neural Networks", 2017, f_6 of section V-A. arXiv:1608.04644
  public static func margin(_ classes: [Int]) -> Objective {
    Objective("margin of \(classes.count == 1 ? "\(classes[0])" : "\(classes.count) classes")", at: [.logits]) { activations, seeds in
      let logits = try ClassScores(activations)
      let targets = try logits.targets(classes, firstImage: activations.firstImage)
      guard logits.classCount > 1 else { throw LensError(.invalidArgument, "the network has one class; a margin needs two") }
      let others = targets.enumerated().map { n, target in
        (0..<logits.classCount).reduce(target == 0 ? 1 : 0) { $1 != target && logits[n, $1] > logits[n, $0] ? $1 : $0 }
      }
      seeds.add(at: .logits) { gradient, weight in
        for (n, target) in targets.enumerated() {
          gradient[logits.position(n, target)] += weight
          gradient[logits.position(n, others[n])] -= weight
        }
      }
      return Value(scores: targets.enumerated().map { logits[$0, $1] - logits[$0, others[$0]] }, targets: targets)
    }
  }
}
