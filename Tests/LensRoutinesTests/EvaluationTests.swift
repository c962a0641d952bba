// SPDX-License-Identifier: Apache-2.0
import CNNLens
import LensTestSupport
import Testing

/// Curves of a network whose score is a weighted sum of the pixels, so that every point of them can be added up.
@Suite struct EvaluationTests {
  private let image: Tensor
  private let weights: Tensor
  private let session: Session

  init() throws {
    var random = Random(seed: 2)
    image = .normal([2, 2, 5, 6], using: &random)
    weights = .normal([1, 2, 5, 6], using: &random)
    session = Session(try .chain([-1, 2, 5, 6], [("score", Convolution(weights: weights, bias: [0.5]))]))
  }

  /// The score where the first `count` pixels of an order show what hides them.
  private func score(_ n: Int, _ order: [Int], _ count: Int, hidden: Float) -> Float {
    let gone = Set(order[..<count])
    return (0..<60).reduce(0.5) { sum, i in
      sum + weights.values[i] * (gone.contains(i % 30) ? hidden : image.values[n * 60 + i])
    }
  }

  private func isClose(_ a: [Float], _ b: [Float]) -> Bool { a.count == b.count && zip(a, b).allSatisfy { abs($0 - $1) < 1e-4 } }

  @Test func curvesAreTheirDefinition() throws {
    var random = Random(seed: 3)
    let orders = (0..<2).map { _ in (0..<30).map { ($0, random.next()) }.sorted { $0.1 < $1.1 }.map(\.0) }
    var map = [Float](repeating: 0, count: 60)
    for (n, order) in orders.enumerated() { for (place, pixel) in order.enumerated() { map[n * 30 + pixel] = Float(-place) / 7 } }
    let maps = Tensor([2, 5, 6], map), counts = [0, 8, 15, 22, 30]
    let down = try deletion(session, image, maps, .logit([0]), steps: 4, filling: .value(0.25))
    let up = try insertion(session, image, maps, .logit([0]), steps: 4, filling: .value(0.25))
    #expect(down.fractions == counts.map { Double($0) / 30 } && down.targets == [0, 0])
    #expect(isClose(down.values.values, (0..<2).flatMap { n in counts.map { score(n, orders[n], $0, hidden: 0.25) } }))
    // The rest is hidden: the last ones of the order.
    let last = orders.map { Array($0.reversed()) }
    #expect(isClose(up.values.values, (0..<2).flatMap { n in counts.map { score(n, last[n], 30 - $0, hidden: 0.25) } }))
    #expect(isClose(down.scores, [down.values.values[0], down.values.values[5]]))
    for n in 0..<2 {
      let row = Array(down.values.values[n * 5..<n * 5 + 5].map(Double.init))
      let area = 8.0 / 60 * (row[0] + row[1]) + 7.0 / 60 * (row[1] + 2 * row[2] + row[3]) + 8.0 / 60 * (row[3] + row[4])
      #expect(abs(down.areas[n] - area) < 1e-9)
    }
  }

  @Test func equalPixelsGoInTheOrderOfRowsAndStepsEndWithThePixels() throws {
    let curve = try deletion(session, image, Tensor([2, 5, 6]), .logit([0]), steps: 1000)
    #expect(curve.fractions.count == 31)
    #expect(isClose(Array(curve.values.values[..<31]), (0...30).map { score(0, Array(0..<30), $0, hidden: 0) }))
  }

  @Test func whatIsImpossibleIsNamed() throws {
    let maps = Tensor([2, 5, 6])
    for wrong in [Tensor([5, 6]), Tensor([2, 6, 5]), Tensor([2, 1, 5, 6])] {
      let error = #expect(throws: LensError.self) { try deletion(session, image, wrong) }
      #expect(error?.code == .shapeMismatch && error?.message.contains("\(wrong.shape)") == true)
    }
    let errors = [
      #expect(throws: LensError.self) { try insertion(session, image, Tensor([2, 5, 6], repeating: .nan)) },
      #expect(throws: LensError.self) { try deletion(session, image, maps, steps: 0) },
      #expect(throws: LensError.self) { try deletion(session, image, maps, filling: .segmentMean) },
    ]
    for (error, said) in zip(errors, ["not finite", "steps is 0", "no segments"]) {
      #expect(error?.code == .invalidArgument && error?.message.contains(said) == true)
    }
    var calls: [[Int]] = []
    let stopped = #expect(throws: LensError.self) {
      try deletion(session, image, maps, steps: 3) {
        calls.append([$0, $1])
        return $0 < 8
      }
    }
    #expect(stopped?.code == .cancelled)
    #expect(calls == [[4, 8], [8, 8]])
  }
}
