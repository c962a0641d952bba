// SPDX-License-Identifier: Apache-2.0
import Glibc
import LensEngine
import LensTensors
import LensTestSupport
import Testing

@Suite struct NormalizationTests {
  private func floats(_ count: Int, _ seed: UInt64) -> [Float] {
    var random = Random(seed: seed)
    return Tensor.uniform([count], in: 0.5...1.5, using: &random).values
  }

  /// (x - mean) / sqrt(variance + epsilon) over all elements with the same key.
  private func standardized(
    _ x: ReferenceTensor, epsilon: Double, centred: Bool = true, _ key: ([Int]) -> [Int]
  ) -> ReferenceTensor {
    var groups: [[Int]: [Double]] = [:]
    for at in ReferenceTensor.indices(x.dimensions) { groups[key(at), default: []].append(x[at]) }
    return ReferenceTensor(x.dimensions) { at in
      let group = groups[key(at)]!
      let mean = centred ? group.reduce(0, +) / Double(group.count) : 0
      let variance = group.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(group.count)
      return (x[at] - mean) / (variance + epsilon).squareRoot()
    }
  }

  @Test(arguments: [1, 3, 16, 17, 20, 33]) func channelsScaleAndShift(channels: Int) throws {
    let scale = floats(channels, 1), shift = floats(channels, 2)
    for tail in [[], [5], [3, 2], [2, 2, 2]] as [[Int]] {
      try checkOperator(
        ScaleShift(scale: scale, shift: shift), shapes: [Shape([2, channels] + tail)], linear: true,
        reference: { x in ReferenceTensor(x[0].dimensions) { x[0][$0] * Double(scale[$0[1]]) + Double(shift[$0[1]]) } })
    }
  }

  @Test func groupsAreNormalised() throws {
    for (channels, groups) in [(6, 1), (6, 2), (6, 3), (6, 6), (4, 4)] {
      let scale = floats(channels, 3), bias = floats(channels, 4)
      for tail in [[3, 4], [7], [2, 2, 3]] as [[Int]] {
        try checkOperator(
          GroupNormalization(groups: groups, scale: scale, bias: bias, epsilon: 0.01), shapes: [Shape([2, channels] + tail)],
          reference: { x in
            let y = self.standardized(x[0], epsilon: Double(Float(0.01))) { [$0[0], $0[1] / (channels / groups)] }
            return ReferenceTensor(y.dimensions) { y[$0] * Double(scale[$0[1]]) + Double(bias[$0[1]]) }
          })
      }
    }
  }

  /// A large mean does not eat the variance.
  @Test func largeMeansAreTakenOutFirst() throws {
    try checkOperator(
      GroupNormalization(groups: 1, scale: [1, 1], bias: [0, 0], epsilon: 1e-5), shapes: [[1, 2, 8, 8]], in: 1000...1001,
      reference: { x in self.standardized(x[0], epsilon: Double(Float(1e-5))) { [$0[0]] } }, tolerance: 5e-4, gradientTolerance: 1e-3)
  }

  @Test func layersAreNormalised() throws {
    for axis in 0..<3 {
      let inner = Array([2, 3, 5][axis...])
      var random = Random(seed: 9)
      let scales: [Tensor?] = [nil, .uniform(Shape(inner), in: 0.5...1.5, using: &random), .uniform([5], in: 0.5...1.5, using: &random)]
      for scale in scales {
        let bias = scale.map { Tensor.uniform($0.shape, using: &random) }
        func finished(_ y: ReferenceTensor, _ bias: Tensor?) -> ReferenceTensor {
          ReferenceTensor.broadcasting([
            y, scale.map(ReferenceTensor.init) ?? ReferenceTensor([1], repeating: 1),
            bias.map(ReferenceTensor.init) ?? ReferenceTensor([1]),
          ]) { $0[0] * $0[1] + $0[2] }
        }
        try checkOperator(
          LayerNormalization(axis: axis, scale: scale, bias: bias, epsilon: 0.01), shapes: [[2, 3, 5]], isBatched: axis > 0,
          reference: { x in finished(self.standardized(x[0], epsilon: Double(Float(0.01))) { Array($0[..<axis]) }, bias) })
        try checkOperator(
          RootMeanSquareNormalization(axis: axis, scale: scale, epsilon: 0.01), shapes: [[2, 3, 5]], isBatched: axis > 0,
          reference: { x in
            finished(self.standardized(x[0], epsilon: Double(Float(0.01)), centred: false) { Array($0[..<axis]) }, nil)
          })
      }
    }
  }

