// SPDX-License-Identifier: Apache-2.0
import LensTensors

/// Flattens a model: resolves names by ONNX's scoping rules and replaces calls of local functions by their bodies.
struct ONNXInliner {
  struct FunctionKey: Hashable {
    let domain, name, overload: String
  }

  /// The names visible in a function's body or a subgraph.
  final class Scope {
    let parent: Scope?
    var values: [String: Int] = [:]
    /// In front of names, so that two calls of a function do not share any.
    let prefix: String
    /// What values are called outside: a function's outputs.
    var outerNames: [String: String] = [:]
    /// The attributes of the call; nil outside functions.
    let attributes: ONNXAttributes?
    let opsets: [String: Int]
    let depth: Int

    init(parent: Scope?, prefix: String = "", attributes: ONNXAttributes? = nil, opsets: [String: Int], depth: Int) {
      (self.parent, self.prefix, self.attributes, self.opsets, self.depth) = (parent, prefix, attributes, opsets, depth)
    }

    func value(_ name: String) -> Int? { values[name] ?? parent?.value(name) }
  }

  private(set) var names: [String] = []
  private(set) var callNames: [Int: [String]] = [:]
  /// Initialisers, not yet decoded.
  private(set) var tensors: [Int: Onnx_TensorProto] = [:]
  private let functions: [FunctionKey: Onnx_FunctionProto]
  private var work = 0
  private var nameBytes = 0
  private var nextNode = 0

  init(functions: [Onnx_FunctionProto]) {
    self.functions = Dictionary(
      functions.map { (FunctionKey(domain: $0.domain.normalizedDomain, name: $0.name, overload: $0.overload), $0) }
    ) { first, _ in first }
  }

  static func opsets(_ imports: [Onnx_OperatorSetIdProto]) -> [String: Int] {
    Dictionary(imports.map { ($0.domain.normalizedDomain, Int($0.version)) }, uniquingKeysWith: max)
  }

  /// Gives a value a number.
  mutating func define(_ name: String, in scope: Scope) throws -> Int {
    let full = scope.outerNames[name] ?? scope.prefix + name
    nameBytes += full.utf8.count
    guard nameBytes <= Limits.nameBytes else {
      throw LensError(.malformedModel, "its functions expand to more names than \(Limits.nameBytes / 1_000_000) MB")
    }
    names.append(full)
    guard scope.values.updateValue(names.count - 1, forKey: name) == nil else {
      throw LensError(.malformedModel, "two nodes or inputs produce '\(full)'")
    }
    return names.count - 1
  }

  /// Takes in a graph's initialisers and nodes; `scope` already holds its inputs.
  mutating func block(_ graph: Onnx_GraphProto, in scope: Scope) throws -> ONNXBlock {
    guard scope.depth <= Limits.nestingDepth else {
      throw LensError(.malformedModel, "functions or subgraphs are nested more than \(Limits.nestingDepth) deep")
    }
    for tensor in graph.initializer { tensors[try define(tensor.name, in: scope)] = tensor }
    if let sparse = graph.sparseInitializer.first {
      throw LensError(.unsupportedOperator, "the initialiser '\(sparse.values.name)' is sparse; cnnlens reads dense ones")
    }
    var block = ONNXBlock()
    try append(graph.node, in: scope, to: &block.nodes)
    block.outputs = try graph.output.map { output in
      guard let value = scope.value(output.name), value >= 0 else {
        throw LensError(.malformedModel, "nothing produces the output '\(output.name)'")
      }
      return value
    }
    return block
  }

  private mutating func append(_ protos: [Onnx_NodeProto], in scope: Scope, to nodes: inout [ONNXNode]) throws {
    for proto in try sorted(protos, in: scope) {
      do { try append(proto, in: scope, to: &nodes) } catch let error as LensError {
        throw error.message.hasPrefix("node '") ? error : error.within(proto.place(scope.prefix))
      }
    }
  }

