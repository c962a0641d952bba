// SPDX-License-Identifier: Apache-2.0
import LensEngine
import LensTensors

extension ONNXOperators {
  static let reductions: [String: ONNXLowering] = [
    "ReduceMean": mean,
    "ReduceSum": reduction(.sum, axesAreInputSince: 13),
    "ReduceMax": reduction(.maximum),
    "ReduceMin": reduction(.minimum),
    "ReduceL1": reduction(.l1),
    "ReduceL2": reduction(.l2),
    "ReduceProd": reduction(.product),
    "ReduceSumSquare": reduction(.sumOfSquares),
    "ReduceLogSum": reduction(.logSum),
    "ReduceLogSumExp": reduction(.logSumExp),
    "CumSum": unary { call in
      guard let axis = try call.integers(1, "axis").first else { throw call.missing(1) }
      return CumulativeSum(
        axis: try ONNXCall.resolved(axis, rank: try call.shape(0).rank), isExclusive: try call.flag("exclusive"),
        isReversed: try call.flag("reverse"))
    },
  ]

  /// Over height and width it is a pooling, which knows the layout of feature maps.
  private static let mean: ONNXLowering = { call in
    let axes = try call.reducedAxes(since: 18) ?? [], keeps = try call.flag("keepdims", true), shape = try call.shape(0)
    guard shape.rank == 4, axes.sorted() == [2, 3], shape.count > 0 else {
      return [try call.add(Reduction(.mean, axes: axes, keepsDimensions: keeps), [try call.operand(0)])]
    }
    if keeps { return [try call.add(GlobalPool(.average), [try call.operand(0)])] }
    let pooled = try call.helper("pool", GlobalPool(.average), [try call.operand(0)])
    return [try call.add(Reshape(to: [shape.n, shape.c], kind: "Flatten"), [pooled])]
  }

  private static func reduction(_ function: Reduction.Function, axesAreInputSince opset: Int = 18) -> ONNXLowering {
    unary { Reduction(function, axes: try $0.reducedAxes(since: opset) ?? [], keepsDimensions: try $0.flag("keepdims", true)) }
  }
}

extension ONNXCall {
  /// The axes a reduction works on: all if none are given; nil if it is told that none means none.
  func reducedAxes(since opset: Int) throws -> [Int]? {
    let rank = try shape(0).rank
    let axes = try integers(attribute: "axes", orInput: 1, since: opset) ?? []
    if axes.isEmpty { return try flag("noop_with_empty_axes") ? nil : Array(0..<rank) }
    return try ONNXCall.resolved(axes, rank: rank)
  }
}
