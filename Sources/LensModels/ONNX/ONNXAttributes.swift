// SPDX-License-Identifier: Apache-2.0
#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif
import LensTensors

/// One attribute's value.
enum ONNXAttribute: Sendable {
  case float(Float)
  case int(Int64)
  case string(String)
  case tensor(Onnx_TensorProto)
  case graph(Onnx_GraphProto)
  case floats([Float])
  case ints([Int64])
  case strings([String])
  /// Sparse tensors, types, lists of tensors and graphs: no operator that cnnlens runs has them.
  case other

  /// Files older than 2017-10-30 do not say which of the fields counts.
  init(_ proto: Onnx_AttributeProto) {
    func text(_ data: Data) -> String { String(decoding: data, as: UTF8.self) }
    switch proto.hasType ? proto.type : .undefined {
    case .float: self = .float(proto.f)
    case .int: self = .int(proto.i)
    case .string: self = .string(text(proto.s))
    case .tensor: self = .tensor(proto.t)
    case .graph: self = .graph(proto.g)
    case .floats: self = .floats(proto.floats)
    case .ints: self = .ints(proto.ints)
    case .strings: self = .strings(proto.strings.map(text))
    case .undefined:
      if proto.hasF {
        self = .float(proto.f)
      } else if proto.hasI {
        self = .int(proto.i)
      } else if proto.hasS {
        self = .string(text(proto.s))
      } else if proto.hasT {
        self = .tensor(proto.t)
      } else if proto.hasG {
        self = .graph(proto.g)
      } else if !proto.floats.isEmpty {
        self = .floats(proto.floats)
      } else if !proto.ints.isEmpty {
        self = .ints(proto.ints)
      } else {
        self = .other
      }
    default: self = .other
    }
  }

  fileprivate var noun: String {
    switch self {
    case .float: "a float"
    case .int: "an integer"
    case .string: "a string"
    case .tensor: "a tensor"
    case .graph: "a graph"
    case .floats: "a list of floats"
    case .ints: "a list of integers"
    case .strings: "a list of strings"
    case .other: "of another type"
    }
  }
}

/// The attributes of one node, asked for by name and type.
struct ONNXAttributes: Sendable {
  private(set) var values: [String: ONNXAttribute] = [:]

  init() {}

  mutating func set(_ name: String, _ value: ONNXAttribute) throws {
    guard values.updateValue(value, forKey: name) == nil else { throw LensError(.malformedModel, "attribute '\(name)' is given twice") }
  }

  mutating func remove(_ name: String) { values[name] = nil }

  func has(_ name: String) -> Bool { values[name] != nil }

  func float(_ name: String) throws -> Float? {
    guard let value = values[name] else { return nil }
    guard case .float(let float) = value else { throw wrong(name, value, "a float") }
    guard float.isFinite || name == "value" || name == "min" || name == "max" else {
      throw LensError(.malformedModel, "attribute '\(name)' is \(float)")
    }
    return float
  }

  func int(_ name: String) throws -> Int? {
    guard let value = values[name] else { return nil }
    guard case .int(let int) = value else { throw wrong(name, value, "an integer") }
    return Int(int)
  }

  func string(_ name: String) throws -> String? {
    guard let value = values[name] else { return nil }
    guard case .string(let string) = value else { throw wrong(name, value, "a string") }
    return string
  }

  func ints(_ name: String) throws -> [Int]? {
    guard let value = values[name] else { return nil }
    guard case .ints(let ints) = value else { throw wrong(name, value, "a list of integers") }
    return ints.map { Int($0) }
  }

  func floats(_ name: String) throws -> [Float]? {
    guard let value = values[name] else { return nil }
    guard case .floats(let floats) = value else { throw wrong(name, value, "a list of floats") }
    return floats
  }

  private func wrong(_ name: String, _ value: ONNXAttribute, _ wanted: String) -> LensError {
    LensError(.malformedModel, "attribute '\(name)' is \(value.noun); it must be \(wanted)")
  }
}
