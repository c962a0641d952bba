// SPDX-License-Identifier: Apache-2.0
import LensTensors

/// The pictures that an attack may hand back: near the original, in the range of values, on the lattice of levels.
struct Allowed {
  let ball: NormBall
  let range: ClosedRange<Float>?
  let levels: Int

  init(_ victim: Victim, _ norm: Norm = .maximum, radius: Double = .infinity) {
    ball = NormBall(norm, radius: radius, around: victim.original)
    (range, levels) = (victim.goal.range, victim.goal.levels)
  }

  /// Near and in range. (The range holds the original, so that it never leads further away.)
  func project(_ x: inout Tensor) {
    if ball.radius < .infinity { ball.project(&x) }
    if let range { ValueRange(range).project(&x) }
  }

  /// What can be handed back for `x`, which itself need not lie on the lattice.
  func picture(_ x: Tensor) -> Tensor {
    var result = x
    settle(&result)
    return result
  }

  /// Makes of `x` what can be handed back.
  func settle(_ x: inout Tensor) {
    project(&x)
    guard levels > 0 else { return }
    let images = x.shape.n, count = x.count / max(images, 1)
    ball.center.withPointer { c in
      x.withMutablePointer { y in for n in 0..<images { round(y + n * count, c + n * count, count) } }
    }
  }

  /// Changes become whole numbers of levels, the nearest ones that stay in the ball.
  private func round(_ x: UnsafeMutablePointer<Float>, _ c: UnsafePointer<Float>, _ count: Int) {
    // (The small number undoes 8/255 * 255 = 7.999...)
    let scale = Double(levels), limit = ball.radius * scale + 1e-6
    func change(_ i: Int, _ factor: Double) -> Double { ((Double(x[i]) - Double(c[i])) * scale * factor).rounded() }
    func length(_ factor: Double) -> Double {
      var sum = 0.0
      for i in 0..<count {
        let d = change(i, factor)
        sum += ball.norm == .euclidean ? d * d : abs(d)
      }
      return ball.norm == .euclidean ? sum.squareRoot() : sum
    }
    var factor = 1.0
    if ball.norm != .maximum, limit < .infinity, length(1) > limit {
      var low = 0.0
      for _ in 0..<12 {
        let middle = (low + factor) / 2
        if length(middle) > limit { factor = middle } else { low = middle }
      }
      factor = low
    }
    let most = ball.norm == .maximum ? limit.rounded(.down) : .infinity
    let low = range.map { (Double($0.lowerBound) * scale - 1e-3).rounded(.up) } ?? -.infinity
    let high = range.map { (Double($0.upperBound) * scale + 1e-3).rounded(.down) } ?? .infinity
    for i in 0..<count {
      let level = (Double(c[i]) * scale).rounded() + min(max(change(i, factor), -most), most)
      x[i] = Float(min(max(level, low), high)) / Float(levels)
    }
  }
}

extension Victim {
  /// original + change as it can be handed back. On a lattice small changes would be rounded away, so there the change
  /// is made larger until what is left of it deceives.
  func smallestMultiple(of change: Tensor) throws -> Tensor {
    let allowed = Allowed(self)
    func picture(_ factor: Float) -> Tensor { allowed.picture(Tensor.zip(original, change) { $0 + factor * $1 }) }
    guard goal.levels > 0 else { return picture(1) }
    var low: Float = 0.5, high: Float = 1
    while high <= 512, !deceives(try scores(picture(high))[0]) { (low, high) = (high, 2 * high) }
    guard high <= 512 else { return picture(1) }
    if high == 1 { return picture(1) }
    for _ in 0..<7 {
      let middle = (low + high) / 2
      if deceives(try scores(picture(middle))[0]) { high = middle } else { low = middle }
    }
    return picture(high)
  }
}

extension Tensor {
  /// Each image moved by `distance` in the direction of steepest ascent: sign(g), g/|g|_2 or g/|g|_1.
  mutating func move(along gradient: Tensor, by distance: Double, _ norm: Norm) {
    let images = shape.n, count = count / max(images, 1)
    gradient.withPointer { g in
      withMutablePointer { x in
        for n in 0..<images {
          let size = norm == .maximum ? 1 : norm.length(g + n * count, count)
          guard size > 0, size.isFinite else { continue }
          for i in n * count..<(n + 1) * count {
            let direction = norm == .maximum ? (g[i] > 0 ? 1.0 : g[i] < 0 ? -1.0 : 0.0) : Double(g[i]) / size
            x[i] = Float(Double(x[i]) + distance * direction)
          }
        }
      }
    }
  }
}

// MARK: Checks that attacks share

func check(radius: Double, _ name: String = "epsilon") throws {
  guard radius >= 0, radius.isFinite else {
    throw LensError(.invalidArgument, "\(name) is \(radius); it must be a number from 0 on")
  }
}

func check(positive value: Double, _ name: String) throws {
  guard value > 0, value.isFinite else { throw LensError(.invalidArgument, "\(name) is \(value); it must be above 0") }
}

func check(steps: Int, _ name: String = "steps", atLeast least: Int = 1) throws {
  guard least...1 << 24 ~= steps else { throw LensError(.invalidArgument, "\(name) is \(steps); it must be \(least)...\(1 << 24)") }
}
