// SPDX-License-Identifier: Apache-2.0
import LensEngine
import LensTensors
import LensTestSupport
import Testing

/// 0, 1, 2, ...: in these tests a float is its own address.
func counted(_ shape: Shape) -> Tensor { Tensor(shape, (0..<shape.count).map(Float.init)) }

/// What an operator that only moves floats should show: the input's index (or nil) at every output index.
func expectMoves(
  _ op: any Operator, of shape: Shape, to output: Shape, fill: Float = 0, _ source: ([Int]) -> [Int]?,
  sourceLocation: SourceLocation = #_sourceLocation
) throws {
  let x = counted(shape), y = try op.applied(to: [x])
  #expect(y.shape == output, sourceLocation: sourceLocation)
  guard y.shape == output else { return }
  let shown = (0..<output.count).map { flat -> Int? in
    let index = output.strides.enumerated().map { flat / $1 % output[$0] }
    return source(index).map { zip($0, shape.strides).reduce(0) { $0 + $1.0 * $1.1 } }
  }
  #expect(y.values == shown.map { $0.map(Float.init) ?? fill }, sourceLocation: sourceLocation)
  var gradient = [Float](repeating: 0, count: shape.count)
  for (i, source) in shown.enumerated() { if let source { gradient[source] += Float(i + 1) } }
  let arriving = Tensor(output, (0..<output.count).map { Float($0 + 1) })
  #expect(try op.gradients(at: [x], outputGradient: arriving).gradients[0].values == gradient, sourceLocation: sourceLocation)
}

@Suite struct MovementTests {
  @Test func everyPermutationOfFourAxes() throws {
    let shape: Shape = [2, 3, 4, 5]
    for a in 0..<4 {
      for b in 0..<4 {
        for c in 0..<4 {
          for d in 0..<4 where Set([a, b, c, d]).count == 4 {
            let permutation = [a, b, c, d]
            try expectMoves(Transpose(permutation: permutation), of: shape, to: Shape(permutation.map { shape[$0] })) { index in
              (0..<4).map { axis in index[permutation.firstIndex(of: axis)!] }
            }
          }
        }
      }
    }
    for (channels, height, width) in [(16, 3, 5), (20, 1, 7), (37, 9, 11), (48, 1, 1)] {
      try checkOperator(Transpose(permutation: [0, 2, 3, 1]), shapes: [[2, channels, height, width]], linear: true)
      try checkOperator(Transpose(permutation: [0, 3, 1, 2]), shapes: [[2, height, width, channels]], linear: true)
    }
    try expectMoves(Transpose(permutation: [0, 2, 1]), of: [3, 1, 300], to: [3, 300, 1]) { [$0[0], $0[2], $0[1]] }
    #expect(throws: LensError.self) { try Transpose(permutation: [0, 0])(counted([2, 2])) }
  }

  @Test func slicesRunBothWays() throws {
    for step in [-3, -2, -1, 1, 2, 3] {
      let start = step < 0 ? 6 : 0, count = 2
      try expectMoves(
        Slice(starts: [1, start, 0], steps: [1, step, 1], counts: [1, count, 4]), of: [3, 7, 4], to: [1, count, 4]
      ) { [$0[0] + 1, start + step * $0[1], $0[2]] }
      try expectMoves(Slice(starts: [1, start], steps: [1, step], counts: [1, count]), of: [3, 7], to: [1, count]) {
        [$0[0] + 1, start + step * $0[1]]
      }
    }
    try expectMoves(Slice(starts: [0, 0], steps: [1, 1], counts: [3, 0]), of: [3, 7], to: [3, 0]) { $0 }
    #expect(throws: LensError.self) { try Slice(starts: [0], steps: [2], counts: [3])(counted([4])) }
    #expect(throws: LensError.self) { try Slice(starts: [0], steps: [.max], counts: [3])(counted([4])) }
  }

  @Test func padsOfEveryMode() throws {
    let modes: [Pad.Mode] = [.constant(7), .reflect, .edge, .wrap]
    // Written out by hand for a b c d with 3 before and 2 after.
    let shown: [[Int?]] = [
      [nil, nil, nil, 0, 1, 2, 3, nil, nil], [3, 2, 1, 0, 1, 2, 3, 2, 1], [0, 0, 0, 0, 1, 2, 3, 3, 3], [1, 2, 3, 0, 1, 2, 3, 0, 1],
    ]
    for (mode, shown) in zip(modes, shown) {
      try expectMoves(Pad(mode: mode, before: [3], after: [2]), of: [4], to: [9], fill: 7) { shown[$0[0]].map { [$0] } }
      try expectMoves(Pad(mode: mode, before: [0, 3, 3], after: [0, 2, 2]), of: [2, 4, 4], to: [2, 9, 9], fill: 7) { index in
        guard let y = shown[index[1]], let x = shown[index[2]] else { return nil }
        return [index[0], y, x]
      }
      // Cropped to b c d, then padded.
      let cropped: [[Int?]] = [[1, 2, 3, nil], [1, 2, 3, 2], [1, 2, 3, 3], [1, 2, 3, 1]]
      let expected = cropped[modes.firstIndex(of: mode)!]
      try expectMoves(Pad(mode: mode, before: [-1], after: [1]), of: [4], to: [4], fill: 7) { expected[$0[0]].map { [$0] } }
    }
    try expectMoves(Pad(mode: .reflect, before: [5], after: [4]), of: [2], to: [11]) { [($0[0] + 1) % 2] }
    #expect(throws: LensError.self) { try Pad(mode: .edge, before: [-2], after: [1])(counted([2])) }
    #expect(throws: LensError.self) { try Pad(mode: .constant(0), before: [.min], after: [.max])(counted([2])) }
  }

