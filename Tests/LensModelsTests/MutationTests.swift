// SPDX-License-Identifier: Apache-2.0
import Glibc
import LensEngine
import LensTensors
import SwiftProtobuf
import Testing

@testable import LensModels

/// Damaged files: one `LensError`, or a model that runs. A trap would end the test process.
@Suite struct MutationTests {
  /// Small models that between them use most of the reader.
  static let models: [(name: String, bytes: [UInt8])] = recipes.map { recipe in
    var builder = ModelBuilder(input: [1, 3, 8, 8])
    recipe.build(&builder)
    return (recipe.name, builder.bytes)
  }

  private static let recipes: [(name: String, build: @Sendable (inout ModelBuilder) -> Void)] = [
    (
      "convnet",
      { builder in
        builder.floats("w", [2, 3, 3, 3])
        for name in ["s", "b", "m", "v"] { builder.floats(name, [2], [1, 2]) }
        builder.floats("fc", [2, 5])
        builder.node(
          "Conv", ["x", "w", "b"], ["c"], name: "conv", ["pads": [1, 1, 1, 1], "strides": [2, 2], "group": 1, "dilations": [1, 1]])
        builder.node("BatchNormalization", ["c", "s", "b", "m", "v"], ["n"])
        builder.node("Relu", ["n"], ["r"])
        builder.node("MaxPool", ["r"], ["p"], ["kernel_shape": [2, 2], "strides": [2, 2], "ceil_mode": 1])
        builder.node("GlobalAveragePool", ["p"], ["g"])
        builder.node("Flatten", ["g"], ["f"])
        builder.node("Gemm", ["f", "fc"], ["l"], ["alpha": Float(2)])
        builder.node("Softmax", ["l"], ["y"])
      }
    ),
    (
      "shapes",
      { builder in
        builder.integers("zero", [0])
        builder.integers("one", [1])
        builder.integers("axes", [2, 3])
        builder.integers("ends", [7, -1])
        builder.integers("rest", [-1])
        builder.integers("pads", [0, 0, 1, 0, 0, 0, 0, 2])
        builder.node("Slice", ["x", "one", "ends", "axes"], ["broken"])
        builder.node("Pad", ["x", "pads"], ["p"], ["mode": "reflect"])
        builder.node("Shape", ["p"], ["s"])
        builder.node("Gather", ["s", "zero"], ["n"])
        builder.node("Concat", ["n", "rest"], ["t"], ["axis": 0])
        builder.node("Split", ["p"], ["s1", "s2", "s3"], ["axis": 1])
        builder.node("Concat", ["s3", "s1"], ["c"], ["axis": 1])
        builder.node("Transpose", ["c"], ["tr"], ["perm": [0, 2, 3, 1]])
        builder.node("ReduceMean", ["tr", "one"], ["mean"])
        builder.node("Reshape", ["mean", "t"], ["y"])
      }
    ),
    (
      "enlarging",
      { builder in
        builder.floats("w", [3, 1, 2, 2])
        builder.floats("scales", [4], [1, 1, 2, 1.5])
        builder.integers("sizes", [1, 3, 5, 9])
        builder.node("ConvTranspose", ["x", "w"], ["u"], ["strides": [2, 2], "group": 3, "output_padding": [1, 0]])
        builder.node("Resize", ["u", "", "scales"], ["r"], ["mode": "linear"])
        builder.node("Resize", ["r", "", "", "sizes"], ["q"], ["mode": "cubic"])
        builder.node("DepthToSpace", ["e"], ["d"], ["blocksize": 1])
        builder.node("Expand", ["q", "sizes"], ["e"])
        builder.node("AveragePool", ["d"], ["y"], ["kernel_shape": [3, 3], "auto_pad": "SAME_UPPER"])
      }
    ),
    (
      "function",
      { builder in
        builder.model.functions = [
          FunctionTests.function(
            "f", ["a"], ["b"], attributes: ["k"],
            [
              FunctionTests.referring(ModelBuilder.node("Elu", ["a"], ["t"]), "alpha", to: "k"), ModelBuilder.node("Sigmoid", ["t"], ["b"]),
            ])
        ]
        builder.integers("c", [1], scalar: true)
        let branch = Onnx_GraphProto.with {
          $0.node = [ModelBuilder.node("Tanh", ["u"], ["z"])]; $0.output = [ModelBuilder.value("z", [])]
        }
        builder.model.graph.node = [FunctionTests.call("f", ["x"], ["u"], as: "call", ["k": Float(0.5)])]
        builder.node("If", ["c"], ["i"], ["then_branch": branch, "else_branch": branch])
        builder.node("Constant", [], ["k"], ["value": ModelBuilder.floats("", [1], [2])])
        builder.node("Mul", ["i", "k"], ["y"])
      }
    ),
  ]

  /// Reads, builds and, if what came out is small, runs.
  private func attempt(_ bytes: [UInt8]) -> LensError? {
    do {
      let model = try ONNXModel.read(bytes: bytes, name: "net.onnx")
      let shapes = model.inputs.map { Shape($0.dimensions.map { min($0 ?? 1, 64) }) }
      guard (try? shapes.allSatisfy { try Shape(checking: $0.dimensions).count < 1 << 16 }) == true else { return nil }
      let graph = try model.graph(for: shapes, reaching: nil)
      guard
        graph.nodes.allSatisfy({ $0.shape.count < 1 << 16 && $0.op.multiplyAdds(for: graph.shapes($0.inputs), output: $0.shape) < 1 << 24 })
      else { return nil }
      _ = try graph.value(of: .output, at: shapes.map { Tensor($0) })
      return nil
    } catch let error as LensError { return error } catch { return LensError(.internalError, "\(error)") }
  }

