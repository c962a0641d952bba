// SPDX-License-Identifier: Apache-2.0
import LensEngine
import LensTensors

extension ONNXOperators {
  static let elementwise: [String: ONNXLowering] = [
    // Activations
    "Relu": unary { _ in ReLU() },
    "LeakyRelu": unary { Pointwise(.leakyRelu(slope: try $0.float("alpha", 0.01))) },
    "PRelu": binary { _ in PReLU() },
    "Elu": unary { Pointwise(.elu(alpha: try $0.float("alpha", 1))) },
    "Selu": unary {
      Pointwise(.selu(alpha: try $0.float("alpha", 1.67326319217681884765625), gamma: try $0.float("gamma", 1.05070102214813232421875)))
    },
    "Celu": unary { Pointwise(.celu(alpha: try $0.float("alpha", 1))) },
    "Gelu": unary { Pointwise(.gelu(tanh: try $0.string("approximate", "none") == "tanh")) },
    "Mish": unary { _ in Pointwise(.mish) },
    "Swish": unary { Pointwise(.swish(alpha: try $0.float("alpha", 1))) },
    "HardSwish": unary { _ in Pointwise(.hardSwish) },
    "Sigmoid": unary { _ in Pointwise(.sigmoid) },
    "HardSigmoid": unary { Pointwise(.hardSigmoid(alpha: try $0.float("alpha", 0.2), beta: try $0.float("beta", 0.5))) },
    "Tanh": unary { _ in Pointwise(.tanh) },
    "Softplus": unary { _ in Pointwise(.softplus) },
    "Softsign": unary { _ in Pointwise(.softsign) },
    "ThresholdedRelu": unary { Pointwise(.thresholdedRelu(alpha: try $0.float("alpha", 1))) },
    "Shrink": unary { Pointwise(.shrink(bias: try $0.float("bias", 0), lambda: try $0.float("lambd", 0.5))) },
    "Clip": clip,
    "Softmax": unary { Softmax(axes: try $0.softmaxAxes()) },
    "LogSoftmax": unary { Softmax(axes: try $0.softmaxAxes(), isLogarithm: true) },

    // Functions of one number
    "Erf": unary { _ in Pointwise(.erf) },
    "Exp": unary { _ in Pointwise(.exp) },
    "Log": unary { _ in Pointwise(.log) },
    "Sqrt": unary { _ in Pointwise(.sqrt) },
    "Abs": unary { _ in Pointwise(.abs) },
    "Neg": unary { _ in Pointwise(.negate) },
    "Reciprocal": unary { _ in Pointwise(.reciprocal) },
    "Sin": unary { _ in Pointwise(.sin) },
    "Cos": unary { _ in Pointwise(.cos) },
    "Tan": unary { _ in Pointwise(.tan) },
    "Ceil": unary { _ in Pointwise(.ceil) },
    "Floor": unary { _ in Pointwise(.floor) },
    "Round": unary { _ in Pointwise(.round) },
    "Sign": unary { _ in Pointwise(.sign) },
    "IsNaN": unary { _ in Pointwise(.isNaN) },
    "Not": unary { _ in Pointwise(.logicalNot) },
    "Identity": unary { _ in Identity() },
    "Dropout": dropout,
    "Cast": unary { try cast(to: try ONNXElementType(Int32(clamping: try $0.node.attributes.int("to") ?? 0))) },
    "CastLike": unary { try cast(to: $0.constant(1)?.isInteger == true ? .int64 : .float) },

    // Arithmetic, with broadcasting
    "Add": binary { _ in Binary(.add) },
    "Sub": binary { _ in Binary(.subtract) },
    "Mul": binary { _ in Binary(.multiply) },
    "Div": binary { _ in Binary(.divide) },
    "Pow": binary { _ in Binary(.power) },
    "Mod": binary { Binary(.modulo(fmod: try $0.flag("fmod"))) },
    "Sum": variadic { _ in Variadic(.sum) },
    "Mean": variadic { _ in Variadic(.mean) },
    "Min": { call in
      guard let (value, limit) = call.limit() else { return [try call.add(Variadic(.minimum), try call.operands())] }
      return [try call.add(Pointwise(.clip(lower: -.infinity, upper: limit)), [try call.operand(value)])]
    },
    "Max": { call in
      guard let (value, limit) = call.limit() else { return [try call.add(Variadic(.maximum), try call.operands())] }
      // max(x, 0) is a rectifier, whatever the exporter called it: rules for rectifiers must not pass it by.
      let op: any Operator = limit == 0 ? ReLU() : Pointwise(.clip(lower: limit, upper: .infinity))
      return [try call.add(op, [try call.operand(value)])]
    },

    // Comparisons and logic: 1 is true
    "Equal": binary { _ in Binary(.equal) },
    "Less": binary { _ in Binary(.less) },
    "LessOrEqual": binary { _ in Binary(.lessOrEqual) },
    "Greater": binary { _ in Binary(.greater) },
    "GreaterOrEqual": binary { _ in Binary(.greaterOrEqual) },
    "And": binary { _ in Binary(.and) },
    "Or": binary { _ in Binary(.or) },
    "Xor": binary { _ in Binary(.xor) },
    "Where": variadic { call in
      guard call.inputCount == 3 else { throw call.missing(call.inputCount) }
      return Where()
    },
  ]

