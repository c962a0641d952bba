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
