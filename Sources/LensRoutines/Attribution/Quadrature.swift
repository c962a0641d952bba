// SPDX-License-Identifier: Apache-2.0
import Glibc
import LensTensors

/// Where on the way from a baseline to a picture gradients are taken, and what each counts; the weights sum to one.
public enum Quadrature: Sendable, CaseIterable {
  /// Legendre's nodes: exact for polynomials of degree 2n - 1.
  case gaussLegendre
  /// The left, right or middle end of n equal pieces.
  case left, right, middle
  /// Both ends and the points between n - 1 equal pieces, the ends counting half.
  case trapezoid

  struct Point: Equatable {
    /// 0 is the baseline, 1 the picture.
    let place: Double
    let weight: Double
  }

  func points(_ n: Int) throws -> [Point] {
    let least = self == .trapezoid ? 2 : 1
    guard least...100_000 ~= n else { throw LensError(.invalidArgument, "steps is \(n); it must be \(least)...100000") }
    let share = 1 / Double(n)
    switch self {
    case .left: return (0..<n).map { Point(place: Double($0) * share, weight: share) }
    case .right: return (0..<n).map { Point(place: Double($0 + 1) * share, weight: share) }
    case .middle: return (0..<n).map { Point(place: (Double($0) + 0.5) * share, weight: share) }
    case .trapezoid:
      let piece = 1 / Double(n - 1)
      return (0..<n).map { Point(place: Double($0) * piece, weight: $0 == 0 || $0 == n - 1 ? piece / 2 : piece) }
    case .gaussLegendre: return Self.legendre(n)
    }
  }

  /// The roots of Legendre's polynomial by Newton's method, moved from -1...1 to 0...1.
  private static func legendre(_ n: Int) -> [Point] {
    (0..<n).map { k in
      var x = -cos(.pi * (Double(k) + 0.75) / (Double(n) + 0.5)), slope = 1.0
      for _ in 0..<100 {
        var (p, previous) = (1.0, 0.0)
        for j in 0..<n { (p, previous) = ((Double(2 * j + 1) * x * p - Double(j) * previous) / Double(j + 1), p) }
        slope = Double(n) * (x * p - previous) / (x * x - 1)
        let step = p / slope
        x -= step
        if abs(step) < 1e-15 { break }
      }
      return Point(place: (x + 1) / 2, weight: 1 / ((1 - x * x) * slope * slope))
    }
  }
}
