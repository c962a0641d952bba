// SPDX-License-Identifier: Apache-2.0
import LensTensors
import LensTestSupport
import Testing

@testable import LensEngine

/// A network whose dense layers fit one size only, like VGG's; at others there is what can be there.
private func network(_ channelsLast: Bool = false) throws -> Network {
  var random = Random(seed: 3)
  let conv = Convolution(weights: .normal([5, 3, 3, 3], deviation: 0.4, using: &random), bias: [0.1, 0, 0, -0.1, 0.2])
  let first = Linear(weights: .normal([7, 5 * 3 * 4], using: &random), bias: [Float](repeating: 0.1, count: 7))
  let second = Linear(weights: .normal([4, 7], using: &random), bias: nil)
  let shift = Constant(tensor: .normal([4], using: &random))
  return Network(
    try BuiltSource([[-1, 3, 8, 10]]) { shapes in
      var graph = Graph()
      let input = graph.addInput("image", shapes[0])
      let maps = try graph.add(conv, [input], named: "conv")
      var last = try graph.add(MaxPool(PoolWindow(2)), [maps], named: "pool")
      guard shapes[0].h == 8 else {
        graph.outputs = [last]
        return graph
      }
      if channelsLast { last = try graph.add(Transpose(permutation: [0, 2, 3, 1]), [last], named: "order") }
      last = try graph.add(Reshape(to: [shapes[0].n, 60]), [last], named: "flat")
      last = try graph.add(first, [last], named: "fc1")
      last = try graph.add(ReLU(), [last], named: "relu")
      last = try graph.add(second, [last], named: "fc2")
      last = try graph.add(Binary(.add), [last, graph.addConstant(shift.tensor, named: "shift")], named: "shifted")
      last = try graph.add(Softmax(axes: 1..<2), [last], named: "softmax")
      graph.outputs = [last]
      return graph
    }, name: "dense")
}