  /// Limits that are computed from the picture make two operators of it.
  private static let clip: ONNXLowering = { call in
    guard call.opset >= 11 else {
      return [
        try call.add(
          Pointwise(.clip(lower: try call.float("min", -.infinity), upper: try call.float("max", .infinity))), [try call.operand(0)])
      ]
    }
    guard call.isNode(1) || call.isNode(2) else {
      let lower = try call.optionalScalar(1, "min") ?? -.infinity, upper = try call.optionalScalar(2, "max") ?? .infinity
      return [try call.add(Pointwise(.clip(lower: lower, upper: upper)), [try call.operand(0)])]
    }
    guard call.has(1), call.has(2) else {
      return [
        try call.add(call.has(1) ? Variadic(.maximum) : Variadic(.minimum), [try call.operand(0), try call.operand(call.has(1) ? 1 : 2)])
      ]
    }
    let raised = try call.helper("min", Variadic(.maximum), [try call.operand(0), try call.operand(1)])
    return [try call.add(Variadic(.minimum), [raised, try call.operand(2)])]
  }

  private static let dropout: ONNXLowering = { call in
    guard call.layers.dropFirst().allSatisfy({ $0 == nil }) else {
      throw LensError(.unsupportedOperator, "its mask is used; cnnlens runs networks as they are after training")
    }
    return [try call.add(Identity(kind: "Dropout"), [try call.operand(0)])]
  }

  /// Float types are one type here; integers are floats without a fraction.
  private static func cast(to type: ONNXElementType) throws -> any Operator {
    switch type {
    case .string: throw LensError(.unsupportedOperator, "a cast to strings is not among what cnnlens runs")
    case .bool: Pointwise(.toBoolean)
    default: type.isFloat ? Identity(kind: "Cast") : Pointwise(.truncate)
    }
  }
}

extension ONNXCall {
  /// Where one of two inputs is a single number: the other's place, and the number.
  fileprivate func limit() -> (value: Int, limit: Float)? {
    guard inputCount == 2 else { return nil }
    for index in 0...1 where isNode(1 - index) {
      guard case .floats(let tensor)? = constant(index), tensor.count == 1, let rank = try? shape(1 - index).rank,
        tensor.shape.rank <= rank
      else { continue }
      return (1 - index, tensor.values[0])
    }
    return nil
  }

  /// One axis; before opset 13 all from one axis on.
  fileprivate func softmaxAxes() throws -> Range<Int> {
    let rank = try shape(0).rank
    let axis = try axis("axis", opset < 13 ? 1 : -1, rank: rank)
    return opset < 13 ? axis..<rank : axis..<axis + 1
  }
}
