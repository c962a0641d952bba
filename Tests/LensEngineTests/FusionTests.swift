// SPDX-License-Identifier: Apache-2.0
import LensEngine
import LensTensors
import LensTestSupport
import Testing

/// conv, relu6, conv, + shortcut, relu, and the same relu once more: everything that may be fused, shared or done in place.
private func residualNetwork() throws -> Network {
  var random = Random(seed: 21)
  let stem = Convolution(
    weights: .normal([20, 3, 3, 3], deviation: 0.5, using: &random), bias: [Float](repeating: 0.1, count: 20), padding: [1, 1, 1, 1])
  let body = Convolution(weights: .normal([20, 20, 3, 3], deviation: 0.1, using: &random), bias: nil, padding: [1, 1, 1, 1])
  let shortcut = Convolution(weights: .normal([20, 20, 1, 1], deviation: 0.2, using: &random), bias: nil)
  let dense = Linear(weights: .normal([4, 20], using: &random), bias: nil)
  return Network(
    try BuiltSource([[-1, 3, 9, 7]]) { shapes in
      var graph = Graph()
      let x = graph.addInput("x", shapes[0])
      let relu = ReLU()
      let stemmed = try graph.add(Pointwise(.clip(lower: 0, upper: 6)), [try graph.add(stem, [x], named: "stem")], named: "relu6")
      let sum = try graph.add(
        Binary(.add), [try graph.add(body, [stemmed], named: "body"), try graph.add(shortcut, [stemmed], named: "shortcut")], named: "sum")
      let once = try graph.add(relu, [sum], named: "once")
      let twice = try graph.add(relu, [try graph.add(Binary(.add), [once, stemmed], named: "again")], named: "twice")
      let pooled = try graph.add(GlobalPool(.average), [twice], named: "pool")
      let flat = try graph.add(Reshape(to: [shapes[0].n, 20]), [pooled], named: "flat")
      graph.outputs = [try graph.add(dense, [flat], named: "dense")]
      return graph
    }, name: "residual")
}

@Suite struct FusionTests {
  private let every: [Layer] = ["stem", "relu6", "body", "shortcut", "sum", "once", "again", "twice", "pool", "flat", "dense"]

