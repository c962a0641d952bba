// SPDX-License-Identifier: Apache-2.0
import LensTestSupport
import Testing

@testable import CNNLens
@testable import LensRoutines

/// conv, tanh, conv, a sum around both, pool, dense: smooth, with a skip connection.
private func skipNetwork() throws -> Network {
  var random = Random(seed: 4)
  let first = Convolution(
    weights: .normal([4, 3, 3, 3], deviation: 0.4, using: &random), bias: [0.1, 0, -0.1, 0.2], padding: [1, 1, 1, 1])
  let second = Convolution(weights: .normal([4, 4, 3, 3], deviation: 0.4, using: &random), bias: nil, padding: [1, 1, 1, 1])
  let dense = Linear(weights: .normal([3, 4], using: &random), bias: [0.5, 0, -0.5])
  return Network(
    try BuiltSource([[-1, 3, 6, 7]]) { shapes in
      var graph = Graph()
      let image = graph.addInput("image", shapes[0])
      let a = try graph.add(first, [image], named: "a")
      let b = try graph.add(Pointwise(.tanh), [a], named: "b")
      let c = try graph.add(second, [b], named: "c")
      let sum = try graph.add(Binary(.add), [a, c], named: "sum")
      let pool = try graph.add(GlobalPool(.average), [sum], named: "pool")
      let flat = try graph.add(Reshape(to: [shapes[0].n, 4], kind: "Flatten"), [pool], named: "flat")
      graph.outputs = [try graph.add(dense, [flat], named: "dense")]
      return graph
    }, name: "skip")
}

private func pictures() -> Tensor {
  var random = Random(seed: 5)
  return .uniform([3, 3, 6, 7], using: &random)
}

@Suite struct PathTests {
  @Test func weightsSumToOneAndLegendreIsExact() throws {
    for rule in Quadrature.allCases {
      for n in [2, 3, 7, 50, 301] {
        let points = try rule.points(n)
        #expect(abs(points.reduce(0) { $0 + $1.weight } - 1) < 1e-12)
        #expect(points.allSatisfy { 0...1 ~= $0.place } && points.count == n)
      }
    }
    // x^(2n - 1) from 0 to 1 is 1 / 2n.
    for n in 1...12 {
      let integral = try Quadrature.gaussLegendre.points(n).reduce(0.0) { sum, point in
        sum + point.weight * (0..<2 * n - 1).reduce(1.0) { power, _ in power * point.place }
      }
      #expect(abs(integral - 1 / Double(2 * n)) < 1e-13)
    }
    #expect(throws: LensError.self) { try Quadrature.trapezoid.points(1) }
    #expect(throws: LensError.self) { try Quadrature.left.points(0) }
  }