  private mutating func append(_ proto: Onnx_NodeProto, in scope: Scope, to nodes: inout [ONNXNode]) throws {
    let domain = proto.domain.normalizedDomain
    let inputs = try proto.input.map { name in
      guard !name.isEmpty else { return ONNXNode.absent }
      guard let value = scope.value(name) else { throw LensError(.malformedModel, "reads '\(name)', which nothing produces") }
      return value
    }
    let attributes = try attributes(proto, in: scope)
    let function = functions[FunctionKey(domain: domain, name: proto.opType, overload: proto.overload)]
    if let function, !(domain.isEmpty && ONNXOperators.knows(proto.opType)) {
      try count(1 + function.input.count + function.output.count + function.attributeProto.count)
      try inline(function, proto, inputs, attributes, in: scope, to: &nodes)
      return
    }
    try count(1)
    var node = ONNXNode(
      id: nextNode, name: proto.name.isEmpty ? "" : scope.prefix + proto.name, domain: domain, kind: proto.opType,
      opset: scope.opsets[domain] ?? scope.opsets[""] ?? Limits.oldestOpset, inputs: inputs,
      outputs: try proto.output.map { $0.isEmpty ? ONNXNode.absent : try define($0, in: scope) }, attributes: attributes)
    nextNode += 1
    if node.kind == "If", domain.isEmpty {
      for key in ["then_branch", "else_branch"] {
        guard case .graph(let graph) = attributes.values[key] else { throw LensError(.malformedModel, "attribute '\(key)' is missing") }
        let inner = Scope(parent: scope, prefix: scope.prefix, attributes: scope.attributes, opsets: scope.opsets, depth: scope.depth + 1)
        node.branches.append(try block(graph, in: inner))
      }
      guard node.branches.allSatisfy({ $0.outputs.count == node.outputs.count }) else {
        throw LensError(.malformedModel, "its branches have \(node.branches.map(\.outputs.count)) outputs; it has \(node.outputs.count)")
      }
    }
    node.attributes.dropGraphs()
    nodes.append(node)
  }

  private mutating func inline(
    _ function: Onnx_FunctionProto, _ call: Onnx_NodeProto, _ inputs: [Int], _ attributes: ONNXAttributes, in scope: Scope,
    to nodes: inout [ONNXNode]
  ) throws {
    guard scope.depth < Limits.nestingDepth else {
      throw LensError(.malformedModel, "functions or subgraphs are nested more than \(Limits.nestingDepth) deep")
    }
    guard inputs.count <= function.input.count, call.output.count <= function.output.count else {
      throw LensError(
        .malformedModel,
        "\(inputs.count) inputs and \(call.output.count) outputs for the function '\(function.name)', which has \(function.input.count) and \(function.output.count)"
      )
    }
    var given = attributes
    for proto in function.attributeProto where !given.has(proto.name) { try given.set(proto.name, ONNXAttribute(proto)) }
    let label = call.name.isEmpty ? call.output.first { !$0.isEmpty } ?? function.name : call.name
    let own = ONNXInliner.opsets(function.opsetImport)
    let inner = Scope(
      parent: nil, prefix: scope.prefix + label + "/", attributes: given, opsets: own.merging(scope.opsets) { own, _ in own },
      depth: scope.depth + 1)
    for (index, name) in function.input.enumerated() {
      guard inner.values.updateValue(index < inputs.count ? inputs[index] : ONNXNode.absent, forKey: name) == nil else {
        throw LensError(.malformedModel, "the function '\(function.name)' has two inputs '\(name)'")
      }
    }
    for (name, outer) in zip(function.output, call.output) where !outer.isEmpty {
      inner.outerNames[name] = scope.outerNames[outer] ?? scope.prefix + outer
    }
    try append(function.node, in: inner, to: &nodes)
    for (name, outer) in zip(function.output, call.output) where !outer.isEmpty {
      guard let value = inner.value(name), value >= 0 else {
        throw LensError(.malformedModel, "nothing in the function '\(function.name)' produces '\(name)'")
      }
      guard scope.values.updateValue(value, forKey: outer) == nil else {
        throw LensError(.malformedModel, "two nodes or inputs produce '\(scope.prefix + outer)'")
      }
      if !call.name.isEmpty { callNames[value, default: []].append(scope.prefix + call.name) }
    }
  }

