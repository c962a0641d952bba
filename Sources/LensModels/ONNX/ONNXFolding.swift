// SPDX-License-Identifier: Apache-2.0
import LensEngine
import LensTensors

/// Runs nodes whose inputs are all known: the arithmetic on shapes that exporters write into files.
///
/// Floats go through the engine's own operators. Integers stay exact: they are computed with as Int64, and
/// operators that only move numbers about are run on the numbers' positions.
struct ONNXFolding {
  private let names: [String]
  /// Values that somebody reads.
  private let read: Set<Int>
  /// Numbers that may still be made.
  private(set) var budget: Int

  /// Where constants inside functions and branches may have their numbers.
  let external: ExternalData?

  init(_ program: ONNXProgram, budget: Int, external: ExternalData?) {
    (names, read, self.budget, self.external) = (program.names, program.read, budget, external)
  }

  /// Shape and the like know the answer without the numbers.
  static func looksAtShapesOnly(_ kind: String) -> Bool { ["Shape", "Size", "EyeLike"].contains(kind) }

  /// What each output holds; nil for an operator that nobody knows.
  mutating func outputs(of call: ONNXCall) throws -> [ONNXConstant]? {
    let kind = call.node.kind
    if !call.node.domain.isEmpty, ONNXOperators.lowering(call.node) == nil { return nil }
    if let make = ONNXFolding.sources[kind] { return [try make(call, &self)] }
    let data = ONNXFolding.data(of: call).compactMap { call.constant($0) }
    let isInteger = !data.isEmpty && data.allSatisfy(\.isInteger)
    if isInteger, let compute = ONNXFolding.arithmetic[kind] {
      try spend(try ONNXFolding.broadcastShape(of: data).count)
      return [try compute(call, data)]
    }
    guard let lower = ONNXOperators.lowering(call.node) else { return nil }
    if isInteger, ONNXFolding.movers.contains(kind) { return try moved(call, data, lower) }
    let results = try run(call, lower)
    guard isInteger || ONNXFolding.truths.contains(kind) || (kind == "Pow" && call.constant(0)?.isInteger == true) else {
      return results.map { .floats($0) }
    }
    return results.map { .integers($0.shape, $0.values.map(Int64.init(saturating:))) }
  }

  /// - Throws: `.malformedModel` when a file makes more numbers than its size explains.
  mutating func spend(_ count: Int) throws {
    guard count <= budget else {
      throw LensError(.malformedModel, "its constants unfold to more numbers than a file of this size can mean")
    }
    budget -= count
  }

  // MARK: Through the engine

  /// The operators' results, all inputs being constants of a graph made for the occasion.
  private mutating func run(_ call: ONNXCall, _ lower: ONNXLowering) throws -> [Tensor] {
    let builder = ONNXGraphBuilder()
    let alone = ONNXCall(
      node: call.node, values: call.values, layers: call.node.outputs.map { read.contains($0) ? (names[$0], []) : nil },
      builder: builder, weights: nil, valueNames: call.valueNames)
    let outputs = try lower(alone)
    var tensors: [Tensor] = []
    for node in builder.graph.nodes {
      if let constant = node.op as? Constant {
        tensors.append(constant.tensor)
      } else {
        try spend(node.shape.count)
        tensors.append(try node.op.applied(to: node.inputs.map { tensors[$0] }))
      }
    }
    return outputs.map { tensors[$0] }
  }

  // MARK: Moving integers

  /// Inputs that hold the numbers, as opposed to those that say what to do with them.
  private static func data(of call: ONNXCall) -> [Int] {
    switch call.node.kind {
    case "Where": [1, 2]
    case "Add", "Sub", "Mul", "Div", "Mod", "Pow", "Min", "Max", "Sum", "Mean", "Concat", "Equal", "Less", "LessOrEqual", "Greater",
      "GreaterOrEqual", "And", "Or", "Xor", "ScatterND", "Clip":
      Array(call.values.indices)
    default: [0]
    }
  }

  private static let movers: Set = [
    "Concat", "Where", "Gather", "GatherND", "GatherElements", "Slice", "Split", "Squeeze", "Unsqueeze", "Reshape", "Flatten", "Transpose",
    "Expand", "Tile", "Identity", "Dropout", "DepthToSpace", "SpaceToDepth", "Pad",
  ]

  private static let truths: Set = ["Equal", "Less", "LessOrEqual", "Greater", "GreaterOrEqual", "And", "Or", "Xor", "Not", "IsNaN"]

  private mutating func moved(_ call: ONNXCall, _ data: [ONNXConstant], _ lower: ONNXLowering) throws -> [ONNXConstant] {
    var pool: [Int64] = []
    var values = call.values
    for index in ONNXFolding.data(of: call) {
      guard case .integers(let shape, let integers)? = call.constant(index) else { continue }
      values[index] = .constant(.floats(Tensor(shape, (0..<shape.count).map { Float(pool.count + $0) })), isStatic: false)
      pool += integers
    }
    if call.node.kind == "Pad" {
      if case .integers(_, let fill)? = call.constant(2), fill.count == 1 { pool += fill } else { pool.append(0) }
      while values.count < 3 { values.append(.absent) }
      values[2] = .constant(.floats(Tensor([], [Float(pool.count - 1)])), isStatic: false)
    }
    guard pool.count <= Limits.movedIntegers else {
      throw LensError(.malformedModel, "\(pool.count) integers are more than can be moved about")
    }
    let moving = ONNXCall(
      node: call.node, values: values, layers: call.layers, builder: call.builder, weights: nil, valueNames: call.valueNames + ["", ""])
    return try run(moving, lower).map { positions in .integers(positions.shape, positions.values.map { pool[Int(Int64(saturating: $0))] }) }
  }
}

extension Int64 {
  /// Towards zero; the nearest end of the range where it does not fit, 0 for NaN.
  init(saturating value: Float) {
    self = value.isNaN ? 0 : Int64(exactly: value.rounded(.towardZero)) ?? (value < 0 ? .min : .max)
  }
}
