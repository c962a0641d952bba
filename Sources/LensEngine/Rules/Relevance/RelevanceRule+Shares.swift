// SPDX-License-Identifier: Apache-2.0
import LensTensors

extension RelevanceRule {
  /// The rule for one layer.
  /// - isNonNegative: whether its input is never below 0.
  /// - countsBiases: whether biases take their share.
  /// - bounds: what the layer's input is at the picture's bounds; asked for by `zBox` alone.
  func backward(
    isNonNegative: Bool, countsBiases: Bool, bounds: (_ low: [Float], _ high: [Float]) throws -> (low: Tensor, high: Tensor)
  ) rethrows -> any BackwardRule {
    var shares: [SharedRelevance.Share], stabilizer = RelevanceRules.stabilizer
    switch self {
    case .epsilon(let epsilon) where countsBiases: return ContributionRelevance(epsilon: epsilon)
    case .epsilon(let epsilon):
      shares = [.init(parts: [.whole])]
      stabilizer = epsilon
    case .zPlus: shares = [.init(parts: Self.agreeing(.plus))]
    case .alphaBeta(let alpha):
      shares = [.init(factor: alpha, parts: Self.agreeing(.plus)), .init(factor: 1 - alpha, parts: Self.agreeing(.minus))]
    case .gamma(let gamma):
      shares = [
        .init(sign: .plus, parts: Self.agreeing(.plus, addedTo: gamma)), .init(sign: .minus, parts: Self.agreeing(.minus, addedTo: gamma)),
      ]
    case .flat: shares = [.init(parts: [.init(given: .ones, weights: { _ in 1 })])]
    case .wSquare: shares = [.init(parts: [.init(given: .ones, weights: { $0 * $0 })])]
    case .zBox(let low, let high):
      let (low, high) = try bounds(low, high)
      shares = [
        .init(parts: [
          .whole, .init(given: .constant(low), weights: { -max($0, 0) }),
          .init(given: .constant(high), weights: { -min($0, 0) }),
        ])
      ]
    }
    if !countsBiases {
      for share in shares.indices { for part in shares[share].parts.indices { shares[share].parts[part].bias = nil } }
    }
    return SharedRelevance(
      shares: shares, isInputNonNegative: isNonNegative, stabilizer: stabilizer, signs: countsBiases ? nil : .whole)
  }

  /// What in x w + b has a sign, x+ w+ + x- w- + b+ or x+ w- + x- w+ + b-, on its own or, times a factor, beside x w + b.
  private static func agreeing(_ sign: FloatingPointSign, addedTo factor: Float? = nil) -> [SharedRelevance.Part] {
    func changed(_ wanted: FloatingPointSign) -> @Sendable (Float) -> Float {
      { w in
        let part = wanted == .plus ? max(w, 0) : min(w, 0)
        return factor.map { w + $0 * part } ?? part
      }
    }
    let other: FloatingPointSign = sign == .plus ? .minus : .plus
    return [
      .init(given: .positive, weights: changed(sign), bias: changed(sign)),
      .init(given: .negative, weights: changed(other)),
    ]
  }
}

extension SharedRelevance.Part {
  /// x w, without the bias.
  fileprivate static let whole = Self(given: .whole, weights: { $0 })
}
