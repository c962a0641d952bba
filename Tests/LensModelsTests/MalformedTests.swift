// SPDX-License-Identifier: Apache-2.0
import LensEngine
import LensTensors
import Testing

@testable import LensModels

@Suite struct MalformedTests {
  /// Reads and builds; the message must be one line that begins with the file's name.
  static func error(_ bytes: [UInt8], at shape: Shape = [1, 3, 8, 8]) -> LensError? {
    do {
      let model = try ONNXModel.read(bytes: bytes, name: "net.onnx")
      _ = try model.graph(for: model.inputs.map { Shape($0.dimensions.map { min($0 ?? 1, 64) }) }, reaching: nil)
      return nil
    } catch let error as LensError { return error } catch { return LensError(.internalError, "\(error)") }
  }

  private func expect(_ code: LensError.Code, _ part: String, _ build: (inout ModelBuilder) -> Void, line: Int = #line) {
    var builder = ModelBuilder(input: [1, 3, 8, 8])
    build(&builder)
    let error = MalformedTests.error(builder.bytes)
    #expect(
      error?.code == code && (part.isEmpty || error?.message.contains(part) == true) && error?.message.hasPrefix("net.onnx: ") == true,
      "line \(line): \(error.map { "\($0.code) \($0)" } ?? "no error")")
  }

  @Test func allUnsupportedOperatorsAreListedAtOnce() {
    expect(.unsupportedOperator, "operator NonMaxSuppression (node 'y') is not among those cnnlens runs") {
      $0.node("NonMaxSuppression", ["x"], ["y"])
    }
    var builder = ModelBuilder()
    builder.node("Det", ["x"], ["a"], name: "attn")
    builder.node("Loop", ["a"], ["b"], name: "l1")
    builder.node("Loop", ["b"], ["c"], name: "l2")
    builder.model.graph.node.append(ModelBuilder.node("FusedConv", ["c"], ["y"], domain: "com.microsoft"))
    #expect(
      MalformedTests.error(builder.bytes)?.message
        == "net.onnx: 3 operators are not among those cnnlens runs: Det (node 'attn'), Loop (nodes 'l1', 'l2'), com.microsoft.FusedConv (node 'y')"
    )
  }

  @Test func brokenStructure() {
    expect(.malformedModel, "reads 'nothing', which nothing produces") { $0.node("Relu", ["nothing"], ["y"]) }
    expect(.malformedModel, "nothing produces the output 'y'") { $0.node("Relu", ["x"], ["z"]) }
    expect(.malformedModel, "two nodes or inputs produce 'y'") {
      $0.node("Relu", ["x"], ["y"]); $0.node("Exp", ["x"], ["y"])
    }
    expect(.malformedModel, "two nodes or inputs produce 'x'") { $0.node("Relu", ["x"], ["x"]) }
    expect(.malformedModel, "cycle") {
      $0.node("Add", ["x", "b"], ["a"]); $0.node("Relu", ["a"], ["b"]); $0.node("Relu", ["b"], ["y"])
    }
    expect(.malformedModel, "cycle") { $0.node("Relu", ["y"], ["y"]) }
    expect(.malformedModel, "no inputs") {
      $0.node("Relu", ["x"], ["y"]); $0.model.graph.input = []
    }
    expect(.malformedModel, "no outputs") {
      $0.node("Relu", ["x"], ["y"]); $0.model.graph.output = []
    }
    expect(.malformedModel, "no graph") { $0.model.clearGraph() }
    expect(.malformedModel, "input 1 is missing") { $0.node("Add", ["x"], ["y"]) }
    expect(.malformedModel, "input 0 is missing") { $0.node("Sum", [], ["y"]) }
    expect(.malformedModel, "input 0 is missing") { $0.node("Relu", [""], ["y"]) }
    expect(.unsupportedOperator, "opset 6 is older than 7") {
      $0.node("Relu", ["x"], ["y"]); $0.model.opsetImport[0].version = 6
    }
    expect(.unsupportedOperator, "does not state how many dimensions") {
      $0.node("Relu", ["x"], ["y"]); $0.model.graph.input[0].type.tensorType.clearShape()
    }
    expect(.malformedModel, "at most 8") {
      $0.node("Relu", ["x"], ["y"]); $0.model.graph.input[0] = ModelBuilder.value("x", [Int](repeating: 1, count: 9))
    }
  }

  @Test func brokenTensors() {
    func weights(_ fill: @escaping (inout Onnx_TensorProto) -> Void) -> (inout ModelBuilder) -> Void {
      { builder in
        builder.model.graph.initializer.append(
          .with {
            ($0.name, $0.dataType, $0.dims) = ("w", 1, [2]); fill(&$0)
          })
        builder.node("Mul", ["x", "w"], ["y"])
      }
    }
    expect(.malformedModel, "tensor 'w': 3 bytes for a tensor of shape 2, which takes 8", weights { $0.rawData = .init([1, 2, 3]) })
    expect(.malformedModel, "tensor 'w': 0 numbers for a tensor of shape 2", weights { _ in })
    expect(.malformedModel, "too large", weights { $0.dims = [1 << 40, 1 << 40] })
    expect(.malformedModel, "too large", weights { $0.dims = [Int64.max] })
    expect(.malformedModel, "0 numbers", weights { $0.dims = [1 << 31] })
    expect(.malformedModel, "negative", weights { $0.dims = [-1] })
    expect(.malformedModel, "9 dimensions", weights { $0.dims = [Int64](repeating: 1, count: 9) })
    expect(.unsupportedOperator, "the element type int4", weights { $0.dataType = 22 })
    expect(.unsupportedOperator, "the element type 77", weights { $0.dataType = 77 })
    expect(.unsupportedOperator, "strings", weights { $0.dataType = 8 })
    expect(.malformedModel, "segments", weights { $0.segment.begin = 0 })
    expect(
      .malformedModel, "do not broadcast",
      weights {
        $0.dims = [5]; $0.floatData = [1, 2, 3, 4, 5]
      })
  }

  @Test func brokenAttributes() {
    func conv(_ attributes: [String: Any], weights: [Int] = [4, 3, 3, 3]) -> (inout ModelBuilder) -> Void {
      { builder in
        builder.floats("w", weights)
        builder.node("Conv", ["x", "w"], ["y"], name: "Conv_12", attributes)
      }
    }
    expect(.malformedModel, "node 'Conv_12' (Conv): group is 0; it must be at least 1", conv(["group": 0]))
    expect(.malformedModel, "group is -1", conv(["group": -1]))
    expect(.malformedModel, "divide", conv(["group": 3]))
    expect(.malformedModel, "strides is [0, 1]", conv(["strides": [0, 1]]))
    expect(.malformedModel, "strides is [1, 1, 1]; 2 numbers are wanted", conv(["strides": [1, 1, 1]]))
    expect(.malformedModel, "pads is [-1, 0, 0, 0]", conv(["pads": [-1, 0, 0, 0]]))
    expect(.malformedModel, "dilations", conv(["dilations": [Int.max, 1]]))
    expect(.malformedModel, "kernel_shape is [5, 5]", conv(["kernel_shape": [5, 5]]))
    expect(.malformedModel, "auto_pad is 'SIDEWAYS'", conv(["auto_pad": "SIDEWAYS"]))
    expect(.malformedModel, "attribute 'group' is a string; it must be an integer", conv(["group": "two"]))
    expect(.malformedModel, "Conv_12", conv([:], weights: [4, 5, 3, 3]))
    expect(.malformedModel, "Conv_12", conv([:], weights: [4, 3, 3]))
    expect(.malformedModel, "Conv_12", conv([:], weights: [4, 3, 30, 30]))
    expect(.malformedModel, "Conv_12", conv([:], weights: [0, 3, 3, 3]))
    expect(.malformedModel, "axis 4 of a value with axes -4...3") { $0.node("Softmax", ["x"], ["y"], ["axis": 4]) }
    expect(.malformedModel, "axis") { $0.node("Concat", ["x", "x"], ["y"], ["axis": Int.min]) }
    expect(.malformedModel, "is given twice") { builder in
      builder.node("Softmax", ["x"], ["y"], ["axis": 1])
      builder.model.graph.node[0].attribute.append(ModelBuilder.attribute("axis", 2))
    }
    expect(.malformedModel, "kernel_shape") { $0.node("MaxPool", ["x"], ["y"]) }
    expect(.malformedModel, "kernel_shape is [9, 9, 9]") { $0.node("MaxPool", ["x"], ["y"], ["kernel_shape": [9, 9, 9]]) }
    expect(.malformedModel, "perm is [0, 1, 1, 2]") { $0.node("Transpose", ["x"], ["y"], ["perm": [0, 1, 1, 2]]) }
    expect(.malformedModel, "alpha") { $0.node("Elu", ["x"], ["y"], ["alpha": Float.nan]) }
    expect(.malformedModel, "refers to") { builder in
      builder.node("Elu", ["x"], ["y"])
      builder.model.graph.node[0].attribute = [.with { ($0.name, $0.refAttrName) = ("alpha", "a") }]
    }
  }

  /// Small files that ask for much memory.
  @Test func hostileSizes() {
    let huge = [1 << 20, 1 << 12]
    expect(.malformedModel, "more numbers") {
      $0.integers("s", [1 << 16, 1 << 15]); $0.node("ConstantOfShape", ["s"], ["y"])
    }
    expect(.malformedModel, "too large") {
      $0.integers("s", [1 << 40, 1 << 40]); $0.node("ConstantOfShape", ["s"], ["y"])
    }
    expect(.malformedModel, "negative") {
      $0.integers("s", [-5]); $0.node("ConstantOfShape", ["s"], ["y"])
    }
    expect(.malformedModel, "more numbers") {
      $0.floats("c", [1, 1]); $0.integers("s", huge); $0.node("Expand", ["c", "s"], ["y"])
    }
    expect(.malformedModel, "") {
      $0.floats("c", [1, 1]); $0.integers("s", [1 << 20, 1 << 20]); $0.node("Tile", ["c", "s"], ["y"])
    }
    expect(.malformedModel, "") {
      $0.integers("s", [1, 1, 1 << 40, 1]); $0.node("Tile", ["x", "s"], ["y"])
    }
    expect(.malformedModel, "too large") {
      $0.integers("s", [1 << 20, 1 << 20, 8, 8]); $0.node("Expand", ["x", "s"], ["y"])
    }
    expect(.malformedModel, "") {
      $0.integers("s", [Int.max, Int.max, Int.max, Int.max]); $0.node("Reshape", ["x", "s"], ["y"])
    }
    expect(.malformedModel, "too many numbers") { builder in
      for (name, value) in [("a", 0), ("b", Int.max), ("c", 1)] { builder.integers(name, [value], scalar: true) }
      builder.node("Range", ["a", "b", "c"], ["y"])
    }
    expect(.malformedModel, "too many numbers") { builder in
      for (name, value) in [("a", Float(0)), ("b", 1), ("c", 0)] { builder.floats(name, [], [value]) }
      builder.node("Range", ["a", "b", "c"], ["y"])
    }
    expect(.malformedModel, "pads") {
      $0.integers("p", [0, 0, Int.max, 0, 0, 0, Int.max, 0]); $0.node("Pad", ["x", "p"], ["y"])
    }
    expect(.malformedModel, "sizes") {
      $0.integers("s", [1, 3, Int.max, 8]); $0.node("Resize", ["x", "", "", "s"], ["y"])
    }
    expect(.malformedModel, "") {
      $0.floats("s", [4], [1, 1, 1e30, 1]); $0.node("Resize", ["x", "", "s"], ["y"])
    }
    expect(.malformedModel, "scales") {
      $0.floats("s", [4], [1, 1, .nan, 1]); $0.node("Resize", ["x", "", "s"], ["y"])
    }
    expect(.malformedModel, "") {
      $0.integers("a", Array(0..<64)); $0.node("Unsqueeze", ["x", "a"], ["y"])
    }
    // Doubling again and again
    expect(.malformedModel, "") { builder in
      builder.node("Concat", ["x", "x"], ["t0"], ["axis": 0])
      for i in 0..<64 { builder.node("Concat", ["t\(i)", "t\(i)"], [i == 63 ? "y" : "t\(i + 1)"], ["axis": 0]) }
    }
    expect(.malformedModel, "more numbers") { builder in
      builder.floats("t0", [64, 64])
      for i in 0..<64 { builder.node("Concat", ["t\(i)", "t\(i)"], [i == 63 ? "y" : "t\(i + 1)"], ["axis": 0]) }
    }
  }

  @Test func deepNestingIsRefused() {
    var inner = Onnx_GraphProto.with { $0.output = [ModelBuilder.value("x", [])] }
    for depth in 0..<60 {
      let graph = inner
      inner = .with {
        $0.node = [
          ModelBuilder.node(
            "If", ["x"], ["o\(depth)"],
            [
              "then_branch": graph,
              "else_branch": graph.node.isEmpty ? graph : Onnx_GraphProto.with { $0.output = [ModelBuilder.value("x", [])] },
            ])
        ]
        $0.output = [ModelBuilder.value("o\(depth)", [])]
      }
    }
    let graph = inner
    expect(.malformedModel, "nested") { builder in
      builder.model.graph.node = graph.node
      builder.model.graph.output = graph.output
    }
  }

  @Test func whatDependsOnThePictureButMustNot() {
    expect(.unsupportedOperator, "the indices depend on the picture") { $0.node("Gather", ["x", "x"], ["y"]) }
    expect(.unsupportedOperator, "the weights depend on the picture") { $0.node("Conv", ["x", "x"], ["y"]) }
    expect(.unsupportedOperator, "node 'y' (NonZero): runs on fixed numbers only") { $0.node("NonZero", ["x"], ["y"]) }
    expect(.unsupportedOperator, "training mode") { builder in
      builder.floats("c", [3], [1, 1, 1])
      builder.node("BatchNormalization", ["x", "c", "c", "c", "c"], ["y"], ["training_mode": 1])
    }
    expect(.unsupportedOperator, "its condition depends on the picture") { builder in
      let branch = Onnx_GraphProto.with { $0.output = [ModelBuilder.value("x", [])] }
      builder.node("If", ["x"], ["y"], ["then_branch": branch, "else_branch": branch])
    }
  }
}