  /// Attributes with those that refer to the call's attributes replaced.
  private func attributes(_ proto: Onnx_NodeProto, in scope: Scope) throws -> ONNXAttributes {
    var result = ONNXAttributes()
    for attribute in proto.attribute {
      guard attribute.hasRefAttrName, !attribute.refAttrName.isEmpty else {
        try result.set(attribute.name, ONNXAttribute(attribute))
        continue
      }
      guard let outer = scope.attributes else {
        throw LensError(.malformedModel, "attribute '\(attribute.name)' refers to '\(attribute.refAttrName)' of a function, but is in none")
      }
      if let value = outer.values[attribute.refAttrName] { try result.set(attribute.name, value) }
    }
    return result
  }

  private mutating func count(_ amount: Int) throws {
    work += amount
    guard work <= Limits.nodeCount else {
      throw LensError(.malformedModel, "more than \(Limits.nodeCount) nodes once its functions are inlined")
    }
  }
}

extension ONNXInliner {
  /// The nodes in an order in which each reads only what is there. Files are sorted; those that are not are put in order.
  private func sorted(_ nodes: [Onnx_NodeProto], in scope: Scope) throws -> [Onnx_NodeProto] {
    var producer: [String: Int] = [:]
    for (index, node) in nodes.enumerated() {
      for name in node.output where !name.isEmpty && scope.values[name] == nil { producer[name] = index }
    }
    let reads = try nodes.map { node in try ONNXInliner.names(readBy: node, depth: 0).compactMap { producer[$0] } }
    if zip(reads.indices, reads).allSatisfy({ index, sources in sources.allSatisfy { $0 < index } }) { return nodes }
    var readers = [[Int]](repeating: [], count: nodes.count)
    var missing = reads.map(\.count)
    for (index, sources) in reads.enumerated() { for source in sources { readers[source].append(index) } }
    var order = nodes.indices.filter { missing[$0] == 0 }
    var next = 0
    while next < order.count {
      for reader in readers[order[next]] {
        missing[reader] -= 1
        if missing[reader] == 0 { order.append(reader) }
      }
      next += 1
    }
    guard order.count == nodes.count else {
      let stuck = nodes.indices.first { missing[$0] > 0 } ?? 0
      throw LensError(.malformedModel, "\(nodes[stuck].place(scope.prefix)) is part of a cycle, or behind one")
    }
    return order.map { nodes[$0] }
  }

  /// What a node reads, its subgraphs included; names that those define themselves do no harm here.
  private static func names(readBy node: Onnx_NodeProto, depth: Int) throws -> [String] {
    guard depth <= Limits.nestingDepth else {
      throw LensError(.malformedModel, "functions or subgraphs are nested more than \(Limits.nestingDepth) deep")
    }
    guard node.attribute.contains(where: { $0.hasG }) else { return node.input }
    return try node.attribute.reduce(into: node.input) { names, attribute in
      guard attribute.hasG else { return }
      names += attribute.g.output.map(\.name)
      for inner in attribute.g.node { names += try ONNXInliner.names(readBy: inner, depth: depth + 1) }
    }
  }
}

extension Onnx_NodeProto {
  /// How errors call it.
  fileprivate func place(_ prefix: String) -> String {
    let label = name.isEmpty ? output.first { !$0.isEmpty } ?? "" : name
    return "node '\(prefix + label)' (\(opType))"
  }
}

extension String {
  /// "ai.onnx" is the long name of "".
  var normalizedDomain: String { self == "ai.onnx" ? "" : self }
}

extension ONNXAttributes {
  /// Branches are nodes by now.
  fileprivate mutating func dropGraphs() {
    for (name, value) in values { if case .graph = value { remove(name) } }
  }
}
