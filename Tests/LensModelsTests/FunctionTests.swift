// SPDX-License-Identifier: Apache-2.0
import LensEngine
import LensTensors
import Testing

@testable import LensModels

/// Functions in the file, as torch.onnx.export(dynamo=True) writes them.
@Suite struct FunctionTests {
  static func function(_ name: String, _ inputs: [String], _ outputs: [String], attributes: [String] = [], _ nodes: [Onnx_NodeProto])
    -> Onnx_FunctionProto
  {
    .with {
      ($0.domain, $0.name) = ("pkg.onnxscript.torch_lib", name)
      ($0.input, $0.output, $0.attribute, $0.node) = (inputs, outputs, attributes, nodes)
      $0.opsetImport = [.with { $0.version = 18 }, .with { ($0.domain, $0.version) = ("pkg.onnxscript.torch_lib", 1) }]
    }
  }

  static func call(_ name: String, _ inputs: [String], _ outputs: [String], as label: String = "", _ attributes: [String: Any] = [:])
    -> Onnx_NodeProto
  {
    ModelBuilder.node(name, inputs, outputs, name: label, domain: "pkg.onnxscript.torch_lib", attributes)
  }

  static func referring(_ node: Onnx_NodeProto, _ attribute: String, to outer: String) -> Onnx_NodeProto {
    var node = node
    node.attribute.append(.with { ($0.name, $0.refAttrName, $0.type) = (attribute, outer, .float) })
    return node
  }

  private func model() -> ModelBuilder {
    var builder = ModelBuilder()
    builder.model.functions = [
      FunctionTests.function(
        "leaky", ["a"], ["b"], attributes: ["slope"],
        [
          FunctionTests.referring(ModelBuilder.node("LeakyRelu", ["a"], ["t"], name: "n0"), "alpha", to: "slope"),
          ModelBuilder.node("Identity", ["t"], ["b"], name: "n1"),
        ]),
      FunctionTests.function(
        "twice", ["a"], ["b"], attributes: ["slope"],
        [
          FunctionTests.referring(FunctionTests.call("leaky", ["a"], ["m"], as: "first"), "slope", to: "slope"),
          FunctionTests.call("leaky", ["m"], ["b"], as: "second", ["slope": Float(0.5)]),
        ]),
    ]
    builder.model.graph.node = [
      FunctionTests.call("twice", ["x"], ["t"], as: "act1", ["slope": Float(0.25)]), FunctionTests.call("leaky", ["t"], ["y"]),
    ]
    return builder
  }

  @Test func callsAreReplacedByBodies() throws {
    let model = try model().read()
    #expect(model.layerNames == ["act1/first/n0", "act1/first/n1", "act1/second/n0", "act1/second/n1", "y/n0", "y/n1"])
    #expect(model.aliases["t"] == "act1/second/n1" && model.aliases["act1"] == "act1/second/n1" && model.aliases["y"] == "y/n1")
    let graph = try model.graph(for: [[1, 3, 8, 8]], reaching: nil)
    let slopes = graph.nodes.compactMap { ($0.op as? Pointwise)?.function }
    #expect(slopes == [.leakyRelu(slope: 0.25), .leakyRelu(slope: 0.5), .leakyRelu(slope: 0.01)])
  }

  @Test func defaultsOfAttributesCount() throws {
    var builder = model()
    builder.model.functions[0].attributeProto = [ModelBuilder.attribute("slope", Float(0.125))]
    let graph = try builder.read().graph(for: [[1, 3, 8, 8]], reaching: nil)
    #expect(graph.nodes.compactMap { ($0.op as? Pointwise)?.function }.last == .leakyRelu(slope: 0.125))
  }

  @Test func optionalInputsMayBeLeftOut() throws {
    var builder = ModelBuilder()
    builder.floats("six", [], [6])
    builder.model.functions = [
      FunctionTests.function("clamp", ["a", "low", "high"], ["b"], [ModelBuilder.node("Clip", ["a", "low", "high"], ["b"])])
    ]
    builder.model.graph.node = [FunctionTests.call("clamp", ["x", "", "six"], ["t"]), FunctionTests.call("clamp", ["t"], ["y"])]
    let graph = try builder.read().graph(for: [[1, 3, 8, 8]], reaching: nil)
    #expect(
      graph.nodes.compactMap { ($0.op as? Pointwise)?.function } == [
        .clip(lower: -.infinity, upper: 6), .clip(lower: -.infinity, upper: .infinity),
      ])
  }

  @Test func functionsThatCallThemselvesOrExplodeAreRefused() throws {
    var builder = ModelBuilder()
    builder.model.functions = [FunctionTests.function("f", ["a"], ["b"], [FunctionTests.call("f", ["a"], ["b"])])]
    builder.model.graph.node = [FunctionTests.call("f", ["x"], ["y"])]
    let endless = LensError.thrown { _ = try builder.read() }
    #expect(endless.code == .malformedModel && endless.message.contains("nested"), "\(endless)")

    builder.model.functions = (0..<30).map { level in
      let next = level == 29 ? ModelBuilder.node("Relu", ["a"], ["m"]) : FunctionTests.call("f\(level + 1)", ["a"], ["m"])
      let again = level == 29 ? ModelBuilder.node("Relu", ["m"], ["b"]) : FunctionTests.call("f\(level + 1)", ["m"], ["b"])
      return FunctionTests.function("f\(level)", ["a"], ["b"], [next, again])
    }
    builder.model.graph.node = [FunctionTests.call("f0", ["x"], ["y"])]
    let bomb = LensError.thrown { _ = try builder.read() }
    #expect(bomb.code == .malformedModel && bomb.message.contains("once its functions are inlined"), "\(bomb)")
  }
}
