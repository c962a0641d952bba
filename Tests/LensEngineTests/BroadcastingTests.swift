// SPDX-License-Identifier: Apache-2.0
import Glibc
import LensEngine
import LensTensors
import LensTestSupport
import Testing

@Suite struct BroadcastingTests {
  struct Case: Sendable, CustomTestStringConvertible {
    let op: Binary
    let range: ClosedRange<Float>
    let reference: @Sendable (Double, Double) -> Double
    var testDescription: String { "\(op.function)" }
    var isLinear: Bool { op.function == .add || op.function == .subtract }
    init(_ function: Binary.Function, _ range: ClosedRange<Float> = -2...2, _ reference: @escaping @Sendable (Double, Double) -> Double) {
      (op, self.range, self.reference) = (Binary(function), range, reference)
    }
  }

  static let cases: [Case] = [
    Case(.add) { $0 + $1 },
    Case(.subtract) { $0 - $1 },
    Case(.multiply) { $0 * $1 },
    Case(.divide, 0.5...2) { $0 / $1 },
    Case(.power, 0.5...2) { pow($0, $1) },
    Case(.minimum) { min($0, $1) },
    Case(.maximum) { max($0, $1) },
    Case(.modulo(fmod: false), 0.5...2) { $0 - ($0 / $1).rounded(.down) * $1 },
    Case(.modulo(fmod: true), 0.5...2) { fmod($0, $1) },
    Case(.equal) { $0 == $1 ? 1 : 0 },
    Case(.less) { $0 < $1 ? 1 : 0 },
    Case(.lessOrEqual) { $0 <= $1 ? 1 : 0 },
    Case(.greater) { $0 > $1 ? 1 : 0 },
    Case(.greaterOrEqual) { $0 >= $1 ? 1 : 0 },
    Case(.and) { $0 != 0 && $1 != 0 ? 1 : 0 },
    Case(.or) { $0 != 0 || $1 != 0 ? 1 : 0 },
    Case(.xor) { ($0 != 0) != ($1 != 0) ? 1 : 0 },
  ]

  private func check(_ c: Case, _ shapes: [Shape]) throws {
    try checkOperator(
      c.op, shapes: shapes, in: c.range, linear: c.isLinear,
      reference: { .broadcasting($0) { c.reference($0[0], $0[1]) } }, tolerance: 1e-6)
  }

  @Test(arguments: cases) func everyFunctionIsItsDefinition(_ c: Case) throws {
    let shapes: [[Shape]] = [
      [[2, 3, 4], [2, 3, 4]], [[2, 3, 4], []], [[], [3]], [[2, 3, 4], [4]], [[2, 3, 4], [3, 1]], [[3, 1], [2, 1, 4]], [[7], [7]],
    ]
    for pair in shapes { try check(c, pair) }
  }

  /// All pairs of shapes of up to three axes of 1, 2 or 3 that broadcast.
  @Test func allSmallShapesBroadcast() throws {
    var shapes: [Shape] = [[]]
    for a in 1...3 {
      shapes.append([a])
      for b in 1...3 {
        shapes.append([a, b])
        for c in 1...3 { shapes.append([a, b, c]) }
      }
    }
    var pairs = 0
    for a in shapes {
      for b in shapes where (try? a.broadcast(with: b)) != nil {
        try check(Self.cases[2], [a, b])
        pairs += 1
      }
    }
    #expect(pairs == 940)
  }

  /// Every subset of four axes stretched, in either operand.
  @Test func anyAxesStretch() throws {
    let full = [2, 3, 2, 4]
    for mask in 0..<256 {
      let a = Shape((0..<4).map { mask >> $0 & 1 == 1 ? 1 : full[$0] })
      let b = Shape((0..<4).map { mask >> ($0 + 4) & 1 == 1 ? 1 : full[$0] })
      try check(Self.cases[2], [a, b])
      try check(Self.cases[0], [a, b])
    }
  }

  @Test(arguments: [16, 17, 20, 33]) func blockedOperandsGiveThePlainValues(channels: Int) throws {
    let full: Shape = [2, channels, 3, 2]
    for other in [full, [2, channels, 1, 1], [1, channels, 1, 1], [], [1], [1, 1, 1, 1]] as [Shape] {
      for c in Self.cases.prefix(7) {
        try check(c, [full, other])
        try check(c, [other, full])
      }
    }
  }

