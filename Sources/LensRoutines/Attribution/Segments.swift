// SPDX-License-Identifier: Apache-2.0
import LensEngine
import LensTensors

/// A picture in pieces, each of them hidden or shown as a whole.
struct Segments {
  let height: Int
  let width: Int
  /// How many there are; they are numbered in the order of the caller's labels.
  let count: Int
  /// For each pixel, row by row, the number of its segment.
  let numbers: [Int]

  /// One for each image.
  /// - labels: H×W for all images or N×H×W, whole numbers; pixels with the same number are one segment.
  /// - image: N×C×H×W.
  static func each(_ labels: Tensor, of image: Shape) throws -> [Segments] {
    guard image.rank == 4, image.count > 0 else { throw LensError(.shapeMismatch, "the picture is \(image); it must be N×C×H×W") }
    let plane: Shape = [image.h, image.w]
    let isShared = labels.shape == plane
    guard isShared || labels.shape == [image.n, image.h, image.w] else {
      throw LensError(
        .shapeMismatch, "the segments are \(labels.shape); for a picture of \(image) they must be \(plane) or one such for each image")
    }
    return try withExtendedLifetime(labels) {
      let sets = try (0..<(isShared ? 1 : image.n)).map { n in
        try Segments(UnsafeBufferPointer(start: labels.pointer + n * plane.count, count: plane.count), image.h, image.w)
      }
      return isShared ? [Segments](repeating: sets[0], count: image.n) : sets
    }
  }

  private init(_ labels: UnsafeBufferPointer<Float>, _ height: Int, _ width: Int) throws {
    // Below 2^24 every whole number is a float.
    if let wrong = labels.first(where: { !($0.magnitude < 0x1p24) || $0 != $0.rounded() }) {
      throw LensError(.invalidArgument, "a segment is numbered \(wrong); numbers must be whole and below 16,777,216")
    }
    var places: [Float: Int] = [:]
    for (place, label) in Set(labels).sorted().enumerated() { places[label] = place }
    (self.height, self.width, count) = (height, width, places.count)
    numbers = labels.map { places[$0] ?? 0 }
  }

  /// The smallest rectangle around each.
  var regions: [Region] {
    var edges = [(top: Int, bottom: Int, left: Int, right: Int)](repeating: (.max, 0, .max, 0), count: count)
    for (pixel, k) in numbers.enumerated() {
      let y = pixel / width, x = pixel % width, edge = edges[k]
      edges[k] = (min(edge.top, y), max(edge.bottom, y + 1), min(edge.left, x), max(edge.right, x + 1))
    }
    return edges.map { Region(rows: $0.top..<$0.bottom, columns: $0.left..<$0.right) }
  }

  /// Every pixel the mean of its segment, channel by channel.
  /// - image: 1×C×H×W.
  func means(of image: Tensor) -> Tensor {
    let area = height * width
    var sizes = [Double](repeating: 0, count: count)
    for k in numbers { sizes[k] += 1 }
    var result = image
    result.withMutablePointer { p in
      for channel in 0..<image.shape.c {
        var sums = [Double](repeating: 0, count: count)
        for i in 0..<area { sums[numbers[i]] += Double(p[channel * area + i]) }
        let means = zip(sums, sizes).map { Float($0 / $1) }
        for i in 0..<area { p[channel * area + i] = means[numbers[i]] }
      }
    }
    return result
  }

  /// Writes a picture of which some segments are shown and the others hidden. All are 1×C×H×W.
  func paint(_ image: Tensor, hidden: Tensor, isShown: [Bool], into target: UnsafeMutablePointer<Float>) {
    let area = height * width, channels = image.shape.c
    image.withPointer { image in
      hidden.withPointer { hidden in
        numbers.withUnsafeBufferPointer { numbers in
          isShown.withUnsafeBufferPointer { isShown in
            for channel in 0..<channels {
              let at = channel * area
              for i in 0..<area { target[at + i] = isShown[numbers[i]] ? image[at + i] : hidden[at + i] }
            }
          }
        }
      }
    }
  }

  /// Writes each segment's number to its pixels.
  func spread(_ weights: [Double], into map: UnsafeMutablePointer<Float>) {
    for (pixel, k) in numbers.enumerated() { map[pixel] = Float(weights[k]) }
  }
}
