// SPDX-License-Identifier: Apache-2.0
import LensEngine
import LensTensors
import LensTestSupport
import Testing

@Suite struct ProductTests {
  @Test(arguments: [(1, 1), (7, 3), (16, 16), (33, 65), (300, 10), (5, 1031)])
  func linearIsWxPlusB(inputs: Int, outputs: Int) throws {
    var random = Random(seed: UInt64(inputs + outputs))
    let w = Tensor.normal([outputs, inputs], using: &random)
    for bias in [nil, (0..<outputs).map { Float($0) / 16 }] {
      let op = Linear(weights: w, bias: bias)
      for shape in [[inputs], [1, inputs], [3, inputs], [2, 5, inputs], [33, inputs]] as [[Int]] {
        try checkOperator(
          op, shapes: [Shape(shape)], linear: true,
          reference: { values in
            let x = values[0], weights = ReferenceTensor(w)
            return ReferenceTensor(shape.dropLast() + [outputs]) { (at: [Int]) -> Double in
              let output = at[at.count - 1], row = Array(at.dropLast())
              var sum = Double(bias?[output] ?? 0)
              for i in 0..<inputs { sum += weights[output, i] * x[row + [i]] }
              return sum
            }
          }, tolerance: 5e-6)
      }
    }
    #expect(throws: LensError.self) { try Linear(weights: w, bias: nil)(Tensor([1, inputs + 1])) }
    #expect(throws: LensError.self) { try Linear(weights: w, bias: [Float](repeating: 0, count: outputs + 1))(Tensor([1, inputs])) }
  }

  static let pairs: [(Shape, Shape)] = [
    ([4], [4]), ([4], [4, 3]), ([2, 4], [4]), ([2, 4], [4, 3]), ([5, 2, 4], [4, 3]), ([2, 4], [5, 4, 3]), ([5, 2, 4], [5, 4, 3]),
    ([5, 1, 2, 4], [3, 4, 2]), ([1, 3, 2, 4], [5, 1, 4, 6]), ([4], [5, 4, 3]), ([5, 2, 4], [4]), ([2, 70, 33], [2, 33, 50]),
    ([1, 1], [1, 1]),
  ]

  @Test(arguments: pairs) func matricesMultiplyAsInNumPy(a: Shape, b: Shape) throws {
    try checkOperator(
      MatrixMultiply(), shapes: [a, b], isBatched: false,
      reference: { values in
        let k = a.dimensions.last!
        let p = a.rank == 1 ? ReferenceTensor([1, k], values[0].values) : values[0]
        let q = b.rank == 1 ? ReferenceTensor([k, 1], values[1].values) : values[1]
        let rank = max(p.dimensions.count, q.dimensions.count)
        let padded = [p, q].map { [Int](repeating: 1, count: rank - $0.dimensions.count) + $0.dimensions }
        let batch = (0..<rank - 2).map { max(padded[0][$0], padded[1][$0]) }
        let full = ReferenceTensor(batch + [padded[0][rank - 2], padded[1][rank - 1]]) { (at: [Int]) -> Double in
          var sum = 0.0
          for i in 0..<k {
            var left = at, right = at
            left[rank - 1] = i
            right[rank - 2] = i
            sum += p.broadcast(left) * q.broadcast(right)
          }
          return sum
        }
        let matrix = (a.rank == 1 ? [] : [padded[0][rank - 2]]) + (b.rank == 1 ? [] : [padded[1][rank - 1]])
        return ReferenceTensor(batch + matrix, full.values)
      }, tolerance: 5e-6)
  }

  @Test func shapesThatDoNotMeetThrow() {
    #expect(throws: LensError.self) { try MatrixMultiply()(Tensor([2, 3]), Tensor([2, 3])) }
    #expect(throws: LensError.self) { try MatrixMultiply()(Tensor([2, 2, 3]), Tensor([3, 3, 2])) }
    #expect(throws: LensError.self) { try MatrixMultiply()(Tensor([]), Tensor([3])) }
  }
}
