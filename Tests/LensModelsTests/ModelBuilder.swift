// SPDX-License-Identifier: Apache-2.0
#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif
import LensEngine
import LensTensors
import SwiftProtobuf

@testable import LensModels

/// Writes small ONNX files: each call adds one node.
struct ModelBuilder {
  var model = Onnx_ModelProto()

  init(opset: Int = 20, input: [Int?] = [nil, 3, 8, 8], output: String = "y") {
    model.irVersion = 8
    model.opsetImport = [.with { $0.version = Int64(opset) }]
    model.graph.input = [ModelBuilder.value("x", input)]
    model.graph.output = [ModelBuilder.value(output, [])]
  }

  static func value(_ name: String, _ dimensions: [Int?], type: Int32 = 1) -> Onnx_ValueInfoProto {
    .with {
      $0.name = name
      $0.type.tensorType.elemType = type
      $0.type.tensorType.shape.dim = dimensions.map { size in .with { if let size { $0.dimValue = Int64(size) } else { $0.dimParam = "n" } }
      }
    }
  }

  mutating func node(_ kind: String, _ inputs: [String], _ outputs: [String], name: String = "", _ attributes: [String: Any] = [:]) {
    model.graph.node.append(ModelBuilder.node(kind, inputs, outputs, name: name, attributes))
  }

  static func node(
    _ kind: String, _ inputs: [String], _ outputs: [String], name: String = "", domain: String = "", _ attributes: [String: Any] = [:]
  ) -> Onnx_NodeProto {
    .with {
      $0.opType = kind
      $0.input = inputs
      $0.output = outputs
      $0.name = name
      $0.domain = domain
      $0.attribute = attributes.sorted { $0.key < $1.key }.map { attribute($0, $1) }
    }
  }

  static func attribute(_ name: String, _ value: Any) -> Onnx_AttributeProto {
    .with {
      $0.name = name
      switch value {
      case let value as Int: ($0.type, $0.i) = (.int, Int64(value))
      case let value as [Int]: ($0.type, $0.ints) = (.ints, value.map(Int64.init))
      case let value as Float: ($0.type, $0.f) = (.float, value)
      case let value as [Float]: ($0.type, $0.floats) = (.floats, value)
      case let value as String: ($0.type, $0.s) = (.string, Data(value.utf8))
      case let value as Onnx_TensorProto: ($0.type, $0.t) = (.tensor, value)
      case let value as Onnx_GraphProto: ($0.type, $0.g) = (.graph, value)
      default: $0.type = .undefined
      }
    }
  }

  mutating func floats(_ name: String, _ shape: [Int], _ values: [Float]? = nil) {
    model.graph.initializer.append(ModelBuilder.floats(name, shape, values))
  }

  static func floats(_ name: String, _ shape: [Int], _ values: [Float]? = nil) -> Onnx_TensorProto {
    .with {
      $0.name = name
      $0.dataType = 1
      $0.dims = shape.map(Int64.init)
      $0.floatData = values ?? (0..<shape.reduce(1, *)).map { Float($0 % 7) / 10 - 0.3 }
    }
  }

  mutating func integers(_ name: String, _ values: [Int], scalar: Bool = false) {
    model.graph.initializer.append(
      .with {
        $0.name = name
        $0.dataType = 7
        $0.dims = scalar ? [] : [Int64(values.count)]
        $0.rawData = values.reduce(into: Data()) { data, value in withUnsafeBytes(of: Int64(value)) { data.append(contentsOf: $0) } }
      })
  }

  var bytes: [UInt8] { (try? model.serializedBytes()) ?? [] }
  func read() throws -> ONNXModel { try ONNXModel.read(bytes: bytes, name: "net.onnx") }
}

extension Graph {
  /// The names and kinds of nodes, constants left out.
  var summary: [String] { nodes.filter { !($0.op is Constant) && !($0.op is Input) }.map { "\($0.op.kind) \($0.name)" } }

  /// The value of a layer, every operator run by itself.
  func value(of layer: Layer, at inputs: [Tensor]) throws -> Tensor {
    var values: [Tensor] = []
    for (index, node) in nodes.enumerated() {
      if let constant = node.op as? Constant {
        values.append(constant.tensor)
      } else if let input = self.inputs.firstIndex(of: index) {
        values.append(inputs[input])
      } else {
        values.append(try node.op.applied(to: node.inputs.map { values[$0] }))
      }
    }
    guard let index = index(of: layer) else { throw LensError(.notFound, "no layer '\(layer)'") }
    return values[index]
  }
}

extension LensError {
  /// What `body` throws, or an error that says it threw nothing.
  static func thrown(by body: () throws -> Void) -> LensError {
    do { try body() } catch let error as LensError { return error } catch { return LensError(.internalError, "another error: \(error)") }
    return LensError(.internalError, "no error")
  }
}
