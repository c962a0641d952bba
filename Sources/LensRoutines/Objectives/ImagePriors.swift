// SPDX-License-Identifier: Apache-2.0
import Glibc
import LensEngine
import LensKernels
import LensTensors

extension Objective {
  /// sum over pixels of ((x_{i,j+1} - x_ij)^2 + (x_{i+1,j} - x_ij)^2)^(beta/2), over all that have both neighbours.
  /// Mahendran & Vedaldi 2015, section 3.2, arXiv:1412.0035; the pixels counted are those of neural-style. Unless beta is
  /// 2, the squares have 1e-8 added.
  public static func totalVariation(beta: Float = 2, at layer: Layer = .input) -> Objective {
    // Below beta = 2 the derivative has no bound where the picture is flat.
    let floor: Float = beta == 2 ? 0 : 1e-8
    return Objective("total variation of \(layer)", at: [layer]) { activations, seeds in
      let maps = try FeatureMaps(activations, layer), (h, w) = (maps.h, maps.w)
      guard beta > 0, beta.isFinite else { throw LensError(.invalidArgument, "beta is \(beta); it must be above 0") }
      guard h > 1, w > 1 else { return Value(scores: [Float](repeating: 0, count: maps.n)) }
      let scores = (0..<maps.n).map { n -> Float in
        let sums = PlaneSums(maps.c)
        seeds.add(at: layer) { gradient, weight in
          parallel(maps.c) { planes in
            for plane in planes {
              let x = maps.image(n) + plane * maps.area, g = gradient + (n * maps.c + plane) * maps.area
              for y in 0..<h - 1 {
                let p = x + y * w, q = g + y * w
                for i in 0..<w - 1 {
                  let across = p[i &+ 1] - p[i], down = p[i &+ w] - p[i], square = across * across + down * down + floor
                  let slope = beta == 2 ? 2 * weight : beta == 1 ? weight / square.squareRoot() : beta * weight * pow(square, beta / 2 - 1)
                  q[i &+ 1] += slope * across
                  q[i &+ w] += slope * down
                  q[i] -= slope * (across + down)
                }
              }
            }
          }
        }
        parallel(maps.c) { planes in
          for plane in planes {
            let x = maps.image(n) + plane * maps.area
            var sum = 0.0
            for y in 0..<h - 1 {
              let p = x + y * w
              for i in 0..<w - 1 {
                let across = p[i &+ 1] - p[i], down = p[i &+ w] - p[i], square = across * across + down * down + floor
                sum += Double(beta == 2 ? square : beta == 1 ? square.squareRoot() : pow(square, beta / 2))
              }
            }
            sums[plane] = sum
          }
        }
        return Float(sums.total)
      }
      return Value(scores: scores)
    }
  }

  /// sum |x - center|^p over all values of a layer: `p` = 2 is Simonyan's regulariser, 6 Mahendran & Vedaldi's.
  /// - center: one number per channel, or one for all: for a picture the mean colour.
  public static func norm(_ p: Float, around center: [Float] = [0], at layer: Layer = .input) -> Objective {
    Objective("\(p)-norm of \(layer)", at: [layer]) { activations, seeds in
      let maps = try FeatureMaps(activations, layer)
      guard p >= 1, p.isFinite else { throw LensError(.invalidArgument, "the exponent is \(p); it must be at least 1") }
      try check(center: center, channels: maps.c)
      let half = p == 2 || p == 4 || p == 6 ? Int(p) / 2 : 0
      let scores = (0..<maps.n).map { n -> Float in
        let sums = PlaneSums(maps.c)
        parallel(maps.c) { planes in
          for plane in planes {
            let x = maps.image(n) + plane * maps.area, middle = center.count == 1 ? center[0] : center[plane]
            var sum = 0.0
            for i in 0..<maps.area { sum += Double(power(x[i] - middle, p, half)) }
            sums[plane] = sum
          }
        }
        seeds.add(at: layer) { gradient, weight in
          parallel(maps.c) { planes in
            for plane in planes {
              let x = maps.image(n) + plane * maps.area, middle = center.count == 1 ? center[0] : center[plane]
              let g = gradient + (n * maps.c + plane) * maps.area
              for i in 0..<maps.area { g[i] += p * weight * slope(x[i] - middle, p, half) }
            }
          }
        }
        return Float(sums.total)
      }
      return Value(scores: scores)
    }
  }
}

/// |x|^p; `half` is p / 2 for the small even ones, else 0.
@inline(__always)
private func power(_ x: Float, _ p: Float, _ half: Int) -> Float {
  let square = x * x
  switch half {
  case 1: return square
  case 2: return square * square
  case 3: return square * square * square
  default: return pow(abs(x), p)
  }
}

/// sign(x) |x|^(p - 1).
@inline(__always)
private func slope(_ x: Float, _ p: Float, _ half: Int) -> Float {
  let square = x * x
  switch half {
  case 1: return x
  case 2: return square * x
  case 3: return square * square * x
  default: return x == 0 ? 0 : (x > 0 ? 1 : -1) * pow(abs(x), p - 1)
  }
}

/// A sum for each plane, written by several threads, added up in order.
private final class PlaneSums: @unchecked Sendable {
  private let sums: UnsafeMutablePointer<Double>
  private let count: Int
  init(_ count: Int) {
    self.count = count
    sums = .allocate(capacity: max(count, 1))
    sums.initialize(repeating: 0, count: max(count, 1))
  }
  deinit { sums.deallocate() }
  subscript(plane: Int) -> Double {
    get { sums[plane] }
    set { sums[plane] = newValue }
  }
  var total: Double { (0..<count).reduce(0) { $0 + sums[$1] } }
}