  @Test func theModelsThemselvesRun() {
    for (name, bytes) in MutationTests.models { #expect(attempt(bytes) == nil, "\(name)") }
  }

  @Test func truncationAtEveryByte() {
    for (name, bytes) in MutationTests.models {
      for count in bytes.indices {
        let error = attempt(Array(bytes[..<count]))
        #expect(error?.code != .internalError, "\(name) cut to \(count) bytes: \(error.map { "\($0)" } ?? "")")
        if count < bytes.count / 2 { #expect(error != nil, "\(name) cut to \(count) bytes") }
      }
    }
  }

  @Test func everyByteChanged() {
    for (name, bytes) in MutationTests.models {
      for index in bytes.indices {
        for flip: UInt8 in [0x01, 0x80, 0xFF, 0x10] {
          var damaged = bytes
          damaged[index] ^= flip
          let error = attempt(damaged)
          #expect(
            error?.code != .internalError && error?.message.contains("\n") != true,
            "\(name), byte \(index) ^ \(flip): \(error.map { "\($0)" } ?? "")")
        }
      }
    }
  }

  /// CNNLENS_MUTATIONS asks for more than the everyday number.
  private let rounds = getenv("CNNLENS_MUTATIONS").flatMap { Int(String(cString: $0)) } ?? 3000

  @Test func randomDamage() {
    var random = Random(seed: 20)
    for round in 0..<rounds {
      let model = MutationTests.models[round % MutationTests.models.count]
      var bytes = model.bytes
      for _ in 0...Int.random(in: 0..<4, using: &random) {
        let index = Int.random(in: 0..<bytes.count, using: &random)
        switch Int.random(in: 0..<4, using: &random) {
        case 0: bytes[index] = UInt8.random(in: 0...255, using: &random)
        case 1: bytes.remove(at: index)
        case 2: bytes.insert(UInt8.random(in: 0...255, using: &random), at: index)
        default:
          let end = min(bytes.count, index + Int.random(in: 1..<12, using: &random))
          bytes.insert(contentsOf: bytes[index..<end], at: Int.random(in: 0..<bytes.count, using: &random))
        }
      }
      let error = attempt(bytes)
      #expect(error?.code != .internalError, "round \(round) of \(model.name): \(error.map { "\($0)" } ?? "")")
    }
  }

  /// Files that parse, but say strange things: bytes changed at random seldom do.
  @Test func strangeNumbersAndNames() throws {
    var random = Random(seed: 21)
    let kinds = ONNXOperators.table.keys.sorted() + ONNXFolding.sources.keys.sorted() + ["If"]
    let numbers: [Int64] = [0, 1, -1, 2, 3, -2, 4, 5, 7, 8, 16, 64, 255, 1 << 16, 1 << 31, 1 << 32, 1 << 40, .max, .min, .max - 1, 24]
    for round in 0..<rounds {
      let (name, bytes) = MutationTests.models[round % MutationTests.models.count]
      var model = try Onnx_ModelProto(serializedBytes: bytes)
      for _ in 0...Int.random(in: 0..<3, using: &random) {
        let number = numbers.randomElement(using: &random) ?? 0
        let node = Int.random(in: 0..<model.graph.node.count, using: &random)
        let values = model.graph.node.flatMap(\.output) + model.graph.initializer.map(\.name) + ["x", "", "none"]
        switch Int.random(in: 0..<8, using: &random) {
        case 0: model.graph.node[node].opType = kinds.randomElement(using: &random) ?? ""
        case 1 where !model.graph.node[node].input.isEmpty:
          let index = Int.random(in: 0..<model.graph.node[node].input.count, using: &random)
          model.graph.node[node].input[index] = values.randomElement(using: &random) ?? ""
        case 2: model.graph.node[node].input.append(values.randomElement(using: &random) ?? "")
        case 3: model.opsetImport[0].version = Int64.random(in: 7...25, using: &random)
        case 4 where !model.graph.node[node].attribute.isEmpty:
          let index = Int.random(in: 0..<model.graph.node[node].attribute.count, using: &random)
          model.graph.node[node].attribute[index].i = number
          if !model.graph.node[node].attribute[index].ints.isEmpty {
            let place = Int.random(in: 0..<model.graph.node[node].attribute[index].ints.count, using: &random)
            model.graph.node[node].attribute[index].ints[place] = number
          }
        case 5:
          let attributes = [
            "axis", "axes", "keepdims", "group", "blocksize", "perm", "num_outputs", "size", "batch_dims", "k", "to", "start", "end", "p",
          ]
          let name = attributes.randomElement(using: &random) ?? ""
          let isList = ["axes", "perm"].contains(name)
          model.graph.node[node].attribute.append(ModelBuilder.attribute(name, isList ? [Int(number)] as Any : Int(number)))
        case 6 where !model.graph.initializer.isEmpty:
          let index = Int.random(in: 0..<model.graph.initializer.count, using: &random)
          if model.graph.initializer[index].dataType == 7 {
            let count = model.graph.initializer[index].rawData.count / 8
            model.graph.initializer[index].clearRawData()
            model.graph.initializer[index].int64Data = (0..<count).map { _ in numbers.randomElement(using: &random) ?? 0 }
          } else {
            model.graph.initializer[index].dims.swapAt(0, model.graph.initializer[index].dims.count - 1)
          }
        default:
          let axis = Int.random(in: 0..<4, using: &random)
          if axis < model.graph.input[0].type.tensorType.shape.dim.count {
            model.graph.input[0].type.tensorType.shape.dim[axis].dimValue = number
          }
        }
      }
      let error = attempt(try model.serializedBytes())
      #expect(error?.code != .internalError, "round \(round) of \(name): \(error.map { "\($0)" } ?? "")")
    }
  }
}
