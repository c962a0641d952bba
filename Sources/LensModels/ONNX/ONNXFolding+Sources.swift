// SPDX-License-Identifier: Apache-2.0
import LensEngine
import LensTensors

// Constants that are not arithmetic: made from nothing, from shapes, or by changing type.
extension ONNXFolding {
  typealias Source = @Sendable (ONNXCall, inout ONNXFolding) throws -> ONNXConstant

  static let sources: [String: Source] = [
    "Constant": { try $1.constant($0) },
    "Shape": { call, _ in
      let shape = try call.shape(0), rank = shape.rank
      func end(_ name: String, _ standard: Int) throws -> Int {
        let value = try call.node.attributes.int(name) ?? standard
        return min(max(value < 0 ? value.addingReportingOverflow(rank).partialValue : value, 0), rank)
      }
      let start = try end("start", 0), stop = try end("end", rank)
      return .vector(Array(shape.dimensions[start..<max(start, stop)]))
    },
    "Size": { call, _ in .scalar(try call.shape(0).count) },
    "ConstantOfShape": { call, folding in
      let shape = try Shape(checking: try call.integers(0, "the dimensions"))
      try folding.spend(shape.count)
      guard call.node.attributes.has("value") else { return .floats(Tensor(shape)) }
      let value = try folding.tensor(call, "value")
      guard value.shape.count == 1 else { throw LensError(.malformedModel, "value has \(value.shape.count) numbers; it must have 1") }
      return filled(value, shape)
    },
    "EyeLike": { call, folding in
      let shape = try call.shape(0), k = try call.int("k", 0)
      guard shape.rank == 2 else { throw LensError(.shapeMismatch, "a matrix like one of shape \(shape)") }
      try folding.spend(shape.count)
      let values = (0..<shape.count).map { $0 % shape[1] - $0 / shape[1] == k ? Int64(1) : 0 }
      let type = try call.node.attributes.int("dtype").map { try ONNXElementType(Int32(clamping: $0)) }
      return type?.isFloat ?? (call.constant(0)?.isInteger != true)
        ? .floats(Tensor(shape, values.map(Float.init))) : .integers(shape, values)
    },
    "Range": { try $1.range($0) },
    "Cast": { call, folding in
      guard let input = call.constant(0), let to = try call.node.attributes.int("to") else { throw call.missing(0) }
      return try folding.cast(input, to: try ONNXElementType(Int32(clamping: to)))
    },
    "CastLike": { call, folding in
      guard let input = call.constant(0), let like = call.constant(1) else { throw call.missing(0) }
      return try folding.cast(input, to: like.isInteger ? .int64 : .float)
    },
    "NonZero": { call, folding in
      let tensor = try call.tensor(0, "the numbers")
      let found = tensor.values.indices.filter { tensor.values[$0] != 0 }
      try folding.spend(found.count * max(tensor.shape.rank, 1))
      let rows = zip(tensor.shape.dimensions, tensor.shape.strides).map { size, step in found.map { Int64($0 / step % size) } }
      return .integers([tensor.shape.rank, found.count], rows.flatMap { $0 })
    },
    "Trilu": { call, folding in
      guard let input = call.constant(0), input.shape.rank >= 2 else { throw LensError(.shapeMismatch, "matrices are wanted") }
      let isUpper = try call.flag("upper", true), k = try call.optionalIntegers(1, "k")?.first ?? 0
      let rows = input.shape[input.shape.rank - 2], columns = input.shape[input.shape.rank - 1]
      try folding.spend(input.shape.count)
      return picked(
        [input],
        (0..<input.shape.count).map { index in
          let distance = index % columns - index / columns % rows
          return (isUpper ? distance >= k : distance <= k) ? index : -1
        }, input.shape)
    },
    "ScatterND": { try $1.scattered($0) },
  ]

  /// `Constant` keeps its number under one of several attributes.
  private mutating func constant(_ call: ONNXCall) throws -> ONNXConstant {
    let attributes = call.node.attributes
    for (name, attribute) in attributes.values {
      switch (name, attribute) {
      case ("value", .tensor): return try tensor(call, "value")
      case ("value_float", .float(let value)): return .floats(Tensor([], [value]))
      case ("value_floats", .floats(let values)): return .floats(Tensor([values.count], values))
      case ("value_int", .int(let value)): return .integers([], [value])
      case ("value_ints", .ints(let values)): return .integers([values.count], values)
      case ("value_string", _), ("value_strings", _), ("sparse_value", _):
        throw LensError(.unsupportedOperator, "attribute '\(name)' is not among those that cnnlens reads")
      case ("value_floats", .other), ("value_floats", .ints): return .floats(Tensor([0], []))
      case ("value_ints", .other), ("value_ints", .floats): return .integers([0], [])
      default: continue
      }
    }
    throw LensError(.malformedModel, "it has no value")
  }

