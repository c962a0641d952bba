// SPDX-License-Identifier: Apache-2.0
import LensTensors

extension Session {
  /// What the network does with a layer's values: a network whose inputs are the layer and whatever passes it by
  /// (around a skip connection, say), in that order.
  ///
  /// - inputs: the shapes at which the layer's shape is taken; the batch may then be any.
  /// - Throws: `.invalidArgument` where the class scores do not depend on the layer.
  public func behind(_ layer: Layer, inputs: [Shape]) throws -> (session: Session, layers: [Layer]) {
    let source = try SourceBehind(network.source, layer, inputs)
    let rest = Session(Network(source, name: network.name))
    (rest.interrupt, rest.memoryLimit) = (interrupt, memoryLimit)
    return (rest, source.cut)
  }
}

/// Graphs without what lies before a layer.
private struct SourceBehind: GraphSource {
  let base: any GraphSource
  let layer: Layer
  /// The layer, and the values that pass it by.
  let cut: [Layer]
  let inputs: [InputDescription]
  let layerNames: [String]
  private let pictures: [Shape]

  init(_ base: any GraphSource, _ layer: Layer, _ pictures: [Shape]) throws {
    (self.base, self.layer, self.pictures) = (base, layer, pictures)
    let graph = try base.graph(for: pictures, reaching: nil)
    guard let start = graph.index(of: layer) else { throw LensError(.notFound, "no layer '\(layer)'") }
    let cut = graph.cut(at: start)
    guard let logits = graph.index(of: .logits), graph.dependents(of: start)[logits] else {
      throw LensError(.invalidArgument, "the class scores do not depend on layer '\(layer)'")
    }
    self.cut = cut.map { Layer(graph.nodes[$0].name) }
    inputs = cut.map { index in
      let node = graph.nodes[index], sizes = node.shape.dimensions
      return InputDescription(name: node.name, dimensions: sizes.enumerated().map { $0 == 0 ? nil : $1 })
    }
    let isBehind = graph.dependents(of: start)
    layerNames = base.layerNames.filter { name in graph.index(of: Layer(name)).map { isBehind[$0] || cut.contains($0) } ?? false }
  }

  var outputs: [String] { base.outputs }
  var aliases: [String: String] { base.aliases }
  var metadata: [String: String] { base.metadata }

  func graph(for shapes: [Shape], reaching layers: Set<Layer>?) throws -> Graph {
    let whole = try base.graph(for: pictures.map { $0.rank == 0 ? $0 : $0.with(0, shapes[0].rank == 0 ? 1 : shapes[0][0]) }, reaching: nil)
    guard let start = whole.index(of: layer), whole.shapes(whole.cut(at: start)) == shapes else {
      throw LensError(.shapeMismatch, "\(shapes) came for what lies behind '\(layer)'")
    }
    return try Graph(whole, behind: start)
  }
}

extension Graph {
  /// Which nodes depend on `start`, itself included.
  fileprivate func dependents(of start: Int) -> [Bool] {
    var result = [Bool](repeating: false, count: nodes.count)
    result[start] = true
    for index in nodes.indices where index > start { result[index] = nodes[index].inputs.contains { result[$0] } }
    return result
  }

  /// `start`, and the nodes that do not depend on it but feed one that does; constants are not among them.
  fileprivate func cut(at start: Int) -> [Int] {
    let isBehind = dependents(of: start)
    var sides = Set<Int>()
    for index in nodes.indices where isBehind[index] && index != start {
      for input in nodes[index].inputs where !isBehind[input] && !(nodes[input].op is Constant) { sides.insert(input) }
    }
    return [start] + sides.sorted()
  }

  /// What depends on `start`, with the cut's values as inputs.
  fileprivate init(_ base: Graph, behind start: Int) throws {
    self.init()
    let isBehind = base.dependents(of: start), cut = base.cut(at: start)
    var moved = [Int: Int]()
    for index in cut {
      moved[index] = addInput(base.nodes[index].name, base.nodes[index].shape)
      for alias in base.nodes[index].aliases { self.alias(alias, to: moved[index]!) }
    }
    for (index, node) in base.nodes.enumerated() where index != start && moved[index] == nil {
      if let constant = node.op as? Constant {
        moved[index] = addConstant(constant.tensor, named: node.name)
      } else if isBehind[index] {
        moved[index] = try add(node.op, node.inputs.compactMap { moved[$0] }, named: node.name, aliases: node.aliases)
      }
    }
    outputs = base.outputs.compactMap { moved[$0] }
  }
}
