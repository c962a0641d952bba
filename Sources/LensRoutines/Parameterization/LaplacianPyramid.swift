// SPDX-License-Identifier: Apache-2.0
import LensTensors

/// The sum of pictures at full size, half of it, a quarter ..., each enlarged bilinearly; then colours, then a sigmoid.
/// Coarse structure is then as easy to change as fine. Mordvintsev, Tyka & Olah, "deepdream.ipynb" (TensorFlow), 2016
public struct LaplacianPyramid: Parameterization {
  public var levels: Int
  public var decorrelates: Bool
  /// Of the noise at the start.
  public var deviation: Float

  public init(levels: Int = 4, decorrelates: Bool = true, deviation: Float = 0.01) {
    (self.levels, self.decorrelates, self.deviation) = (levels, decorrelates, deviation)
  }

  public func decoder(for shape: Shape) throws -> any Decoder { try PyramidDecoder(self, shape) }
}

private final class PyramidDecoder: Decoder {
  let parameters: Shape
  private let shape: Shape
  private let deviation: Float
  private let colours: ColourSpace
  /// Of one picture.
  private let enlargements: [Resampling]
  private let planes, level, scratch: Buffer

  init(_ options: LaplacianPyramid, _ shape: Shape) throws {
    guard 1...16 ~= options.levels, options.deviation.isFinite else {
      throw LensError(
        .invalidArgument, "the pyramid has \(options.levels) levels and noise \(options.deviation); 1...16 and finite are allowed")
    }
    (self.shape, deviation) = (shape, options.deviation)
    colours = try ColourSpace(shape, decorrelates: options.decorrelates)
    enlargements = (0..<options.levels).map { level in
      let (h, w) = (max(shape.h >> level, 1), max(shape.w >> level, 1))
      return .resize(Shape(c: shape.c, h: h, w: w), height: shape.h, width: shape.w)
    }
    parameters = [shape.n, enlargements.reduce(0) { $0 + $1.input.count }]
    (planes, level) = (try Buffer(shape.count), try Buffer(shape.c * shape.h * shape.w))
    scratch = try Buffer(enlargements.map(\.scratchCount).max() ?? 0)
  }

  func start(seed: UInt64) -> Tensor { noise(deviation, seed: seed) }

  func decode(_ parameters: UnsafePointer<Float>, to picture: UnsafeMutablePointer<Float>) {
    let count = shape.c * shape.h * shape.w
    for n in 0..<shape.n {
      let x = picture + n * count
      var p = parameters + n * self.parameters[1]
      for (index, enlargement) in enlargements.enumerated() {
        enlargement.apply(p, to: index == 0 ? x : level.base, scratch: scratch.base)
        if index > 0 { for i in 0..<count { x[i] += level.base[i] } }
        p += enlargement.input.count
      }
    }
    colours.decode(picture)
  }

  func adjoint(_ gradient: UnsafePointer<Float>, at picture: UnsafePointer<Float>, to result: UnsafeMutablePointer<Float>) {
    let count = shape.c * shape.h * shape.w
    colours.adjoint(gradient, at: picture, to: planes.base)
    for n in 0..<shape.n {
      var p = result + n * parameters[1]
      for enlargement in enlargements {
        enlargement.adjoint(planes.base + n * count, to: p, scratch: scratch.base)
        p += enlargement.input.count
      }
    }
  }
}
