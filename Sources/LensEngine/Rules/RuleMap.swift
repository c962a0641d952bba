// SPDX-License-Identifier: Apache-2.0

/// Which rule for which node; nodes without one pass their own gradient.
public struct RuleMap: Sendable {
  public typealias Choice = @Sendable (Graph.Node) throws -> (any BackwardRule)?

  /// Plans are remembered by it: two maps of one name must be the same.
  public let name: String
  /// Whether what goes back is a share of the objective's value: it then begins as derivative times activation.
  let carriesRelevance: Bool
  /// The graph that the rules are for, its nodes in the same places; nodes that are asked for must not be bypassed.
  let canonical: @Sendable (Graph, _ asked: Set<Int>) -> Graph
  private let choose: @Sendable (Graph) throws -> Choice

  public init(_ name: String, _ rule: @escaping @Sendable (Graph.Node) -> (any BackwardRule)?) {
    self.init(name, carriesRelevance: false, canonical: { graph, _ in graph }, { _ in rule })
  }

  init(
    _ name: String, carriesRelevance: Bool, canonical: @escaping @Sendable (Graph, Set<Int>) -> Graph,
    _ choose: @escaping @Sendable (Graph) throws -> Choice
  ) {
    (self.name, self.carriesRelevance, self.canonical, self.choose) = (name, carriesRelevance, canonical, choose)
  }

  /// The rules for the nodes of one graph.
  public func rules(in graph: Graph) throws -> Choice { try choose(graph) }

  /// The derivative itself.
  public static let gradient = RuleMap("gradient") { _ in nil }
  /// `DeconvNetRule` at rectifiers.
  public static let deconvnet = RuleMap("deconvnet") { Rectifiers.contain($0.op) ? DeconvNetRule() : nil }
  /// `GuidedRule` at rectifiers.
  public static let guided = RuleMap("guided") { Rectifiers.contain($0.op) ? GuidedRule() : nil }
  /// `RedirectedRule` at ReLUs and clamps from 0.
  public static let redirected = RuleMap("redirected") { RedirectedRule.upperBound(of: $0.op) == nil ? nil : RedirectedRule() }
}
