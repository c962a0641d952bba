// SPDX-License-Identifier: Apache-2.0
import LensEngine
import LensTensors
import Testing

@testable import LensModels

/// The arithmetic on shapes that exporters write.
@Suite struct FoldingTests {
  private func shape(_ builder: ModelBuilder, at input: Shape) throws -> Shape {
    let graph = try builder.read().graph(for: [input], reaching: nil)
    return graph.nodes[graph.outputs[0]].shape
  }

  @Test func viewOfTheBatchSize() throws {  // x.view(x.size(0), -1)
    var builder = ModelBuilder()
    builder.integers("zero", [0], scalar: true)
    builder.integers("axes", [0])
    builder.integers("rest", [-1])
    builder.node("Shape", ["x"], ["s"])
    builder.node("Gather", ["s", "zero"], ["n"])
    builder.node("Unsqueeze", ["n", "axes"], ["n1"])
    builder.node("Concat", ["n1", "rest"], ["target"], ["axis": 0])
    builder.node("Reshape", ["x", "target"], ["y"], name: "view")
    #expect(try shape(builder, at: [3, 3, 8, 8]) == [3, 192])
    #expect(try builder.read().layerNames == ["view"])
    #expect(try builder.read().graph(for: [[2, 3, 5, 7]], reaching: nil).summary == ["Reshape view"])
  }

  @Test func interpolationToComputedSizes() throws {  // interpolate(scale_factor=1.5), as the older exporter writes it
    var builder = ModelBuilder(input: [nil, 3, nil, nil])
    builder.integers("zero", [0])
    builder.integers("two", [2])
    builder.integers("four", [4])
    builder.floats("factor", [], [1.5])
    builder.node("Shape", ["x"], ["s"])
    builder.node("Slice", ["s", "two", "four", "zero"], ["hw"])
    builder.node("Cast", ["hw"], ["float"], ["to": 1])
    builder.node("Mul", ["float", "factor"], ["scaled"])
    builder.node("Floor", ["scaled"], ["whole"])
    builder.node("Cast", ["whole"], ["sizes"], ["to": 7])
    builder.node("Slice", ["s", "zero", "two", "zero"], ["nc"])
    builder.node("Concat", ["nc", "sizes"], ["target"], ["axis": 0])
    builder.node(
      "Resize", ["x", "", "", "target"], ["y"],
      ["mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"])
    #expect(try shape(builder, at: [1, 3, 5, 8]) == [1, 3, 7, 12])
  }

  @Test func channelShuffle() throws {
    var builder = ModelBuilder(input: [nil, 4, nil, nil])
    for (name, index) in [("0", 0), ("1", 1), ("2", 2), ("3", 3)] { builder.integers(name, [index], scalar: true) }
    builder.integers("groups", [2], scalar: true)
    builder.integers("axes", [0])
    builder.node("Shape", ["x"], ["s"])
    for axis in 0..<4 { builder.node("Gather", ["s", "\(axis)"], ["d\(axis)"], ["axis": 0]) }
    builder.node("Div", ["d1", "groups"], ["per"])
    for name in ["d0", "groups", "per", "d1", "d2", "d3"] { builder.node("Unsqueeze", [name, "axes"], ["u" + name]) }
    builder.node("Concat", ["ud0", "ugroups", "uper", "ud2", "ud3"], ["grouped"], ["axis": 0])
    builder.node("Concat", ["ud0", "ud1", "ud2", "ud3"], ["flat"], ["axis": 0])
    builder.node("Reshape", ["x", "grouped"], ["a"])
    builder.node("Transpose", ["a"], ["b"], ["perm": [0, 2, 1, 3, 4]])
    builder.node("Reshape", ["b", "flat"], ["y"])
    let graph = try builder.read().graph(for: [[1, 4, 1, 1]], reaching: nil)
    #expect(graph.summary.count == 3)
    #expect(try graph.value(of: .output, at: [Tensor([1, 4, 1, 1], [0, 1, 2, 3])]).values == [0, 2, 1, 3])
  }

