// SPDX-License-Identifier: Apache-2.0

/// Which rule for which node; nodes without one pass their own gradient.
public struct RuleMap: Sendable {
  public let name: String
  private let choose: @Sendable (Graph.Node) -> (any BackwardRule)?

  public init(_ name: String, _ rule: @escaping @Sendable (Graph.Node) -> (any BackwardRule)?) {
    (self.name, choose) = (name, rule)
  }

  public func rule(for node: Graph.Node) -> (any BackwardRule)? { choose(node) }

  /// The derivative itself.
  public static let gradient = RuleMap("gradient") { _ in nil }
  /// `DeconvNetRule` at rectifiers.
  public static let deconvnet = RuleMap("deconvnet") { Rectifiers.contain($0.op) ? DeconvNetRule() : nil }
  /// `GuidedRule` at rectifiers.
  public static let guided = RuleMap("guided") { Rectifiers.contain($0.op) ? GuidedRule() : nil }
}