  @Test func meansAndVariancesOverAnyAxes() throws {
    for axes in [[0, 2, 3], [2, 3], [1], [3], [0, 1, 2, 3], [0], [1, 3]] {
      try checkOperator(
        MeanVarianceNormalization(axes: axes), shapes: [[3, 3, 2, 4]], isBatched: !axes.contains(0),
        reference: { x in
          self.standardized(x[0], epsilon: 0) { at in (0..<4).filter { !axes.contains($0) }.map { at[$0] } }
        }, tolerance: 5e-6)
    }
    let flat = try MeanVarianceNormalization(axes: [1]).gradients(at: [Tensor([1, 3], repeating: 2)], outputGradient: Tensor([1, 3]))
    #expect(flat.output.values == [0, 0, 0])
    #expect(flat.gradients[0].values == [0, 0, 0])
  }

  @Test func normsBecomeOne() throws {
    for p in 1...2 {
      for axis in 0..<3 {
        try checkOperator(
          LpNormalization(axis: axis, p: p), shapes: [[2, 3, 5]], isBatched: axis > 0,
          reference: { x in
            ReferenceTensor([2, 3, 5]) { at in
              var sum = 0.0
              for i in 0..<x[0].dimensions[axis] {
                var other = at
                other[axis] = i
                sum += pow(abs(x[0][other]), Double(p))
              }
              return x[0][at] / pow(sum, 1 / Double(p))
            }
          })
      }
    }
    #expect(try LpNormalization(axis: 1, p: 2)(Tensor([1, 3])).values == [0, 0, 0])
  }

  @Test func neighbouringChannelsInhibit() throws {
    for (size, beta) in [(1, 0.75), (2, 0.75), (3, 0.5), (5, 0.75), (4, 1.25), (9, 0.75)] as [(Int, Float)] {
      for shape in [[2, 6, 3, 2], [1, 4, 300], [2, 3]] as [Shape] {
        try checkOperator(
          LocalResponse(size: size, alpha: 0.5, beta: beta, bias: 1.5), shapes: [shape],
          reference: { x in
            let channels = x[0].dimensions[1]
            return ReferenceTensor(x[0].dimensions) { at in
              var sum = 0.0
              // ONNX: from c - floor((size - 1) / 2) to c + ceil((size - 1) / 2).
              for c in max(0, at[1] - (size - 1) / 2)...min(channels - 1, at[1] + Int((Double(size - 1) / 2).rounded(.up))) {
                var other = at
                other[1] = c
                sum += x[0][other] * x[0][other]
              }
              return x[0][at] / pow(1.5 + 0.5 / Double(size) * sum, Double(beta))
            }
          })
      }
    }
  }

  @Test func shapesThatDoNotFitAreRefused() {
    #expect(throws: LensError.self) { try ScaleShift(scale: [1, 2], shift: [0, 0])(Tensor([1, 3, 2, 2])) }
    #expect(throws: LensError.self) { try ScaleShift(scale: [1], shift: [0])(Tensor([3])) }
    #expect(throws: LensError.self) {
      try GroupNormalization(groups: 2, scale: [1, 1, 1], bias: [0, 0, 0], epsilon: 0)(Tensor([1, 3, 2]))
    }
    #expect(throws: LensError.self) { try LayerNormalization(axis: 1, scale: Tensor([4]), bias: nil, epsilon: 0)(Tensor([2, 3])) }
    #expect(throws: LensError.self) { try LayerNormalization(axis: 2, scale: nil, bias: nil, epsilon: 0)(Tensor([2, 3])) }
    #expect(throws: LensError.self) { try LpNormalization(axis: 0, p: 3)(Tensor([2])) }
    #expect(throws: LensError.self) { try LpNormalization(axis: 1, p: 2)(Tensor([2])) }
    #expect(throws: LensError.self) { try MeanVarianceNormalization(axes: [4])(Tensor([2])) }
    #expect(throws: LensError.self) { try LocalResponse(size: 0, alpha: 1, beta: 1, bias: 1)(Tensor([1, 2])) }
    #expect(throws: LensError.self) { try LocalResponse(size: 1, alpha: 1, beta: 1, bias: 1)(Tensor([2])) }
    #expect(throws: LensError.self) { try CumulativeSum(axis: 1, isExclusive: false, isReversed: false)(Tensor([2])) }
  }
}