  @Test func integersStayExact() throws {
    var builder = ModelBuilder(input: [nil, 3])
    builder.integers("start", [0])
    builder.integers("large", [Int.max])
    builder.integers("one", [1])
    builder.node("Concat", ["large", "one"], ["both"], ["axis": 0])
    builder.node("Slice", ["both", "start", "one"], ["end"])
    builder.node("Sub", ["end", "one"], ["less"])
    builder.node("Slice", ["x", "start", "less", "one"], ["y"])
    #expect(try shape(builder, at: [2, 3]) == [2, 3])
  }

  @Test(arguments: [
    ("Add", [7, -7], [2, 2], [9, -5]), ("Div", [7, -7], [2, 2], [3, -3]), ("Mod", [7, -7], [3, 3], [1, 2]),
    ("Mul", [7, -7], [2, 3], [14, -21]),
    ("Pow", [7, -2], [2, 3], [49, -8]), ("Min", [7, -7], [2, 2], [2, -7]), ("Max", [7, -7], [2, 2], [7, 2]),
    ("Less", [1, 2], [2, 2], [1, 0]),
    ("Equal", [1, 2], [2, 2], [0, 1]), ("Or", [0, 1], [0, 0], [0, 1]), ("Xor", [1, 1], [0, 1], [1, 0]),
  ]) func integerArithmetic(_ kind: String, _ a: [Int], _ b: [Int], _ expected: [Int]) throws {
    var builder = ModelBuilder()
    builder.integers("a", a)
    builder.integers("b", b)
    builder.node(kind, ["a", "b"], ["y"])
    let graph = try builder.read().graph(for: [[1, 3, 8, 8]], reaching: nil)
    #expect((graph.nodes[graph.outputs[0]].op as? Constant)?.tensor.values == expected.map(Float.init))
  }

