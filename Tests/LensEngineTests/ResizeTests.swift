// SPDX-License-Identifier: Apache-2.0
import LensEngine
import LensTensors
import LensTestSupport
import Testing

/// One line of `resizeCases`.
struct ResizeCase {
  let coordinates: Resize.Coordinates
  let mode: Resize.Mode
  let antialias: Bool
  let excludesOutside: Bool
  let scale: Double
  let expected: [Double]

  init(_ line: Substring) {
    let halves = line.split(separator: ":"), words = halves[0].split(separator: " ")
    expected = halves[1].split(separator: " ").map { Double($0)! }
    excludesOutside = words[4] == "1"
    (antialias, scale) = (words[3] == "1", Double(words[5])!)
    let coordinates: [Substring: Resize.Coordinates] = [
      "half_pixel": .halfPixel, "asymmetric": .asymmetric, "align_corners": .alignCorners, "pytorch_half_pixel": .pytorchHalfPixel,
      "half_pixel_symmetric": .halfPixelSymmetric, "tf_crop_and_resize": .tfCropAndResize(roi: [0, 0, 0, 0.2, 1, 1, 1, 0.9]),
    ]
    self.coordinates = coordinates[words[0]]!
    let modes: [Substring: Resize.Mode] = [
      "nearest_round_prefer_floor": .nearest(.preferFloor), "nearest_round_prefer_ceil": .nearest(.preferCeil),
      "nearest_floor": .nearest(.floor), "nearest_ceil": .nearest(.ceil), "linear": .linear,
      "cubic": .cubic(a: Double(words[2])!, excludesOutside: excludesOutside),
    ]
    mode = modes[words[1]]!
  }
}

@Suite struct ResizeTests {
  @Test func everyModeAgreesWithTheReferenceOfONNX() throws {
    let x = Tensor([1, 1, 1, 6], [1, 4, 2, 8, 5, 7])
    for line in resizeCases.split(separator: "\n") {
      let it = ResizeCase(line)
      let op = Resize(
        output: [1, 1, 1, it.expected.count], scales: [1, 1, 1, it.scale], mode: it.mode, coordinates: it.coordinates,
        antialias: it.antialias, extrapolation: -3, excludesOutside: it.excludesOutside)
      try expectEqual(op(x), it.expected, tolerance: 2e-5, String(line))
    }
  }

  @Test(arguments: [Resize.Mode.nearest(.preferFloor), .linear, .cubic(a: -0.75, excludesOutside: true)])
  func gradientsAreTheTranspose(_ mode: Resize.Mode) throws {
    for (h, w) in [(8, 10), (2, 3), (4, 2), (3, 9), (4, 5), (7, 5)] {
      let op = Resize(output: [2, 19, h, w], scales: [1, 1, Double(h) / 4, Double(w) / 5], mode: mode, antialias: mode == .linear)
      try checkOperator(op, shapes: [[2, 19, 4, 5]], linear: true, isBatched: false)
    }
    // All axes of a value that has no pictures.
    try checkOperator(Resize(output: [4, 3, 5], scales: [2, 0.5, 1.25], mode: mode), shapes: [[2, 6, 4]], linear: true)
    let crop = Resize(
      output: [1, 2, 6, 3], scales: [1, 1, 1.5, 0.6], mode: mode, coordinates: .tfCropAndResize(roi: [0, 0, -0.2, 0.3, 1, 1, 0.8, 1.4]),
      extrapolation: 5)
    try checkOperator(crop, shapes: [[1, 2, 4, 5]], linear: true)
  }

  @Test func axesAreResizedOneAfterTheOther() throws {
    var random = Random(seed: 3)
    let x = Tensor.normal([1, 2, 5, 6], using: &random)
    let both = Resize(output: [1, 2, 8, 3], scales: [1, 1, 1.6, 0.5], mode: .linear)
    let rows = Resize(output: [1, 2, 8, 6], scales: [1, 1, 1.6, 1], mode: .linear)
    let columns = Resize(output: [1, 2, 8, 3], scales: [1, 1, 1, 0.5], mode: .linear)
    try expectEqual(both(x), columns(rows(x)).values.map(Double.init))
  }

  @Test func impossibleSizesThrow() {
    for (output, scales) in [
      ([1, 1, 0, 4], [1, 1, 1, 1.0]), ([1, 1, 4], [1, 1, 1]), ([1, 1, 8, 4], [1, 1, 1e-9, 1]), ([1, 1, 4, 4], [1, 1, .nan, 1]),
    ] {
      #expect(throws: LensError.self) { try Resize(output: output, scales: scales, mode: .linear)(Tensor([1, 1, 4, 4])) }
    }
  }
}
