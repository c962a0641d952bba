// SPDX-License-Identifier: Apache-2.0
import LensTensors

extension RuleMap {
  /// Layer-wise relevance propagation: what goes back is not a derivative but a share of the objective's value. It begins at the
  /// objective's layers as derivative times activation (the score itself, for a class) and is handed down from layer to layer.
  ///
  /// | node | where its relevance goes |
  /// |---|---|
  /// | convolution, dense layer, each with the batch normalisation behind it | by its rule |
  /// | sum, difference, mean, average pooling, resizing, p-norm | by contribution, as in LRP-epsilon |
  /// | maximum, maximum pooling | to whom the gradient goes: the largest |
  /// | activation, normalisation | to its input, unchanged |
  /// | product with a gate or a constant | to what is gated: the gate counts as a constant |
  /// | product of two values | half of it to each |
  /// | concatenation, slice, reshape, transposition, padding | to the place it came from |
  ///
  /// What biases contributed ends at them, unless they do not count (`flat`, `wSquare` and `zBox` leave biases out); what no input
  /// contributed to in the sense of a rule ends there too. Nothing else is lost.
  public static func relevance(_ rules: RelevanceRules) -> RuleMap {
    RuleMap("\(rules)", carriesRelevance: true, canonical: { $0.mergingNormalizations(keeping: $1) }) { graph in
      let lookup = RelevanceLookup(graph, rules)
      return { try lookup.rule(for: $0) }
    }
  }
}

/// Which rule for which node of one graph.
private struct RelevanceLookup: Sendable {
  let graph: Graph
  let rules: RelevanceRules
  /// Names of the layers with weights that no other lies before.
  private var first: Set<String> = []
  private var isNonNegative: [Bool] = []

  init(_ graph: Graph, _ rules: RelevanceRules) {
    (self.graph, self.rules) = (graph, rules)
    var isBehindWeights: [Bool] = []
    for node in graph.nodes {
      isBehindWeights.append(node.inputs.contains { isBehindWeights[$0] || graph.nodes[$0].op is any WeightedOperator })
      if node.op is any WeightedOperator, !isBehindWeights[isBehindWeights.count - 1] { first.insert(node.name) }
      isNonNegative.append(node.op.isNonNegative(of: node.inputs.map { isNonNegative[$0] }))
    }
  }

  func rule(for node: Graph.Node) throws -> (any BackwardRule)? {
    switch node.op {
    case is any WeightedOperator:
      let ofItsKind = node.op is Linear ? rules.dense : rules.convolution
      let isFirst = first.contains(node.name), rule = isFirst ? rules.first ?? ofItsKind : ofItsKind
      if case .zBox = rule, !isFirst {
        throw LensError(.invalidArgument, "the box rule is for layers that see the picture first; what others see has no known bounds")
      }
      return try rule.backward(isNonNegative: isNonNegative[node.inputs[0]], countsBiases: rules.countsBiases) { low, high in
        try graph.bounds(of: node.inputs[0], low: low, high: high)
      }
    case is ReLU, is PReLU, is Pointwise, is ScaleShift, is LocalResponse, is Softmax, is LayerNormalization, is GroupNormalization,
      is RootMeanSquareNormalization, is MeanVarianceNormalization, is LpNormalization:
      return PassedRelevance()
    case is AveragePool, is LpPool, is Resize, is CumulativeSum: return ContributionRelevance()
    case let op as GlobalPool: return op.function == .maximum ? nil : ContributionRelevance()
    case let op as Reduction: return [.mean, .sum, .l1, .l2].contains(op.function) ? ContributionRelevance() : nil
    case let op as Variadic: return op.function == .sum || op.function == .mean ? ContributionRelevance() : nil
    case let op as Binary: return rule(for: op, node)
    case is MatrixMultiply: return product(node)
    default: return nil
    }
  }

