// SPDX-License-Identifier: Apache-2.0
import Glibc
import LensEngine
import LensTensors
import LensTestSupport
import Testing

@Suite struct PointwiseTests {
  struct Case: Sendable, CustomTestStringConvertible {
    let op: Pointwise
    let range: ClosedRange<Float>
    let tolerance: Double
    let reference: @Sendable (Double) -> Double
    var testDescription: String { "\(op.function)" }
    init(
      _ function: Pointwise.Function, _ range: ClosedRange<Float> = -9...9, tolerance: Double = 1e-6,
      _ reference: @escaping @Sendable (Double) -> Double
    ) {
      (op, self.range, self.tolerance, self.reference) = (Pointwise(function), range, tolerance, reference)
    }
  }

  static let cases: [Case] = [
    Case(.leakyRelu(slope: 0.1)) { $0 > 0 ? $0 : Double(Float(0.1)) * $0 },
    Case(.leakyRelu(slope: -0.5)) { $0 > 0 ? $0 : -0.5 * $0 },
    Case(.elu(alpha: 0.75)) { $0 > 0 ? $0 : 0.75 * (exp($0) - 1) },
    Case(.elu(alpha: -0.5)) { $0 > 0 ? $0 : -0.5 * (exp($0) - 1) },
    Case(.selu(alpha: 1.5, gamma: 1.25)) { 1.25 * ($0 > 0 ? $0 : 1.5 * (exp($0) - 1)) },
    Case(.selu(alpha: -1.5, gamma: 1.25)) { 1.25 * ($0 > 0 ? $0 : -1.5 * (exp($0) - 1)) },
    Case(.celu(alpha: 2)) { max(0, $0) + min(0, 2 * (exp($0 / 2) - 1)) },
    Case(.gelu(tanh: false)) { 0.5 * $0 * (1 + erf($0 / 2.0.squareRoot())) },
    Case(.gelu(tanh: true)) { 0.5 * $0 * (1 + tanh((2 / Double.pi).squareRoot() * ($0 + 0.044715 * $0 * $0 * $0))) },
    Case(.mish) { $0 * tanh(log1p(exp($0))) },
    Case(.swish(alpha: 1)) { $0 / (1 + exp(-$0)) },
    Case(.swish(alpha: 1.5)) { $0 / (1 + exp(-1.5 * $0)) },
    Case(.hardSwish) { $0 * max(0, min(1, $0 / 6 + 0.5)) },
    Case(.softplus) { log1p(exp(-abs($0))) + max($0, 0) },
    Case(.thresholdedRelu(alpha: 1.5)) { $0 > 1.5 ? $0 : 0 },
    Case(.shrink(bias: 0.5, lambda: 1.5)) { $0 < -1.5 ? $0 + 0.5 : ($0 > 1.5 ? $0 - 0.5 : 0) },
    Case(.clip(lower: 0, upper: 6)) { min(max($0, 0), 6) },
    Case(.clip(lower: -.infinity, upper: 1)) { min($0, 1) },
    Case(.sigmoid) { 1 / (1 + exp(-$0)) },
    Case(.hardSigmoid(alpha: 0.25, beta: 0.5)) { max(0, min(1, 0.25 * $0 + 0.5)) },
    Case(.tanh) { tanh($0) },
    Case(.tanh, -1...1) { tanh($0) },
    Case(.softsign) { $0 / (1 + abs($0)) },
    Case(.erf, -3...3) { erf($0) },
    Case(.exp) { exp($0) },
    Case(.log, 0.1...9) { log($0) },
    Case(.sqrt, 0.1...9) { $0.squareRoot() },
    Case(.abs) { abs($0) },
    Case(.negate) { -$0 },
    Case(.reciprocal, 0.1...9) { 1 / $0 },
    Case(.sin) { sin($0) },
    Case(.cos) { cos($0) },
    Case(.tan, -1.4...1.4) { tan($0) },
    Case(.ceil) { $0.rounded(.up) },
    Case(.floor) { $0.rounded(.down) },
    Case(.round) { $0.rounded(.toNearestOrEven) },
    Case(.sign) { $0 > 0 ? 1 : ($0 < 0 ? -1 : 0) },
    Case(.logicalNot) { $0 == 0 ? 1 : 0 },
    Case(.isNaN) { $0.isNaN ? 1 : 0 },
    Case(.truncate) { $0.rounded(.towardZero) },
    Case(.toBoolean) { $0 == 0 ? 0 : 1 },
  ]

