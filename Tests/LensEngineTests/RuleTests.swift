// SPDX-License-Identifier: Apache-2.0
import LensEngine
import LensTensors
import LensTestSupport
import Testing

@Suite struct RuleTests {
  private func gradients(_ op: any Operator, _ inputs: [Tensor], _ outputGradient: Tensor, _ rule: any BackwardRule) throws -> [Tensor] {
    let shapes = inputs.map(\.shape)
    let layouts = Layouts(inputs: shapes.map { _ in .plain }, output: .plain)
    return try op.gradients(at: inputs, outputGradient: outputGradient) {
      try rule.applied(to: $0, of: op, shapes: shapes, layouts: layouts)
    }.gradients
  }

  /// Springenberg et al. 2015, figure 1: a ReLU between f and R.
  @Test func figureOneOfSpringenberg() throws {
    let f = Tensor([3, 3], [1, -1, 5, 2, -5, -7, -3, 2, 4]), r = Tensor([3, 3], [-2, 3, -1, 6, -3, 1, 2, -1, 3])
    #expect(try ReLU().gradients(at: [f], outputGradient: r).gradients[0].values == [-2, 0, -1, 6, 0, 0, 0, -1, 3])
    #expect(try gradients(ReLU(), [f], r, DeconvNetRule())[0].values == [0, 3, 0, 6, 0, 1, 2, 0, 3])
    #expect(try gradients(ReLU(), [f], r, GuidedRule())[0].values == [0, 0, 0, 6, 0, 0, 0, 0, 3])
  }

  static let rectifiers: [any Operator] = [
    ReLU(), Pointwise(.leakyRelu(slope: 0.1)), Pointwise(.elu(alpha: 1)), Pointwise(.selu(alpha: 1.67, gamma: 1.05)),
    Pointwise(.celu(alpha: 2)), Pointwise(.gelu(tanh: false)), Pointwise(.gelu(tanh: true)), Pointwise(.mish),
    Pointwise(.hardSwish), Pointwise(.swish(alpha: 1)), Pointwise(.clip(lower: 0, upper: 6)), Pointwise(.softplus),
    Pointwise(.thresholdedRelu(alpha: 1)),
  ]

  @Test(arguments: rectifiers.indices) func guidedEqualsGradientWhereEverythingIsPositive(_ index: Int) throws {
    let op = Self.rectifiers[index]
    var random = Random(seed: 7)
    let x = Tensor.uniform([2, 3, 4, 5], in: -8...8, using: &random), dy = Tensor.uniform([2, 3, 4, 5], in: 0.1...1, using: &random)
    let plain = try op.gradients(at: [x], outputGradient: dy).gradients[0].values
    #expect(try gradients(op, [x], dy, GuidedRule())[0].values == plain)
    #expect(try gradients(op, [x], dy, DeconvNetRule())[0].values == dy.values)
  }

  @Test(arguments: rectifiers.indices) func negativeNumbersAreStopped(_ index: Int) throws {
    var random = Random(seed: 8)
    let x = Tensor.uniform([2, 40], in: -8...8, using: &random), dy = Tensor.uniform([2, 40], in: -1...(-0.1), using: &random)
    for rule in [GuidedRule(), DeconvNetRule()] as [any BackwardRule] {
      let result = try gradients(Self.rectifiers[index], [x], dy, rule)[0].values
      #expect(result == Array(repeating: 0, count: 80))
    }
  }

  @Test func slopesGetNothingFromRules() throws {
    let x = Tensor([1, 2, 2], [1, -2, 3, -4]), slope = Tensor([2, 1], [0.5, 0.25]), dy = Tensor([1, 2, 2], [1, 2, -3, 4])
    let guided = try gradients(PReLU(), [x, slope], dy, GuidedRule())
    #expect(guided[0].values == [1, 1, 0, 1])
    #expect(guided[1].values == [0, 0])
    let deconvnet = try gradients(PReLU(), [x, slope], dy, DeconvNetRule())
    #expect(deconvnet[0].values == [1, 2, 0, 4])
    #expect(deconvnet[1].values == [0, 0])
  }

