// SPDX-License-Identifier: Apache-2.0
import LensTensors

// What group, layer and root-mean-square normalisation share: a stretch of floats that is normalised together.

/// A sum in Double, in eight interleaved parts.
@inline(__always)
func doubleSum(_ count: Int, _ term: (Int) -> Double) -> Double {
  var (a, b) = (SIMD4<Double>.zero, SIMD4<Double>.zero)
  let whole = count & ~7
  for i in stride(from: 0, to: whole, by: 8) {
    a += SIMD4(term(i), term(i &+ 1), term(i &+ 2), term(i &+ 3))
    b += SIMD4(term(i &+ 4), term(i &+ 5), term(i &+ 6), term(i &+ 7))
  }
  for i in whole..<count { a[0] += term(i) }
  return (a + b).sum()
}

/// How a stretch is normalised: (x - mean) * inverse.
struct Statistics {
  let mean: Float
  /// 1 / sqrt(variance + epsilon)
  let inverse: Float

  /// Two passes: the variance is taken about the mean. With `centred` false the mean counts as 0.
  init(_ x: UnsafePointer<Float>, _ count: Int, epsilon: Float, centred: Bool = true) {
    let mean = centred ? doubleSum(count) { Double(x[$0]) } / Double(count) : 0
    let variance = doubleSum(count) { (Double(x[$0]) - mean) * (Double(x[$0]) - mean) } / Double(count)
    (self.mean, inverse) = (Float(mean), Float(1 / (variance + Double(epsilon)).squareRoot()))
  }

  init(_ kept: UnsafePointer<Float>) { (mean, inverse) = (kept[0], kept[1]) }

  func keep(_ memory: UnsafeMutablePointer<Float>?) {
    guard let memory else { return }
    (memory[0], memory[1]) = (mean, inverse)
  }

  /// With z = (x - mean) * inverse and g = dL/dz: dx += inverse (g - mean(g) - z mean(g z)), the middle term only if centred.
  @inline(__always)
  func addGradient(_ x: UnsafePointer<Float>, to dx: UnsafeMutablePointer<Float>, _ count: Int, centred: Bool = true, _ g: (Int) -> Float) {
    let along = Float(doubleSum(count) { Double(g($0)) * Double((x[$0] - mean) * inverse) } / Double(count))
    let offset = centred ? Float(doubleSum(count) { Double(g($0)) } / Double(count)) : 0
    for i in 0..<count { dx[i] += inverse * (g(i) - offset - (x[i] - mean) * inverse * along) }
  }
}
