// SPDX-License-Identifier: Apache-2.0
import LensTensors

// What group, layer and root-mean-square normalisation share: a stretch of floats that is normalised together.

private typealias Vector = SIMD16<Float>

/// A sum of floats in vectors, which add up in Double every so often.
@inline(__always)
private func preciseSum(_ count: Int, _ vector: (Int) -> Vector, _ number: (Int) -> Float) -> Double {
  let whole = count & ~15
  var total = 0.0, i = 0
  while i < whole {
    let end = min(i &+ 256, whole)
    var part = Vector.zero
    while i < end {
      part += vector(i)
      i &+= 16
    }
    total += Double(part.sum())
  }
  while i < count {
    total += Double(number(i))
    i &+= 1
  }
  return total
}

/// What standardised numbers are multiplied with.
protocol Factors {
  func vector(_ i: Int) -> SIMD16<Float>
  func number(_ i: Int) -> Float
}
/// Each with its own.
struct EachFactor: Factors {
  let base: UnsafePointer<Float>
  @inline(__always) func vector(_ i: Int) -> SIMD16<Float> { Vector.load(base + i) }
  @inline(__always) func number(_ i: Int) -> Float { base[i] }
}
struct OneFactor: Factors {
  let value: Float
  @inline(__always) func vector(_: Int) -> SIMD16<Float> { Vector(repeating: value) }
  @inline(__always) func number(_: Int) -> Float { value }
}

/// How a stretch is normalised: z = (x - mean) * inverse.
struct Statistics {
  let mean: Float
  /// 1 / sqrt(variance + epsilon)
  let inverse: Float

  /// Two passes: the variance is taken about the mean. With `centred` false the mean counts as 0.
  init(_ x: UnsafePointer<Float>, _ count: Int, epsilon: Float, centred: Bool = true) {
    let mean = centred ? Float(preciseSum(count, { Vector.load(x + $0) }, { x[$0] }) / Double(count)) : 0, all = Vector(repeating: mean)
    let squares = preciseSum(
      count,
      {
        let d = Vector.load(x + $0) - all
        return d * d
      }, { (x[$0] - mean) * (x[$0] - mean) })
    (self.mean, inverse) = (mean, Float(1 / (squares / Double(count) + Double(epsilon)).squareRoot()))
  }

  init(_ kept: UnsafePointer<Float>) { (mean, inverse) = (kept[0], kept[1]) }

  func keep(_ memory: UnsafeMutablePointer<Float>?) {
    guard let memory else { return }
    (memory[0], memory[1]) = (mean, inverse)
  }

  /// y = z · scale + bias
  @inline(__always)
  func write(_ x: UnsafePointer<Float>, to y: UnsafeMutablePointer<Float>, _ count: Int, scale: some Factors, bias: some Factors) {
    let mean = Vector(repeating: mean), inverse = Vector(repeating: inverse), whole = count & ~15
    for i in stride(from: 0, to: whole, by: 16) { ((Vector.load(x + i) - mean) * inverse * scale.vector(i) + bias.vector(i)).store(y + i) }
    for i in whole..<count { y[i] = (x[i] - self.mean) * self.inverse * scale.number(i) + bias.number(i) }
  }

  /// With g = dL/dz = dy · scale, over part of the stretch: the sums of g and of g z.
  @inline(__always)
  func sums(_ x: UnsafePointer<Float>, _ dy: UnsafePointer<Float>, _ count: Int, scale: some Factors) -> SIMD2<Double> {
    let all = Vector(repeating: mean)
    let plain = preciseSum(count, { Vector.load(dy + $0) * scale.vector($0) }, { dy[$0] * scale.number($0) })
    let along = preciseSum(
      count, { Vector.load(dy + $0) * scale.vector($0) * (Vector.load(x + $0) - all) }, { dy[$0] * scale.number($0) * (x[$0] - mean) })
    return [plain, along * Double(inverse)]
  }

  /// dx += inverse (g - mean(g) - z mean(g z)), the middle term only if centred; over part of a stretch.
  @inline(__always)
  func addGradient(
    _ x: UnsafePointer<Float>, _ dy: UnsafePointer<Float>, to dx: UnsafeMutablePointer<Float>, _ count: Int, scale: some Factors,
    means: SIMD2<Double>, centred: Bool = true
  ) {
    let offset = centred ? Float(means[0]) : 0, along = Float(means[1]) * inverse, whole = count & ~15
    let mean = Vector(repeating: mean), inverse = Vector(repeating: inverse)
    let offsets = Vector(repeating: offset), alongs = Vector(repeating: along)
    for i in stride(from: 0, to: whole, by: 16) {
      let g = Vector.load(dy + i) * scale.vector(i)
      (Vector.load(UnsafePointer(dx + i)) + inverse * (g - offsets - (Vector.load(x + i) - mean) * alongs)).store(dx + i)
    }
    for i in whole..<count { dx[i] += self.inverse * (dy[i] * scale.number(i) - offset - (x[i] - self.mean) * along) }
  }
}
