// SPDX-License-Identifier: Apache-2.0
import LensEngine
import LensTensors

/// The score itself, handed down from layer to layer by what each input contributed, until it lies on the picture:
/// R_i = sum_j (share of i in j) R_j, so that the map sums to the score but for what biases took.
///
/// Bach et al., "On Pixel-Wise Explanations for Non-Linear Classifier Decisions by Layer-Wise Relevance Propagation", 2015.
/// doi:10.1371/journal.pone.0130140. Batch normalisation counts as part of the layer before it.
/// - image: N×C×H×W; between the bounds, where `rules` names bounds. The map is in units of the objective.
/// - Returns: with `gaps`: the score minus the sum of the map, for each image.
public func layerwiseRelevance(
  _ session: Session, _ image: Tensor, _ objective: Objective = .top, rules: RelevanceRules = .epsilonPlusFlat,
  reduction: ChannelReduction = .sum
) throws -> Attribution {
  try session.check(image)
  for rule in [rules.convolution, rules.dense] + [rules.first].compactMap({ $0 }) { try rule.validate(image) }
  let result = try session.gradient(of: objective, at: [image], rules: .relevance(rules)), relevance = result.gradients[0]
  guard relevance.total.isFinite else {
    throw LensError(
      .invalidArgument,
      "shares by numbers near 0 grew beyond what floats hold; a larger epsilon, or z-plus for convolutions, keeps them small")
  }
  let gaps = result.scores.enumerated().map { Float(Double($1) - relevance.single($0).total) }
  return Attribution(reduction(relevance), scores: result.scores, targets: result.targets, gaps: gaps)
}

extension RelevanceRule {
  fileprivate func validate(_ image: Tensor) throws {
    func check(_ value: Float, _ name: String, _ allowed: String, _ isAllowed: Bool) throws {
      guard value.isFinite, isAllowed else { throw LensError(.invalidArgument, "\(name) is \(value); it must be \(allowed)") }
    }
    switch self {
    case .epsilon(let epsilon): try check(epsilon, "epsilon", "a finite number above 0", epsilon > 0)
    case .gamma(let gamma): try check(gamma, "gamma", "a finite number, at least 0", gamma >= 0)
    case .alphaBeta(let alpha): try check(alpha, "alpha", "a finite number, at least 1", alpha >= 1)
    case .zPlus, .flat, .wSquare: break
    case .zBox(let low, let high): try RelevanceRule.validate(image, low, high)
    }
  }

  private static func validate(_ image: Tensor, _ low: [Float], _ high: [Float]) throws {
    let shape = image.shape
    for (name, bound) in [("low", low), ("high", high)] {
      guard bound.count == 1 || bound.count == shape.c, bound.allSatisfy(\.isFinite) else {
        throw LensError(.invalidArgument, "\(name) is \(bound); it must be one finite number, or one for each of \(shape.c) channels")
      }
    }
    let values = image.values, area = shape.h * shape.w
    for c in 0..<shape.c {
      let bottom = low[low.count == 1 ? 0 : c], top = high[high.count == 1 ? 0 : c]
      guard bottom < top else {
        throw LensError(.invalidArgument, "low is \(bottom) and high \(top) for channel \(c); low must be below high")
      }
      let slack = 1e-5 * (top - bottom)
      for n in 0..<shape.n {
        let plane = values[(n * shape.c + c) * area..<(n * shape.c + c + 1) * area]
        if let wrong = plane.first(where: { !($0 >= bottom - slack && $0 <= top + slack) }) {
          throw LensError(
            .invalidArgument,
            "the picture has \(wrong) in channel \(c); the box rule needs bounds that hold, not \(bottom) and \(top)")
        }
      }
    }
  }
}
