// SPDX-License-Identifier: Apache-2.0
import LensTensors

extension RuleMap {
  /// A map for each objective of `Session.gradients`: the k-th goes back by `maps[k]`, all over one forward pass.
  ///
  /// For maps whose rules leave what a node computes forward, and what it writes down for its way back, as they are.
  public static func lanes(_ maps: [RuleMap]) -> RuleMap {
    RuleMap(maps.map(\.name).joined(separator: " | "), carriesRelevance: false, canonical: { graph, _ in graph }) { graph in
      let choices = try maps.map { try $0.rules(in: graph) }
      return { node in
        let rules = try choices.map { try $0(node) }
        return rules.contains { $0 != nil } ? RulePerLane(rules: rules) : nil
      }
    }
  }
}

private struct RulePerLane: BackwardRule {
  let rules: [(any BackwardRule)?]

  func applied(to stage: Stage, of op: any Operator, shapes: [Shape], layouts: Layouts) throws -> Stage {
    let stages = try rules.map { try $0?.applied(to: stage, of: op, shapes: shapes, layouts: layouts) ?? stage }
    let ways = stages.map(\.backward)
    guard stage.backward != nil else { return stage }
    var result = stage
    result.keeps = stages.reduce(stage.keeps) { $0.union($1.keeps) }
    result.scratchCount = stages.map(\.scratchCount).max() ?? 0
    result.overwrites = stages.allSatisfy(\.overwrites)
    result.backward = { pass in ways[pass.lane]?(pass) }
    return result
  }
}