  /// Sums over more floats than a run holds, along the last axis and across it.
  @Test func longAxesFold() throws {
    for (a, b) in [
      ([3, 1300], [3, 1]), ([3, 1300], [1, 1300]), ([1300, 3], [1, 3]), ([1300, 3], [1300, 1]), ([2, 700, 5], [700, 1]),
    ] as [(Shape, Shape)] {
      try checkOperator(Binary(.add), shapes: [a, b], linear: true, reference: { .broadcasting($0) { $0[0] + $0[1] } })
      try checkOperator(Binary(.multiply), shapes: [a, b], reference: { .broadcasting($0) { $0[0] * $0[1] } })
    }
  }

  @Test func shapesThatDoNotBroadcastAreRefused() {
    #expect(throws: LensError.self) { try Binary(.add)(Tensor([2, 3]), Tensor([4])) }
    #expect(throws: LensError.self) { try Variadic(.sum)(Tensor([2, 3]), Tensor([3]), Tensor([2])) }
    #expect(throws: LensError.self) { try Where()(Tensor([2]), Tensor([3]), Tensor([1])) }
    #expect(throws: LensError.self) { try PReLU()(Tensor([1, 3]), Tensor([2, 3])) }
  }

  @Test func equalOperandsShareTheGradient() throws {
    let a = Tensor([3], [1, 2, 3]), b = Tensor([3], [3, 2, 1]), dy = Tensor([3], [8, 8, 8])
    #expect(try Binary(.maximum).gradients(at: [a, b], outputGradient: dy).gradients.map(\.values) == [[0, 4, 8], [8, 4, 0]])
    #expect(try Binary(.minimum).gradients(at: [a, b], outputGradient: dy).gradients.map(\.values) == [[8, 4, 0], [0, 4, 8]])
    #expect(
      try Variadic(.maximum).gradients(at: [a, b, b, b], outputGradient: dy).gradients.map(\.values) == [[0, 2, 8]]
        + Array(repeating: [8.0 / 3, 2, 0], count: 3))
  }

  @Test func powersOfNegativeAndZeroBases() throws {
    let x = Tensor([3], [-2, 0, 3]), dy = Tensor([3], repeating: 1)
    let square = try Binary(.power).gradients(at: [x, Tensor([], [2])], outputGradient: dy)
    #expect(square.output.values == [4, 0, 9])
    #expect(square.gradients[0].values == [-4, 0, 6])
    let cube = try Binary(.power).gradients(at: [x, Tensor([], [3])], outputGradient: dy)
    #expect(cube.output.values == [-8, 0, 27])
    #expect(cube.gradients[0].values == [12, 0, 27])
    let zeroth = try Binary(.power).gradients(at: [x, Tensor([], [0])], outputGradient: dy)
    #expect(zeroth.output.values == [1, 1, 1])
    #expect(zeroth.gradients[0].values == [0, 0, 0])
  }

  @Test func anyNumberOfValuesCombine() throws {
    let references: [(Variadic.Function, @Sendable ([Double]) -> Double)] = [
      (.sum, { $0.reduce(0, +) }), (.mean, { $0.reduce(0, +) / Double($0.count) }), (.minimum, { $0.min()! }), (.maximum, { $0.max()! }),
    ]
    let shapes: [[Shape]] = [
      [[2, 3]], [[2, 3], [2, 3]], [[2, 3], [3], []], [[3, 1], [2, 1, 4], [4], [1, 3, 4]],
      [[2, 17, 2, 3], [2, 17, 2, 3], [2, 17, 2, 3]], [[1, 33, 2, 2], [1, 33, 2, 2]],
    ]
    for (function, reference) in references {
      for shapes in shapes {
        try checkOperator(
          Variadic(function), shapes: shapes, linear: function == .sum || function == .mean,
          reference: { .broadcasting($0, reference) })
      }
    }
  }

  @Test func conditionsChoose() throws {
    for shapes in [[[2, 3], [2, 3], [2, 3]], [[3], [2, 3], []], [[2, 1], [1, 3], [3]], [[1], [2, 2], [2]]] as [[Shape]] {
      var random = Random(seed: 5)
      let condition = try Pointwise(.floor)(.uniform(shapes[0], in: 0...2, using: &random))
      let inputs = [condition, .normal(shapes[1], using: &random), .normal(shapes[2], using: &random)]
      try checkOperator(
        Where(), inputs: inputs, linear: true, differentiable: [1, 2], reference: { .broadcasting($0) { $0[0] != 0 ? $0[1] : $0[2] } })
    }
  }

  @Test func slopesBroadcast() throws {
    for slope in [[2, 17, 2, 3], [17, 1, 1], [1, 17, 1, 1], [1], [], [3]] as [Shape] {
      try checkOperator(PReLU(), shapes: [[2, 17, 2, 3], slope], reference: { .broadcasting($0) { $0[0] > 0 ? $0[0] : $0[0] * $0[1] } })
    }
  }
}
