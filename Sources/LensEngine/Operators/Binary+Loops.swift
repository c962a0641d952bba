// SPDX-License-Identifier: Apache-2.0
import Glibc

/// y = f(a, b) along a run; a step of 0 means the operand is one number.
@inline(__always)
private func map(
  _ a: UnsafePointer<Float>, _ aStep: Int, _ b: UnsafePointer<Float>, _ bStep: Int,
  to y: UnsafeMutablePointer<Float>, count: Int, _ f: (Float, Float) -> Float
) {
  if aStep == 0 {
    let a = a[0]
    if bStep == 0 { y.update(repeating: f(a, b[0]), count: count) } else { for i in 0..<count { y[i] = f(a, b[i]) } }
  } else if bStep == 0 {
    let b = b[0]
    for i in 0..<count { y[i] = f(a[i], b) }
  } else {
    for i in 0..<count { y[i] = f(a[i], b[i]) }
  }
}

// The function is chosen once a run, outside the loop.
extension Binary.Function {
  func write(
    _ a: UnsafePointer<Float>, _ aStep: Int, _ b: UnsafePointer<Float>, _ bStep: Int,
    to y: UnsafeMutablePointer<Float>, count: Int
  ) {
    @inline(__always) func each(_ f: (Float, Float) -> Float) { map(a, aStep, b, bStep, to: y, count: count, f) }
    switch self {
    case .add: each { $0 + $1 }
    case .subtract: each { $0 - $1 }
    case .multiply: each { $0 * $1 }
    case .divide: each { $0 / $1 }
    case .power:
      if bStep == 0, b[0] == 2 { each { a, _ in a * a } } else { each { pow($0, $1) } }
    case .minimum: each { $1 < $0 ? $1 : $0 }
    case .maximum: each { $1 > $0 ? $1 : $0 }
    case .modulo(fmod: true): each { fmod($0, $1) }
    case .modulo(fmod: false): each { $0 - ($0 / $1).rounded(.down) * $1 }
    case .equal: each { $0 == $1 ? 1 : 0 }
    case .less: each { $0 < $1 ? 1 : 0 }
    case .lessOrEqual: each { $0 <= $1 ? 1 : 0 }
    case .greater: each { $0 > $1 ? 1 : 0 }
    case .greaterOrEqual: each { $0 >= $1 ? 1 : 0 }
    case .and: each { $0 != 0 && $1 != 0 ? 1 : 0 }
    case .or: each { $0 != 0 || $1 != 0 ? 1 : 0 }
    case .xor: each { ($0 != 0) != ($1 != 0) ? 1 : 0 }
    }
  }

  /// dx += dy df/dx, for functions that are linear in it, along a run where it advances.
  /// - other: the other operand, which only a product looks at
  func addLinearGradient(
    of operand: Int, _ other: UnsafePointer<Float>, _ otherStep: Int, _ dy: UnsafePointer<Float>, to dx: UnsafeMutablePointer<Float>,
    count: Int
  ) {
    switch self {
    case .multiply where otherStep == 0:
      let factor = other[0]
      for i in 0..<count { dx[i] += dy[i] * factor }
    case .multiply: for i in 0..<count { dx[i] += dy[i] * other[i] }
    case .subtract where operand == 1: for i in 0..<count { dx[i] -= dy[i] }
    default: for i in 0..<count { dx[i] += dy[i] }
    }
  }

  /// df/da or df/db. For functions that keep no inputs, what `a` and `b` point to is not looked at.
  func writeDerivative(
    of operand: Int, _ a: UnsafePointer<Float>, _ aStep: Int, _ b: UnsafePointer<Float>, _ bStep: Int,
    to d: UnsafeMutablePointer<Float>, count: Int
  ) {
    @inline(__always) func each(_ f: (Float, Float) -> Float) { map(a, aStep, b, bStep, to: d, count: count, f) }
    switch (self, operand) {
    case (.add, _), (.subtract, 0): d.update(repeating: 1, count: count)
    case (.subtract, _): d.update(repeating: -1, count: count)
    case (.multiply, 0): each { _, b in b }
    case (.multiply, _): each { a, _ in a }
    case (.divide, 0): each { _, b in 1 / b }
    case (.divide, _): each { a, b in -a / (b * b) }
    case (.power, 0):
      if bStep == 0, b[0] == 2 { each { a, _ in 2 * a } } else { each { a, b in b == 0 ? 0 : b * pow(a, b - 1) } }
    // 0^b is 0 for every b > 0.
    case (.power, _): each { a, b in a == 0 && b >= 0 ? 0 : pow(a, b) * log(a) }
    case (.minimum, 0), (.maximum, 1): each { a, b in a < b ? 1 : (a == b ? 0.5 : 0) }
    case (.minimum, _), (.maximum, _): each { a, b in a > b ? 1 : (a == b ? 0.5 : 0) }
    case (.modulo, 0): d.update(repeating: 1, count: count)
    case (.modulo(fmod: true), _): each { a, b in -(a / b).rounded(.towardZero) }
    case (.modulo(fmod: false), _): each { a, b in -(a / b).rounded(.down) }
    default: d.update(repeating: 0, count: count)
    }
  }
}
