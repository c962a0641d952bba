// SPDX-License-Identifier: Apache-2.0
import LensKernels
import LensTensors

/// One function of one number, applied to every element.
public struct Pointwise: Operator {
  /// Derivatives at kinks are PyTorch's: 0 for `abs`, 0 at both bounds of `clip` (those of its ReLU6), 0 and 1 at the bounds of `hardSwish`.
  public enum Function: Sendable, Equatable {
    // Rectifiers and their smooth relatives
    case leakyRelu(slope: Float)
    case elu(alpha: Float)
    case selu(alpha: Float, gamma: Float)
    case celu(alpha: Float)
    case gelu(tanh: Bool)
    case mish
    /// x sigmoid(alpha x); SiLU where alpha is 1.
    case swish(alpha: Float)
    case hardSwish
    case softplus
    case thresholdedRelu(alpha: Float)
    case shrink(bias: Float, lambda: Float)
    case clip(lower: Float, upper: Float)
    // Bounded
    case sigmoid
    case hardSigmoid(alpha: Float, beta: Float)
    case tanh
    case softsign
    case erf
    // Arithmetic
    case exp, log, sqrt, abs, negate, reciprocal, sin, cos, tan
    // Piecewise constant: no gradient. `round` takes halves to even; booleans are 0 and 1.
    case ceil, floor, round, sign, logicalNot, isNaN
    /// Cast to an integer type and back.
    case truncate
    /// Cast to a boolean and back.
    case toBoolean
  }

  public let function: Function
  public init(_ function: Function) { self.function = function }

  public var kind: String { function.kind }

  public func layouts(for shapes: [Shape], given: [Layout]) -> Layouts {
    function.isFiniteEverywhere ? .following(given) : Layouts(inputs: [.plain], output: .plain)
  }

  public func stage(for shapes: [Shape], in layouts: Layouts) -> Stage {
    let function = function, keeps = function.keeps
    if case .clip(let lower, let upper) = function { return .clamping(shapes[0], layouts.output, lower: lower, upper: upper) }
    let count = layouts.output.floatCount(of: shapes[0])
    let stage = Stage(output: shapes[0], keeps: keeps, runsInPlace: true, overwrites: true) { pass in
      let x = pass.input(0), y = pass.output
      parallel(count, grain: 1 << 13) { function.write(x + $0.lowerBound, to: y + $0.lowerBound, count: $0.count) }
    } backward: { pass in
      guard let dx = pass.inputGradient(0) else { return }
      let kept = keeps == .output ? pass.output : pass.input(0), dy = pass.outputGradient
      let adds = pass.accumulates(0)
      parallel(count, grain: 1 << 13) {
        let i = $0.lowerBound
        function.writeGradient(kept + i, dy + i, to: dx + i, count: $0.count, adds: adds)
      }
    }
    return function.isPiecewiseConstant ? stage.withoutGradient : stage
  }
}

extension Stage {
  /// For functions whose derivative is zero wherever it exists.
  var withoutGradient: Stage {
    var stage = self
    (stage.keeps, stage.overwrites) = ([], false)
    stage.backward = nil
    return stage
  }
}

extension Pointwise.Function {
  /// Whether padding lanes, which hold any finite number, stay finite.
  var isFiniteEverywhere: Bool {
    switch self {
    case .exp, .log, .sqrt, .reciprocal, .tan: false
    default: true
    }
  }

  var isPiecewiseConstant: Bool {
    switch self {
    case .ceil, .floor, .round, .sign, .logicalNot, .isNaN, .truncate, .toBoolean: true
    default: false
    }
  }

  /// Those for which there is vector code.
  var curve: Curve? {
    switch self {
    case .exp: .exponential
    case .sigmoid: .sigmoid
    case .tanh: .hyperbolicTangent
    case .erf: .errorFunction
    case .swish(let alpha): .swish(alpha: alpha)
    case .gelu(tanh: false): .gelu
    case .gelu(tanh: true): .geluByTanh
    case .mish: .mish
    case .hardSwish: .hardSwish
    default: nil
    }
  }

  /// The output wherever the derivative can be written from it: then the input's memory is free.
  var keeps: Kept {
    if let curve { return curve.derivativeReadsOutput ? .output : .inputs }
    return switch self {
    case .negate: []
    case .hardSigmoid, .softsign, .softplus, .sqrt, .reciprocal, .tan, .celu, .clip: .output
    case .leakyRelu(let slope): slope >= 0 ? .output : .inputs
    case .elu(let alpha): alpha >= 0 ? .output : .inputs
    case .selu(let alpha, let gamma): alpha >= 0 && gamma > 0 ? .output : .inputs
    default: .inputs
    }
  }

  var kind: String {
    switch self {
    case .leakyRelu: "LeakyRelu"
    case .elu: "Elu"
    case .selu: "Selu"
    case .celu: "Celu"
    case .gelu: "Gelu"
    case .mish: "Mish"
    case .swish: "Swish"
    case .hardSwish: "HardSwish"
    case .softplus: "Softplus"
    case .thresholdedRelu: "ThresholdedRelu"
    case .shrink: "Shrink"
    case .clip: "Clip"
    case .sigmoid: "Sigmoid"
    case .hardSigmoid: "HardSigmoid"
    case .tanh: "Tanh"
    case .softsign: "Softsign"
    case .erf: "Erf"
    case .exp: "Exp"
    case .log: "Log"
    case .sqrt: "Sqrt"
    case .abs: "Abs"
    case .negate: "Neg"
    case .reciprocal: "Reciprocal"
    case .sin: "Sin"
    case .cos: "Cos"
    case .tan: "Tan"
    case .ceil: "Ceil"
    case .floor: "Floor"
    case .round: "Round"
    case .sign: "Sign"
    case .logicalNot: "Not"
    case .isNaN: "IsNaN"
    case .truncate, .toBoolean: "Cast"
    }
  }
}
