// SPDX-License-Identifier: Apache-2.0
import LensEngine
import LensTensors
import LensTestSupport
import Testing

/// What files spell out in several nodes and a plan computes as one.
@Suite struct SpellingTests {
  /// A graph on one picture-like input, `build` adding to it, and the names of the steps that then run forward.
  private func network(_ build: @escaping @Sendable (inout Graph, Int) throws -> Int) throws -> Network {
    Network(
      try BuiltSource([[-1, 20, 5, 6]]) { shapes in
        var graph = Graph()
        let x = graph.addInput("x", shapes[0])
        graph.outputs = [try build(&graph, x)]
        return graph
      }, name: "spelt")
  }

  private func forwardKinds(_ network: Network, wrt: [Layer] = [.input]) throws -> [String] {
    let session = Session(network)
    var kinds: [String] = []
    session.observer = { if !$0.isBackward, $0.kind != "Reorder" { kinds.append($0.kind) } }
    _ = try session.gradient(of: .half(.output), at: [Tensor([2, 20, 5, 6], repeating: 0.3)], wrt: wrt)
    return kinds
  }

  /// Value and gradient of two networks on the same picture.
  private func expectSame(_ a: Network, _ b: Network, tolerance: Double = 1e-6) throws {
    var random = Random(seed: 8)
    let x = Tensor.normal([2, 20, 5, 6], deviation: 2, using: &random)
    let p = try Session(a).gradient(of: .half(.output), at: [x], activations: [.output])
    let q = try Session(b).gradient(of: .half(.output), at: [x], activations: [.output])
    #expect(relativeDistance(p.activations[0].values, q.activations[0].values) < tolerance)
    #expect(relativeDistance(p.gradients[0].values, q.gradients[0].values) < tolerance)
  }

  private func relativeDistance(_ a: [Float], _ b: [Float]) -> Double {
    let differences = zip(a, b).map { Double($0 - $1) * Double($0 - $1) }.reduce(0, +)
    return (differences / max(b.map { Double($0) * Double($0) }.reduce(0, +), 1e-30)).squareRoot()
  }

  private func alone(_ op: any Operator) throws -> Network { try network { try $0.add(op, [$1], named: "y") } }

  @Test func aProductWithItsOwnSigmoidIsSwish() throws {
    for (alpha, isSwapped) in [(Float(1), false), (1.702, true)] {
      let spelt = try network { graph, x in
        var inner = x
        if alpha != 1 {
          let factor = graph.addConstant(Tensor([1], [alpha]), named: "alpha")
          inner = try graph.add(Binary(.multiply), [factor, x], named: "scaled")
        }
        let gate = try graph.add(Pointwise(.sigmoid), [inner], named: "gate")
        return try graph.add(Binary(.multiply), isSwapped ? [gate, x] : [x, gate], named: "y")
      }
      #expect(try forwardKinds(spelt) == ["Swish"])
      try expectSame(spelt, alone(Pointwise(.swish(alpha: alpha))))
      // What is differentiated stays.
      #expect(try forwardKinds(spelt, wrt: [.input, "gate"]).contains("Sigmoid"))
      let x = Tensor([1, 20, 5, 6], repeating: 0.5)
      let gradient = try Session(spelt).gradient(of: .half(.output), at: [x], wrt: ["gate"]).gradients[0]
      let y = 0.5 / (1 + expNegative(0.5 * alpha))
      #expect(gradient.values.allSatisfy { abs($0 - y * 0.5) < 1e-5 })
      // Who looks at the gate sees it.
      let seen = try Session(spelt).activations(of: [x], at: ["gate"])[0]
      #expect(seen.values.allSatisfy { abs($0 - 1 / (1 + expNegative(0.5 * alpha))) < 1e-6 })
    }
  }

  private func expNegative(_ x: Float) -> Float { try! Pointwise(.exp)(Tensor([1], [-x])).values[0] }

