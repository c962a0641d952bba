// SPDX-License-Identifier: Apache-2.0
import Glibc
import LensKernels
import LensTensors

/// A picture turned and scaled about its middle, interpolated bilinearly; beyond its edges it goes on as at them.
struct Warp: ImageMap {
  let output: Shape
  /// Of the place in the picture that a place of the result shows, both measured from the middle: y = a y' + b x'.
  private let matrix: (yy: Float, yx: Float, xy: Float, xx: Float)

  /// - scale: of the result; 2 shows everything twice as large.
  /// - angle: in degrees.
  init(_ shape: Shape, scale: Double, angle: Double) {
    output = shape
    let (s, c) = (sin(angle * .pi / 180) / scale, cos(angle * .pi / 180) / scale)
    matrix = (Float(c), Float(s), Float(-s), Float(c))
  }

  /// The pixel above and to the left of what a pixel of the result shows, the distance to the next one down and to the
  /// right, and the weights of those.
  @inline(__always)
  private func taps(_ y: Int, _ x: Int, _ h: Int, _ w: Int) -> (index: Int, down: Int, right: Int, v: Float, u: Float) {
    let (middle, center) = (Float(h - 1) / 2, Float(w - 1) / 2), dy = Float(y) - middle, dx = Float(x) - center
    let row = min(max(middle + matrix.yy * dy + matrix.yx * dx, 0), Float(h - 1))
    let column = min(max(center + matrix.xy * dy + matrix.xx * dx, 0), Float(w - 1))
    let (i, j) = (min(Int(row), max(h - 2, 0)), min(Int(column), max(w - 2, 0)))
    return (i * w + j, h > 1 ? w : 0, w > 1 ? 1 : 0, row - Float(i), column - Float(j))
  }

  func apply(_ x: UnsafePointer<Float>, to y: UnsafeMutablePointer<Float>, scratch: UnsafeMutablePointer<Float>) {
    let (h, w, planes) = (output.h, output.w, output.n * output.c)
    parallel(h, grain: max(1, 4096 / max(w, 1))) { rows in
      for row in rows {
        for column in 0..<w {
          let tap = taps(row, column, h, w)
          for plane in 0..<planes {
            let p = x + (plane &* h &* w &+ tap.index)
            let top = p[0] + tap.u * (p[tap.right] - p[0]), below = p[tap.down] + tap.u * (p[tap.down &+ tap.right] - p[tap.down])
            y[(plane &* h &+ row) &* w &+ column] = top + tap.v * (below - top)
          }
        }
      }
    }
  }

  func adjoint(_ gradient: UnsafePointer<Float>, to result: UnsafeMutablePointer<Float>, scratch: UnsafeMutablePointer<Float>) {
    let (h, w) = (output.h, output.w)
    parallel(output.n * output.c) { planes in
      for plane in planes { (result + plane * h * w).update(repeating: 0, count: h * w) }
      for row in 0..<h {
        for column in 0..<w {
          let tap = taps(row, column, h, w)
          for plane in planes {
            let g = gradient[(plane &* h &+ row) &* w &+ column], p = result + (plane &* h &* w &+ tap.index)
            p[0] += (1 - tap.v) * (1 - tap.u) * g
            p[tap.right] += (1 - tap.v) * tap.u * g
            p[tap.down] += tap.v * (1 - tap.u) * g
            p[tap.down &+ tap.right] += tap.v * tap.u * g
          }
        }
      }
    }
  }
}

/// Scaled about the middle; the picture keeps its size.
public struct RandomScale: ImageTransform {
  public let factors: ClosedRange<Double>
  public init(_ factors: ClosedRange<Double>) { self.factors = factors }

  public func sample(for shape: Shape, using random: inout Random) throws -> any ImageMap {
    guard factors.lowerBound >= 0.01, factors.upperBound <= 100 else {
      throw LensError(.invalidArgument, "the scale is \(factors.lowerBound)...\(factors.upperBound); it must be in 0.01...100")
    }
    return Warp(shape, scale: random.number(in: factors), angle: 0)
  }
}

/// Turned about the middle by an angle in degrees; the picture keeps its size.
public struct RandomRotation: ImageTransform {
  public let degrees: ClosedRange<Double>
  public init(_ degrees: ClosedRange<Double>) { self.degrees = degrees }

  public func sample(for shape: Shape, using random: inout Random) throws -> any ImageMap {
    guard degrees.lowerBound.isFinite, degrees.upperBound.isFinite else {
      throw LensError(.invalidArgument, "the angle is \(degrees.lowerBound)...\(degrees.upperBound) degrees; it must be finite")
    }
    return Warp(shape, scale: 1, angle: random.number(in: degrees))
  }
}