  @Test func convolutionsTakeOverWhatFollowsThem() throws {
    let plan = try Session(residualNetwork()).plan(inputs: [[1, 3, 9, 7]], of: .half(.output), wrt: [.input])
    let forward = plan.description.split(separator: "\n").prefix { !$0.hasPrefix("backward") }
    for absorbed in ["stem", "sum"] { #expect(!forward.contains { $0.hasPrefix("  \(absorbed)  ") }, "\(absorbed)") }
    #expect(forward.contains { $0.hasPrefix("  relu6  ") } && forward.contains { $0.hasPrefix("  once  ") })
  }

  /// Looking at a layer keeps it from being fused; no number may depend on who looks.
  @Test func everyRuleGivesTheSameWhetherLayersAreFusedOrNot() throws {
    let session = Session(try residualNetwork())
    var random = Random(seed: 4)
    let image = Tensor.normal([2, 3, 9, 7], deviation: 3, using: &random)
    for rules: RuleMap in [.gradient, .deconvnet, .guided] {
      let fused = try session.gradient(of: .half(.output), at: [image], rules: rules)
      let watched = try session.gradient(of: .half(.output), at: [image], activations: every, rules: rules)
      #expect(fused.gradients[0].values == watched.gradients[0].values, "\(rules.name)")
      #expect(fused.scores == watched.scores)
      for layer in every {
        let alone = try session.gradient(of: .half(.output), at: [image], wrt: [layer], rules: rules)
        let together = try session.gradient(of: .half(.output), at: [image], wrt: [.input] + every, rules: rules)
        #expect(alone.gradients[0].values == together.gradients[1 + every.firstIndex(of: layer)!].values, "\(rules.name) \(layer)")
      }
    }
  }

  /// A 1×1 kernel of stride 2 would begin the gradient with three quarters of zeros. It waits until the other branch has begun it, and
  /// then touches a quarter; so both apply the gates.
  @Test func stridedShortcutsAddToWhatTheOtherBranchBegan() throws {
    var random = Random(seed: 8)
    let narrow = Convolution(weights: .normal([16, 16, 1, 1], deviation: 0.3, using: &random), bias: nil)
    let body = Convolution(
      weights: .normal([32, 16, 3, 3], deviation: 0.2, using: &random), bias: nil, strides: [2, 2], padding: [1, 1, 1, 1])
    let shortcut = Convolution(weights: .normal([32, 16, 1, 1], deviation: 0.3, using: &random), bias: nil, strides: [2, 2])
    let network = Network(
      try BuiltSource([[-1, 16, 12, 9]]) { shapes in
        var graph = Graph()
        let relu = try graph.add(ReLU(), [try graph.add(narrow, [graph.addInput("x", shapes[0])], named: "stem")], named: "relu")
        let deep = try graph.add(body, [try graph.add(narrow, [relu], named: "narrow")], named: "body")
        let sum = try graph.add(Binary(.add), [deep, try graph.add(shortcut, [relu], named: "shortcut")], named: "sum")
        graph.outputs = [try graph.add(ReLU(), [sum], named: "out")]
        return graph
      }, name: "strided")
    let session = Session(network), image = Tensor.normal([2, 16, 12, 9], using: &random)
    let plan = try session.plan(inputs: [image.shape], of: .half(.output), wrt: [.input])
    let backward = plan.description.split(separator: "\n").drop { !$0.hasPrefix("backward") }.map(String.init)
    let order = ["body", "narrow", "shortcut"].map { name in backward.firstIndex { $0.hasPrefix("  \(name)  ") }! }
    #expect(order == order.sorted())
    for index in order[1...] { #expect(backward[index].contains("gated by relu"), "\(backward[index])") }

    let together = try session.gradient(of: .half(.output), at: [image]).gradients[0]
    #expect(try session.gradient(of: .half(.output), at: [image], wrt: ["relu", .input]).gradients[1].values == together.values)

    let way = Tensor.normal(image.shape, deviation: 1e-3, using: &random)
    func score(_ x: Tensor) throws -> Double { try session.gradient(of: .half(.output), at: [x]).scores.reduce(0) { $0 + Double($1) } }
    let slope = zip(together.values, way.values).reduce(0) { $0 + Double($1.0 * $1.1) }
    #expect(abs(try score(image + way) - score(image - way) - 2 * slope) < 0.01 * abs(2 * slope))
  }

  /// A pooling that completes the gradient of a clamp applies the gates row by row, and what it gives is what the clamp alone would.
  @Test(arguments: [
    MaxPool(PoolWindow(3, stride: 2, padding: 1)) as any Operator, MaxPool(PoolWindow(2)), AveragePool(PoolWindow(3, stride: 1)),
  ])
  func poolingsApplyTheGates(_ pool: any Operator) throws {
    var random = Random(seed: 10)
    let stem = Convolution(weights: .normal([32, 16, 3, 3], deviation: 0.2, using: &random), bias: nil, padding: [1, 1, 1, 1])
    let branch = Convolution(weights: .normal([16, 32, 1, 1], deviation: 0.3, using: &random), bias: nil)
    for reads in 1...2 {
      let network = Network(
        try BuiltSource([[-1, 16, 9, 8]]) { shapes in
          var graph = Graph()
          let relu = try graph.add(ReLU(), [try graph.add(stem, [graph.addInput("x", shapes[0])], named: "stem")], named: "relu")
          graph.outputs = [try graph.add(pool, [relu], named: "pool")]
          if reads == 2 { graph.outputs.append(try graph.add(branch, [relu], named: "branch")) }
          return graph
        }, name: "pooled")
      let session = Session(network), literal = Session(network), image = Tensor.normal([2, 16, 9, 8], using: &random)
      literal.isLiteral = true
      let objective = reads == 1 ? Objective.half("pool") : .half("pool") + .half("branch")
      let plan = try session.plan(inputs: [image.shape], of: objective, wrt: [.input]).description
      #expect(plan.split(separator: "\n").contains { $0.hasPrefix("  pool  ") && $0.contains("gated by relu") }, "\(plan)")
      let gated = try session.gradient(of: objective, at: [image]).gradients[0]
      #expect(try literal.gradient(of: objective, at: [image]).gradients[0].values == gated.values)
      #expect(gated.values.contains { $0 != 0 })
    }
  }

  /// The only step that reads a clamp fills its gaps with zeros and may apply the gates; but not where it adds to the objective's own.
  @Test func gapsOfAnObjectivesLayerAreGatedByItsClamp() throws {
    var random = Random(seed: 9)
    let stem = Convolution(weights: .normal([16, 16, 1, 1], deviation: 0.3, using: &random), bias: nil)
    let strided = Convolution(weights: .normal([16, 16, 1, 1], deviation: 0.3, using: &random), bias: nil, strides: [2, 2])
    let session = Session(
      Network(
        try BuiltSource([[-1, 16, 8, 7]]) { shapes in
          var graph = Graph()
          let relu = try graph.add(ReLU(), [try graph.add(stem, [graph.addInput("x", shapes[0])], named: "stem")], named: "relu")
          graph.outputs = [try graph.add(strided, [relu], named: "strided")]
          return graph
        }, name: "gaps"))
    let image = Tensor.normal([1, 16, 8, 7], using: &random)
    let alone = try session.plan(inputs: [image.shape], of: .half(.output), wrt: [.input])
    #expect(alone.description.contains("gated by relu"))
    func gradient(_ objective: Objective) throws -> Tensor { try session.gradient(of: objective, at: [image]).gradients[0] }
    let sum = zip(try gradient(.sum(of: "relu")).values, try gradient(.half(.output)).values).map { Double($0) + Double($1) }
    expectEqual(try gradient(.sum(of: "relu") + .half(.output)), sum)
  }

  @Test func normalizationsBecomePartOfTheConvolutionBeforeThem() throws {
    var random = Random(seed: 22)
    let depthwise = Convolution(weights: .normal([20, 1, 3, 3], using: &random), bias: nil, padding: [1, 1, 1, 1], groups: 20)
    let dense = Convolution(weights: .normal([7, 20, 3, 3], using: &random), bias: [Float](repeating: 0.3, count: 7))
    func affine(_ count: Int) -> ScaleShift {
      ScaleShift(scale: Tensor.normal([count], using: &random).values, shift: Tensor.normal([count], using: &random).values)
    }
    let (first, second) = (affine(20), affine(7))
    let network = Network(
      try BuiltSource([[-1, 20, 16, 17]]) { shapes in
        var graph = Graph()
        let x = graph.addInput("x", shapes[0])
        let one = try graph.add(first, [try graph.add(depthwise, [x], named: "depthwise")], named: "first")
        graph.outputs = [try graph.add(second, [try graph.add(dense, [one], named: "dense")], named: "second")]
        return graph
      }, name: "normalised")
    let session = Session(network), image = Tensor.normal([2, 20, 16, 17], using: &random)
    let plan = try session.plan(inputs: [image.shape], of: .half(.output), wrt: [.input])
    #expect(!plan.description.contains("BatchNormalization"))

    let folded = try session.gradient(of: .half(.output), at: [image], activations: [.output])
    let watched = try session.gradient(of: .half(.output), at: [image], activations: [.output, "depthwise", "dense"])
    #expect(folded.gradients[0].values == watched.gradients[0].values && folded.activations[0].values == watched.activations[0].values)
    // Differentiated between, the nodes are themselves again.
    let apart = try session.gradient(of: .half(.output), at: [image], wrt: [.input, "depthwise", "dense"], activations: [.output])
    expectEqual(folded.activations[0], apart.activations[0].values.map(Double.init))
    expectEqual(folded.gradients[0], apart.gradients[0].values.map(Double.init))
    for (layer, op) in [("depthwise", first), ("dense", second)] {
      let before = watched.activations[layer == "dense" ? 2 : 1]
      let after = try session.activations(of: [image], at: [layer == "dense" ? "second" : "first"])[0]
      expectEqual(after, try op(before).values.map(Double.init))
    }
  }

  @Test func severalObjectivesGoBackOverOneForwardPass() throws {
    let network = try residualNetwork(), session = Session(network)
    var random = Random(seed: 5)
    let objectives: [Objective] = [.half(.output), .half("once"), 3 * .half("body"), .half(.output) - .half("again")]
    for (rules, count) in [(RuleMap.gradient, 1), (.gradient, 3), (.guided, 2), (.deconvnet, 2)] {
      let image = Tensor.normal([count, 3, 9, 7], deviation: 3, using: &random)
      let together = try session.gradients(
        of: objectives, at: [image], wrt: [.input, "relu6", "twice"], activations: ["sum"], rules: rules)
      for (objective, result) in zip(objectives, together) {
        let alone = try Session(network).gradient(
          of: objective, at: [image], wrt: [.input, "relu6", "twice"], activations: ["sum"], rules: rules)
        #expect(result.scores == alone.scores && result.targets == alone.targets)
        for (a, b) in zip(result.gradients + result.activations, alone.gradients + alone.activations) {
          #expect(a.shape == b.shape && a.values == b.values, "\(objective), \(rules.name), \(count)")
        }
      }
    }
    #expect(try session.gradients(of: [], at: [Tensor([1, 3, 9, 7])]).isEmpty)
  }

  /// Deconvnet keeps nothing of a clamp, so that a convolution could take over both.
  @Test func clampsWithNothingInCommonStayTwo() throws {
    let network = try Network.chain(
      [-1, 1, 2, 2],
      [
        ("conv", Convolution(weights: Tensor([16, 1, 1, 1], repeating: 1), bias: nil)),
        ("low", Pointwise(.clip(lower: 0, upper: 1))), ("high", Pointwise(.clip(lower: 2, upper: 3))),
      ])
    let image = Tensor([1, 1, 2, 2], [-9, -3, 0, 7])
    let result = try Session(network).gradient(of: .half(.output), at: [image], activations: ["high"], rules: .deconvnet)
    #expect(result.activations[0].values.allSatisfy { $0 == 2 })
  }

  /// Against the operators one by one, each on its own and in plain layout.
  @Test func theWholeEqualsItsOperatorsOneByOne() throws {
    let network = try residualNetwork()
    var random = Random(seed: 4)
    let image = Tensor.normal([1, 3, 9, 7], deviation: 3, using: &random)
    for rules: RuleMap in [.gradient, .deconvnet, .guided] {
      let graph = try network.source.graph(for: [image.shape], reaching: nil)
      var values = [image]
      for node in graph.nodes.dropFirst() { values.append(try node.op.applied(to: node.inputs.map { values[$0] })) }
      var gradients = graph.nodes.map { Tensor($0.shape) }
      gradients[gradients.count - 1] = values[values.count - 1]
      for (index, node) in graph.nodes.enumerated().reversed() where !node.inputs.isEmpty {
        let shapes = graph.shapes(node.inputs), plain = Layouts(inputs: shapes.map { _ in .plain }, output: .plain)
        let parts = try node.op.gradients(at: node.inputs.map { values[$0] }, outputGradient: gradients[index]) {
          try rules.rules(in: graph)(node)?.applied(to: $0, of: node.op, shapes: shapes, layouts: plain) ?? $0
        }.gradients
        for (input, part) in zip(node.inputs, parts) { gradients[input] = gradients[input] + part }
      }
      let whole = try Session(network).gradient(of: .half(.output), at: [image], rules: rules).gradients[0]
      let difference = (whole - gradients[0]).values.reduce(0) { $0 + $1 * $1 }
      #expect(difference < 1e-10 * gradients[0].values.reduce(0) { $0 + $1 * $1 }, "\(rules.name)")
    }
  }
}
