// SPDX-License-Identifier: Apache-2.0
import LensEngine
import LensTensors
import LensTestSupport
import Testing

@Suite struct ConvolutionTests {
  /// The definition: a sum over input channels and taps for each output.
  static func reference(_ op: Convolution) -> ([ReferenceTensor]) -> ReferenceTensor {
    { inputs in
      let x = inputs[0], w = ReferenceTensor(op.weights), perGroup = w.dimensions[1], outputs = w.dimensions[0]
      let size = (0..<2).map { (axis: Int) -> Int in
        let extent: Int = (w.dimensions[axis + 2] - 1) * op.dilations[axis] + 1
        let padded: Int = x.dimensions[axis + 2] + op.padding[axis] + op.padding[axis + 2]
        return (padded - extent) / op.strides[axis] + 1
      }
      return ReferenceTensor([x.dimensions[0], outputs, size[0], size[1]]) { (at: [Int]) -> Double in
        var sum = Double(op.bias?[at[1]] ?? 0)
        for tap in ReferenceTensor.indices(Array(w.dimensions.dropFirst())) {
          let y: Int = at[2] * op.strides[0] - op.padding[0] + tap[1] * op.dilations[0]
          let x0: Int = at[3] * op.strides[1] - op.padding[1] + tap[2] * op.dilations[1]
          guard 0..<x.dimensions[2] ~= y, 0..<x.dimensions[3] ~= x0 else { continue }
          let channel: Int = at[1] / (outputs / op.groups) * perGroup + tap[0]
          sum += w[[at[1]] + tap] * x[at[0], channel, y, x0]
        }
        return sum
      }
    }
  }

  static func operators(_ random: inout Random, inputs: Int, outputs: Int, groups: Int) -> [Convolution] {
    var result: [Convolution] = []
    for (kh, kw) in [(1, 1), (3, 3), (2, 3), (5, 1)] {
      for stride in 1...2 {
        for dilation in 1...2 {
          for padding in [[0, 0, 0, 0], [1, 1, 1, 1], [2, 0, 1, 3]] {
            result.append(
              Convolution(
                weights: .normal([outputs, inputs / groups, kh, kw], using: &random),
                bias: padding[0] == 1 ? (0..<outputs).map { Float($0) / 8 } : nil, strides: [stride, kh == 2 ? 3 - stride : stride],
                dilations: [dilation, kw == 1 ? 1 : dilation], padding: padding, groups: groups))
          }
        }
      }
    }
    return result
  }

  @Test(arguments: [(3, 5, 1), (16, 32, 1), (20, 17, 1), (32, 32, 32), (8, 8, 8), (6, 4, 2), (32, 64, 2), (24, 24, 3), (4, 8, 4)])
  func everyGeometryFollowsTheDefinition(inputs: Int, outputs: Int, groups: Int) throws {
    var random = Random(seed: UInt64(inputs * 100 + outputs))
    for op in ConvolutionTests.operators(&random, inputs: inputs, outputs: outputs, groups: groups) {
      // The tolerance of Winograd's way, where these take it.
      let isTiled = groups == 1 && Array(op.weights.shape.dimensions[2...]) == [3, 3] && op.strides == [1, 1] && op.dilations == [1, 1]
      try checkOperator(
        op, shapes: [[2, inputs, 9, 7]], linear: true, reference: ConvolutionTests.reference(op), tolerance: isTiled ? 2e-5 : 5e-6)
    }
  }

  @Test func numbersThatDoNotFitThrow() {
    let w = Tensor([4, 3, 3, 3]), x = Tensor([1, 3, 5, 5])
    #expect(throws: LensError.self) { try Convolution(weights: w, bias: nil)(Tensor([1, 4, 5, 5])) }
    #expect(throws: LensError.self) { try Convolution(weights: w, bias: nil)(Tensor([3, 5, 5])) }
    #expect(throws: LensError.self) { try Convolution(weights: w, bias: nil)(Tensor([1, 3, 2, 5])) }
    #expect(throws: LensError.self) { try Convolution(weights: w, bias: [1])(x) }
    #expect(throws: LensError.self) { try Convolution(weights: w, bias: nil, strides: [0, 1])(x) }
    #expect(throws: LensError.self) { try Convolution(weights: w, bias: nil, dilations: [.max, 1])(x) }
    #expect(throws: LensError.self) { try Convolution(weights: w, bias: nil, groups: 3)(Tensor([1, 9, 5, 5])) }
    #expect(throws: LensError.self) { try Convolution(weights: Tensor([4, 3, 3]), bias: nil)(x) }
  }

  /// Every input pixel paints the kernel, scaled, onto the output.
  static func reference(_ op: TransposedConvolution) -> ([ReferenceTensor]) -> ReferenceTensor {
    { inputs in
      let x = inputs[0], w = ReferenceTensor(op.weights), perGroup = w.dimensions[1], outputs = perGroup * op.groups
      let size = (0..<2).map { (axis: Int) -> Int in
        let extent: Int = (w.dimensions[axis + 2] - 1) * op.dilations[axis] + 1
        let painted: Int = op.strides[axis] * (x.dimensions[axis + 2] - 1) + extent
        return painted + op.outputPadding[axis] - op.padding[axis] - op.padding[axis + 2]
      }
      var result = ReferenceTensor([x.dimensions[0], outputs, size[0], size[1]]) { (at: [Int]) -> Double in Double(op.bias?[at[1]] ?? 0) }
      for at in ReferenceTensor.indices(x.dimensions) {
        for tap in ReferenceTensor.indices(Array(w.dimensions.dropFirst())) {
          let y: Int = at[2] * op.strides[0] - op.padding[0] + tap[1] * op.dilations[0]
          let x0: Int = at[3] * op.strides[1] - op.padding[1] + tap[2] * op.dilations[1]
          guard 0..<size[0] ~= y, 0..<size[1] ~= x0 else { continue }
          let channel: Int = at[1] / (x.dimensions[1] / op.groups) * perGroup + tap[0]
          result[at[0], channel, y, x0] += w[[at[1]] + tap] * x[at]
        }
      }
      return result
    }
  }

  @Test(arguments: [(3, 5, 1), (16, 32, 1), (18, 20, 2), (16, 16, 16), (32, 8, 1)])
  func transposedConvolutionsPaintTheirKernels(inputs: Int, outputs: Int, groups: Int) throws {
    var random = Random(seed: UInt64(inputs * 100 + outputs))
    for kernel in 1...4 {
      for stride in 1...3 {
        for dilation in 1...2 {
          for padding in [[0, 0, 0, 0], [1, 1, 1, 1], [0, 1, 2, 0]] {
            for extra in [0, 1, 2] {
              let op = TransposedConvolution(
                weights: .normal([inputs, outputs / groups, kernel, 2], using: &random),
                bias: extra == 0 ? nil : (0..<outputs).map { Float($0) / 4 },
                strides: [stride, 2], dilations: [dilation, 1], padding: padding, outputPadding: [extra, 1], groups: groups)
              try checkOperator(op, shapes: [[2, inputs, 4, 3]], linear: true, reference: ConvolutionTests.reference(op), tolerance: 5e-6)
            }
          }
        }
      }
    }
  }
}
