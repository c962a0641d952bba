// SPDX-License-Identifier: Apache-2.0
import CLensCPU
import LensKernelTable

/// One pixel's 16 channels: one zmm, two ymm or four xmm registers.
///
/// A vector must never cross a real call: everything that takes or returns one is inlined.
typealias Vector = SIMD16<Float>

@inline(__always) func load(_ p: Floats) -> Vector { UnsafeRawPointer(p).loadUnaligned(as: Vector.self) }
@inline(__always) func load(_ p: MutableFloats) -> Vector { UnsafeRawPointer(p).loadUnaligned(as: Vector.self) }
@inline(__always) func store(_ v: Vector, _ p: MutableFloats) { UnsafeMutableRawPointer(p).storeBytes(of: v, as: Vector.self) }
@inline(__always) func splat(_ x: Float) -> Vector { Vector(repeating: x) }

// One instruction each; NaN stays NaN. `pointwiseMax` is a loop over lanes in Swift 6.3.
@inline(__always) func larger(_ v: Vector, _ lower: Vector) -> Vector { v.replacing(with: lower, where: v .< lower) }
@inline(__always) func bound(_ v: Vector, _ lower: Vector, _ upper: Vector) -> Vector {
  let w = larger(v, lower)
  return w.replacing(with: upper, where: w .> upper)
}

@inline(__always) func gates(of v: Vector, _ lower: Vector, _ upper: Vector) -> UInt16 { lens_bits_between(v, lower, upper) }
@inline(__always) func gated(_ v: Vector, _ gates: UInt16) -> Vector { lens_where(v, gates) }

// On a CPU without fused multiply-add `addingProduct` is a call into libm for each lane.
#if CNNLENS_FMA || arch(arm64)
  @inline(__always) func fused(_ sum: Vector, _ a: Vector, _ b: Vector) -> Vector { lens_fused(sum, a, b) }
  @inline(__always) func fused(_ sum: Float, _ a: Float, _ b: Float) -> Float { sum.addingProduct(a, b) }
#else
  @inline(__always) func fused(_ sum: Vector, _ a: Vector, _ b: Vector) -> Vector { sum + a * b }
  @inline(__always) func fused(_ sum: Float, _ a: Float, _ b: Float) -> Float { sum + a * b }
#endif

/// The sum of the lanes, always in the same order.
@inline(__always) func total(_ v: Vector) -> Float {
  let a = v.lowHalf + v.highHalf
  let b = a.lowHalf + a.highHalf
  let c = b.lowHalf + b.highHalf
  return c.x + c.y
}
