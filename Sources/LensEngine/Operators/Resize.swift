// SPDX-License-Identifier: Apache-2.0
import LensKernels
import LensTensors

/// Every axis sampled at other places, one axis after the other; the definitions are those of ONNX opset 19.
public struct Resize: Operator {
  public enum Rounding: Sendable, Equatable {
    case preferFloor, preferCeil, floor, ceil
  }
  public enum Mode: Sendable, Equatable {
    case nearest(Rounding)
    case linear
    /// Keys, "Cubic convolution interpolation for digital image processing", 1981; a is -0.75 or -0.5.
    /// - excludesOutside: places outside the input get no weight; otherwise the edge is repeated there.
    case cubic(a: Double, excludesOutside: Bool)
  }
  /// Which place of the input an output index means.
  public enum Coordinates: Sendable, Equatable {
    case halfPixel, asymmetric, alignCorners, pytorchHalfPixel, halfPixelSymmetric
    /// - roi: starts of all axes, then ends, in units of the axis' length.
    case tfCropAndResize(roi: [Double])
  }
  public let kind = "Resize"
  public let output: [Int]
  public let scales: [Double]
  public let mode: Mode
  public let coordinates: Coordinates
  public let antialias: Bool
  public let extrapolation: Double
  public let excludesOutside: Bool

  /// - output: the lengths of all axes.
  /// - scales: output per input, for all axes. Need not be the quotient of the lengths, which are whole.
  /// - antialias: linear and cubic kernels are widened when shrinking.
  /// - extrapolation: what `tfCropAndResize` shows outside the input.
  public init(
    output: [Int], scales: [Double], mode: Mode, coordinates: Coordinates = .halfPixel, antialias: Bool = false,
    extrapolation: Double = 0, excludesOutside: Bool = false
  ) {
    self.output = output
    self.scales = scales
    self.mode = mode
    self.coordinates = coordinates
    self.antialias = antialias
    self.extrapolation = extrapolation
    if case .cubic(_, true) = mode { self.excludesOutside = true } else { self.excludesOutside = excludesOutside }
  }

  public var window: Window? {
    scales.count == 4 ? Window(vertical: .enlarged(factor: scales[2]), horizontal: .enlarged(factor: scales[3])) : nil
  }

  public func layouts(for shapes: [Shape], given: [Layout]) -> Layouts {
    let staysPut =
      shapes[0].rank == 4 && output.count == 4 && scales.count == 4 && !isResized(0, of: shapes[0]) && !isResized(1, of: shapes[0])
    let layout: Layout = staysPut ? given[0] : .plain
    return Layouts(inputs: [layout], output: layout)
  }

  public func stage(for shapes: [Shape], in layouts: Layouts) throws -> Stage {
    let shape = shapes[0]
    guard output.count == shape.rank, scales.count == shape.rank, scales.allSatisfy({ $0 > 0 && $0.isFinite }) else {
      throw LensError(.shapeMismatch, "output \(output) and scales \(scales) for a value of shape \(shape)")
    }
    for axis in 0..<shape.rank where abs(Double(output[axis]) - scales[axis] * Double(shape[axis])) > 1.001 {
      throw LensError(.shapeMismatch, "scale \(scales[axis]) of axis \(axis) does not lead from \(shape) to \(Shape(output))")
    }
    if case .tfCropAndResize(let roi) = coordinates, roi.count != 2 * shape.rank || !roi.allSatisfy(\.isFinite) {
      throw LensError(.shapeMismatch, "the region \(roi) of a value of shape \(shape)")
    }
    let result = try Shape(checking: output)
    guard shape.count > 0, result.count > 0 else { throw LensError(.shapeMismatch, "\(shape) cannot be resized to \(result)") }

    // Axes that shrink most come first: the later ones have less to do.
    let axes = (0..<shape.rank).filter { isResized($0, of: shape) }
      .sorted { output[$0] * shape[$1] < output[$1] * shape[$0] }
    if axes.isEmpty { return .view(result) }
    var extents = layouts.output.extents(of: shape), steps: [Step] = [], largest = 0
    for axis in axes {
      let filter = AxisFilter(sourceLength: shape[axis], taps: try taps(axis, shape[axis]), fill: Float(extrapolation))
      let outer = extents[..<axis].reduce(1, *), inner = extents[(axis + 1)...].reduce(1, *)
      extents[axis] = output[axis]
      steps.append(Step(filter: filter, outer: outer, inner: inner))
      if axis != axes.last { largest = max(largest, extents.reduce(1, *)) }
    }
    let half = largest, last = steps.count - 1, way = steps
    return Stage(output: result, scratchCount: last > 1 ? 2 * half : half, overwrites: true) { pass in
      for (i, step) in way.enumerated() {
        let source = i == 0 ? pass.input(0) : UnsafePointer(pass.scratch + (i - 1) % 2 * half)
        let target = i == last ? pass.output : pass.scratch + i % 2 * half
        step.filter.forward(step.outer, step.inner, from: source, to: target)
      }
    } backward: { pass in
      guard let gradient = pass.inputGradient(0) else { return }
      for (i, step) in way.enumerated().reversed() {
        let source = i == last ? pass.outputGradient : UnsafePointer(pass.scratch + i % 2 * half)
        let target = i == 0 ? gradient : pass.scratch + (i - 1) % 2 * half
        step.filter.backward(step.outer, step.inner, from: source, to: target, adds: i == 0 && pass.accumulates(0))
      }
    }
  }

  private struct Step {
    let filter: AxisFilter
    let outer: Int
    let inner: Int
  }

  private func isResized(_ axis: Int, of shape: Shape) -> Bool {
    if case .tfCropAndResize(let roi) = coordinates, roi.count == 2 * shape.rank, roi[axis] != 0 || roi[shape.rank + axis] != 1 {
      return true
    }
    return output[axis] != shape[axis] || abs(scales[axis] - 1) > 1e-9
  }
}