  private func rule(for op: Binary, _ node: Graph.Node) -> (any BackwardRule)? {
    switch op.function {
    case .add, .subtract:
      let signals = [0, 1].filter { !isConstant(node.inputs[$0]) }
      guard !rules.countsBiases, signals.count == 1, graph.nodes[node.inputs[signals[0]]].shape == node.shape else {
        return ContributionRelevance()
      }
      return PassedRelevance(position: signals[0])  // the other is a bias
    case .multiply:
      let values = [0, 1].filter { graph.nodes[node.inputs[$0]].shape == node.shape && !isConstant(node.inputs[$0]) }
      let signals = values.filter { !isGate(node.inputs[$0]) }
      if signals.count == 1 { return PassedRelevance(position: signals[0]) }
      return values.count == 1 ? PassedRelevance(position: values[0]) : product(node)
    case .divide, .power: return graph.nodes[node.inputs[0]].shape == node.shape ? PassedRelevance() : nil
    default: return nil
    }
  }

  private func product(_ node: Graph.Node) -> ContributionRelevance {
    ContributionRelevance(share: node.inputs.contains(where: isConstant) ? 1 : 0.5)
  }

  private func isConstant(_ index: Int) -> Bool { graph.nodes[index].op is Constant }

  /// Whether a value lies between bounds that an activation set.
  private func isGate(_ index: Int) -> Bool {
    if graph.nodes[index].op is Softmax { return true }
    switch (graph.nodes[index].op as? Pointwise)?.function {
    case .sigmoid, .hardSigmoid, .tanh, .softsign: return true
    case .clip(let lower, let upper): return lower > -.infinity && upper < .infinity
    default: return false
    }
  }
}

extension Operator {
  /// Whether its output is known never to be below 0, given what is known of its inputs.
  fileprivate func isNonNegative(of inputs: [Bool]) -> Bool {
    switch self {
    case is ReLU, is Softmax: return (self as? Softmax)?.isLogarithm != true
    case let op as Pointwise:
      switch op.function {
      case .sigmoid, .hardSigmoid, .softplus, .exp, .sqrt, .abs: return true
      case .clip(let lower, _): return lower >= 0
      default: return false
      }
    case let op as Constant: return op.tensor.values.allSatisfy { $0 >= 0 }
    case let op as Binary: return (op.function == .add || op.function == .multiply) && inputs.allSatisfy { $0 }
    case is MaxPool, is AveragePool, is GlobalPool, is Concat, is Identity, is Reshape, is Transpose, is Slice, is Gather, is Variadic:
      return !inputs.isEmpty && inputs.allSatisfy { $0 }
    case let op as Reduction: return [.mean, .sum, .maximum].contains(op.function) && inputs.allSatisfy { $0 }
    default: return false
    }
  }
}

extension Graph {
  /// What a value that only the picture decides is for pictures that are everywhere `low` and everywhere `high`, the smaller number
  /// first.
  fileprivate func bounds(of index: Int, low: [Float], high: [Float]) throws -> (low: Tensor, high: Tensor) {
    let a = try value(of: index, low), b = try value(of: index, high)
    return (Tensor.zip(a, b, min), Tensor.zip(a, b, max))
  }

  private func value(of index: Int, _ bound: [Float]) throws -> Tensor {
    let node = nodes[index]
    if let constant = node.op as? Constant { return constant.tensor }
    guard node.op is Input else { return try node.op.applied(to: node.inputs.map { try value(of: $0, bound) }) }
    guard node.shape.rank >= 2, bound.count == 1 || bound.count == node.shape.c else {
      throw LensError(
        .invalidArgument, "\(bound.count) bounds came for a picture of shape \(node.shape); give one number, or one for each channel")
    }
    let area = node.shape.count(2..<node.shape.rank)
    return Tensor(node.shape, (0..<node.shape.count).map { bound[bound.count == 1 ? 0 : $0 / area % node.shape.c] })
  }
}
