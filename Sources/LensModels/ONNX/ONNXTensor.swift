// SPDX-License-Identifier: Apache-2.0
#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif
import LensTensors

/// Numbers known before any picture is: weights, and what shapes are computed from.
///
/// Floats of every width are Float32; integers and booleans are Int64 and exact.
enum ONNXConstant: Sendable {
  case floats(Tensor)
  case integers(Shape, [Int64])

  var shape: Shape {
    switch self {
    case .floats(let tensor): tensor.shape
    case .integers(let shape, _): shape
    }
  }

  var isInteger: Bool { if case .integers = self { true } else { false } }

  /// As an operand of the network.
  var tensor: Tensor {
    switch self {
    case .floats(let tensor): tensor
    case .integers(let shape, let values): Tensor(shape, values.map(Float.init))
    }
  }

  func reshaped(to shape: Shape) -> ONNXConstant {
    switch self {
    case .floats(let tensor): .floats(tensor.reshaped(to: shape))
    case .integers(_, let values): .integers(shape, values)
    }
  }

  static func vector(_ values: [Int]) -> ONNXConstant { .integers([values.count], values.map(Int64.init)) }
  static func scalar(_ value: Int) -> ONNXConstant { .integers([], [Int64(value)]) }
}

/// The element types of ONNX that cnnlens reads, by their numbers in the file.
enum ONNXElementType: Int32 {
  case float = 1, uint8, int8, uint16, int16, int32, int64, string, bool, float16, double, uint32, uint64
  case bfloat16 = 16

  var isFloat: Bool { [.float, .float16, .double, .bfloat16].contains(self) }

  var byteCount: Int? {
    switch self {
    case .uint8, .int8, .bool: 1
    case .uint16, .int16, .float16, .bfloat16: 2
    case .float, .int32, .uint32: 4
    case .double, .int64, .uint64: 8
    case .string: nil
    }
  }

  /// - Throws: `.unsupportedOperator` for the types networks are quantised to.
  init(_ number: Int32) throws {
    guard let type = ONNXElementType(rawValue: number) else {
      let name = Onnx_TensorProto.DataType(rawValue: Int(number)).map { "\($0)" } ?? "\(number)"
      throw LensError(
        .unsupportedOperator,
        "the element type \(name) is not one that cnnlens reads (floats of 16 bits and more, integers of 8 and more, booleans)")
    }
    self = type
  }
}

/// Turns the file's tensors into constants.
struct ONNXTensorReader {
  var external: ExternalData?

  /// - Throws: `LensError` that names the tensor.
  func constant(_ proto: Onnx_TensorProto) throws -> ONNXConstant {
    do { return try decoded(proto) } catch let error as LensError {
      throw error.code == .io || error.code == .notFound ? error : error.within("tensor '\(proto.name)'")
    }
  }

  private func decoded(_ proto: Onnx_TensorProto) throws -> ONNXConstant {
    let type = try ONNXElementType(proto.dataType)
    guard let size = type.byteCount else {
      throw LensError(.unsupportedOperator, "strings are not among the constants that cnnlens reads")
    }
    let shape = try Shape(checking: proto.dims.map { Int($0) })
    if proto.hasSegment { throw LensError(.malformedModel, "it is stored in segments") }
    if proto.hasDataLocation, proto.dataLocation == .external {
      guard let external else {
        throw LensError(.malformedModel, "its floats are in another file, and there is none beside bytes in memory")
      }
      return try external.withBytes(of: proto.externalData, expected: shape.count * size) { constant(type, shape, $0) }
    }
    if proto.hasRawData {
      guard proto.rawData.count == shape.count * size else { throw wrongCount(proto.rawData.count, "bytes", shape, shape.count * size) }
      return proto.rawData.withUnsafeBytes { constant(type, shape, $0) }
    }
    return try typed(proto, type, shape)
  }

  /// One typed field holds the numbers, narrow ones as 32-bit integers.
  private func typed(_ proto: Onnx_TensorProto, _ type: ONNXElementType, _ shape: Shape) throws -> ONNXConstant {
    func checked<T>(_ field: [T]) throws -> [T] {
      guard field.count == shape.count else { throw wrongCount(field.count, "numbers", shape, shape.count) }
      return field
    }
    switch type {
    case .float: return .floats(Tensor(shape, try checked(proto.floatData)))
    case .double: return .floats(Tensor(shape, try checked(proto.doubleData).map { Float($0) }))
    case .float16: return .floats(Tensor(shape, try checked(proto.int32Data).map { Float(half: UInt16(truncatingIfNeeded: $0)) }))
    case .bfloat16: return .floats(Tensor(shape, try checked(proto.int32Data).map { Float(brain: UInt16(truncatingIfNeeded: $0)) }))
    case .int64: return .integers(shape, try checked(proto.int64Data))
    case .uint32, .uint64: return .integers(shape, try checked(proto.uint64Data).map { Int64(clamping: $0) })
    default: return .integers(shape, try checked(proto.int32Data).map { Int64($0) })
    }
  }

  /// Little-endian numbers; the caller has compared the count.
  private func constant(_ type: ONNXElementType, _ shape: Shape, _ bytes: UnsafeRawBufferPointer) -> ONNXConstant {
    func floats<T>(_: T.Type, _ convert: (T) -> Float) -> ONNXConstant {
      .floats(
        Tensor(shape) { p in
          for i in 0..<shape.count { p[i] = convert(bytes.loadUnaligned(fromByteOffset: i * MemoryLayout<T>.size, as: T.self)) }
        })
    }
    func integers<T: FixedWidthInteger>(_: T.Type) -> ONNXConstant {
      .integers(
        shape, (0..<shape.count).map { Int64(clamping: bytes.loadUnaligned(fromByteOffset: $0 * MemoryLayout<T>.size, as: T.self)) })
    }
    return switch type {
    case .float:
      .floats(
        Tensor(shape) { if let source = bytes.baseAddress { UnsafeMutableRawPointer($0).copyMemory(from: source, byteCount: bytes.count) } }
      )
    case .double: floats(Double.self) { Float($0) }
    case .float16: floats(UInt16.self) { Float(half: $0) }
    case .bfloat16: floats(UInt16.self) { Float(brain: $0) }
    case .int8: integers(Int8.self)
    case .uint8, .bool, .string: integers(UInt8.self)
    case .int16: integers(Int16.self)
    case .uint16: integers(UInt16.self)
    case .int32: integers(Int32.self)
    case .uint32: integers(UInt32.self)
    case .int64: integers(Int64.self)
    case .uint64: integers(UInt64.self)
    }
  }

  private func wrongCount(_ found: Int, _ what: String, _ shape: Shape, _ wanted: Int) -> LensError {
    LensError(.malformedModel, "\(found) \(what) for a tensor of shape \(shape), which takes \(wanted)")
  }
}

extension Float {
  /// IEEE half precision: moved to the top, then scaled by the difference of the exponents' biases.
  init(half bits: UInt16) {
    let magnitude = UInt32(bits & 0x7FFF), sign = UInt32(bits & 0x8000) << 16
    let isFinite = magnitude < 0x7C00
    let value = isFinite ? Float(bitPattern: magnitude << 13) * 0x1p112 : Float(bitPattern: magnitude << 13 | 0x7F80_0000)
    self = Float(bitPattern: value.bitPattern | sign)
  }

  /// bfloat16: the upper half of a Float.
  init(brain bits: UInt16) { self = Float(bitPattern: UInt32(bits) << 16) }
}
