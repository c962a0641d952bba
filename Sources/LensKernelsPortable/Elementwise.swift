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
