// SPDX-License-Identifier: Apache-2.0
import LensEngine
import LensTensors

extension ONNXOperators {
  static let convolutions: [String: ONNXLowering] = [
    "Conv": { call in try overPictures(call) { try call.convolution($0) } },
    "ConvTranspose": { call in try overPictures(call) { try call.transposedConvolution($0) } },
  ]

  /// Runs an operator for N×C×H×W; a sequence N×C×L becomes a picture of height 1 and back.
  private static func overPictures(_ call: ONNXCall, _ make: (ONNXCall.Convolution) throws -> any Operator) throws -> [Int] {
    let settings = try call.convolutionSettings()
    let op = try make(settings), x = try call.operand(0)
    guard settings.lengths.count == 1 else { return [try call.add(op, [x])] }
    let shape = try call.shape(0)
    let picture = try call.helper("picture", Reshape(to: [shape[0], shape[1], 1, shape[2]]), [x])
    let result = try call.helper("result", op, [picture])
    let output = call.shape(ofNode: result)
    return [try call.add(Reshape(to: [output.n, output.c, output.w]), [result])]
  }
}

extension ONNXCall {
  /// What Conv and ConvTranspose have in common, one entry for each spatial axis.
  struct Convolution {
    let weights: Tensor
    let bias: [Float]?
    let lengths: [Int]
    let kernel: [Int]
    let strides: [Int]
    let dilations: [Int]
    let groups: Int

    /// Two entries, also for sequences.
    func pair(_ list: [Int], _ standard: Int) -> [Int] { list.count == 1 ? [standard] + list : list }
    /// Before each axis, then after each.
    func padding(_ list: [Int]) -> [Int] { list.count == 2 ? [0, list[0], 0, list[1]] : list }

    /// The weights of a sequence's filter as those of a picture's.
    var pictureWeights: Tensor {
      weights.shape.rank == 4 ? weights : weights.reshaped(to: [weights.shape[0], weights.shape[1], 1, weights.shape[2]])
    }
  }

  func convolutionSettings() throws -> Convolution {
    let shape = try shape(0), weights = try tensor(1, "the weights")
    guard shape.rank == 3 || shape.rank == 4 else {
      throw LensError(
        shape.rank == 5 ? .unsupportedOperator : .shapeMismatch,
        "convolution of a value of shape \(shape); cnnlens runs those of N×C×H×W and N×C×L")
    }
    guard weights.shape.rank == shape.rank, weights.count > 0 else {
      throw LensError(.shapeMismatch, "weights of shape \(weights.shape) for a value of shape \(shape)")
    }
    let kernel = Array(weights.shape.dimensions.dropFirst(2)), positive = 1...Limits.attribute
    guard kernel.allSatisfy(positive.contains) else { throw LensError(.shapeMismatch, "weights of shape \(weights.shape) are too large") }
    let stated = try ints("kernel_shape", count: kernel.count, 1, in: positive)
    guard stated == kernel || !node.attributes.has("kernel_shape") else {
      throw LensError(.malformedModel, "kernel_shape is \(stated), but its weights have shape \(weights.shape)")
    }
    let groups = try int("group", 1, in: positive)
    guard weights.shape[0] % groups == 0 else {
      throw LensError(.malformedModel, "group is \(groups); it must divide the \(weights.shape[0]) filters")
    }
    let outputs = node.kind == "Conv" ? weights.shape[0] : weights.shape[1] * groups
    return Convolution(
      weights: weights, bias: try has(2) ? vector(2, "the biases", count: outputs) : nil, lengths: Array(shape.dimensions.dropFirst(2)),
      kernel: kernel,
      strides: try ints("strides", count: kernel.count, 1, in: positive),
      dilations: try ints("dilations", count: kernel.count, 1, in: positive),
      groups: groups)
  }

  fileprivate func convolution(_ settings: Convolution) throws -> any Operator {
    let padding = settings.padding(
      try padding(over: settings.lengths, kernel: settings.kernel, strides: settings.strides, dilations: settings.dilations))
    return try shared(for: padding) {
      LensEngine.Convolution(
        weights: settings.pictureWeights, bias: settings.bias, strides: settings.pair(settings.strides, 1),
        dilations: settings.pair(settings.dilations, 1), padding: padding, groups: settings.groups)
    }
  }

  fileprivate func transposedConvolution(_ settings: Convolution) throws -> any Operator {
    let axes = settings.lengths.count, limits = 0...Limits.attribute
    var extra = try ints("output_padding", count: axes, 0, in: limits)
    var padding = try ints("pads", count: 2 * axes, 0, in: limits)
    let mode = try string("auto_pad", "NOTSET")
    var target = try node.attributes.has("output_shape") ? ints("output_shape", count: axes, 1, in: limits) : nil
    if target == nil, mode.hasPrefix("SAME") { target = (0..<axes).map { settings.lengths[$0] * settings.strides[$0] } }
    if let target {
      for axis in 0..<axes {
        let full =
          settings.strides[axis] * (settings.lengths[axis] - 1) + extra[axis] + (settings.kernel[axis] - 1) * settings.dilations[axis] + 1
        let total = max(0, full - target[axis])
        extra[axis] += max(0, target[axis] - full)
        padding[axis] = mode == "SAME_UPPER" ? total / 2 : total - total / 2
        padding[axes + axis] = total - padding[axis]
      }
    } else if mode == "VALID" {
      padding = [Int](repeating: 0, count: 2 * axes)
    }
    return try shared(for: padding + extra) {
      TransposedConvolution(
        weights: settings.pictureWeights, bias: settings.bias, strides: settings.pair(settings.strides, 1),
        dilations: settings.pair(settings.dilations, 1), padding: settings.padding(padding), outputPadding: settings.pair(extra, 0),
        groups: settings.groups)
    }
  }
}