  @Test func completenessAtThePictureAndAtLayers() throws {
    let session = Session(try skipNetwork())
    for result in [
      try integratedGradients(session, pictures(), .logit([1]), baseline: .mean, steps: 20),
      try conductance(session, pictures(), .logit([1]), at: "sum", baseline: .mean, steps: 200),
      try layerIntegratedGradients(session, pictures(), .logit([1]), at: "sum", baseline: .mean, steps: 3),
    ] {
      #expect(result.gaps!.count == 3)
      for gap in result.gaps! { #expect(abs(gap) < 2e-4) }
    }
    // What flows through `c` alone is not all of it: the sum also has `a`.
    let part = try conductance(session, pictures(), .logit([1]), at: "c", steps: 50, reduction: .none)
    let other = try conductance(session, pictures(), .logit([1]), at: "pool", steps: 50, reduction: .none)
    #expect(part.map.shape == [3, 4, 6, 7] && other.map.shape == [3, 4, 1, 1])
    #expect(abs(part.gaps![0]) > 1e-3 && abs(other.gaps![0]) < 2e-4)
  }

  @Test func aNetworkBehindALayerIsTheRestOfIt() throws {
    let session = Session(try skipNetwork())
    let whole = try session.activations(of: [pictures()], at: ["dense"])[0]
    for (layer, inputs) in [("a", ["a"]), ("b", ["b", "a"]), ("c", ["c", "a"]), ("flat", ["flat"])] as [(Layer, [Layer])] {
      let rest = try session.behind(layer, inputs: [pictures().shape.with(0, 1)])
      #expect(rest.layers == inputs)
      let values = try session.activations(of: [pictures()], at: rest.layers)
      let found = try rest.session.activations(of: values, at: [.logits])[0]
      #expect(zip(found.values, whole.values).allSatisfy { abs($0 - $1) < 1e-5 })
      let direct = try session.gradient(of: .logit([2]), at: [pictures()], wrt: [layer]).gradients[0]
      let behind = try rest.session.gradient(of: .logit([2]), at: values, wrt: [layer]).gradients[0]
      // The skip connection's own share is not the layer's.
      if layer != "a" { #expect(zip(direct.values, behind.values).allSatisfy { abs($0 - $1) < 1e-5 }) }
    }
    #expect(throws: LensError.self) { try session.behind("nowhere", inputs: [pictures().shape]) }
  }

  @Test func lanesGoBackByTheirOwnRules() throws {
    var random = Random(seed: 11)
    let network = try Network.chain(
      [2, 3, 8, 9],
      [
        ("conv1", Convolution(weights: .normal([4, 3, 3, 3], using: &random), bias: [0.1, 0, -0.1, 0.2], padding: [1, 1, 1, 1])),
        ("relu1", ReLU()), ("pool", MaxPool(PoolWindow(2))),
        ("conv2", Convolution(weights: .normal([16, 4, 3, 3], using: &random), bias: nil, padding: [1, 1, 1, 1])), ("relu2", ReLU()),
        ("flat", Reshape(to: [2, 256], kind: "Flatten")), ("dense", Linear(weights: .normal([3, 256], using: &random), bias: nil)),
      ])
    let session = Session(network), image = Tensor.normal([2, 3, 8, 9], using: &random)
    let maps: [RuleMap] = [.guided, .gradient, .deconvnet]
    let together = try session.gradients(of: maps.map { _ in .logit([1]) }, at: [image], rules: .lanes(maps))
    for (rules, result) in zip(maps, together) {
      let alone = try session.gradient(of: .logit([1]), at: [image], rules: rules).gradients[0]
      let scale = alone.values.map(abs).max()!
      #expect(zip(result.gradients[0].values, alone.values).allSatisfy { abs($0 - $1) <= 1e-6 * scale }, "\(rules.name)")
    }
  }

  @Test func noiseOfOneImageDoesNotDependOnTheOthers() throws {
    let session = Session(try skipNetwork())
    let all = try smoothGrad(session, pictures(), .logit([0]), samples: 9, seed: 7)
    for n in 0..<3 {
      #expect(try smoothGrad(session, pictures().single(n), .logit([0]), samples: 9, seed: 7).map.values == all.map.single(n).values)
    }
    #expect(try smoothGrad(session, pictures(), .logit([0]), samples: 9, seed: 8).map.values != all.map.values)
    let none = try smoothGrad(session, pictures(), .logit([0]), samples: 9, noise: 0, summary: .variance)
    #expect(none.map.values.allSatisfy { $0 == 0 })
  }

  @Test func badPathsAreRefused() throws {
    let session = Session(try skipNetwork())
    #expect(throws: LensError.self) { try smoothGrad(session, pictures(), samples: 0) }
    #expect(throws: LensError.self) { try smoothGrad(session, pictures(), noise: .nan) }
    #expect(throws: LensError.self) { try integratedGradients(session, pictures(), baseline: .value(.infinity)) }
    #expect(throws: LensError.self) { try integratedGradients(session, pictures(), baseline: .picture(Tensor([1, 3, 6, 6]))) }
    #expect(throws: LensError.self) { try integratedGradients(session, pictures()) { _, _ in false } }
    #expect(throws: LensError.self) { try layerGradientTimesActivation(session, pictures(), at: "flat") }
    #expect(throws: LensError.self) { try gradCAM(session, pictures(), at: "flat", variant: .scoreCAM) }
  }
}
