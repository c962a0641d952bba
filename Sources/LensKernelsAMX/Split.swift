// SPDX-License-Identifier: Apache-2.0
import CLensCPU
import LensKernelTable

typealias Vector = SIMD16<Float>
typealias Words = SIMD16<UInt32>

@inline(__always) private func load(_ p: Floats) -> Vector { UnsafeRawPointer(p).loadUnaligned(as: Vector.self) }

/// The nearest number with eight digits: what is left of the other sixteen rounds to eight again, so that both halves
/// together are 2⁻¹⁷ from the float at most.
@inline(__always) private func high(_ x: Vector) -> Vector {
  let bits = unsafeBitCast(x, to: Words.self)
  return unsafeBitCast((bits &+ Words(repeating: 0x8000)) & Words(repeating: 0xFFFF_0000), to: Vector.self)
}

/// A pixel is 64 bytes of high halves, of its 32 channels, and then 64 of low ones.
@inline(never) func split(_ first: Floats, _ second: Floats?, _ step: Int, _ destination: MutableFloats, _ pixels: Int) {
  var q = destination, a = first, i = 0
  if let second {
    var b = second
    while i < pixels {
      let x = load(a), y = load(b), highX = high(x), highY = high(y)
      lens_store_halves(q, highX, highY)
      lens_store_halves(q + 16, x - highX, y - highY)
      a += step
      b += step
      q += 32
      i &+= 1
    }
  } else {
    while i < pixels {
      let x = load(a), highX = high(x)
      lens_store_halves(q, highX, Vector())
      lens_store_halves(q + 16, x - highX, Vector())
      a += step
      q += 32
      i &+= 1
    }
  }
}

/// Of 16 pixels the numbers of eight digits that two channels have, side by side.
@inline(__always) private func pair(_ first: Vector, _ second: Vector) -> Words {
  unsafeBitCast(first, to: Words.self) &>> 16 | unsafeBitCast(second, to: Words.self) & Words(repeating: 0xFFFF_0000)
}

/// The numbers of a pixel, two by two, follow one another; where the channels are odd, the last is followed by 0.
@inline(never) func splitPlanes(
  _ source: Floats, _ planeStep: Int, _ channels: Int, _ highs: MutableFloats, _ lowStep: Int, _ pixels: Int
) {
  var i = 0
  while i < pixels {
    // The last pixels once more, where they do not fill a vector.
    let from = max(0, min(i, pixels &- 16)), count = min(16, pixels)
    @inline(__always) func channel(_ c: Int) -> (high: Vector, low: Vector) {
      guard c < channels else { return (Vector(), Vector()) }
      var x = Vector()
      let p = source + (c &* planeStep &+ from)
      if count == 16 { x = load(p) } else { for k in 0..<count { x[k] = p[k] } }
      let high = high(x)
      return (high, LensKernelsAMX.high(x - high))
    }
    let (r, g) = (channel(0), channel(1))
    let first = (pair(r.high, g.high), pair(r.low, g.low))
    if channels <= 2 {
      store(first.0, highs + from, count)
      store(first.1, highs + (lowStep &+ from), count)
    } else {
      let (b, a) = (channel(2), channel(3)), q = highs + 2 &* from
      store(first.0, pair(b.high, a.high), q, count)
      store(first.1, pair(b.low, a.low), q + lowStep, count)
    }
    i &+= 16
  }
}

@inline(__always) private func store(_ x: Words, _ p: MutableFloats, _ count: Int) {
  if count == 16 {
    UnsafeMutableRawPointer(p).storeBytes(of: x, as: Words.self)
  } else {
    for k in 0..<count { p[k] = Float(bitPattern: x[k]) }
  }
}

/// A word of the one, a word of the other.
@inline(__always) private func store(_ x: Words, _ y: Words, _ p: MutableFloats, _ count: Int) {
  if count == 16 {
    var both = SIMD32<UInt32>()
    (both.evenHalf, both.oddHalf) = (x, y)
    UnsafeMutableRawPointer(p).storeBytes(of: both, as: SIMD32<UInt32>.self)
  } else {
    for k in 0..<count { (p[2 * k], p[2 * k + 1]) = (Float(bitPattern: x[k]), Float(bitPattern: y[k])) }
  }
}
