// SPDX-License-Identifier: Apache-2.0
import LensKernelTable

// Functions are types: what is inlined into a loop by way of a closure may end as a call, which a vector must not cross.

/// A function and its derivative. `alpha` is a parameter of those that have one.
private protocol Function {
  static func value(_ x: Vector, _ alpha: Vector) -> Vector
  /// - kept: the value or x, as `Curve.derivativeReadsOutput` says
  static func slope(_ kept: Vector, _ alpha: Vector) -> Vector
}

@inline(never) func curve(_ f: Curve, _ x: Floats, _ y: MutableFloats, _ count: Int) {
  let whole = count & ~15
  curveOfVectors(f, x, y, whole)
  if whole < count {
    // As part of a whole vector, so that a value does not depend on where it stands.
    withUnsafeTemporaryAllocation(of: Float.self, capacity: 16) {
      let rest = $0.baseAddress!
      padded(x + whole, count &- whole, to: rest)
      curveOfVectors(f, Floats(rest), rest, 16)
      (y + whole).update(from: rest, count: count &- whole)
    }
  }
}

@inline(never) func curveGradient(_ f: Curve, _ kept: Floats, _ dy: Floats, _ dx: MutableFloats, _ count: Int, _ adds: Bool) {
  let whole = count & ~15
  curveGradientOfVectors(f, kept, dy, dx, whole, adds)
  if whole < count {
    withUnsafeTemporaryAllocation(of: Float.self, capacity: 48) {
      let rest = $0.baseAddress!
      padded(kept + whole, count &- whole, to: rest)
      padded(dy + whole, count &- whole, to: rest + 16)
      padded(Floats(dx) + whole, count &- whole, to: rest + 32)
      curveGradientOfVectors(f, Floats(rest), Floats(rest) + 16, rest + 32, 16, adds)
      (dx + whole).update(from: rest + 32, count: count &- whole)
    }
  }
}

private func padded(_ x: Floats, _ count: Int, to y: MutableFloats) {
  y.update(from: x, count: count)
  (y + count).update(repeating: 0, count: 16 &- count)
}

// The function is chosen once, outside the loop.

@inline(never) private func curveOfVectors(_ f: Curve, _ x: Floats, _ y: MutableFloats, _ count: Int) {
  switch f {
  case .exponential: map(Exponential.self, x, y, count)
  case .sigmoid: map(Logistic.self, x, y, count)
  case .hyperbolicTangent: map(HyperbolicTangent.self, x, y, count)
  case .errorFunction: map(ErrorFunction.self, x, y, count)
  case .swish(let alpha): map(Swish.self, x, y, count, alpha)
  case .gelu: map(Gelu.self, x, y, count)
  case .geluByTanh: map(GeluByTanh.self, x, y, count)
  case .mish: map(Mish.self, x, y, count)
  case .hardSwish: map(HardSwish.self, x, y, count)
  }
}

@inline(never) private func curveGradientOfVectors(
  _ f: Curve, _ kept: Floats, _ dy: Floats, _ dx: MutableFloats, _ count: Int, _ adds: Bool
) {
  switch f {
  case .exponential: chain(Exponential.self, kept, dy, dx, count, adds)
  case .sigmoid: chain(Logistic.self, kept, dy, dx, count, adds)
  case .hyperbolicTangent: chain(HyperbolicTangent.self, kept, dy, dx, count, adds)
  case .errorFunction: chain(ErrorFunction.self, kept, dy, dx, count, adds)
  case .swish(let alpha): chain(Swish.self, kept, dy, dx, count, adds, alpha)
  case .gelu: chain(Gelu.self, kept, dy, dx, count, adds)
  case .geluByTanh: chain(GeluByTanh.self, kept, dy, dx, count, adds)
  case .mish: chain(Mish.self, kept, dy, dx, count, adds)
  case .hardSwish: chain(HardSwish.self, kept, dy, dx, count, adds)
  }
}

@inline(__always) private func map<F: Function>(_: F.Type, _ x: Floats, _ y: MutableFloats, _ count: Int, _ alpha: Float = 1) {
  let alpha = splat(alpha)
  var i = 0
  while i < count {
    store(F.value(load(x + i), alpha), y + i)
    i &+= 16
  }
}

/// dx = dy · f', or dx += that.
@inline(__always) private func chain<F: Function>(
  _: F.Type, _ kept: Floats, _ dy: Floats, _ dx: MutableFloats, _ count: Int, _ adds: Bool, _ alpha: Float = 1
) {
  let alpha = splat(alpha)
  var i = 0
  while i < count {
    var v = load(dy + i) * F.slope(load(kept + i), alpha)
    if adds { v += load(dx + i) }
    store(v, dx + i)
    i &+= 16
  }
}

