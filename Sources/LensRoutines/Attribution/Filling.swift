// SPDX-License-Identifier: Apache-2.0
import Glibc
import LensTensors

/// What a hidden part of a picture shows.
public enum Filling: Sendable {
  /// The same number in all channels.
  case value(Float)
  /// The mean of each channel of the picture.
  case mean
  /// The picture out of focus: a Gaussian of 10 pixels, as in Fong & Vedaldi, "Interpretable Explanations of Black
  /// Boxes by Meaningful Perturbation", 2017, section 4.1. arXiv:1704.03296
  case blur
  /// The mean of each channel of each segment, as LIME's authors do it; for methods that have segments.
  case segmentMean
  /// Another picture, 1×C×H×W for all or one for each.
  case picture(Tensor)

  /// The whole picture hidden.
  /// - image: 1×C×H×W, the `n`-th of `count`.
  func picture(_ image: Tensor, _ n: Int, of count: Int, segments: Segments? = nil) throws -> Tensor {
    switch self {
    case .value(let value):
      guard value.isFinite else { throw LensError(.invalidArgument, "the filling is \(value); it must be a finite number") }
      return Tensor(image.shape, repeating: value)
    case .mean:
      let means = image.spatialMean().values, pixels = image.shape.h * image.shape.w
      return Tensor(image.shape, means.flatMap { [Float](repeating: $0, count: pixels) })
    case .blur: return image.blurred(deviation: 10)
    case .segmentMean:
      guard let segments else { throw LensError(.invalidArgument, "the filling is each segment's mean, but there are no segments") }
      return segments.means(of: image)
    case .picture(let pictures):
      guard pictures.shape == image.shape || pictures.shape == image.shape.with(0, count) else {
        throw LensError(.shapeMismatch, "the filling is \(pictures.shape); the picture is \(image.shape.with(0, count))")
      }
      guard pictures.values.allSatisfy(\.isFinite) else {
        throw LensError(.invalidArgument, "the filling has values that are not finite numbers")
      }
      return pictures.shape == image.shape ? pictures : pictures.single(n)
    }
  }
}

extension Tensor {
  /// 1×C×H×W, the `n`-th of a batch.
  func single(_ n: Int) -> Tensor {
    let count = count / shape.n
    return withPointer { source in Tensor(shape.with(0, 1)) { $0.update(from: source + n * count, count: count) } }
  }

  /// N×C×H×W under a Gaussian, cut off at three deviations; at the border the mean is over what there is.
  func blurred(deviation: Double) -> Tensor { blurredAlongRows(deviation).transposed.blurredAlongRows(deviation).transposed }

  private var transposed: Tensor {
    let (h, w) = (shape.h, shape.w), old = values
    var result = old
    for plane in 0..<shape.n * shape.c {
      for y in 0..<h { for x in 0..<w { result[(plane * w + x) * h + y] = old[(plane * h + y) * w + x] } }
    }
    return Tensor([shape.n, shape.c, w, h], result)
  }

  private func blurredAlongRows(_ deviation: Double) -> Tensor {
    let radius = Int((3 * deviation).rounded(.up)), w = shape.w, old = values
    let weights = (0...radius).map { exp(-0.5 * Double($0 * $0) / (deviation * deviation)) }
    var result = old
    for row in stride(from: 0, to: count, by: w) {
      for x in 0..<w {
        var sum = 0.0, total = 0.0
        for tap in max(0, x - radius)...min(w - 1, x + radius) {
          sum += weights[abs(tap - x)] * Double(old[row + tap])
          total += weights[abs(tap - x)]
        }
        result[row + x] = Float(sum / total)
      }
    }
    return Tensor(shape, result)
  }
}
