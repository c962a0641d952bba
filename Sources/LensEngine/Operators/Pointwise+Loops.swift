// SPDX-License-Identifier: Apache-2.0
import Glibc
import LensKernels

// The function is chosen once a call, outside the loop.
extension Pointwise.Function {
  /// y = f(x). The two may be the same memory.
  func write(_ x: UnsafePointer<Float>, to y: UnsafeMutablePointer<Float>, count: Int) {
    @inline(__always) func each(_ f: (Float) -> Float) { for i in 0..<count { y[i] = f(x[i]) } }
    switch self {
    case .gelu, .mish, .swish, .hardSwish, .sigmoid, .tanh, .erf, .exp: Kernels.selected.curves.value(curve!, x, y, count)
    case .leakyRelu(let slope): each { $0 > 0 ? $0 : slope * $0 }
    case .elu(let alpha): each { $0 > 0 ? $0 : alpha * expm1($0) }
    case .selu(let alpha, let gamma): each { gamma * ($0 > 0 ? $0 : alpha * expm1($0)) }
    case .celu(let alpha): each { $0 > 0 ? $0 : alpha * expm1($0 / alpha) }
    case .softplus: each { LensEngine.softplus($0) }
    case .thresholdedRelu(let alpha): each { $0 > alpha ? $0 : 0 }
    case .shrink(let bias, let lambda): each { $0 < -lambda ? $0 + bias : ($0 > lambda ? $0 - bias : 0) }
    case .clip(let lower, let upper): each { min(max($0, lower), upper) }
    case .hardSigmoid(let alpha, let beta): each { min(max(alpha * $0 + beta, 0), 1) }
    case .softsign: each { $0 / (1 + Swift.abs($0)) }
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

  /// dx = dy f', or dx += that. - kept: the output or the input, as `keeps` says.
  func writeGradient(
    _ kept: UnsafePointer<Float>, _ dy: UnsafePointer<Float>, to dx: UnsafeMutablePointer<Float>, count: Int, adds: Bool
  ) {
    @inline(__always) func each(_ derivative: (Float) -> Float) {
      if adds {
        for i in 0..<count { dx[i] += dy[i] * derivative(kept[i]) }
      } else {
        for i in 0..<count { dx[i] = dy[i] * derivative(kept[i]) }
      }
    }
    switch self {
    case .gelu, .mish, .swish, .hardSwish, .sigmoid, .tanh, .erf, .exp: Kernels.selected.curves.gradient(curve!, kept, dy, dx, count, adds)
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
    case .softplus: each { -expm1(-$0) }
    case .thresholdedRelu(let alpha): each { $0 > alpha ? 1 : 0 }
    case .shrink(_, let lambda): each { $0 < -lambda || $0 > lambda ? 1 : 0 }
    case .clip(let lower, let upper): each { $0 > lower && $0 < upper ? 1 : 0 }
    case .hardSigmoid(let alpha, _): each { $0 > 0 && $0 < 1 ? alpha : 0 }
    case .softsign: each { (1 - Swift.abs($0)) * (1 - Swift.abs($0)) }
    case .log: each { 1 / $0 }
    case .sqrt: each { 0.5 / $0 }
    case .abs: each { LensEngine.sign($0) }
    case .negate:
      // Nothing is kept.
      if adds { for i in 0..<count { dx[i] -= dy[i] } } else { for i in 0..<count { dx[i] = -dy[i] } }
    case .reciprocal: each { -$0 * $0 }
    case .sin: each { Glibc.cos($0) }
    case .cos: each { -Glibc.sin($0) }
    case .tan: each { 1 + $0 * $0 }
    case .ceil, .floor, .round, .sign, .logicalNot, .isNaN, .truncate, .toBoolean: break
    }
  }
}
