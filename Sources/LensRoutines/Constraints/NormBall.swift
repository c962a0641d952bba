// SPDX-License-Identifier: Apache-2.0
import LensTensors

/// How the size of a perturbation is measured: by its largest value, its length, or the sum of its absolute values.
public enum Norm: Sendable, CaseIterable { case maximum, euclidean, absolute }

/// Each image is no further than `radius` from the image of the same place in `center`.
///
/// The distance holds exactly, in double precision, whatever the floats of the result round to.
public struct NormBall: Constraint {
  public let norm: Norm
  public let radius: Double
  public let center: Tensor

  /// - radius: in the units of the images; not negative, may be infinite.
  public init(_ norm: Norm, radius: Double, around center: Tensor) {
    precondition(radius >= 0)
    (self.norm, self.radius, self.center) = (norm, radius, center)
  }

  public func project(_ image: inout Tensor) {
    precondition(image.shape == center.shape, "\(image.shape) against \(center.shape)")
    let images = image.shape.n, count = image.count / max(images, 1)
    center.withPointer { c in
      image.withMutablePointer { x in for n in 0..<images { project(x + n * count, c + n * count, count) } }
    }
  }

  private func project(_ x: UnsafeMutablePointer<Float>, _ c: UnsafePointer<Float>, _ count: Int) {
    switch norm {
    case .maximum:
      for i in 0..<count where abs(Double(x[i]) - Double(c[i])) > radius {
        x[i] = Float(Double(c[i]) + (x[i] > c[i] ? radius : -radius)).within(radius, of: c[i])
      }
    case .euclidean:
      var length = norm.length(x, from: c, count)
      // Rounding to floats may leave the ball again by its last bits.
      while length > radius {
        let factor = length > radius * (1 + 1e-5) ? radius / length : 1 - 1e-7
        for i in 0..<count { x[i] = toward(c[i], Double(c[i]) + factor * (Double(x[i]) - Double(c[i]))) }
        length = norm.length(x, from: c, count)
      }
    case .absolute:
      guard norm.length(x, from: c, count) > radius else { return }
      let threshold = simplexThreshold(x, c, count)
      for i in 0..<count {
        let change = Double(x[i]) - Double(c[i]), size = max(abs(change) - threshold, 0)
        x[i] = toward(c[i], Double(c[i]) + (change > 0 ? size : -size))
      }
      var length = norm.length(x, from: c, count)
      while length > radius {
        let factor = radius == 0 ? 0 : min(radius / length, 1 - 1e-7)
        for i in 0..<count { x[i] = toward(c[i], Double(c[i]) + factor * (Double(x[i]) - Double(c[i]))) }
        length = norm.length(x, from: c, count)
      }
    }
  }

  /// By how much every absolute change shrinks, so that what is left of them adds up to the radius: Newton's steps from 0, which
  /// fall short of it until they meet it. Michelot, "A Finite Algorithm for Finding the Projection of a Point onto the
  /// Canonical Simplex of R^n", 1986.
  private func simplexThreshold(_ x: UnsafePointer<Float>, _ c: UnsafePointer<Float>, _ count: Int) -> Double {
    var threshold = 0.0
    while true {
      var sum = 0.0, larger = 0
      for i in 0..<count {
        let size = abs(Double(x[i]) - Double(c[i]))
        if size > threshold { (sum, larger) = (sum + size, larger + 1) }
      }
      let next = larger > 0 ? (sum - radius) / Double(larger) : threshold
      guard next > threshold else { return threshold }
      threshold = next
    }
  }
}

/// The float nearest to `value` on the side of `center`.
private func toward(_ center: Float, _ value: Double) -> Float {
  let float = Float(value)
  if Double(float) > value && float > center { return float.nextDown }
  if Double(float) < value && float < center { return float.nextUp }
  return float
}

extension Norm {
  /// Of one image.
  func length(_ x: UnsafePointer<Float>, from center: UnsafePointer<Float>? = nil, _ count: Int) -> Double {
    func value(_ i: Int) -> Double { center.map { Double(x[i]) - Double($0[i]) } ?? Double(x[i]) }
    var result = 0.0
    switch self {
    case .maximum: for i in 0..<count { result = max(result, abs(value(i))) }
    case .euclidean:
      for i in 0..<count { result += value(i) * value(i) }
      result = result.squareRoot()
    case .absolute: for i in 0..<count { result += abs(value(i)) }
    }
    return result
  }
}

extension Float {
  /// The nearest float that is no further than `distance` from `center`, rounding included.
  func within(_ distance: Double, of center: Float) -> Float {
    var value = self
    while abs(Double(value) - Double(center)) > distance { value = value > center ? value.nextDown : value.nextUp }
    return value
  }
}