@Suite struct RewritingTests {
  @Test(arguments: [false, true])
  func denseLayersSlideAsConvolutions(channelsLast: Bool) throws {
    let network = try network(channelsLast), sliding = try network.fullyConvolutional()
    var random = Random(seed: 4)
    let image = Tensor.normal([2, 3, 12, 16], using: &random)
    let maps = try Session(sliding).activations(of: [image], at: [.output])[0]
    #expect(sliding.outputs == ["shifted"] && maps.shape == [2, 4, 3, 4])  // pool 5×7, windows of 3×4
    // Without padding each position has the scores of the picture cropped there.
    for (y, x) in [(0, 0), (1, 2), (2, 3)] {
      var crop = Tensor([2, 3, 8, 10])
      crop.withMutablePointer { p in
        for i in 0..<480 { p[i] = image.values[(i / 80) * 192 + (i % 80 / 10 + 2 * y) * 16 + i % 10 + 2 * x] }
      }
      let logits = try Session(network).activations(of: [crop], at: [.logits])[0]
      for n in 0..<2 { for k in 0..<4 { #expect(abs(maps[n, k, y, x] - logits[n, k]) < 1e-4) } }
    }
    let own = Tensor.normal([1, 3, 8, 10], using: &random)
    let one = try Session(sliding).activations(of: [own], at: [.logits, "relu"])
    #expect(one[0].shape == [1, 4, 1, 1] && one[1].shape == [1, 7, 1, 1])
  }

  @Test func whatCannotSlideIsNamed() throws {
    let ends = try Network.chain([-1, 3, 8, 8], [("conv", Convolution(weights: Tensor([2, 3, 1, 1], repeating: 1), bias: nil))])
    #expect(throws: LensError.self) { try ends.fullyConvolutional() }
    let free = try Network.chain([-1, 3, -1, -1], [("pool", GlobalPool(.average))])
    let unsaid = #expect(throws: LensError.self) { try free.fullyConvolutional() }
    #expect(unsaid?.message.contains("height and width") == true)
    #expect(throws: LensError.self) { try free.fullyConvolutional(height: -4, width: 3) }
    let pooled = try free.fullyConvolutional(height: 4, width: 6)
    #expect(try Session(pooled).activations(of: [Tensor([1, 3, 5, 8])], at: [.output])[0].shape == [1, 3, 2, 3])
    // Normalised over its channels, as ConvNeXt is.
    let scale = Tensor([3], [1, 2, 3])
    let normalized = try Network.chain(
      [-1, 3, 4, 6],
      [
        ("pool", GlobalPool(.average)), ("last", Transpose(permutation: [0, 2, 3, 1])),
        ("norm", LayerNormalization(axis: 3, scale: scale, bias: nil, epsilon: 1e-6)), ("first", Transpose(permutation: [0, 3, 1, 2])),
      ])
    let wide = Tensor([1, 3, 4, 7], (0..<84).map { Float($0 * $0 % 17) })
    let narrow = Tensor([1, 3, 4, 6], (0..<72).map { wide.values[$0 / 6 * 7 + $0 % 6] })
    let slid = try Session(normalized.fullyConvolutional()).activations(of: [wide], at: [.output])[0]
    let once = try Session(normalized).activations(of: [narrow], at: [.output])[0]
    #expect(slid.shape == [1, 3, 1, 2] && (0..<3).allSatisfy { abs(slid[0, $0, 0, 0] - once[0, $0, 0, 0]) < 1e-5 })
    let odd = try Network.chain(
      [-1, 3, 8, 8], [("pool", GlobalPool(.average)), ("sum", CumulativeSum(axis: 1, isExclusive: false, isReversed: false))])
    let named = #expect(throws: LensError.self) { try odd.fullyConvolutional() }
    #expect(named?.message.contains("'sum'") == true)
  }

  @Test func drawnWeightsKeepTheirScaleAndTheRestStays() throws {
    let network = try network(), random = try network.randomized(["conv"], seed: 5)
    let before = try network.source.graph(for: [[1, 3, 8, 10]], reaching: nil)
    let after = try random.source.graph(for: [[1, 3, 8, 10]], reaching: nil)
    func weights(_ graph: Graph, _ name: String) -> Tensor {
      let op = graph.nodes[graph.index(of: Layer(name))!].op
      return (op as? Convolution)?.weights ?? (op as! Linear).weights
    }
    let a = weights(before, "conv"), b = weights(after, "conv")
    #expect(a.shape == b.shape && a.values != b.values)
    func power(_ x: Tensor) -> Double { x.values.reduce(0) { $0 + Double($1) * Double($1) } }
    #expect(abs(power(b) / power(a) - 1) < 0.5)
    #expect(weights(before, "fc1").values == weights(after, "fc1").values)
    // A layer's draw does not depend on which others are drawn, nor on the size of the picture.
    let more = try network.randomized(["fc1", "conv"], seed: 5)
    #expect(weights(try more.source.graph(for: [[2, 3, 8, 10]], reaching: nil), "conv").values == b.values)
    #expect(
      weights(try network.randomized(["conv"], seed: 6).source.graph(for: [[1, 3, 8, 10]], reaching: nil), "conv").values != b.values)
    #expect(throws: LensError.self) { try network.randomized(["relu"]) }
    #expect(throws: LensError.self) { try network.randomized(["nowhere"]) }
  }

  @Test func valuesAreThoseOfAGradientCall() throws {
    let session = Session(try network())
    var random = Random(seed: 6)
    let image = Tensor.normal([3, 3, 8, 10], using: &random)
    let objective = Objective("sum of fc1", at: ["fc1"]) { activations, seeds in
      let view = activations["fc1"]
      return Objective.Value(scores: (0..<3).map { n in (0..<7).reduce(Float(0)) { $0 + view.image(n)[$1] } })
    }
    #expect(try session.values(of: objective, at: [image]) == session.gradient(of: objective, at: [image]).scores)
  }
}
