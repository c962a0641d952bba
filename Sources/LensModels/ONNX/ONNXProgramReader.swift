// SPDX-License-Identifier: Apache-2.0
import LensEngine
import LensTensors

/// Turns a parsed file into a program: checks what can be checked without a shape, and computes what does not depend on one.
struct ONNXProgramReader {
  let inputs: [InputDescription]
  private var program = ONNXProgram()
  private let external: ExternalData?

  /// Numbers in files beside the model, as stated by the initialisers.
  private(set) var externalNumbers = 0

  init(_ model: Onnx_ModelProto, external: ExternalData?) throws {
    self.external = external
    let opsets = ONNXInliner.opsets(model.opsetImport)
    let opset = opsets[""] ?? 1
    guard opset >= Limits.oldestOpset else {
      throw LensError(.unsupportedOperator, "opset \(opset) is older than \(Limits.oldestOpset), the oldest that cnnlens reads")
    }
    var inliner = ONNXInliner(functions: model.functions)
    let scope = ONNXInliner.Scope(parent: nil, opsets: opsets, depth: 0)

    // Old files list their weights among the inputs.
    let initialized = Set(model.graph.initializer.map(\.name))
    let protos = model.graph.input.filter { !initialized.contains($0.name) }
    guard !protos.isEmpty else { throw LensError(.malformedModel, "its graph has no inputs") }
    guard !model.graph.output.isEmpty else { throw LensError(.malformedModel, "its graph has no outputs") }
    inputs = try protos.map(InputDescription.init)
    program.inputs = try protos.map { try inliner.define($0.name, in: scope) }
    program.body = try inliner.block(model.graph, in: scope)
    (program.names, program.callNames) = (inliner.names, inliner.callNames)
    program.keepLiveNodes()
    try ONNXProgramReader.checkOperators(program)

    let reader = ONNXTensorReader(external: external)
    for (value, tensor) in inliner.tensors where program.read.contains(value) {
      let constant = try reader.constant(tensor)
      program.constants[value] = constant
      if tensor.dataLocation == .external { externalNumbers += constant.shape.count }
    }
  }

  /// The program without the nodes that are the same at every shape: their results are constants.
  func folded(budget: Int) throws -> ONNXProgram {
    var result = program
    var folding = ONNXFolding(program, budget: budget, external: external)
    result.body.nodes = []
    for node in program.body.nodes { try fold(node, &folding, into: &result) }
    result.keepLiveNodes()
    try ONNXProgramReader.checkOperators(result)
    return result
  }

  private func fold(_ node: ONNXNode, _ folding: inout ONNXFolding, into result: inout ONNXProgram) throws {
    let isFixed = node.inputs.allSatisfy { $0 < 0 || result.constants[$0] != nil }
    if isFixed, node.kind == "If", let condition = node.inputs.first.flatMap({ result.constants[$0] }), condition.shape.count == 1 {
      // The branch's nodes take the place of the node, each output handed on under its outer name.
      let block = node.branches[condition.tensor.values[0] != 0 ? 0 : 1]
      for inner in block.nodes { try fold(inner, &folding, into: &result) }
      for (index, (outer, inner)) in zip(node.outputs, block.outputs).enumerated() where outer >= 0 {
        if let constant = result.constants[inner] { result.constants[outer] = constant; continue }
        result.body.nodes.append(node.passing(inner, to: outer, index))
      }
      return
    }
    guard isFixed, node.kind != "If" else {
      result.body.nodes.append(node)
      return
    }
    let call = ONNXCall(
      node: node, values: node.inputs.map { result.constants[$0].map { .constant($0, isStatic: true) } ?? .absent },
      layers: node.outputs.map { _ in nil },
      builder: ONNXGraphBuilder(), weights: nil, valueNames: node.inputs.map { $0 < 0 ? "" : program.names[$0] })
    do {
      guard let outputs = try folding.outputs(of: call) else {
        result.body.nodes.append(node)
        return
      }
      for (value, constant) in zip(node.outputs, outputs) where value >= 0 { result.constants[value] = constant }
    } catch let error as ONNXPlacedError {
      throw error.error
    } catch let error as LensError {
      throw error.message.hasPrefix("node '") ? error : error.within(node.place(program.names))
    }
  }

  /// - Throws: `.unsupportedOperator` with every operator that is not in the table, and where it stands.
  private static func checkOperators(_ program: ONNXProgram) throws {
    var places: [String: [String]] = [:]
    var order: [String] = []
    for node in program.body.nodes where !ONNXOperators.knows(node) {
      let kind = node.domain.isEmpty ? node.kind : "\(node.domain).\(node.kind)"
      if places[kind] == nil { order.append(kind) }
      places[kind, default: []].append(node.label(program.names))
    }
    guard !order.isEmpty else { return }
    let list = order.map { kind in
      let labels = places[kind] ?? []
      let shown = labels.prefix(8).map { "'\($0)'" }.joined(separator: ", ") + (labels.count > 8 ? " and \(labels.count - 8) more" : "")
      return "\(kind) (\(labels.count == 1 ? "node" : "nodes") \(shown))"
    }.joined(separator: ", ")
    throw LensError(
      .unsupportedOperator,
      order.count == 1
        ? "operator \(list) is not among those cnnlens runs" : "\(order.count) operators are not among those cnnlens runs: \(list)")
  }
}

extension ONNXNode {
  /// A node that hands on one value under another number.
  fileprivate func passing(_ inner: Int, to outer: Int, _ index: Int) -> ONNXNode {
    ONNXNode(
      id: -1 - id * 64 - index, name: outputs.count == 1 ? name : "", domain: "", kind: "Identity", opset: opset, inputs: [inner],
      outputs: [outer],
      attributes: ONNXAttributes())
  }
}

extension InputDescription {
  /// Sizes below 1 are free, as some exporters write them.
  init(_ proto: Onnx_ValueInfoProto) throws {
    guard case .tensorType(let tensor)? = proto.type.value else {
      throw LensError(.unsupportedOperator, "input '\(proto.name)' is not a tensor")
    }
    guard try ONNXElementType(tensor.elemType) != .string else {
      throw LensError(.unsupportedOperator, "input '\(proto.name)' holds strings")
    }
    guard tensor.hasShape else { throw LensError(.unsupportedOperator, "input '\(proto.name)' does not state how many dimensions it has") }
    guard tensor.shape.dim.count <= Shape.maximumRank else {
      throw LensError(
        .malformedModel, "input '\(proto.name)' has \(tensor.shape.dim.count) dimensions; at most \(Shape.maximumRank) are possible")
    }
    self.init(
      name: proto.name,
      dimensions: tensor.shape.dim.map { dimension in
        if case .dimValue(let size)? = dimension.value, size > 0 { Int(size) } else { nil }
      })
  }
}