  /// Nodes whose inputs are all fixed, and what they give.
  @Test func constantsMadeFromConstants() throws {
    func folded(_ build: (inout ModelBuilder) -> Void) throws -> Tensor {
      var builder = ModelBuilder()
      builder.integers("i", [3, 1, 2])
      builder.integers("two", [2], scalar: true)
      builder.integers("nine", [9], scalar: true)
      builder.floats("m", [2, 2], [1, 0, 3, 4])
      build(&builder)
      let graph = try builder.read().graph(for: [[1, 3, 8, 8]], reaching: nil)
      return try #require(graph.nodes[graph.outputs[0]].op as? Constant).tensor
    }
    #expect(try folded { $0.node("Range", ["two", "nine", "two"], ["y"]) }.values == [2, 4, 6, 8])
    #expect(try folded { $0.node("ReduceProd", ["i"], ["y"], ["keepdims": 0]) }.values == [6])
    #expect(try folded { $0.node("ReduceMax", ["i"], ["y"]) }.shape == [1])
    #expect(try folded { $0.node("NonZero", ["m"], ["y"]) }.values == [0, 1, 1, 0, 0, 1])
    #expect(try folded { $0.node("Trilu", ["m"], ["y"], ["upper": 0]) }.values == [1, 0, 3, 4])
    #expect(try folded { $0.node("Trilu", ["m"], ["y"]) }.values == [1, 0, 0, 4])
    #expect(try folded { $0.node("EyeLike", ["m"], ["y"], ["k": 1]) }.values == [0, 1, 0, 0])
    #expect(
      try folded {
        $0.node("CumSum", ["i", "zero"], ["y"]); $0.integers("zero", [0], scalar: true)
      }.values == [3, 4, 6])
    #expect(try folded { $0.node("ConstantOfShape", ["i"], ["y"], ["value": ModelBuilder.floats("", [1], [2.5])]) }.shape == [3, 1, 2])
    #expect(try folded { $0.node("Size", ["m"], ["y"]) }.values == [4])
    #expect(try folded { $0.node("Shape", ["x"], ["y"], ["start": 1, "end": -1]) }.values == [3, 8])
    #expect(try folded { $0.node("Cast", ["m"], ["y"], ["to": 9]) }.values == [1, 0, 1, 1])
    #expect(try folded { $0.node("MatMul", ["m", "m"], ["y"]) }.values == [1, 0, 15, 16])
    #expect(
      try folded {
        $0.node("Tile", ["i", "one"], ["y"]); $0.integers("one", [2])
      }.values == [3, 1, 2, 3, 1, 2])
    #expect(
      try folded {
        $0.node("Pad", ["i", "p"], ["y"]); $0.integers("p", [1, 1])
      }.values == [0, 3, 1, 2, 0])
    #expect(try folded { $0.node("Constant", [], ["y"], ["value_ints": [4, 5]]) }.values == [4, 5])
    #expect(try folded { $0.node("Constant", [], ["y"], ["value_float": Float(0.5)]) }.shape == [])
    let scattered = try folded {
      $0.node("ScatterND", ["i", "at", "new"], ["y"])
      $0.model.graph.initializer.append(.with { ($0.name, $0.dataType, $0.dims, $0.int64Data) = ("at", 7, [2, 1], [0, -1]) })
      $0.integers("new", [10, 20])
    }
    #expect(scattered.values == [10, 1, 20])
  }

  @Test func aBranchOnAFixedConditionIsTaken() throws {
    func branch(_ kind: String, _ output: String) -> Onnx_GraphProto {
      .with {
        $0.node = [ModelBuilder.node(kind, ["x"], [output], name: kind.lowercased())]
        $0.output = [ModelBuilder.value(output, [])]
      }
    }
    var builder = ModelBuilder()
    builder.integers("four", [4], scalar: true)
    builder.integers("axis", [3], scalar: true)
    builder.node("Shape", ["x"], ["s"])
    builder.node("Gather", ["s", "axis"], ["width"])
    builder.node("Greater", ["width", "four"], ["wide"])
    builder.node("If", ["wide"], ["y"], name: "choice", ["then_branch": branch("Relu", "a"), "else_branch": branch("Sigmoid", "b")])
    let model = try builder.read()
    #expect(model.layerNames == ["choice"])
    let wide = try model.graph(for: [[1, 3, 8, 8]], reaching: nil)
    #expect(wide.summary == ["Relu a"])
    let narrow = try model.graph(for: [[1, 3, 8, 2]], reaching: ["choice"])
    #expect(narrow.summary == ["Sigmoid b"] && narrow.index(of: "choice") == narrow.index(of: "b"))

    builder.model.graph.node[3].input = ["four"]
    let fixed = try builder.read()
    #expect(fixed.layerNames == ["relu", "choice"])
  }

  @Test func aFixedBatchIsReadAsTheBatchOfTheCall() throws {
    var builder = ModelBuilder(input: [2, 3, 8, 8])
    builder.integers("target", [2, -1])
    builder.node("Reshape", ["x", "target"], ["y"])
    #expect(try shape(builder, at: [2, 3, 8, 8]) == [2, 192])
    #expect(try shape(builder, at: [5, 3, 8, 8]) == [5, 192])
  }

  @Test func weightStandardizationIsDoneAtLoad() throws {
    var builder = ModelBuilder(input: [nil, 2, 4, 4])
    builder.floats("w", [3, 2, 2, 2])
    builder.floats("one", [3], [1, 1, 1])
    builder.floats("none", [3], [0, 0, 0])
    builder.integers("flat", [1, 3, -1])
    builder.integers("back", [3, 2, 2, 2])
    builder.node("Reshape", ["w", "flat"], ["v"])
    builder.node("BatchNormalization", ["v", "one", "none", "none", "one"], ["n", "m1", "m2"], ["training_mode": 1])
    builder.node("Reshape", ["n", "back"], ["k"])
    builder.node("Conv", ["x", "k"], ["y"], name: "conv")
    let model = try builder.read()
    let graph = try model.graph(for: [[1, 2, 4, 4]], reaching: nil)
    #expect(graph.summary == ["Conv conv"])
    let weights = try #require(graph.nodes.last?.op as? Convolution).weights.values
    for filter in 0..<3 {
      let part = weights[filter * 8..<filter * 8 + 8]
      #expect(abs(part.reduce(0, +)) < 1e-4 && abs(part.reduce(0) { $0 + $1 * $1 } / 8 - 1) < 1e-3)
    }
  }
}
