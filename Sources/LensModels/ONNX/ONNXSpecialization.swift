// SPDX-License-Identifier: Apache-2.0
import LensEngine
import LensTensors

/// The names of a layer.
struct ONNXLayer: Sendable {
  let name: String
  var aliases: [String] = []
}

/// One walk over a program at given input shapes: nodes on pictures become a graph, the rest is computed on the way.
struct ONNXSpecialization {
  let program: ONNXProgram
  let layers: [Int: ONNXLayer]
  let weights: ONNXWeights
  /// The batch the file was written for and that of this call, where they differ.
  let batch: (declared: Int, actual: Int)?
  private let builder: ONNXGraphBuilder
  private var values: [Int: ONNXValue] = [:]
  private var folding: ONNXFolding

  init(
    _ program: ONNXProgram, layers: [Int: ONNXLayer], weights: ONNXWeights, inputs: [Shape], batch: (declared: Int, actual: Int)?,
    budget: Int, external: ExternalData?
  ) {
    (self.program, self.layers, self.weights, self.batch) = (program, layers, weights, batch)
    builder = ONNXGraphBuilder(reserved: Set(layers.values.map(\.name)).union(program.inputs.map { program.names[$0] }))
    folding = ONNXFolding(program, budget: budget, external: external)
    for (value, shape) in zip(program.inputs, inputs) { values[value] = .node(builder.graph.addInput(program.names[value], shape)) }
    for (value, constant) in program.constants { values[value] = .constant(constant, isStatic: true) }
  }

  /// - wanted: values that have to be in the graph.
  mutating func graph(of wanted: Set<Int>) throws -> Graph {
    for node in ONNXProgram.needed(for: wanted, in: program.body.nodes) { try evaluate(node) }
    for output in program.body.outputs where wanted.contains(output) { builder.graph.outputs.append(try index(of: output)) }
    for value in wanted { _ = try index(of: value) }
    return builder.graph
  }

  /// The graph's node of a value; an output may be a constant.
  private func index(of value: Int) throws -> Int {
    switch values[value] {
    case .node(let index): return index
    case .constant(let constant, _): return builder.constant(constant, value: value, named: layers[value]?.name ?? program.names[value])
    case .absent, nil: throw LensError(.malformedModel, "nothing produces '\(program.names[value])'")
    }
  }

  private mutating func evaluate(_ node: ONNXNode) throws {
    do {
      let inputs = try node.inputs.map { input in
        guard input >= 0 else { return ONNXValue.absent }
        guard let value = values[input] else { throw LensError(.malformedModel, "reads '\(program.names[input])', which nothing produces") }
        return value
      }
      let outputs = node.kind == "If" ? try branch(node, inputs) : try self.outputs(of: node, inputs)
      for (value, output) in zip(node.outputs, outputs) where value >= 0 { values[value] = output }
    } catch let error as ONNXPlacedError {
      throw error.error
    } catch let error as LensError {
      throw error.message.hasPrefix("node '") ? error : error.within(node.place(program.names))
    }
  }

  private mutating func outputs(of node: ONNXNode, _ inputs: [ONNXValue]) throws -> [ONNXValue] {
    let call = ONNXCall(
      node: node, values: inputs, layers: node.outputs.map(names), builder: builder, weights: weights,
      valueNames: node.inputs.map { $0 < 0 ? "" : program.names[$0] }, batch: batch)
    if inputs.allSatisfy({ if case .node = $0 { false } else { true } }) || ONNXFolding.looksAtShapesOnly(node.kind) {
      guard let constants = try folding.outputs(of: call) else { throw ONNXOperators.unknown(node) }
      return constants.map { .constant($0, isStatic: false) }
    }
    guard let lower = ONNXOperators.lowering(node) else {
      throw LensError(.unsupportedOperator, "runs on fixed numbers only, and these depend on the picture")
    }
    return try lower(call).map { .node($0) }
  }

  /// The names of an output's node; those of nodes inside branches are made up on the spot.
  private func names(_ value: Int) -> (name: String, aliases: [String])? {
    guard program.read.contains(value) else { return nil }
    if let layer = layers[value] { return (layer.name, layer.aliases) }
    return (builder.proposedName(program.names[value]), [])
  }

  private mutating func branch(_ node: ONNXNode, _ inputs: [ONNXValue]) throws -> [ONNXValue] {
    guard let first = inputs.first, case .constant(let condition, _) = first, condition.shape.count == 1 else {
      throw LensError(.unsupportedOperator, "its condition depends on the picture; cnnlens wants it fixed")
    }
    let block = node.branches[condition.tensor.values[0] != 0 ? 0 : 1]
    for inner in ONNXProgram.needed(for: Set(block.outputs), in: block.nodes) { try evaluate(inner) }
    return try zip(node.outputs, block.outputs).map { outer, inner in
      guard let value = values[inner] else { throw LensError(.malformedModel, "nothing produces '\(program.names[inner])'") }
      if case .node(let index) = value, outer >= 0, let layer = layers[outer] {
        for name in [layer.name] + layer.aliases { builder.graph.alias(name, to: index) }
      }
      return value
    }
  }
}

extension ONNXNode {
  /// How errors call it.
  func place(_ names: [String]) -> String { "node '\(label(names))' (\(kind))" }

  /// Its name, or that of its first output.
  func label(_ names: [String]) -> String {
    name.isEmpty ? outputs.first { $0 >= 0 }.map { names[$0] } ?? "" : name
  }
}
