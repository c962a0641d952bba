// SPDX-License-Identifier: Apache-2.0
import LensEngine
import LensTensors
import Testing

@testable import LensModels

@Suite struct ReadingTests {
  private func convnet(opset: Int = 20) -> ModelBuilder {
    var builder = ModelBuilder(opset: opset)
    builder.floats("w", [4, 3, 3, 3])
    builder.floats("b", [4])
    builder.floats("fc", [5, 4])
    builder.node("Conv", ["x", "w", "b"], ["c"], name: "conv1", ["pads": [1, 1, 1, 1]])
    builder.node("Relu", ["c"], ["r"], name: "relu1")
    builder.node("GlobalAveragePool", ["r"], ["p"])
    builder.node("Flatten", ["p"], ["f"], name: "flatten")
    builder.node("Gemm", ["f", "fc"], ["y"], name: "fc1", ["transB": 1])
    return builder
  }

  @Test func aConvnetBecomesOneNodeForEachOfItsNodes() throws {
    let model = try convnet().read()
    let graph = try model.graph(for: [[2, 3, 8, 8]], reaching: nil)
    #expect(graph.summary == ["Conv conv1", "Relu relu1", "GlobalAveragePool p", "Flatten flatten", "Gemm fc1"])
    #expect(graph.nodes[graph.outputs[0]].shape == [2, 5])
    #expect(model.layerNames == ["conv1", "relu1", "p", "flatten", "fc1"])
    #expect(model.aliases == ["c": "conv1", "r": "relu1", "f": "flatten", "y": "fc1"])
    #expect(model.inputs.map(\.name) == ["x"] && model.inputs[0].dimensions == [nil, 3, 8, 8])
    #expect(model.outputs == ["y"])
    #expect(graph.index(of: "c") == graph.index(of: "conv1"))
    #expect(graph.index(of: .logits) == graph.index(of: "fc1"))
  }

  @Test func onlyWhatReachesTheLayersIsBuilt() throws {
    var builder = ModelBuilder(input: [1, 3, 8, 8])
    builder.integers("shape", [1, 192])
    builder.floats("w", [5, 192])
    builder.node("Relu", ["x"], ["r"], name: "relu")
    builder.node("Reshape", ["r", "shape"], ["f"], name: "flatten")
    builder.node("Gemm", ["f", "w"], ["y"], name: "fc", ["transB": 1])
    let model = try builder.read()
    #expect(try model.graph(for: [[1, 3, 20, 20]], reaching: ["relu"]).summary == ["Relu relu"])
    #expect(try model.graph(for: [[1, 3, 20, 20]], reaching: ["r"]).index(of: "r") != nil)
    #expect(try model.graph(for: [[1, 3, 8, 8]], reaching: [.logits]).summary.last == "Gemm fc")
    let error = LensError.thrown { _ = try model.graph(for: [[1, 3, 20, 20]], reaching: ["fc"]) }
    #expect(error.code == .shapeMismatch && error.message.hasPrefix("net.onnx: node 'flatten' (Reshape): 1×3×20×20"), "\(error)")
    #expect(LensError.thrown { _ = try model.graph(for: [[1, 3, 8, 8]], reaching: ["fc2"]) }.code == .notFound)
  }

  /// A sequence's convolution stands behind a node that changes its shape back; its weights can be drawn anew all the same.
  @Test func convolutionsOfSequencesCanBeRandomized() throws {
    var builder = ModelBuilder()
    builder.integers("shape", [0, 3, 64])
    builder.floats("w", [4, 3, 3])
    builder.node("Reshape", ["x", "shape"], ["s"], name: "sequence")
    builder.node("Conv", ["s", "w"], ["y"], name: "conv")
    let network = Network(try builder.read(), name: "sequence")
    let graph = try Session(network).graph(for: [[1, 3, 8, 8]])
    let weighted = try #require(graph.nodes.last { $0.op is Convolution })
    #expect(weighted.name != "conv")
    let drawn = try Session(network.randomized([Layer(weighted.name)])).graph(for: [[1, 3, 8, 8]])
    let place = try #require(drawn.index(of: Layer(weighted.name)))
    #expect((drawn.nodes[place].op as? Convolution)?.weights.values != (weighted.op as? Convolution)?.weights.values)
    #expect(throws: LensError.self) { try network.randomized(["conv/nothing"]) }
  }

  @Test func nodesWithoutANameOfTheirOwnAreCalledByTheirTensor() throws {
    var builder = ModelBuilder()
    builder.node("Relu", ["x"], ["a"], name: "same")
    builder.node("Relu", ["a"], ["b"], name: "same")
    builder.node("Relu", ["b"], ["c"])
    builder.node("Relu", ["c"], ["d"], name: "a")
    builder.node("Split", ["d"], ["e", "f", "g"], name: "split", ["axis": 1])
    builder.node("Add", ["e", "g"], ["y"], name: "x")
    let model = try builder.read()
    #expect(
      model.layerNames == ["a", "b", "c", "a.2", "split:0", "split:2", "y"]
        || model.layerNames == ["a", "b", "c", "d", "split:0", "split:2", "y"])
    #expect(model.aliases["e"] == "split:0" && model.aliases["g"] == "split:2")
    let graph = try model.graph(for: [[1, 3, 8, 8]], reaching: nil)
    #expect(Set(graph.nodes.map(\.name)).count == graph.nodes.count)
    for name in model.layerNames { #expect(graph.nodes[try #require(graph.index(of: Layer(name)))].name == name) }
  }

