// SPDX-License-Identifier: Apache-2.0
import LensEngine
import LensTensors

extension ONNXOperators {
  static let resizings: [String: ONNXLowering] = [
    "Resize": unary { try $0.resize() },
    "Upsample": unary { call in
      let scales = try call.opset < 9 ? (call.node.attributes.floats("scales") ?? []) : call.tensor(1, "scales").values
      return try call.early(scales)
    },
  ]
}

extension ONNXCall {
  /// Upsample, and Resize as it was in opset 10: no choice of coordinates.
  fileprivate func early(_ scales: [Float]) throws -> Resize {
    let shape = try shape(0)
    let mode = try string("mode", "nearest")
    guard let interpolation: Resize.Mode = ["nearest": .nearest(.floor), "linear": .linear, "bilinear": .linear][mode] else {
      throw LensError(.malformedModel, "mode is '\(mode)'; it must be nearest or linear")
    }
    let target = try enlarged(shape, scales.map { Double($0) })
    return Resize(output: target.output, scales: target.scales, mode: interpolation, coordinates: .asymmetric)
  }

  /// Sizes from scales, one for each axis.
  private func enlarged(_ shape: Shape, _ scales: [Double]) throws -> (output: [Int], scales: [Double]) {
    guard scales.count == shape.rank, scales.allSatisfy({ $0 > 0 && $0 < Double(Limits.attribute) }) else {
      throw LensError(.malformedModel, "scales are \(scales) for a value of shape \(shape)")
    }
    let output = zip(shape.dimensions, scales).map { Int((Double($0) * $1).rounded(.down)) }
    try checkListable(zip(output, shape.dimensions).filter { $0 != $1 }.map { max($0, $1) }, limit: Limits.resizedDimension)
    return (output, scales)
  }

  fileprivate func resize() throws -> Resize {
    guard opset >= 11 else { return try early(try tensor(1, "scales").values) }
    let shape = try shape(0), rank = shape.rank
    let axes = try opset < 18 ? nil : ints("axes")
    let resolved = try axes.map { try $0.map { try ONNXCall.resolved($0, rank: rank) } } ?? Array(0..<rank)
    guard Set(resolved).count == resolved.count else { throw LensError(.malformedModel, "axes \(resolved) name one twice") }

    var output = shape.dimensions, scales = [Double](repeating: 1, count: rank)
    let sizes = try optionalIntegers(3, "sizes") ?? []
    if sizes.isEmpty {
      let given = try tensor(2, "scales").values
      guard given.count == resolved.count else { throw LensError(.malformedModel, "scales are \(given) for a value of shape \(shape)") }
      for (scale, axis) in zip(given, resolved) { scales[axis] = Double(scale) }
      (output, scales) = try enlarged(shape, scales)
    } else {
      guard sizes.count == resolved.count, sizes.allSatisfy((1...Limits.listedIndices).contains), shape.count > 0 else {
        throw LensError(.malformedModel, "sizes are \(sizes) for a value of shape \(shape)")
      }
      for (size, axis) in zip(axes == nil ? try adaptedToBatch(sizes) : sizes, resolved) {
        (output[axis], scales[axis]) = (size, Double(size) / Double(shape[axis]))
      }
      try keepAspectRatio(&output, &scales, shape, resolved)
    }
    try checkListable(zip(output, shape.dimensions).filter { $0 != $1 }.map { max($0, $1) }, limit: Limits.resizedDimension)
    var roi = [Double](repeating: 0, count: rank) + [Double](repeating: 1, count: rank)
    let coordinates = try coordinates {
      let given = try tensor(1, "roi").values
      guard given.count == 2 * resolved.count, given.allSatisfy(\.isFinite) else {
        throw LensError(.malformedModel, "roi is \(given) for a value of shape \(shape)")
      }
      for (index, axis) in resolved.enumerated() {
        (roi[axis], roi[rank + axis]) = (Double(given[index]), Double(given[resolved.count + index]))
      }
      return roi
    }
    return Resize(
      output: try Shape(checking: output).dimensions, scales: scales, mode: try interpolation(), coordinates: coordinates,
      antialias: try flag("antialias"), extrapolation: Double(try float("extrapolation_value", 0)),
      excludesOutside: try flag("exclude_outside"))
  }

  /// Opset 18: the sizes are a box that the picture fits into, or covers.
  private func keepAspectRatio(_ output: inout [Int], _ scales: inout [Double], _ shape: Shape, _ axes: [Int]) throws {
    let policy = try string("keep_aspect_ratio_policy", "stretch")
    guard policy != "stretch" else { return }
    guard ["not_larger", "not_smaller"].contains(policy), let first = axes.first else {
      throw LensError(.malformedModel, "keep_aspect_ratio_policy is '\(policy)'")
    }
    let scale = axes.dropFirst().reduce(scales[first]) { policy == "not_larger" ? min($0, scales[$1]) : max($0, scales[$1]) }
    for axis in axes {
      scales[axis] = scale
      output[axis] = Int((scale * Double(shape[axis])).rounded(.toNearestOrAwayFromZero))
    }
  }

  private func interpolation() throws -> Resize.Mode {
    switch try string("mode", "nearest") {
    case "nearest":
      let rounding = try string("nearest_mode", "round_prefer_floor")
      let roundings: [String: Resize.Rounding] = [
        "round_prefer_floor": .preferFloor, "round_prefer_ceil": .preferCeil, "floor": .floor, "ceil": .ceil,
      ]
      guard let chosen = roundings[rounding] else { throw LensError(.malformedModel, "nearest_mode is '\(rounding)'") }
      return .nearest(chosen)
    case "linear": return .linear
    case "cubic": return .cubic(a: Double(try float("cubic_coeff_a", -0.75)), excludesOutside: try flag("exclude_outside"))
    case let mode: throw LensError(.malformedModel, "mode is '\(mode)'; it must be nearest, linear or cubic")
    }
  }

  private func coordinates(_ roi: () throws -> [Double]) throws -> Resize.Coordinates {
    switch try string("coordinate_transformation_mode", "half_pixel") {
    case "half_pixel": .halfPixel
    case "half_pixel_symmetric": .halfPixelSymmetric
    case "pytorch_half_pixel": .pytorchHalfPixel
    case "align_corners": .alignCorners
    case "asymmetric": .asymmetric
    case "tf_crop_and_resize": .tfCropAndResize(roi: try roi())
    case let mode: throw LensError(.unsupportedOperator, "coordinate_transformation_mode '\(mode)' is not among those cnnlens runs")
    }
  }
}
