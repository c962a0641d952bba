// SPDX-License-Identifier: Apache-2.0
import LensKernelTable

/// y = f(x) over whole vectors, and the rest by way of one padded vector, so that a value does not depend on where it stands.
@inline(__always) private func map(_ x: Floats, _ y: MutableFloats, _ count: Int, _ f: (Vector) -> Vector) {
  var i = 0
  while i &+ 16 <= count {
    store(f(load(x + i)), y + i)
    i &+= 16
  }
  if i < count {
    var v = Vector()
    for j in 0..<(count &- i) { v[j] = x[i &+ j] }
    v = f(v)
    for j in 0..<(count &- i) { y[i &+ j] = v[j] }
  }
}

@inline(__always) private func map(_ a: Floats, _ b: Floats, _ y: MutableFloats, _ count: Int, _ f: (Vector, Vector) -> Vector) {
  var i = 0
  while i &+ 16 <= count {
    store(f(load(a + i), load(b + i)), y + i)
    i &+= 16
  }
  if i < count {
    var u = Vector(), v = Vector()
    for j in 0..<(count &- i) { (u[j], v[j]) = (a[i &+ j], b[i &+ j]) }
    u = f(u, v)
    for j in 0..<(count &- i) { y[i &+ j] = u[j] }
  }
}

@inline(never) func add(_ a: Floats, _ b: Floats, _ y: MutableFloats, _ count: Int) { map(a, b, y, count) { $0 + $1 } }
@inline(never) func multiply(_ a: Floats, _ b: Floats, _ y: MutableFloats, _ count: Int) { map(a, b, y, count) { $0 * $1 } }

@inline(never) func clamp(_ x: Floats, _ y: MutableFloats, _ count: Int, _ lower: Float, _ upper: Float, _ bits: MutableGates?) {
  let l = splat(lower), u = splat(upper)
  guard let bits else { return map(x, y, count) { bound($0, l, u) } }
  var next = bits
  map(x, y, count) {
    let v = bound($0, l, u)
    next[0] = gates(of: v, l, u)
    next += 1
    return v
  }
}

@inline(never) func gate(_ x: Floats, _ bits: Gates, _ y: MutableFloats, _ count: Int, _ accumulates: Bool) {
  var next = bits
  @inline(__always) func gatedNext(_ v: Vector) -> Vector {
    let bits = next[0]
    next += 1
    return gated(v, bits)
  }
  if accumulates { map(x, Floats(y), y, count) { $1 + gatedNext($0) } } else { map(x, y, count) { gatedNext($0) } }
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

@inline(never) func exponential(_ x: Floats, _ y: MutableFloats, _ count: Int) { map(x, y, count) { exponential($0) } }
@inline(never) func sigmoid(_ x: Floats, _ y: MutableFloats, _ count: Int) { map(x, y, count) { logistic($0) } }
@inline(never) func silu(_ x: Floats, _ y: MutableFloats, _ count: Int) { map(x, y, count) { $0 * logistic($0) } }

/// Near zero the polynomial of Cephes tanhf, elsewhere 1 - 2 / (e^2|x| + 1).
@inline(never) func hyperbolicTangent(_ x: Floats, _ y: MutableFloats, _ count: Int) {
  map(x, y, count) { x in
    let sign = unsafeBitCast(x, to: SIMD16<UInt32>.self) & SIMD16<UInt32>(repeating: 0x8000_0000)
    let size = unsafeBitCast(unsafeBitCast(x, to: SIMD16<UInt32>.self) ^ sign, to: Vector.self)
    let z = x * x
    var p = fused(splat(2.06390887954531e-2), z, splat(-5.70498872745e-3))
    p = fused(splat(-5.37397155531e-2), z, p)
    p = fused(splat(1.33314422036e-1), z, p)
    p = fused(splat(-3.33332819422e-1), z, p)
    let near = fused(x, x * z, p)
    let far = splat(1) - splat(2) / (exponential(size + size) + splat(1))
    let signed = unsafeBitCast(unsafeBitCast(far, to: SIMD16<UInt32>.self) ^ sign, to: Vector.self)
    return signed.replacing(with: near, where: size .< splat(0.625))
  }
}
