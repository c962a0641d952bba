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

/// log(1 + e^x) without overflow or cancellation.
@inline(__always)
func softplus(_ x: Float) -> Float { max(x, 0) + log1p(boundedExp(-abs(x))) }

/// -1, 0 or 1; 0 for NaN.
@inline(__always)
func sign(_ x: Float) -> Float { x > 0 ? 1 : (x < 0 ? -1 : 0) }
