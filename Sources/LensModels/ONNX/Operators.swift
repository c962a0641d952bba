// SPDX-License-Identifier: Apache-2.0
import LensEngine
import LensTensors

/// Adds the nodes of one ONNX node to a graph: the index of each output's node.
typealias ONNXLowering = @Sendable (ONNXCall) throws -> [Int]

/// The operators cnnlens runs. One line an operator, in the table of its family.
enum ONNXOperators {
  static let table: [String: ONNXLowering] = [
    elementwise, convolutions, matrixProducts, poolings, shapes, resizings, normalizations, reductions,
  ].reduce(into: [:]) { $0.merge($1) { first, _ in first } }

  /// Contributed operators that mean the same as one of ONNX's.
  static let contributed: Set = ["com.microsoft.Gelu", "com.microsoft.SimplifiedLayerNormalization"]

  static func lowering(_ node: ONNXNode) -> ONNXLowering? {
    node.domain.isEmpty || contributed.contains("\(node.domain).\(node.kind)") ? table[node.kind] : nil
  }

  /// Whether ONNX's own operator `kind` is run, or folded when its inputs are known.
  static func knows(_ kind: String) -> Bool {
    table[kind] != nil || ONNXFolding.sources[kind] != nil || ONNXFolding.arithmetic[kind] != nil || kind == "If"
  }

  static func knows(_ node: ONNXNode) -> Bool { lowering(node) != nil || (node.domain.isEmpty && knows(node.kind)) }

  static func unknown(_ node: ONNXNode) -> LensError { LensError(.unsupportedOperator, "the operator is not among those cnnlens runs") }

  // MARK: What most lines of the tables are

  /// An operator on the first input.
  static func unary(_ make: @escaping @Sendable (ONNXCall) throws -> any Operator) -> ONNXLowering {
    { call in [try call.add(try make(call), [try call.operand(0)])] }
  }

  /// An operator on two inputs.
  static func binary(_ make: @escaping @Sendable (ONNXCall) throws -> any Operator) -> ONNXLowering {
    { call in [try call.add(try make(call), [try call.operand(0), try call.operand(1)])] }
  }

  /// An operator on all inputs.
  static func variadic(_ make: @escaping @Sendable (ONNXCall) throws -> any Operator) -> ONNXLowering {
    { call in [try call.add(try make(call), try call.operands())] }
  }
}
