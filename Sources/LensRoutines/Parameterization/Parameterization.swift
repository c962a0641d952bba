// SPDX-License-Identifier: Apache-2.0
import LensKernels
import LensTensors

/// What is optimised instead of pixels: numbers from which a picture is made. Steepest is another direction there.
/// Olah, Mordvintsev & Schubert, "Feature Visualization", 2017, "Preconditioning and Parameterization".
public protocol Parameterization: Sendable {
  /// - shape: of the pictures, N×C×H×W.
  func decoder(for shape: Shape) throws -> any Decoder
}

/// Makes pictures of one shape from parameters, with memory of its own.
public protocol Decoder: AnyObject {
  /// N×P: a row for each picture.
  var parameters: Shape { get }
  /// Where to begin. Picture n draws from a stream of its own.
  func start(seed: UInt64) -> Tensor
  func decode(_ parameters: UnsafePointer<Float>, to picture: UnsafeMutablePointer<Float>)
  /// Writes the derivative with respect to the parameters that were decoded last.
  /// - picture: what they gave.
  /// - gradient: with respect to the picture.
  func adjoint(_ gradient: UnsafePointer<Float>, at picture: UnsafePointer<Float>, to result: UnsafeMutablePointer<Float>)
}

extension Decoder {
  /// Normal noise for N rows.
  func noise(_ deviation: Float, seed: UInt64) -> Tensor {
    var result = Tensor(parameters)
    let (n, count) = (parameters[0], parameters[1])
    result.withMutablePointer { p in
      for image in 0..<n {
        var random = Random(seed: seed, stream: image)
        for i in 0..<count { p[image * count + i] = deviation * random.normal() }
      }
    }
    return result
  }

  /// The picture at the start.
  public func picture(_ parameters: Tensor, shape: Shape) throws -> Tensor {
    var result = try Tensor(allocating: shape)
    parameters.withPointer { p in result.withMutablePointer { decode(p, to: $0) } }
    return result
  }
}

/// Unbounded planes become colours in 0...1: mixed so that what varies together in photographs is one number, then
/// through a sigmoid. The matrix is the square root of the covariance of ImageNet's colours, as Lucid has it.
struct ColourSpace {
  let shape: Shape
  /// Rows: red, green, blue; nil for planes that stay as they are.
  private let matrix: [Float]?

  /// - Throws: where colours are to be mixed and there are not three.
  init(_ shape: Shape, decorrelates: Bool) throws {
    guard !decorrelates || shape.c == 3 else {
      throw LensError(.invalidArgument, "colours are decorrelated but the pictures have \(shape.c) channels, not 3; switch it off")
    }
    self.shape = shape
    matrix = decorrelates ? ColourSpace.root.map { $0 / ColourSpace.largestColumn } : nil
  }

  static let root: [Float] = [0.26, 0.09, 0.02, 0.27, 0.00, -0.05, 0.27, -0.09, 0.03]
  /// The length of the longest column.
  static let largestColumn: Float = 0.461_952_38

  /// In place.
  func decode(_ x: UnsafeMutablePointer<Float>) {
    let area = shape.h * shape.w
    if let m = matrix {
      for n in 0..<shape.n {
        let (a, b, c) = (x + 3 * n * area, x + (3 * n + 1) * area, x + (3 * n + 2) * area)
        for i in 0..<area {
          let (p, q, r) = (a[i], b[i], c[i])
          a[i] = m[0] * p + m[1] * q + m[2] * r
          b[i] = m[3] * p + m[4] * q + m[5] * r
          c[i] = m[6] * p + m[7] * q + m[8] * r
        }
      }
    }
    Elementwise.curve(.sigmoid, x, to: x, shape.count)
  }

  /// - result: memory of the shape of a picture.
  func adjoint(_ gradient: UnsafePointer<Float>, at picture: UnsafePointer<Float>, to result: UnsafeMutablePointer<Float>) {
    for i in 0..<shape.count { result[i] = gradient[i] * picture[i] * (1 - picture[i]) }
    guard let m = matrix else { return }
    let area = shape.h * shape.w
    for n in 0..<shape.n {
      let (a, b, c) = (result + 3 * n * area, result + (3 * n + 1) * area, result + (3 * n + 2) * area)
      for i in 0..<area {
        let (p, q, r) = (a[i], b[i], c[i])
        a[i] = m[0] * p + m[3] * q + m[6] * r
        b[i] = m[1] * p + m[4] * q + m[7] * r
        c[i] = m[2] * p + m[5] * q + m[8] * r
      }
    }
  }
}

/// Memory of a decoder.
final class Buffer {
  let storage: FloatStorage
  var base: UnsafeMutablePointer<Float> { storage.base }
  init(_ count: Int) throws { storage = try FloatStorage(count: count) }
}
