// SPDX-License-Identifier: Apache-2.0
import Glibc

// Elementary functions without branches or calls, so that the compiler turns a loop over them into vectors
// and every machine computes the same bits.

/// e^x to 2 units in the last place, for -87 <= x <= 88; outside, its value at the nearer end, so never infinite.
/// Moshier, Cephes Mathematical Library, 1992, `expf`: reduction by ln 2 in two parts and a polynomial.
@inline(__always)
func boundedExp(_ x: Float) -> Float {
  let x = min(max(x, -87), 88)
  // Adding 1.5 * 2^23 rounds to the nearest integer, which is then found in the low bits of the sum.
  let shifted = x * 1.442_695_04 + 12_582_912
  let n = shifted - 12_582_912
  let r = (x - n * 0.693_359_375) + n * 2.121_944_40e-4
  var p: Float = 1.987_569_15e-4
  p = p * r + 1.398_199_95e-3
  p = p * r + 8.333_451_91e-3
  p = p * r + 4.166_579_59e-2
  p = p * r + 1.666_666_55e-1
  p = p * r + 5.000_000_12e-1
  p = p * r * r + r + 1
  return p * Float(bitPattern: (shifted.bitPattern &- 0x4B40_0000 &+ 127) << 23)
}

/// 1 / (1 + e^-x).
@inline(__always)
func logistic(_ x: Float) -> Float { 1 / (1 + boundedExp(-x)) }

/// Moshier, Cephes, `tanhf`: a polynomial near 0, where the quotient would cancel.
@inline(__always)
func hyperbolicTangent(_ x: Float) -> Float {
  let z = x * x
  var p: Float = -5.704_988_73e-3
  p = p * z + 2.063_908_88e-2
  p = p * z - 5.373_971_56e-2
  p = p * z + 1.333_144_22e-1
  p = p * z - 3.333_328_19e-1
  let near = p * z * x + x
  let far = 1 - 2 / (boundedExp(2 * abs(x)) + 1)
  return abs(x) < 0.625 ? near : (x < 0 ? -far : far)
}

/// log(1 + e^x) without overflow or cancellation.
@inline(__always)
func softplus(_ x: Float) -> Float { max(x, 0) + log1p(boundedExp(-abs(x))) }

/// The normal distribution function, accurate in its lower tail.
@inline(__always)
func normalDistribution(_ x: Float) -> Float { 0.5 * erfc(-x * 0.707_106_781) }

@inline(__always)
func normalDensity(_ x: Float) -> Float { 0.398_942_280 * boundedExp(-0.5 * x * x) }

/// -1, 0 or 1; 0 for NaN.
@inline(__always)
func sign(_ x: Float) -> Float { x > 0 ? 1 : (x < 0 ? -1 : 0) }
