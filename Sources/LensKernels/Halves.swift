// SPDX-License-Identifier: Apache-2.0
import LensKernelTable

/// Floats as sums of two numbers of bfloat16's eight digits.
enum Halves {
  /// 32 rows of 16 floats, one for each channel, to two tiles of 16 rows of 16 lanes: of each lane what two channels have.
  static func split(_ source: Floats, _ step: Int, high: MutableFloats, low: MutableFloats) {
    for row in 0..<16 {
      for lane in 0..<16 {
        let a = split(source[2 * row * step + lane]), b = split(source[(2 * row + 1) * step + lane])
        high[row * 16 + lane] = Float(bitPattern: a.high | b.high << 16)
        low[row * 16 + lane] = Float(bitPattern: a.low | b.low << 16)
      }
    }
  }

  /// The nearest, and the nearest to the rest.
  private static func split(_ x: Float) -> (high: UInt32, low: UInt32) {
    let high = rounded(x)
    return (high >> 16, rounded(x - Float(bitPattern: high)) >> 16)
  }

  private static func rounded(_ x: Float) -> UInt32 { (x.bitPattern &+ 0x8000) & 0xFFFF_0000 }
}