  @Test(arguments: 0..<4) func geluIsFoundInWhateverOrder(order: Int) throws {
    let spelt = try network { graph, x in
      func number(_ value: Float, _ name: String) -> Int { graph.addConstant(Tensor([], [value]), named: name) }
      let scaled =
        order % 2 == 0
        ? try graph.add(Binary(.divide), [x, number(1.414_213_5, "root")], named: "scaled")
        : try graph.add(Binary(.multiply), [x, number(0.707_106_8, "root")], named: "scaled")
      let bell = try graph.add(Pointwise(.erf), [scaled], named: "erf")
      let gate = try graph.add(Binary(.add), order < 2 ? [bell, number(1, "one")] : [number(1, "one"), bell], named: "gate")
      if order < 2 {
        let product = try graph.add(Binary(.multiply), [x, gate], named: "product")
        return try graph.add(Binary(.multiply), [product, number(0.5, "half")], named: "y")
      }
      let half = try graph.add(Binary(.multiply), [number(0.5, "half"), x], named: "halved")
      return try graph.add(Binary(.multiply), [half, gate], named: "y")
    }
    #expect(try forwardKinds(spelt) == ["Gelu"])
    try expectSame(spelt, alone(Pointwise(.gelu(tanh: false))))
  }

  @Test func otherGatesStayProducts() throws {
    for number: Float in [0.25, 2] {
      let spelt = try network { graph, x in
        let factor = graph.addConstant(Tensor([1], [number]), named: "factor")
        let gate = try graph.add(Pointwise(.sigmoid), [try graph.add(Pointwise(.abs), [x], named: "abs")], named: "gate")
        return try graph.add(Binary(.multiply), [try graph.add(Binary(.multiply), [x, gate], named: "product"), factor], named: "y")
      }
      #expect(try forwardKinds(spelt) == ["Abs", "Sigmoid", "Mul", "Mul"])
    }
  }

  @Test func aBiasBecomesPartOfTheProductBeforeIt() throws {
    var random = Random(seed: 9)
    let weights = Tensor.normal([7, 6], using: &random), bias = Tensor.normal([7], using: &random)
    let spelt = try network { graph, x in
      let product = try graph.add(Linear(weights: weights, bias: nil, kind: "MatMul"), [x], named: "product")
      return try graph.add(Binary(.add), [graph.addConstant(bias, named: "bias"), product], named: "y")
    }
    #expect(try forwardKinds(spelt) == ["MatMul"])
    try expectSame(spelt, alone(Linear(weights: weights, bias: bias.values)))
    let product = try Session(spelt).activations(of: [Tensor([1, 20, 5, 6], repeating: 1)], at: ["product"])[0]
    #expect(abs(product.values[0] - weights.values[0..<6].reduce(0, +)) < 1e-5)
  }

  @Test func aStretchedOperandNeedsNoCopy() throws {
    var random = Random(seed: 10)
    let factors = Tensor.normal([1, 20, 1, 1], using: &random)
    let spelt = try network { graph, x in
      let mean = try graph.add(GlobalPool(.average), [x], named: "mean")
      let scaled = try graph.add(Binary(.multiply), [mean, graph.addConstant(factors, named: "factors")], named: "scaled")
      let stretched = try graph.add(Expand(to: graph.nodes[x].shape), [scaled], named: "stretched")
      return try graph.add(Binary(.multiply), [x, stretched], named: "y")
    }
    let direct = try network { graph, x in
      let mean = try graph.add(GlobalPool(.average), [x], named: "mean")
      let scaled = try graph.add(Binary(.multiply), [mean, graph.addConstant(factors, named: "factors")], named: "scaled")
      return try graph.add(Binary(.multiply), [x, scaled], named: "y")
    }
    #expect(try !forwardKinds(spelt).contains("Expand"))
    try expectSame(spelt, direct, tolerance: 1e-6)
  }
}