  @Test func weightsAreSharedBetweenGraphs() throws {
    let model = try convnet().read()
    func weights(_ shape: Shape) throws -> UnsafePointer<Float>? {
      let graph = try model.graph(for: [shape], reaching: nil)
      return (graph.nodes[try #require(graph.index(of: "conv1"))].op as? Convolution)?.weights.pointer
    }
    #expect(try weights([1, 3, 8, 8]) == weights([2, 3, 16, 16]))
  }

  @Test func weightsInOldFilesAreListedAsInputsToo() throws {
    var builder = convnet(opset: 9)
    builder.model.graph.input.append(ModelBuilder.value("w", [4, 3, 3, 3]))
    #expect(try builder.read().inputs.map(\.name) == ["x"])
  }

  @Test func nodesOutOfOrderArePutInOrder() throws {
    var builder = convnet()
    builder.model.graph.node.reverse()
    #expect(try builder.read().graph(for: [[1, 3, 8, 8]], reaching: nil).summary.count == 5)
  }

  @Test func deadNodesAndWhatTheyNeedDoNotMatter() throws {
    var builder = convnet()
    builder.node("Loop", ["r"], ["nobody"], name: "loop")
    #expect(try builder.read().layerNames.count == 5)
  }

  @Test func allStorageFormsGiveTheSameFloats() throws {
    let values: [Float] = [1, -2, 0.5, 1024]
    func read(_ type: Int32, _ fill: (inout Onnx_TensorProto) -> Void) throws -> [Float] {
      var proto = Onnx_TensorProto()
      (proto.dataType, proto.dims) = (type, [4])
      fill(&proto)
      return try ONNXTensorReader(external: nil).constant(proto).tensor.values
    }
    func raw<T>(_ values: [T]) -> (inout Onnx_TensorProto) -> Void {
      { proto in values.withUnsafeBytes { proto.rawData.append(contentsOf: $0) } }
    }
    let halves: [UInt16] = [0x3C00, 0xC000, 0x3800, 0x6400], brains: [UInt16] = values.map { UInt16($0.bitPattern >> 16) }
    #expect(try read(1) { $0.floatData = values } == values)
    #expect(try read(1, raw(values)) == values)
    #expect(try read(11) { $0.doubleData = values.map(Double.init) } == values)
    #expect(try read(11, raw(values.map(Double.init))) == values)
    #expect(try read(10) { $0.int32Data = halves.map(Int32.init) } == values)
    #expect(try read(10, raw(halves)) == values)
    #expect(try read(16) { $0.int32Data = brains.map(Int32.init) } == values)
    #expect(try read(16, raw(brains)) == values)
    let whole: [Float] = [1, 0, 3, 100]
    #expect(try read(3, raw([1, 0, 3, 100] as [Int8])) == whole)
    #expect(try read(2) { $0.int32Data = [1, 0, 3, 100] } == whole)
    #expect(try read(7) { $0.int64Data = [1, 0, 3, 100] } == whole)
    #expect(try read(7, raw([1, 0, 3, 100] as [Int64])) == whole)
    #expect(try read(13) { $0.uint64Data = [1, 0, 3, 100] } == whole)
    #expect(try read(12, raw([1, 0, 3, 100] as [UInt32])) == whole)
  }

  @Test func everyHalfIsConvertedExactly() {
    for bits in UInt16.min...UInt16.max {
      let ours = Float(half: bits)
      let exponent = Int(bits >> 10 & 31), fraction = Double(bits & 1023), sign: Double = bits >> 15 == 1 ? -1 : 1
      var expected =
        sign * (exponent == 0 ? fraction * 0x1p-24 : (1 + fraction / 1024) * Double(sign: .plus, exponent: exponent - 15, significand: 1))
      if exponent == 31 { expected = fraction == 0 ? sign * .infinity : .nan }
      #expect(ours == Float(expected) || (ours.isNaN && expected.isNaN), "\(bits)")
    }
  }

  @Test func metadataIsHandedOn() throws {
    var builder = convnet()
    builder.model.metadataProps = [.with { ($0.key, $0.value) = ("cnnlens.labels", "cat\ndog") }]
    #expect(try builder.read().metadata == ["cnnlens.labels": "cat\ndog"])
  }

  @Test func anOutputMayBeTheInputOrAConstant() throws {
    var builder = ModelBuilder(output: "x")
    builder.floats("w", [2])
    builder.model.graph.output.append(ModelBuilder.value("w", []))
    let graph = try builder.read().graph(for: [[1, 3, 8, 8]], reaching: nil)
    #expect(graph.outputs.map { graph.nodes[$0].shape } == [[1, 3, 8, 8], [2]])
  }
}
