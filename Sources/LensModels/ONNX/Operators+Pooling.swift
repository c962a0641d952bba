// SPDX-License-Identifier: Apache-2.0
import LensEngine
import LensTensors

extension ONNXOperators {
  static let poolings: [String: ONNXLowering] = [
    "MaxPool": unary { MaxPool(try $0.poolWindow()) },
    "AveragePool": unary { AveragePool(try $0.poolWindow(), countsPadding: try $0.flag("count_include_pad")) },
    "LpPool": unary { LpPool(try $0.poolWindow(), p: try $0.int("p", 2, in: 1...16)) },
    "GlobalMaxPool": unary { _ in GlobalPool(.maximum) },
    "GlobalAveragePool": unary { _ in GlobalPool(.average) },
    "GlobalLpPool": unary { GlobalPool(.lp(try $0.int("p", 2, in: 1...16))) },
  ]
}

extension ONNXCall {
  fileprivate func poolWindow() throws -> PoolWindow {
    guard layers.dropFirst().allSatisfy({ $0 == nil }) else {
      throw LensError(.unsupportedOperator, "the places of its maxima are used; cnnlens gives the maxima only")
    }
    let shape = try shape(0), axes = shape.rank - 2
    guard (1...3).contains(axes) else { throw LensError(.shapeMismatch, "pooling over a value of shape \(shape)") }
    guard try ints("kernel_shape") != nil else { throw LensError(.malformedModel, "attribute 'kernel_shape' is missing") }
    let positive = 1...Limits.attribute
    let kernel = try ints("kernel_shape", count: axes, 1, in: positive)
    let strides = try ints("strides", count: axes, 1, in: positive), dilations = try ints("dilations", count: axes, 1, in: positive)
    let padding = try padding(over: Array(shape.dimensions.dropFirst(2)), kernel: kernel, strides: strides, dilations: dilations)
    return PoolWindow(kernel: kernel, strides: strides, dilations: dilations, padding: padding, roundsUp: try flag("ceil_mode"))
  }

  /// Padding before each axis, then after each, as given or as `auto_pad` asks for.
  func padding(over lengths: [Int], kernel: [Int], strides: [Int], dilations: [Int]) throws -> [Int] {
    let mode = try string("auto_pad", "NOTSET")
    switch mode {
    case "NOTSET", "": return try ints("pads", count: 2 * lengths.count, 0, in: 0...Limits.attribute)
    case "VALID": return [Int](repeating: 0, count: 2 * lengths.count)
    case "SAME_UPPER", "SAME_LOWER":
      let totals = lengths.indices.map { axis in
        let outputs = (lengths[axis] + strides[axis] - 1) / strides[axis]
        return max(0, (outputs - 1) * strides[axis] + (kernel[axis] - 1) * dilations[axis] + 1 - lengths[axis])
      }
      let smaller = totals.map { $0 / 2 }, larger = zip(totals, smaller).map { $0 - $1 }
      return mode == "SAME_UPPER" ? smaller + larger : larger + smaller
    default: throw LensError(.malformedModel, "auto_pad is '\(mode)'; it must be NOTSET, SAME_UPPER, SAME_LOWER or VALID")
    }
  }
}