private enum HardSwish: Function {
  @inline(__always) static func value(_ x: Vector, _: Vector) -> Vector { x * bound(x + splat(3), splat(0), splat(6)) / splat(6) }
  @inline(__always) static func slope(_ x: Vector, _: Vector) -> Vector {
    let inside = (x / splat(3) + splat(0.5)).replacing(with: splat(0), where: x .<= splat(-3))
    return inside.replacing(with: splat(1), where: x .>= splat(3))
  }
}

// MARK: Exponentials

/// e^x: x = n ln 2 + r with |r| <= ln 2 / 2, and a polynomial for e^r (Cephes expf, Moshier 1989; error below 1 ulp).
@inline(__always) private func exponential(_ x: Vector) -> Vector {
  let magic = splat(0x1.8p23)  // adding it rounds to whole numbers and leaves them in the low bits
  let x = bound(x, splat(-104), splat(89))
  let shifted = fused(magic, x, splat(0x1.715476p0))
  let n = shifted - magic
  let r = fused(fused(x, n, splat(-0x1.62ep-1)), n, splat(-0x1.0bfbe8p-15))
  var p = fused(splat(1.3981999507e-3), r, splat(1.9875691500e-4))
  p = fused(splat(8.3334519073e-3), r, p)
  p = fused(splat(4.1665795894e-2), r, p)
  p = fused(splat(1.6666665459e-1), r, p)
  p = fused(splat(5.0000001201e-1), r, p)
  p = fused(r, p, r * r) + splat(1)
  // Two factors, because 2^n itself may be out of range.
  let power = unsafeBitCast(shifted, to: SIMD16<Int32>.self) &- SIMD16<Int32>(repeating: 0x4B40_0000)
  let half = power &>> 1
  let bias = SIMD16<Int32>(repeating: 127)
  let first = unsafeBitCast((half &+ bias) &<< 23, to: Vector.self)
  let second = unsafeBitCast((power &- half &+ bias) &<< 23, to: Vector.self)
  return p * first * second
}

@inline(__always) private func logistic(_ x: Vector) -> Vector { splat(1) / (splat(1) + exponential(-x)) }

private enum Exponential: Function {
  @inline(__always) static func value(_ x: Vector, _: Vector) -> Vector { exponential(x) }
  @inline(__always) static func slope(_ y: Vector, _: Vector) -> Vector { y }
}

private enum Logistic: Function {
  @inline(__always) static func value(_ x: Vector, _: Vector) -> Vector { logistic(x) }
  @inline(__always) static func slope(_ y: Vector, _: Vector) -> Vector { y * (splat(1) - y) }
}

private enum Swish: Function {
  @inline(__always) static func value(_ x: Vector, _ alpha: Vector) -> Vector { x * logistic(alpha * x) }
  @inline(__always) static func slope(_ x: Vector, _ alpha: Vector) -> Vector {
    let s = logistic(alpha * x)
    return s + alpha * x * s * (splat(1) - s)
  }
}

/// By 2 sqrt(2 / pi) (x + 0.044715 x^3): 0.5 (1 + tanh z) = sigmoid(2 z).
private enum GeluByTanh: Function {
  /// Within what a sigmoid of the cube can tell apart, so that it does not overflow.
  @inline(__always) private static func limited(_ x: Vector) -> Vector { bound(x, splat(-100), splat(100)) }
  @inline(__always) private static func gate(_ x: Vector) -> Vector {
    logistic(splat(1.595_769_12) * fused(x, splat(0.044_715) * x * x, x))
  }
  @inline(__always) static func value(_ x: Vector, _: Vector) -> Vector { x * gate(limited(x)) }
  @inline(__always) static func slope(_ x: Vector, _: Vector) -> Vector {
    let x = limited(x), s = gate(x)
    return s + x * s * (splat(1) - s) * fused(splat(1.595_769_12), splat(0.214_064_478), x * x)
  }
}

