// SPDX-License-Identifier: Apache-2.0
import LensEngine
import LensTensors

extension ONNXOperators {
  static let normalizations: [String: ONNXLowering] = [
    "BatchNormalization": unary { call in
      if try call.flag("training_mode") { return try call.standardization() }
      return try call.shared { try call.batchNormalization() }
    },
    "InstanceNormalization": unary { call in
      let channels = try call.channels()
      return GroupNormalization(
        groups: channels, scale: try call.vector(1, "scale", count: channels), bias: try call.vector(2, "B", count: channels),
        epsilon: try call.float("epsilon", 1e-5), kind: "InstanceNormalization")
    },
    "GroupNormalization": unary { try $0.groupNormalization() },
    "LayerNormalization": unary { call in
      LayerNormalization(
        axis: try call.axis("axis", -1, rank: try call.shape(0).rank), scale: try call.optionalTensor(1, "scale"),
        bias: try call.optionalTensor(2, "B"), epsilon: try call.float("epsilon", 1e-5))
    },
    "RMSNormalization": unary { try $0.rootMeanSquareNormalization() },
    "SimplifiedLayerNormalization": unary { try $0.rootMeanSquareNormalization() },
    "LpNormalization": unary {
      LpNormalization(axis: try $0.axis("axis", -1, rank: try $0.shape(0).rank), p: try $0.int("p", 2, in: 1...2))
    },
    "MeanVarianceNormalization": unary {
      MeanVarianceNormalization(axes: try ONNXCall.resolved(try $0.ints("axes") ?? [0, 2, 3], rank: try $0.shape(0).rank))
    },
    "LRN": unary {
      LocalResponse(
        size: try $0.int("size", 0, in: 1...Limits.attribute), alpha: try $0.float("alpha", 1e-4), beta: try $0.float("beta", 0.75),
        bias: try $0.float("bias", 1))
    },
  ]
}

extension ONNXCall {
  fileprivate func channels() throws -> Int {
    let shape = try shape(0)
    guard shape.rank >= 2 else { throw LensError(.shapeMismatch, "a value of shape \(shape) has no channels") }
    return shape[1]
  }

  /// With the statistics of training a multiplication and an addition a channel.
  fileprivate func batchNormalization() throws -> ScaleShift {
    guard try flag("spatial", true) else { throw LensError(.unsupportedOperator, "spatial=0 is not among what cnnlens runs") }
    let count = try channels(), epsilon = Double(try float("epsilon", 1e-5))
    let scale = try vector(1, "scale", count: count), bias = try vector(2, "B", count: count)
    let mean = try vector(3, "mean", count: count), variance = try vector(4, "var", count: count)
    let factors = (0..<count).map { Double(scale[$0]) / (Double(variance[$0]) + epsilon).squareRoot() }
    return ScaleShift(scale: factors.map(Float.init), shift: (0..<count).map { Float(Double(bias[$0]) - Double(mean[$0]) * factors[$0]) })
  }

  /// Batch normalisation as in training, by the statistics of its input: how networks with standardised weights are
  /// exported, on the weights. On pictures it is a model that was not put into evaluation mode.
  fileprivate func standardization() throws -> GroupNormalization {
    let count = try channels()
    guard !isNode(0), try shape(0).n == 1 else {
      throw LensError(.unsupportedOperator, "it is in training mode; export the model after eval()")
    }
    return GroupNormalization(
      groups: count, scale: try vector(1, "scale", count: count), bias: try vector(2, "B", count: count),
      epsilon: try float("epsilon", 1e-5),
      kind: "BatchNormalization")
  }

  /// One scale a group in opset 18, one a channel since 21.
  fileprivate func groupNormalization() throws -> GroupNormalization {
    let count = try channels(), groups = try int("num_groups", 0, in: 1...Limits.attribute)
    guard count % groups == 0 else { throw LensError(.malformedModel, "num_groups is \(groups); it must divide the \(count) channels") }
    func perChannel(_ index: Int, _ what: String) throws -> [Float] {
      guard opset < 21 else { return try vector(index, what, count: count) }
      return try vector(index, what, count: groups).flatMap { [Float](repeating: $0, count: count / groups) }
    }
    return GroupNormalization(
      groups: groups, scale: try perChannel(1, "scale"), bias: try perChannel(2, "bias"), epsilon: try float("epsilon", 1e-5))
  }

  fileprivate func rootMeanSquareNormalization() throws -> RootMeanSquareNormalization {
    RootMeanSquareNormalization(
      axis: try axis("axis", -1, rank: try shape(0).rank), scale: try optionalTensor(1, "scale"), epsilon: try float("epsilon", 1e-5))
  }
}
