// SPDX-License-Identifier: Apache-2.0
import Glibc

// The function is chosen once a call, outside the loop.
extension Pointwise.Function {
  /// y = f(x). The two may be the same memory.
  func write(_ x: UnsafePointer<Float>, to y: UnsafeMutablePointer<Float>, count: Int) {
    @inline(__always) func each(_ f: (Float) -> Float) { for i in 0..<count { y[i] = f(x[i]) } }
    switch self {
    case .leakyRelu(let slope): each { $0 > 0 ? $0 : slope * $0 }
    case .elu(let alpha): each { $0 > 0 ? $0 : alpha * expm1($0) }
    case .selu(let alpha, let gamma): each { gamma * ($0 > 0 ? $0 : alpha * expm1($0)) }
    case .celu(let alpha): each { $0 > 0 ? $0 : alpha * expm1($0 / alpha) }
    case .gelu(false): each { $0 * normalDistribution($0) }
    case .gelu(true): each { $0 * logistic(2 * Self.geluArgument($0)) }
    case .mish: each { $0 * Self.mishFactor($0) }
    case .swish(let alpha): each { $0 * logistic(alpha * $0) }
    case .hardSwish: each { $0 * min(max($0 + 3, 0), 6) / 6 }
    case .softplus: each { LensEngine.softplus($0) }
    case .thresholdedRelu(let alpha): each { $0 > alpha ? $0 : 0 }
    case .shrink(let bias, let lambda): each { $0 < -lambda ? $0 + bias : ($0 > lambda ? $0 - bias : 0) }
    case .clip(let lower, let upper): each { min(max($0, lower), upper) }
    case .sigmoid: each { logistic($0) }
    case .hardSigmoid(let alpha, let beta): each { min(max(alpha * $0 + beta, 0), 1) }
    case .tanh: each { hyperbolicTangent($0) }
    case .softsign: each { $0 / (1 + Swift.abs($0)) }
    case .erf: each { Glibc.erf($0) }
    case .exp: each { Glibc.exp($0) }
    case .log: each { Glibc.log($0) }
    case .sqrt: each { $0.squareRoot() }
    case .abs: each { Swift.abs($0) }
    case .negate: each { -$0 }
    case .reciprocal: each { 1 / $0 }
    case .sin: each { Glibc.sin($0) }
    case .cos: each { Glibc.cos($0) }
    case .tan: each { Glibc.tan($0) }
    case .ceil: each { $0.rounded(.up) }
    case .floor: each { $0.rounded(.down) }
    case .round: each { $0.rounded(.toNearestOrEven) }
    case .sign: each { LensEngine.sign($0) }
    case .logicalNot: each { $0 == 0 ? 1 : 0 }
    case .isNaN: each { $0 == $0 ? 0 : 1 }
    case .truncate: each { $0.rounded(.towardZero) }
    case .toBoolean: each { $0 == 0 ? 0 : 1 }
    }
  }

  /// dx += dy f'. - kept: the output or the input, as `keeps` says.
  func addGradient(
    _ kept: UnsafePointer<Float>, _ dy: UnsafePointer<Float>, to dx: UnsafeMutablePointer<Float>, count: Int
  ) {
    @inline(__always) func each(_ derivative: (Float) -> Float) {
      for i in 0..<count { dx[i] += dy[i] * derivative(kept[i]) }
    }
    switch self {
    case .leakyRelu(let slope): each { $0 > 0 ? 1 : slope }
    case .elu(let alpha):
      if keeps == .output { each { $0 > 0 ? 1 : $0 + alpha } } else { each { $0 > 0 ? 1 : alpha * Glibc.exp($0) } }
    case .selu(let alpha, let gamma):
      if keeps == .output {
        each { $0 > 0 ? gamma : $0 + gamma * alpha }
      } else {
        each { $0 > 0 ? gamma : gamma * alpha * Glibc.exp($0) }
      }
    case .celu(let alpha): each { $0 > 0 ? 1 : $0 / alpha + 1 }
    case .gelu(false): each { normalDistribution($0) + $0 * normalDensity($0) }
    case .gelu(true):
      each {
        let s = logistic(2 * Self.geluArgument($0)), x = min(max($0, -100), 100)
        return s + x * s * (1 - s) * (1.595_769_12 + 0.214_064_478 * x * x)
      }
    case .mish:
      each {
        let t = Self.mishFactor($0)
        return t + $0 * (1 - t * t) * logistic($0)
      }
    case .swish(let alpha):
      each {
        let s = logistic(alpha * $0)
        return s + alpha * $0 * s * (1 - s)
      }
    case .hardSwish: each { $0 <= -3 ? 0 : ($0 < 3 ? $0 / 3 + 0.5 : 1) }
    case .softplus: each { -expm1(-$0) }
    case .thresholdedRelu(let alpha): each { $0 > alpha ? 1 : 0 }
    case .shrink(_, let lambda): each { $0 < -lambda || $0 > lambda ? 1 : 0 }
    case .clip(let lower, let upper): each { $0 > lower && $0 < upper ? 1 : 0 }
    case .sigmoid: each { $0 * (1 - $0) }
    case .hardSigmoid(let alpha, _): each { $0 > 0 && $0 < 1 ? alpha : 0 }
    case .tanh: each { 1 - $0 * $0 }
    case .softsign: each { (1 - Swift.abs($0)) * (1 - Swift.abs($0)) }
    case .erf: each { 1.128_379_17 * boundedExp(-$0 * $0) }
    case .exp: each { $0 }
    case .log: each { 1 / $0 }
    case .sqrt: each { 0.5 / $0 }
    case .abs: each { LensEngine.sign($0) }
    case .negate: for i in 0..<count { dx[i] -= dy[i] }
    case .reciprocal: each { -$0 * $0 }
    case .sin: each { Glibc.cos($0) }
    case .cos: each { -Glibc.sin($0) }
    case .tan: each { 1 + $0 * $0 }
    case .ceil, .floor, .round, .sign, .logicalNot, .isNaN, .truncate, .toBoolean: break
    }
  }

  /// sqrt(2 / pi) (x + 0.044715 x^3): 0.5 (1 + tanh z) = sigmoid(2 z). Clamped where the sigmoid is 0 or 1 anyway,
  /// so that the cube of a padding lane does not overflow.
  @inline(__always)
  private static func geluArgument(_ x: Float) -> Float {
    let x = min(max(x, -100), 100)
    return 0.797_884_561 * (x + 0.044_715 * x * x * x)
  }

  /// tanh(log(1 + e^x)) = (e^2x + 2 e^x) / (e^2x + 2 e^x + 2), which is 1 to the last bit from 20 on.
  @inline(__always)
  private static func mishFactor(_ x: Float) -> Float {
    let e = boundedExp(min(x, 20))
    let n = e * (e + 2)
    return n / (n + 2)
  }
}
