// SPDX-License-Identifier: Apache-2.0
import Glibc
import LensEngine
import LensTensors
import LensTestSupport
import Testing

@Suite struct ReductionTests {
  static let definitions: [Reduction.Function: @Sendable ([Double]) -> Double] = [
    .mean: { $0.reduce(0, +) / Double($0.count) },
    .sum: { $0.reduce(0, +) },
    .maximum: { $0.max()! },
    .minimum: { $0.min()! },
    .l1: { $0.reduce(0) { $0 + abs($1) } },
    .l2: { $0.reduce(0) { $0 + $1 * $1 }.squareRoot() },
    .product: { $0.reduce(1, *) },
    .sumOfSquares: { $0.reduce(0) { $0 + $1 * $1 } },
    .logSum: { log($0.reduce(0, +)) },
    .logSumExp: { log($0.reduce(0) { $0 + exp($1) }) },
  ]

  private func reduced(_ x: ReferenceTensor, _ axes: [Int], keeps: Bool, _ f: ([Double]) -> Double) -> ReferenceTensor {
    let rank = x.dimensions.count
    let kept = (0..<rank).map { axes.contains($0) ? 1 : x.dimensions[$0] }
    let inner = ReferenceTensor.indices((0..<rank).map { axes.contains($0) ? x.dimensions[$0] : 1 })
    let result = ReferenceTensor(kept) { at in f(inner.map { x[zip(at, $0).map(+)] }) }
    return keeps ? result : ReferenceTensor((0..<rank).filter { !axes.contains($0) }.map { x.dimensions[$0] }, result.values)
  }

  private func check(_ function: Reduction.Function, _ shape: Shape, _ axes: [Int], keeps: Bool) throws {
    let f = Self.definitions[function]!
    try checkOperator(
      Reduction(function, axes: axes, keepsDimensions: keeps), shapes: [shape],
      in: function == .logSum || function == .product ? 0.5...1.5 : -2...2,
      linear: function == .sum || function == .mean, isBatched: axes.contains(0) ? false : nil,
      reference: { self.reduced($0[0], axes, keeps: keeps, f) })
  }

  @Test(arguments: Reduction.Function.allCases) func anyAxesReduce(_ function: Reduction.Function) throws {
    for mask in 0..<16 {
      let axes = (0..<4).filter { mask >> $0 & 1 == 1 }
      try check(function, [2, 3, 2, 4], axes, keeps: mask % 2 == 0)
    }
    try check(function, [7], [0], keeps: false)
    try check(function, [2, 1, 3], [1], keeps: false)
    try check(function, [], [], keeps: true)
  }

  @Test(arguments: Reduction.Function.allCases) func longAxesReduce(_ function: Reduction.Function) throws {
    guard function != .product else { return }
    try check(function, [2, 1300], [1], keeps: false)
    try check(function, [1300, 3], [0], keeps: false)
    try check(function, [2, 3, 15, 40], [2, 3], keeps: true)
    try check(function, [2, 600, 2], [1], keeps: true)
  }

  @Test func aMillionFloatsSumToSixDigits() throws {
    let sum = try Reduction(.sum, axes: [0], keepsDimensions: false)(Tensor([1 << 20], repeating: 0.1))
    #expect(abs(Double(sum.values[0]) - Double(Float(0.1)) * 1_048_576) < 0.01)
  }

  @Test func sharedExtremesShareTheGradient() throws {
    let x = Tensor([1, 4], [3, 1, 3, 2]), dy = Tensor([1], [6])
    #expect(
      try Reduction(.maximum, axes: [1], keepsDimensions: false).gradients(at: [x], outputGradient: dy).gradients[0].values == [3, 0, 3, 0])
    #expect(
      try Reduction(.minimum, axes: [1], keepsDimensions: false).gradients(at: [x], outputGradient: dy).gradients[0].values == [0, 6, 0, 0])
  }

  @Test func productsWithZeros() throws {
    let product = Reduction(.product, axes: [1], keepsDimensions: false)
    let x = Tensor([4, 3], [1, 2, 3, 0, 2, 3, 0, 0, 3, -1, 2, 0])
    let result = try product.gradients(at: [x], outputGradient: Tensor([4], repeating: 1))
    #expect(result.output.values == [6, 0, 0, 0])
    #expect(result.gradients[0].values == [6, 3, 2, 6, 0, 0, 0, 0, 0, 0, 0, -2])
  }

  @Test func exponentsOfAThousandDoNotOverflow() throws {
    let result = try Reduction(.logSumExp, axes: [0], keepsDimensions: false).gradients(
      at: [Tensor([2], [1000, 1000])], outputGradient: Tensor([], [1]))
    #expect(result.output.values[0] == 1000 + Float(log(2.0)))
    #expect(abs(result.gradients[0].values[0] - 0.5) < 1e-4)
    #expect(try Reduction(.logSumExp, axes: [0], keepsDimensions: false)(Tensor([2], repeating: -.infinity)).values == [-.infinity])
  }

  @Test func zeroHasNoDirection() throws {
    let result = try Reduction(.l2, axes: [0], keepsDimensions: false).gradients(at: [Tensor([3])], outputGradient: Tensor([], [1]))
    #expect(result.gradients[0].values == [0, 0, 0])
  }

  @Test func axesThatAreNotThereAreRefused() {
    #expect(throws: LensError.self) { try Reduction(.sum, axes: [2], keepsDimensions: false)(Tensor([2, 2])) }
    #expect(throws: LensError.self) { try Reduction(.maximum, axes: [1], keepsDimensions: false)(Tensor([2, 0])) }
  }

  @Test func sumsAccumulate() throws {
    for isExclusive in [false, true] {
      for isReversed in [false, true] {
        for axis in 0..<3 {
          try checkOperator(
            CumulativeSum(axis: axis, isExclusive: isExclusive, isReversed: isReversed), shapes: [[2, 3, 4]], linear: true,
            isBatched: axis > 0,
            reference: { x in
              ReferenceTensor([2, 3, 4]) { at in
                var sum = 0.0
                for i in 0..<x[0].dimensions[axis] {
                  var from = at
                  from[axis] = i
                  let isBefore = isReversed ? i > at[axis] : i < at[axis]
                  if isBefore || (i == at[axis] && !isExclusive) { sum += x[0][from] }
                }
                return sum
              }
            })
        }
      }
    }
  }
}