  private mutating func tensor(_ call: ONNXCall, _ name: String) throws -> ONNXConstant {
    guard case .tensor(let proto)? = call.node.attributes.values[name] else {
      throw LensError(.malformedModel, "attribute '\(name)' must be a tensor")
    }
    let constant = try ONNXTensorReader(external: external).constant(proto)
    try spend(constant.shape.count)
    return constant
  }

  private mutating func range(_ call: ONNXCall) throws -> ONNXConstant {
    guard call.inputCount == 3, let ends = (0..<3).map({ call.constant($0) }) as? [ONNXConstant] else { throw call.missing(2) }
    guard ends.allSatisfy({ $0.shape.count == 1 }) else { throw LensError(.shapeMismatch, "its ends and its step must be single numbers") }
    let parts = ends.map { constant -> (whole: Int64, float: Double) in
      switch constant {
      case .integers(_, let values): (values[0], Double(values[0]))
      case .floats(let tensor): (0, Double(tensor.values[0]))
      }
    }
    let count = ((parts[1].float - parts[0].float) / parts[2].float).rounded(.up)
    guard parts[2].float != 0, count < Double(Limits.foldedAtLeast) else {
      throw LensError(.malformedModel, "from \(parts[0].float) to \(parts[1].float) in steps of \(parts[2].float) are too many numbers")
    }
    let length = Int(max(0, count))
    try spend(length)
    guard ends.contains(where: { !$0.isInteger }) else {
      return .integers([length], (0..<length).map { parts[0].whole &+ Int64($0) &* parts[2].whole })
    }
    return .floats(Tensor([length], (0..<length).map { Float(parts[0].float + Double($0) * parts[2].float) }))
  }

  private mutating func cast(_ input: ONNXConstant, to type: ONNXElementType) throws -> ONNXConstant {
    try spend(input.shape.count)
    switch input {
    case .floats(let tensor):
      if type.isFloat { return input }
      return .integers(tensor.shape, tensor.values.map { type == .bool ? ($0 != 0 ? 1 : 0) : Int64(saturating: $0) })
    case .integers(let shape, let values):
      if type.isFloat { return .floats(input.tensor) }
      return type == .bool ? .integers(shape, values.map { $0 != 0 ? 1 : 0 }) : input
    }
  }

  private mutating func scattered(_ call: ONNXCall) throws -> ONNXConstant {
    guard let data = call.constant(0), let updates = call.constant(2), case .integers(let indexShape, let indices)? = call.constant(1)
    else { throw call.missing(1) }
    guard try call.string("reduction", "none") == "none" else { throw LensError(.unsupportedOperator, "reduction is not 'none'") }
    guard let depth = indexShape.dimensions.last, depth >= 0, depth <= data.shape.rank else {
      throw LensError(.shapeMismatch, "indices of shape \(indexShape) into \(data.shape)")
    }
    let block = data.shape.count(depth..<data.shape.rank), count = indexShape.count(0..<indexShape.rank - 1)
    guard updates.shape.count == count * block else {
      throw LensError(.shapeMismatch, "updates of shape \(updates.shape) for indices of shape \(indexShape)")
    }
    try spend(data.shape.count)
    var sources = Array(0..<data.shape.count)
    for row in 0..<count {
      var start = 0
      for axis in 0..<depth {
        let size = data.shape[axis], index = Int(indices[row * depth + axis])
        guard (-size..<size).contains(index) else { throw LensError(.malformedModel, "index \(index) on an axis of \(size)") }
        start += (index < 0 ? index + size : index) * data.shape.strides[axis]
      }
      for i in 0..<block { sources[start + i] = data.shape.count + row * block + i }
    }
    return ONNXFolding.picked([data, updates], sources, data.shape)
  }

  private static func filled(_ value: ONNXConstant, _ shape: Shape) -> ONNXConstant {
    switch value {
    case .floats(let tensor): .floats(Tensor(shape, repeating: tensor.values[0]))
    case .integers(_, let values): .integers(shape, [Int64](repeating: values[0], count: shape.count))
    }
  }

  /// Numbers by their positions in the inputs laid end to end; 0 where the position is -1.
  private static func picked(_ inputs: [ONNXConstant], _ positions: [Int], _ shape: Shape) -> ONNXConstant {
    let pools = inputs.map { constant -> [Int64] in if case .integers(_, let values) = constant { values } else { [] } }
    if inputs.allSatisfy(\.isInteger) {
      let pool = pools.flatMap { $0 }
      return .integers(shape, positions.map { $0 < 0 ? 0 : pool[$0] })
    }
    let pool = inputs.flatMap { $0.tensor.values }
    return .floats(Tensor(shape, positions.map { $0 < 0 ? 0 : pool[$0] }))
  }
}