  @Test func tilesAndExpansionsSumTheirCopies() throws {
    try expectMoves(Tile(repeats: [1, 3, 2]), of: [2, 2, 3], to: [2, 6, 6]) { [$0[0], $0[1] % 2, $0[2] % 3] }
    try expectMoves(Expand(to: [2, 3, 4, 5]), of: [3, 1, 5], to: [2, 3, 4, 5]) { [$0[1], 0, $0[3]] }
    try expectMoves(Expand(to: [1, 1]), of: [2, 3], to: [2, 3]) { $0 }
    try expectMoves(Expand(to: [400]), of: [1], to: [400]) { _ in [0] }
    #expect(throws: LensError.self) { try Expand(to: [3])(counted([2])) }
  }

  @Test func gathersPickByNumber() throws {
    try expectMoves(Gather(axis: 1, indices: [2, 0, -1, 2], indexShape: [2, 2]), of: [2, 3, 4], to: [2, 2, 2, 4]) {
      [$0[0], [2, 0, 2, 2][$0[1] * 2 + $0[2]], $0[3]]
    }
    try expectMoves(Gather(axis: 0, indices: [1], indexShape: []), of: [2, 3], to: [3]) { [1, $0[0]] }
    try expectMoves(GatherND(indices: [0, 1, -1, 0], indexShape: [2, 2], batchDimensions: 0), of: [2, 3, 2], to: [2, 2]) {
      $0[0] == 0 ? [0, 1, $0[1]] : [1, 0, $0[1]]
    }
    try expectMoves(GatherND(indices: [1, 0], indexShape: [2, 1], batchDimensions: 1), of: [2, 3, 2], to: [2, 2]) {
      [$0[0], [1, 0][$0[0]], $0[1]]
    }
    try expectMoves(GatherElements(axis: 1, indices: [1, 1, -1, 0], indexShape: [2, 2]), of: [2, 3], to: [2, 2]) {
      [$0[0], [1, 1, 2, 0][$0[0] * 2 + $0[1]]]
    }
    #expect(throws: LensError.self) { try Gather(axis: 0, indices: [2], indexShape: [1])(counted([2])) }
    #expect(throws: LensError.self) { try Gather(axis: 0, indices: [2, 1], indexShape: [1])(counted([2])) }
  }

  @Test func depthAndSpaceChangePlaces() throws {
    try expectMoves(DepthToSpace(blockSize: 2, isColumnRowDepth: true), of: [2, 8, 3, 2], to: [2, 2, 6, 4]) {
      [$0[0], $0[1] * 4 + $0[2] % 2 * 2 + $0[3] % 2, $0[2] / 2, $0[3] / 2]
    }
    try expectMoves(DepthToSpace(blockSize: 2, isColumnRowDepth: false), of: [2, 8, 3, 2], to: [2, 2, 6, 4]) {
      [$0[0], ($0[2] % 2 * 2 + $0[3] % 2) * 2 + $0[1], $0[2] / 2, $0[3] / 2]
    }
    try expectMoves(SpaceToDepth(blockSize: 2), of: [2, 2, 6, 4], to: [2, 8, 3, 2]) {
      [$0[0], $0[1] % 2, $0[2] * 2 + $0[1] / 4, $0[3] * 2 + $0[1] / 2 % 2]
    }
  }

  @Test func concatenationOnEveryAxis() throws {
    for axis in 0..<3 {
      let shape: Shape = [2, 3, 4]
      let parts = [counted(shape.with(axis, 2)), counted(shape.with(axis, 1)), counted(shape.with(axis, 5))]
      let y = try Concat(axis: axis).applied(to: parts)
      #expect(y.shape == shape.with(axis, 8))
      let back = try Concat(axis: axis).gradients(at: parts, outputGradient: y).gradients
      #expect(zip(back, parts).allSatisfy { $0.values == $1.values })
      let sliced = try Slice(
        starts: (0..<3).map { $0 == axis ? 2 : 0 }, steps: [1, 1, 1], counts: shape.with(axis, 1).dimensions)(y)
      #expect(sliced.values == parts[1].values)
    }
    #expect(throws: LensError.self) { try Concat(axis: 0)(counted([2, 3]), counted([2, 4])) }
  }
}
