// SPDX-License-Identifier: Apache-2.0
import Glibc
import LensTensors

extension Resize {
  /// For every output index of an axis: the input indices it is made of, and their weights.
  func taps(_ axis: Int, _ length: Int) throws -> [[(index: Int, weight: Double)]] {
    try (0..<output[axis]).map { j in
      let x = place(of: j, axis, length)
      guard abs(x) < Double(Shape.maximumCount) else {
        throw LensError(.invalidArgument, "scale \(scales[axis]) of axis \(axis) looks at index \(x) of \(length)")
      }
      if case .tfCropAndResize = coordinates, x < 0 || x > Double(length - 1) { return [] }
      if case .nearest(let rounding) = mode { return [(min(max(rounding.index(x), 0), length - 1), 1)] }
      return kernel(around: x, shrunkBy: antialias ? min(scales[axis], 1) : 1, length)
    }
  }

  /// Where output index j lies on the input's axis.
  private func place(of j: Int, _ axis: Int, _ length: Int) -> Double {
    let j = Double(j), scale = scales[axis], inputLength = Double(length), outputLength = scale * inputLength
    switch coordinates {
    case .halfPixel: return (j + 0.5) / scale - 0.5
    case .pytorchHalfPixel: return outputLength == 1 ? -0.5 : (j + 0.5) / scale - 0.5
    case .asymmetric: return j / scale
    case .alignCorners: return outputLength == 1 ? 0 : j * (inputLength - 1) / (outputLength - 1)
    case .halfPixelSymmetric:
      let center = inputLength / 2 * (1 - Double(output[axis]) / outputLength)
      return center + (j + 0.5) / scale - 0.5
    case .tfCropAndResize(let roi):
      let start = roi[axis], end = roi[scales.count + axis]
      let moved = outputLength == 1 ? (end - start) * (inputLength - 1) / 2 : j * (end - start) * (inputLength - 1) / (outputLength - 1)
      return moved + start * (inputLength - 1)
    }
  }

  /// The linear or cubic kernel at x, widened by 1 / scale. Weights beyond the edge go to the edge.
  private func kernel(around x: Double, shrunkBy scale: Double, _ length: Int) -> [(index: Int, weight: Double)] {
    let reach = kernelRadius / scale
    var taps: [(index: Int, weight: Double)] = []
    for position in Int(ceil(x - reach))...Int(floor(x + reach)) {
      let weight = kernelValue(abs(Double(position) - x) * scale)
      if weight == 0 || (excludesOutside && !(0..<length ~= position)) { continue }
      let index = min(max(position, 0), length - 1)
      if taps.last?.index == index { taps[taps.count - 1].weight += weight } else { taps.append((index, weight)) }
    }
    let sum = taps.reduce(0) { $0 + $1.weight }
    return sum == 0 ? taps : taps.map { ($0.index, $0.weight / sum) }
  }

  private var kernelRadius: Double { if case .cubic = mode { 2 } else { 1 } }

  private func kernelValue(_ x: Double) -> Double {
    guard case .cubic(let a, _) = mode else { return max(0, 1 - x) }
    if x <= 1 { return ((a + 2) * x - (a + 3)) * x * x + 1 }
    return x < 2 ? ((a * x - 5 * a) * x + 8 * a) * x - 4 * a : 0
  }
}

extension Resize.Rounding {
  /// Rounded as a Float first: places meant to be whole numbers or halves have passed through divisions.
  fileprivate func index(_ place: Double) -> Int {
    let x = Double(Float(place)), below = x.rounded(.down)
    switch self {
    case .floor: return Int(below)
    case .ceil: return Int(x.rounded(.up))
    case .preferFloor: return Int(x - below <= 0.5 ? below : below + 1)
    case .preferCeil: return Int(x - below < 0.5 ? below : below + 1)
    }
  }
}