  @Test func mapsChooseRectifiersOnly() throws {
    func node(_ op: any Operator) -> Graph.Node { Graph.Node(name: "a", op: op, inputs: [0], shape: [1]) }
    for op in Self.rectifiers + [PReLU()] {
      #expect(try RuleMap.gradient.rules(in: Graph())(node(op)) == nil)
      #expect(try RuleMap.deconvnet.rules(in: Graph())(node(op)) is DeconvNetRule)
      #expect(try RuleMap.guided.rules(in: Graph())(node(op)) is GuidedRule)
    }
    let others: [any Operator] = [
      Identity(), Pointwise(.sigmoid), Pointwise(.clip(lower: -1, upper: 1)), Pointwise(.hardSigmoid(alpha: 0.2, beta: 0.5)), Binary(.add),
    ]
    for op in others {
      #expect(try RuleMap.deconvnet.rules(in: Graph())(node(op)) == nil)
      #expect(try RuleMap.guided.rules(in: Graph())(node(op)) == nil)
    }
  }

  @Test func rulesAddToTheGradient() throws {
    let x = Tensor([1, 4], [1, -1, 2, -2]), dy = Tensor([1, 4], [1, 2, -3, -4])
    for rule in [GuidedRule(), DeconvNetRule()] as [any BackwardRule] {
      let layouts = Layouts(inputs: [.plain], output: .plain)
      let alone = try Alone(ReLU(), [x], isStrict: true) { try rule.applied(to: $0, of: ReLU(), shapes: [x.shape], layouts: layouts) }
      var gradient: [Tensor?] = [Tensor([1, 4], [10, 20, 30, 40])]
      alone.addGradients(of: dy, to: &gradient)
      #expect(gradient[0]!.values == (rule is GuidedRule ? [11, 20, 30, 40] : [11, 22, 30, 40]))
    }
  }

  @Test func redirectedWakesWhatIsDeadImageByImage() throws {
    let x = Tensor([3, 3], [1, -1, 5, -1, -2, -3, 7, -1, 8]), dy = Tensor([3, 3], [1, 2, -3, 1, -2, 3, 1, -1, -2])
    #expect(try gradients(ReLU(), [x], dy, RedirectedRule())[0].values == [1, 0, -3, 1, 0, 3, 1, 0, -2])
    // At the upper bound as at the lower one: only what leads back passes, and only where nothing else does.
    let clip = Pointwise(.clip(lower: 0, upper: 6))
    #expect(try gradients(clip, [x], dy, RedirectedRule())[0].values == [1, 0, -3, 1, 0, 3, 0, 0, -2])
  }

  /// A unit that is dead everywhere has no gradient; redirected, it has that of its filter.
  @Test func redirectedReachesThePictureThroughADeadUnit() throws {
    let network = try Network.chain(
      [1, 1, 4, 5], [("conv", Convolution(weights: Tensor([1, 1, 1, 1], [2]), bias: [-100])), ("relu", ReLU())])
    var random = Random(seed: 3)
    let picture = Tensor.uniform([1, 1, 4, 5], using: &random), session = Session(network)
    let objective = Objective("sum", at: ["relu"]) { activations, seeds in
      seeds.add(at: "relu") { gradient, weight in for i in 0..<20 { gradient[i] += i % 2 == 0 ? weight : -weight } }
      return .init(scores: [0])
    }
    #expect(try session.gradient(of: objective, at: [picture]).gradients[0].values == Array(repeating: 0, count: 20))
    let redirected = try session.gradient(of: objective, at: [picture], rules: .redirected).gradients[0].values
    #expect(redirected == (0..<20).map { $0 % 2 == 0 ? 2 : 0 })
  }
}