  @Test(arguments: cases) func everyFunctionIsItsDefinition(_ c: Case) throws {
    for shape in [[2, 17], [2, 3, 4, 5], [1, 16, 3, 3], [2, 17, 2, 3], [1, 20, 5, 1], [1, 33, 2, 2], []] as [Shape] {
      try checkOperator(
        c.op, shapes: [shape], in: c.range, linear: c.op.function == .negate, reference: { $0[0].map(c.reference) },
        tolerance: c.tolerance)
    }
  }

  /// Derivatives at the kinks as PyTorch has them.
  @Test func kinksFollowPyTorch() throws {
    func derivative(_ op: any Operator, _ x: [Float]) throws -> [Float] {
      try op.gradients(at: [Tensor([x.count], x)], outputGradient: Tensor([x.count], repeating: 1)).gradients[0].values
    }
    #expect(try derivative(ReLU(), [-1, 0, 1]) == [0, 0, 1])
    #expect(try derivative(Pointwise(.abs), [-2, 0, 2]) == [-1, 0, 1])
    #expect(try derivative(Pointwise(.clip(lower: 0, upper: 6)), [-1, 0, 3, 6, 7]) == [0, 0, 1, 0, 0])
    #expect(try derivative(Pointwise(.hardSigmoid(alpha: 0.25, beta: 0.5)), [-2, 0, 2]) == [0, 0.25, 0])
    #expect(try derivative(Pointwise(.hardSwish), [-3, 0, 3]) == [0, 0.5, 1])
    #expect(try derivative(Pointwise(.leakyRelu(slope: 0.5)), [-1, 0, 1]) == [0.5, 0.5, 1])
    #expect(try derivative(Pointwise(.elu(alpha: 2)), [0]) == [2])
  }

  @Test func extremesStayFinite() throws {
    let x = Tensor([8], [-1e30, -200, -90, -0.0, 0, 90, 200, 1e30])
    let functions: [Pointwise.Function] = [
      .sigmoid, .tanh, .softplus, .mish, .swish(alpha: 1), .gelu(tanh: true), .gelu(tanh: false), .softsign, .erf,
      .elu(alpha: 1), .selu(alpha: 1, gamma: 1), .celu(alpha: 1), .hardSwish, .hardSigmoid(alpha: 0.2, beta: 0.5),
    ]
    for function in functions {
      let result = try Pointwise(function).gradients(at: [x], outputGradient: Tensor([8], repeating: 1))
      let values = result.output.values + result.gradients[0].values
      let areFinite = values.allSatisfy(\.isFinite)
      #expect(areFinite, "\(function): \(values)")
    }
  }

  @Test func halvesRoundToEven() throws {
    #expect(try Pointwise(.round)(Tensor([6], [-2.5, -1.5, -0.5, 0.5, 1.5, 2.5])).values == [-2, -2, 0, 0, 2, 2])
  }

  @Test func notANumberIsFound() throws {
    #expect(try Pointwise(.isNaN)(Tensor([3], [.nan, 1, .infinity])).values == [1, 0, 0])
    #expect(try Pointwise(.sigmoid)(Tensor([1], [.nan])).values[0].isNaN)
    #expect(try Pointwise(.clip(lower: 0, upper: 6))(Tensor([1], [.nan])).values[0].isNaN)
  }
}