private enum Mish: Function {
  /// tanh(log(1 + e^x)) = (e^2x + 2 e^x) / (e^2x + 2 e^x + 2), which is 1 to the last bit from 20 on.
  @inline(__always) private static func factor(_ x: Vector) -> Vector {
    let e = exponential(bound(x, splat(-.infinity), splat(20))), n = e * (e + splat(2))
    return n / (n + splat(2))
  }
  @inline(__always) static func value(_ x: Vector, _: Vector) -> Vector { x * factor(x) }
  @inline(__always) static func slope(_ x: Vector, _: Vector) -> Vector {
    let t = factor(x)
    return t + x * (splat(1) - t * t) * logistic(x)
  }
}

@inline(__always) private func sign(of x: Vector) -> SIMD16<UInt32> {
  unsafeBitCast(x, to: SIMD16<UInt32>.self) & SIMD16<UInt32>(repeating: 0x8000_0000)
}
@inline(__always) private func flipped(_ x: Vector, _ sign: SIMD16<UInt32>) -> Vector {
  unsafeBitCast(unsafeBitCast(x, to: SIMD16<UInt32>.self) ^ sign, to: Vector.self)
}

/// Near zero the polynomial of Cephes tanhf, elsewhere 1 - 2 / (e^2|x| + 1).
private enum HyperbolicTangent: Function {
  @inline(__always) static func value(_ x: Vector, _: Vector) -> Vector {
    let sign = sign(of: x), size = flipped(x, sign), z = x * x
    var p = fused(splat(2.06390887954531e-2), z, splat(-5.70498872745e-3))
    p = fused(splat(-5.37397155531e-2), z, p)
    p = fused(splat(1.33314422036e-1), z, p)
    p = fused(splat(-3.33332819422e-1), z, p)
    let near = fused(x, x * z, p)
    let far = splat(1) - splat(2) / (exponential(size + size) + splat(1))
    return flipped(far, sign).replacing(with: near, where: size .< splat(0.625))
  }
  @inline(__always) static func slope(_ y: Vector, _: Vector) -> Vector { splat(1) - y * y }
}

// MARK: The normal distribution

/// e^(z^2) times what lies beyond z >= 0 under the error function's bell, on both sides: a polynomial in t = 1 / (1 + 0.3 z),
/// centred. The best of degree 9 for the relative error, 2e-8; with the rounding of z^2, which e^ enlarges, some 1e-6.
@inline(__always) private func scaledTail(_ z: Vector) -> Vector {
  let u = splat(2) / fused(splat(1), splat(0.3), z) - splat(1)
  var p = fused(splat(-3.7912611e-4), u, splat(-2.5344556e-4))
  p = fused(splat(2.0644429e-3), u, p)
  p = fused(splat(1.2400987e-2), u, p)
  p = fused(splat(3.8687680e-2), u, p)
  p = fused(splat(8.7836057e-2), u, p)
  p = fused(splat(1.5874909e-1), u, p)
  p = fused(splat(2.3765257e-1), u, p)
  p = fused(splat(3.0075178e-1), u, p)
  return fused(splat(1.6248997e-1), u, p)
}

private enum ErrorFunction: Function {
  @inline(__always) static func value(_ x: Vector, _: Vector) -> Vector {
    let sign = sign(of: x), size = flipped(x, sign), z = x * x
    var p = fused(splat(5.0851288e-3), z, splat(-6.5352390e-4))
    p = fused(splat(-2.6820805e-2), z, p)
    p = fused(splat(1.1283113e-1), z, p)
    p = fused(splat(-3.7612602e-1), z, p)
    let near = x * fused(splat(1.1283791), z, p)
    let far = splat(1) - exponential(-z) * scaledTail(size)
    return flipped(far, sign).replacing(with: near, where: size .< splat(0.8))
  }

  @inline(__always) static func slope(_ x: Vector, _: Vector) -> Vector { splat(1.128_379_17) * exponential(-x * x) }
}

/// Of mean 0 and deviation 1.
private struct NormalDistribution {
  /// The probability of something smaller; accurate in the lower tail.
  let below: Vector
  let density: Vector

  @inline(__always) init(at x: Vector) {
    let bell = exponential(splat(-0.5) * x * x), size = flipped(x, sign(of: x))
    let tail = splat(0.5) * bell * scaledTail(splat(0.707_106_781) * size)
    below = (splat(1) - tail).replacing(with: tail, where: x .< splat(0))
    density = splat(0.398_942_280) * bell
  }
}

private enum Gelu: Function {
  @inline(__always) static func value(_ x: Vector, _: Vector) -> Vector { x * NormalDistribution(at: x).below }
  @inline(__always) static func slope(_ x: Vector, _: Vector) -> Vector {
    let normal = NormalDistribution(at: x)
    return fused(normal.below, x, normal.density)
  }
}
