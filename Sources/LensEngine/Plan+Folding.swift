// SPDX-License-Identifier: Apache-2.0
import LensTensors

/// Nodes that a plan computes as one, though a file spells them out. A node that is differentiated, has a rule or other readers
/// stays what it is; who asks for what one of them gives gets it from a step of its own, so that numbers do not depend on it.
extension Lowering {
  mutating func fold(keeping differentiated: Set<Int>) throws {
    let asked = needed
    needAncestors()
    var readers = [Int](repeating: 0, count: graph.nodes.count)
    for index in graph.nodes.indices where needed[index] { for input in graph.nodes[index].inputs { readers[input] += 1 } }
    var spelling = Spelling(graph: graph, isPart: [])
    spelling.isPart = try graph.nodes.indices.map {
      try readers[$0] == 1 && !differentiated.contains($0) && !graph.nodes[$0].inputs.isEmpty && rule(graph.nodes[$0]) == nil
    }
    for index in graph.nodes.indices.reversed() where needed[index] {
      guard try rule(graph.nodes[index]) == nil, let found = spelling.folded(index) else { continue }
      folded[index] = (found.op, found.inputs)
      for part in found.parts { needed[part] = asked[part] }
    }
  }

  private mutating func needAncestors() {
    for index in graph.inputs { needed[index] = true }
    for index in graph.nodes.indices.reversed() where needed[index] {
      for input in graph.nodes[index].inputs { needed[input] = true }
    }
  }
}

/// What nodes say together.
private struct Spelling {
  typealias Folded = (op: any Operator, inputs: [Int], parts: [Int])
  let graph: Graph
  /// Nodes that may become part of another.
  var isPart: [Bool]

  func folded(_ index: Int) -> Folded? {
    switch graph.nodes[index].op {
    case is ScaleShift: normalization(index)
    case let op as Binary:
      switch op.function {
      case .add: bias(index) ?? stretching(index)
      case .multiply: activation(index) ?? stretching(index)
      default: stretching(index)
      }
    default: nil
    }
  }

  /// A batch normalisation behind a convolution.
  func normalization(_ index: Int) -> Folded? {
    guard let affine = graph.nodes[index].op as? ScaleShift, let source = graph.nodes[index].inputs.first, isPart[source],
      let convolution = graph.nodes[source].op as? Convolution, let op = convolution.followed(by: affine)
    else { return nil }
    return (op, graph.nodes[source].inputs, [source])
  }

  /// A bias behind a product with weights.
  func bias(_ index: Int) -> Folded? {
    let node = graph.nodes[index]
    for (source, other) in [(node.inputs[0], node.inputs[1]), (node.inputs[1], node.inputs[0])] where isPart[source] {
      if graph.nodes[source].shape == node.shape, let product = graph.nodes[source].op as? Linear,
        let row = graph.nodes[other].op as? Constant, let op = product.adding(row.tensor)
      {
        return (op, graph.nodes[source].inputs, [source])
      }
    }
    return nil
  }

  /// x · sigmoid(alpha x), and 0.5 x · (1 + erf(x / sqrt 2)) in whatever order it is multiplied.
  func activation(_ index: Int) -> Folded? {
    var product = Product()
    collect(index, in: &product)
    guard product.factors.count == 2 else { return nil }
    for (x, gate) in [(product.factors[0], product.factors[1]), (product.factors[1], product.factors[0])]
    where isPart[gate] && graph.nodes[x].shape == graph.nodes[index].shape {
      var parts = product.parts + [gate]
      if product.scale == 1, function(of: gate) == .sigmoid {
        let (alpha, argument) = scaled(graph.nodes[gate].inputs[0], &parts)
        if argument == x { return (Pointwise(.swish(alpha: alpha)), [x], parts) }
      }
      if product.scale == 0.5, let bell = onePlus(gate), function(of: bell) == .erf, isPart[bell] {
        parts.append(bell)
        let (factor, argument) = scaled(graph.nodes[bell].inputs[0], &parts)
        if argument == x, abs(factor - 0.707_106_78) < 1e-6 { return (Pointwise(.gelu(tanh: false)), [x], parts) }
      }
    }
    return nil
  }

  /// An operand that is stretched to the other's shape, which happens anyway.
  func stretching(_ index: Int) -> Folded? {
    let node = graph.nodes[index]
    for (position, input) in node.inputs.enumerated() where graph.nodes[input].op is Expand && isPart[input] {
      var inputs = node.inputs
      inputs[position] = graph.nodes[input].inputs[0]
      let shapes = graph.shapes(inputs)
      if (try? shapes[0].broadcast(with: shapes[1])) == node.shape { return (node.op, inputs, [input]) }
    }
    return nil
  }

  // MARK: Reading

  private struct Product {
    var scale: Float = 1
    var factors: [Int] = []
    var parts: [Int] = []
  }

  private func isProduct(_ index: Int) -> Bool { (graph.nodes[index].op as? Binary)?.function == .multiply }
  private func function(of index: Int) -> Pointwise.Function? { (graph.nodes[index].op as? Pointwise)?.function }
  private func number(_ index: Int) -> Float? {
    (graph.nodes[index].op as? Constant).flatMap { $0.tensor.count == 1 ? $0.tensor.values[0] : nil }
  }

  private func collect(_ index: Int, in product: inout Product) {
    for input in graph.nodes[index].inputs {
      if let number = number(input) {
        product.scale *= number
      } else if isProduct(input), isPart[input] {
        product.parts.append(input)
        collect(input, in: &product)
      } else {
        product.factors.append(input)
      }
    }
  }

  /// The value as a number times another.
  private func scaled(_ index: Int, _ parts: inout [Int]) -> (factor: Float, Int) {
    let node = graph.nodes[index]
    guard isPart[index], let op = node.op as? Binary, op.function == .multiply || op.function == .divide else { return (1, index) }
    if let factor = number(node.inputs[1]) {
      parts.append(index)
      return (op.function == .multiply ? factor : 1 / factor, node.inputs[0])
    }
    if op.function == .multiply, let factor = number(node.inputs[0]) {
      parts.append(index)
      return (factor, node.inputs[1])
    }
    return (1, index)
  }

  /// What 1 is added to.
  private func onePlus(_ index: Int) -> Int? {
    guard (graph.nodes[index].op as? Binary)?.function == .add else { return nil }
    let (a, b) = (graph.nodes[index].inputs[0], graph.nodes[index].inputs[1])
    return number(b) == 1 ? a : number(a) == 1 ? b : nil
  }
}
