// SPDX-License-Identifier: Apache-2.0
import LensTensors

/// Operators in topological order, every shape known. What a network becomes at one input size.
public struct Graph: Sendable {
  public struct Node: Sendable {
    /// Unique in the graph; shown in tables and errors.
    public let name: String
    /// Other names that mean this node's output: the tensor's own name, those of nodes that were folded away.
    public var aliases: [String]
    public let op: any Operator
    /// Indices of earlier nodes.
    public let inputs: [Int]
    public let shape: Shape

    public init(name: String, aliases: [String] = [], op: any Operator, inputs: [Int], shape: Shape) {
      (self.name, self.aliases, self.op, self.inputs, self.shape) = (name, aliases, op, inputs, shape)
    }
  }

  public private(set) var nodes: [Node] = []
  /// The nodes that stand for the network's inputs, in order.
  public private(set) var inputs: [Int] = []
  /// The nodes whose values are the network's outputs, in order. Filled by whoever builds the graph.
  public var outputs: [Int] = []
  private var indices: [String: Int] = [:]

  public init() {}

  public func shapes(_ indices: [Int]) -> [Shape] { indices.map { nodes[$0].shape } }

  @discardableResult
  public mutating func addInput(_ name: String, _ shape: Shape) -> Int {
    let index = append(Node(name: name, op: Input(shape: shape), inputs: [], shape: shape))
    inputs.append(index)
    return index
  }

  /// Floats that are part of the network but not of another operator.
  @discardableResult
  public mutating func addConstant(_ tensor: Tensor, named name: String) -> Int {
    append(Node(name: name, op: Constant(tensor: tensor), inputs: [], shape: tensor.shape))
  }

  /// - Throws: `LensError` naming the node, if the shapes do not fit.
  @discardableResult
  public mutating func add(_ op: any Operator, _ inputs: [Int], named name: String, aliases: [String] = []) throws -> Int {
    let shapes = shapes(inputs)
    let plain = Layouts(inputs: shapes.map { _ in .plain }, output: .plain)
    let output: Shape
    do { output = try op.stage(for: shapes, in: plain).output } catch let error as LensError {
      throw error.within("node '\(name)' (\(op.kind))")
    }
    return append(Node(name: name, aliases: aliases, op: op, inputs: inputs, shape: output))
  }

  private mutating func append(_ node: Node) -> Int {
    nodes.append(node)
    let index = nodes.count - 1
    for name in [node.name] + node.aliases where indices[name] == nil { indices[name] = index }
    return index
  }

  /// `base` with its first input replaced by a chain of operators on a new input of the same name.
  public init(_ base: Graph, behind chain: [(name: String, op: any Operator)], input: Shape) throws {
    self.init()
    var moved: [Int] = []
    for (index, node) in base.nodes.enumerated() {
      if index == base.inputs.first {
        var last = addInput(node.name, input)
        for (name, op) in chain { last = try add(op, [last], named: name) }
        moved.append(last)
      } else {
        moved.append(
          append(Node(name: node.name, aliases: node.aliases, op: node.op, inputs: node.inputs.map { moved[$0] }, shape: node.shape)))
        if node.op is Input { inputs.append(moved[index]) }
      }
    }
    outputs = base.outputs.map { moved[$0] }
  }

  /// Another operator in a node's place, of the same output.
  mutating func replace(_ index: Int, op: any Operator, inputs: [Int]) {
    let node = nodes[index]
    nodes[index] = Node(name: node.name, aliases: node.aliases, op: op, inputs: inputs, shape: node.shape)
  }

  /// The part of `base` that some of its nodes depend on. Its inputs are all there.
  /// - places: gets the index here of each node of `base`.
  init(_ base: Graph, reaching wanted: [Int], places: inout [Int: Int]) {
    self.init()
    let needed = wanted.reduce(into: Set(base.inputs)) { $0.formUnion(base.ancestors(of: $1)) }
    for index in base.nodes.indices where needed.contains(index) {
      let node = base.nodes[index]
      let inputs = node.inputs.compactMap { places[$0] }
      places[index] = append(Node(name: node.name, aliases: node.aliases, op: node.op, inputs: inputs, shape: node.shape))
      if node.op is Input { self.inputs.append(nodes.count - 1) }
    }
  }

  /// One more name for a node, for layers that have no operator of their own left.
  public mutating func alias(_ name: String, to index: Int) {
    guard !name.isEmpty, indices[name] == nil else { return }
    indices[name] = index
    nodes[index].aliases.append(name)
  }

  public func index(of layer: Layer) -> Int? {
    if let index = indices[layer.name] { return index }
    switch layer {
    case .input: return inputs.first
    case .output: return outputs.first
    case .logits: return outputs.first.map(beforeSoftmax)
    default: return nil
    }
  }

  /// The nodes that `index` depends on, itself included, in topological order.
  public func ancestors(of index: Int) -> [Int] {
    var isNeeded = [Bool](repeating: false, count: index + 1)
    isNeeded[index] = true
    for node in (0...index).reversed() where isNeeded[node] { for input in nodes[node].inputs { isNeeded[input] = true } }
    return isNeeded.indices.filter { isNeeded[$0] }
  }

  /// Walks back over a trailing softmax and over views: class scores as the last layer with weights gives them.
  private func beforeSoftmax(_ output: Int) -> Int {
    var index = output
    while nodes[index].op is Softmax || nodes[index].op is Identity { index = nodes[index].inputs[0] }
    return index
  }
}

/// A value that comes from outside.
public struct Input: Operator {
  public let kind = "Input"
  public let shape: Shape
  public init(shape: Shape) { self.shape = shape }
  public func stage(for shapes: [Shape], in layouts: Layouts) -> Stage {
    Stage(output: shape, forward: { _ in }, backward: nil)
  }
}

/// Floats that are part of the network.
public struct Constant: Operator {
  public let kind = "Constant"
  public let tensor: Tensor
  public init(tensor: Tensor) { self.tensor = tensor }
  public var parameterCount: Int { tensor.count }
  public func stage(for shapes: [Shape], in layouts: Layouts) -> Stage {
    Stage(output: tensor.shape, forward: { _ in }, backward: nil)
  }
}
