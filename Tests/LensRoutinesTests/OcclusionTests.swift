// SPDX-License-Identifier: Apache-2.0
import CNNLens
import LensTestSupport
import Testing

private func network() throws -> Network {
  var random = Random(seed: 12)
  let first = Convolution(weights: .normal([20, 3, 3, 3], deviation: 0.4, using: &random), bias: nil, padding: [1, 1, 1, 1])
  let second = Convolution(weights: .normal([16, 20, 3, 3], deviation: 0.2, using: &random), bias: nil, padding: [1, 1, 1, 1])
  let dense = Linear(weights: .normal([4, 16], using: &random), bias: [0.5, 0, -0.5, 0])
  return Network(
    try BuiltSource([[-1, 3, 17, 19]]) { shapes in
      var graph = Graph()
      var last = graph.addInput("image", shapes[0])
      for (name, op): (String, any Operator) in [
        ("conv1", first), ("relu1", ReLU()), ("conv2", second), ("relu2", ReLU()), ("pool", GlobalPool(.average)),
        ("flat", Reshape(to: [shapes[0].n, 16])), ("dense", dense),
      ] { last = try graph.add(op, [last], named: name) }
      graph.outputs = [last]
      return graph
    }, name: "small")
}

@Suite struct OcclusionTests {
  /// Every window through the whole network, and the mean of what it takes away.
  @Test(arguments: [(5, 7, 3, 4), (17, 19, 17, 1), (1, 1, 1, 1), (6, 6, 6, 6)])
  func equalsEveryWindowThroughTheWholeNetwork(tall: Int, wide: Int, down: Int, across: Int) throws {
    let session = Session(try network())
    var random = Random(seed: 3)
    let image = Tensor.normal([2, 3, 17, 19], using: &random)
    let result = try occlusion(session, image, window: (tall, wide), stride: (down, across), filling: .value(0.5), exact: true)
    let logits = try session.activations(of: [image], at: [.logits])[0]
    for n in 0..<2 {
      let target = (0..<4).max { logits[n, $0] < logits[n, $1] }!
      #expect(result.targets[n] == target && result.scores[n] == logits[n, target])
      var sums = [Double](repeating: 0, count: 17 * 19), counts = sums
      for top in stride(from: 0, to: 17 - tall + down, by: down) {
        for left in stride(from: 0, to: 19 - wide + across, by: across) {
          var hidden = Tensor([1, 3, 17, 19], Array(image.values[n * 3 * 17 * 19..<(n + 1) * 3 * 17 * 19]))
          let pixels = (top..<min(top + tall, 17)).flatMap { y in (left..<min(left + wide, 19)).map { y * 19 + $0 } }
          hidden.withMutablePointer { for c in 0..<3 { for i in pixels { $0[c * 17 * 19 + i] = 0.5 } } }
          let score = try session.activations(of: [hidden], at: [.logits])[0][0, target]
          for i in pixels { (sums[i], counts[i]) = (sums[i] + Double(logits[n, target]) - Double(score), counts[i] + 1) }
        }
      }
      #expect(Array(result.map.values[n * 17 * 19..<(n + 1) * 17 * 19]) == zip(sums, counts).map { Float($0 / $1) })
    }
  }

  @Test func oneObjectiveForEachImage() throws {
    let session = Session(try network())
    var random = Random(seed: 4)
    let image = Tensor.normal([2, 3, 17, 19], using: &random),
      second = Tensor([1, 3, 17, 19], Array(image.values[3 * 17 * 19..<2 * 3 * 17 * 19]))
    let objective: Objective = .logit([3, 1]) - 0.5 * .probability([0, 2]) + .channel("conv2", 4)
    let both = try occlusion(session, image, objective, window: (6, 6), stride: (5, 5), filling: .mean)
    let alone = try occlusion(
      session, second, .logit([1]) - 0.5 * .probability([2]) + .channel("conv2", 4), window: (6, 6), stride: (5, 5), filling: .mean)
    #expect(Array(both.map.values[17 * 19..<2 * 17 * 19]) == alone.map.values)
    #expect(both.targets == [3, 1])
  }

  /// A picture of one colour is its own mean, and its own blur.
  @Test func hidingNothingTakesNothingAway() throws {
    let session = Session(try network()), image = Tensor([1, 3, 17, 19], repeating: 0.25)
    for filling: Filling in [.mean, .blur, .value(0.25)] {
      #expect(try occlusion(session, image, window: (5, 5), stride: (2, 2), filling: filling).map.values.allSatisfy { abs($0) < 1e-5 })
    }
  }

  @Test func whatIsWrongIsSaid() throws {
    let session = Session(try network()), image = Tensor([1, 3, 17, 19], repeating: 0.25)
    for (window, stride, filling): ((Int, Int), (Int, Int), Filling) in [
      ((18, 5), (1, 1), .mean), ((5, 20), (1, 1), .mean), ((0, 5), (1, 1), .mean), ((5, 5), (0, 1), .mean), ((5, 5), (1, 6), .mean),
      ((5, 5), (1, 1), .value(.nan)), ((5, 5), (1, 1), .value(.infinity)),
    ] {
      let error = #expect(throws: LensError.self) { try occlusion(session, image, window: window, stride: stride, filling: filling) }
      #expect(error?.code == .invalidArgument)
    }
    #expect(throws: LensError.self) { try occlusion(session, Tensor([3, 17, 19])) }
    session.interrupt = { true }
    #expect(throws: LensError.self) { try occlusion(session, image, window: (5, 5)) }
    session.interrupt = nil
    let stopped = #expect(throws: LensError.self) { try occlusion(session, image, window: (8, 8)) { _, _ in false } }
    #expect(stopped?.code == .cancelled)
  }
}
