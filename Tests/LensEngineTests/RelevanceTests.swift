// SPDX-License-Identifier: Apache-2.0
import LensEngine
import LensTensors
import LensTestSupport
import Testing

@Suite struct RelevanceTests {
  static let all: [RelevanceRule] = [
    .epsilon(1e-6), .epsilon(0.5), .gamma(0.25), .zPlus, .alphaBeta(alpha: 2), .alphaBeta(alpha: 1), .flat, .wSquare,
    .zBox(low: [-2], high: [3]),
  ]

  static let conserving: [RelevanceRule] = all.filter { $0 != .alphaBeta(alpha: 2) && $0 != .epsilon(0.5) }

  private func relevance(
    _ network: Network, _ image: Tensor, _ rules: RelevanceRules, wrt: [Layer] = [.input], of objective: Objective = .sum(of: .output)
  ) throws -> GradientResult {
    try Session(network).gradient(of: objective, at: [image], wrt: wrt, rules: .relevance(rules))
  }

  // MARK: Rules

  /// R_i = sum_j share_ij R_j as the papers write it, contribution by contribution, in Double.
  private func reference(_ rule: RelevanceRule, _ x: [Double], _ w: [[Double]], _ b: [Double], _ r: [Double]) -> [Double] {
    var result = [Double](repeating: 0, count: x.count)
    for (j, row) in w.enumerated() {
      let c = zip(x, row).map { $0 * $1 }, z = c.reduce(b[j], +)
      func share(_ parts: [Double], bias: Double, epsilon: Double = 1e-6) -> [Double] {
        let sum = parts.reduce(bias, +)
        return parts.map { $0 / (sum < 0 ? sum - epsilon : sum + epsilon) }
      }
      let shares: [Double] =
        switch rule {
        case .epsilon(let epsilon): share(c, bias: b[j], epsilon: Double(epsilon))
        case .gamma(let gamma):
          z > 0
            ? share(c.map { $0 + Double(gamma) * max($0, 0) }, bias: b[j] + Double(gamma) * max(b[j], 0))
            : share(c.map { $0 + Double(gamma) * min($0, 0) }, bias: b[j] + Double(gamma) * min(b[j], 0))
        case .zPlus: share(c.map { max($0, 0) }, bias: max(b[j], 0))
        case .alphaBeta(let alpha):
          zip(share(c.map { max($0, 0) }, bias: max(b[j], 0)), share(c.map { min($0, 0) }, bias: min(b[j], 0)))
            .map { Double(alpha) * $0 - (Double(alpha) - 1) * $1 }
        case .flat: share(c.map { _ in 1 }, bias: 0)
        case .wSquare: share(row.map { $0 * $0 }, bias: 0)
        case .zBox(let low, let high):
          share(zip(x, row).map { $0 * $1 - Double(low[0]) * max($1, 0) - Double(high[0]) * min($1, 0) }, bias: 0)
        }
      for i in x.indices { result[i] += shares[i] * r[j] }
    }
    return result
  }

  @Test(arguments: all) func aDenseLayerSharesAsThePapersSay(_ rule: RelevanceRule) throws {
    var random = Random(seed: 21)
    for counts in [true, false] {
      let x = Tensor.uniform([2, 7], in: -2...3, using: &random), w = Tensor.normal([5, 7], using: &random)
      let bias = (0..<5).map { _ in 0.5 * random.normal() }
      let network = try Network.chain([-1, 7], [("dense", Linear(weights: w, bias: bias))])
      let result = try relevance(network, x, RelevanceRules(convolution: rule, dense: rule, countsBiases: counts), wrt: [.input, .output])
      for n in 0..<2 {
        let expected = reference(
          rule, x.values[n * 7..<n * 7 + 7].map { Double($0) },
          (0..<5).map { j in w.values[j * 7..<j * 7 + 7].map { Double($0) } }, counts ? bias.map { Double($0) } : [0, 0, 0, 0, 0],
          result.gradients[1].values[n * 5..<n * 5 + 5].map { Double($0) })
        let given = result.gradients[0].values[n * 7..<n * 7 + 7]
        let norm: Double = expected.reduce(0) { $0 + $1 * $1 }.squareRoot()
        for (a, b) in zip(given, expected) { #expect(abs(Double(a) - b) < 1e-4 * norm, "\(rule) \(counts)") }
      }
    }
  }

  /// A picture of one pixel makes a convolution a dense layer, in blocks of sixteen channels with some to spare.
  @Test(arguments: all) func aConvolutionSharesAsADenseLayer(_ rule: RelevanceRule) throws {
    var random = Random(seed: 22)
    let x = Tensor.uniform([2, 35, 1, 1], in: -2...3, using: &random), w = Tensor.normal([21, 35, 1, 1], using: &random)
    let bias = (0..<21).map { _ in random.normal() }, rules = RelevanceRules(convolution: rule, dense: rule)
    let convolution = try Network.chain([-1, 35, 1, 1], [("conv", Convolution(weights: w, bias: bias))])
    let dense = try Network.chain([-1, 35], [("dense", Linear(weights: w.reshaped(to: [21, 35]), bias: bias))])
    let a = try relevance(convolution, x, rules).gradients[0].values
    let b = try relevance(dense, x.reshaped(to: [2, 35]), rules).gradients[0].values
    let norm = length(b)
    for (a, b) in zip(a, b) { #expect(abs(a - b) < 1e-4 * norm) }
  }

  /// Without biases nothing is lost: padding, strides, groups and dilation take nothing. (With beta above 0 an output without negative
  /// contributions has nobody to give their share to, and a large epsilon is there to take some.)
  @Test(arguments: conserving) func nothingIsLost(_ rule: RelevanceRule) throws {
    var random = Random(seed: 23)
    let network = try Network.chain(
      [2, 3, 11, 10],
      [
        ("conv1", Convolution(weights: .normal([18, 3, 3, 3], using: &random), bias: nil, padding: [1, 1, 1, 1])), ("relu1", ReLU()),
        (
          "conv2",
          Convolution(weights: .normal([20, 9, 3, 3], using: &random), bias: nil, strides: [2, 1], padding: [0, 2, 1, 1], groups: 2)
        ),
        ("relu2", ReLU()), ("pool", MaxPool(PoolWindow(3, stride: 2, padding: 1))),
        (
          "conv3",
          Convolution(weights: .normal([20, 1, 3, 3], using: &random), bias: nil, dilations: [2, 1], padding: [2, 1, 2, 1], groups: 20)
        ),
        ("relu3", ReLU()), ("average", AveragePool(PoolWindow(2, stride: 1))),
        ("global", GlobalPool(.average)), ("flat", Reshape(to: [2, 20], kind: "Flatten")),
        ("dense", Linear(weights: .normal([6, 20], using: &random), bias: nil)),
      ])
    let image = Tensor.uniform([2, 3, 11, 10], in: -2...3, using: &random)
    let layers: [Layer] = ["dense", "global", "relu3", "pool", "relu1", .input]
    let result = try relevance(network, image, throughout(rule), wrt: layers)
    for (layer, gradient) in zip(layers, result.gradients) {
      for n in 0..<2 {
        let count = gradient.count / 2, sum = gradient.values[n * count..<(n + 1) * count].reduce(0, +)
        let size = gradient.values[n * count..<(n + 1) * count].reduce(0) { $0 + abs($1) }
        #expect(abs(sum - result.scores[n]) < 1e-3 * size, "\(layer): \(sum) of \(result.scores[n])")
      }
    }
  }

  /// One rule for convolutions; bounds are only known for the first.
  private func throughout(_ rule: RelevanceRule) -> RelevanceRules {
    if case .zBox = rule { return RelevanceRules(convolution: .zPlus, dense: .epsilon(1e-6), first: rule) }
    return RelevanceRules(convolution: rule, dense: .epsilon(1e-6))
  }

  // MARK: Whole networks

  /// conv, relu, pooling, a skip connection, a concatenation, means: no biases anywhere.
  private func homogeneous(_ seed: UInt64) throws -> Network {
    let source = try BuiltSource([[-1, 3, 12, 12]]) { shapes in
      var random = Random(seed: seed), graph = Graph()
      func convolution(_ outputs: Int, _ inputs: Int, _ size: Int) -> Convolution {
        Convolution(
          weights: .normal([outputs, inputs, size, size], deviation: 0.3, using: &random), bias: nil,
          padding: [Int](repeating: size / 2, count: 4))
      }
      let image = graph.addInput("image", shapes[0])
      let stem = try graph.add(convolution(16, 3, 3), [image], named: "stem")
      let relu = try graph.add(ReLU(), [stem], named: "relu")
      let pool = try graph.add(MaxPool(PoolWindow(2)), [relu], named: "pool")
      let branch = try graph.add(convolution(16, 16, 3), [pool], named: "branch")
      let sum = try graph.add(Binary(.add), [branch, pool], named: "sum")
      let active = try graph.add(ReLU(), [sum], named: "active")
      let side = try graph.add(convolution(7, 16, 1), [active], named: "side")
      let mean = try graph.add(AveragePool(PoolWindow(3, stride: 1, padding: 1)), [active], named: "mean")
      let all = try graph.add(Concat(axis: 1), [side, mean, active], named: "all")
      let global = try graph.add(GlobalPool(.average), [all], named: "global")
      let flat = try graph.add(Reshape(to: [shapes[0].n, 39], kind: "Flatten"), [global], named: "flat")
      graph.outputs = [try graph.add(Linear(weights: .normal([5, 39], using: &random), bias: nil), [flat], named: "dense")]
      return graph
    }
    return Network(source, name: "homogeneous")
  }

  /// Shrikumar et al. 2016: LRP-0 is gradient times input where nothing but ReLU bends.
  @Test func withoutBiasesItIsGradientTimesInput() throws {
    var random = Random(seed: 24)
    let network = try homogeneous(25), image = Tensor.normal([2, 3, 12, 12], using: &random)
    let objective = Objective.unit(3), session = Session(network)
    let relevance = try session.gradient(of: objective, at: [image], rules: .relevance(.epsilon(1e-9)))
    let gradient = try session.gradient(of: objective, at: [image])
    let expected = (gradient.gradients[0] * image).values, norm = length(expected)
    let difference = length(zip(relevance.gradients[0].values, expected).map { $0 - $1 })
    #expect(difference < 1e-3 * norm)
    #expect(relevance.scores == gradient.scores)
  }

  @Test func aSumSharesInProportion() throws {
    let source = try BuiltSource([[1, 2]]) { shapes in
      var graph = Graph()
      let x = graph.addInput("x", shapes[0])
      let a = try graph.add(ScaleShift(scale: [3, -1], shift: [0, 0]), [x], named: "a")
      graph.outputs = [try graph.add(Binary(.add), [a, x], named: "sum")]
      return graph
    }
    let network = Network(source, name: "skip")
    // (3 + 1, -2 + 2): three quarters and one quarter of 4; at 0 the stabiliser decides, and nothing is there to share.
    let result = try relevance(network, Tensor([1, 2], [1, 2]), .epsilon(), wrt: ["a", .input])
    #expect(abs(result.gradients[0].values[0] - 3) < 1e-5 && result.gradients[0].values[1] == 0)
    #expect(abs(result.gradients[1].values[0] - 4) < 1e-5)
  }

  @Test func aGateIsAConstant() throws {
    let source = try BuiltSource([[1, 2, 2, 2]]) { shapes in
      var graph = Graph()
      let x = graph.addInput("x", shapes[0])
      let mean = try graph.add(GlobalPool(.average), [x], named: "mean")
      let gate = try graph.add(Pointwise(.sigmoid), [mean], named: "gate")
      let gated = try graph.add(Binary(.multiply), [gate, x], named: "gated")
      let again = try graph.add(Pointwise(.sigmoid), [gated], named: "again")
      graph.outputs = [try graph.add(Binary(.multiply), [again, gated], named: "swish")]
      return graph
    }
    let network = Network(source, name: "gates"), image = Tensor([1, 2, 2, 2], [1, 2, -3, 4, 5, -6, 7, 8])
    let result = try relevance(network, image, .epsilon(), wrt: ["swish", "gated", "mean", .input])
    #expect(result.gradients[1].values == result.gradients[0].values && result.gradients[3].values == result.gradients[0].values)
    #expect(result.gradients[2].values == [0, 0])
  }

  // MARK: Normalisation

  @Test(arguments: all) func normalisationIsPartOfTheLayerBeside(_ rule: RelevanceRule) throws {
    var random = Random(seed: 26)
    let scale = (0..<17).map { _ in random.normal() }, shift = (0..<17).map { _ in random.normal() }
    let first = Tensor.normal([17, 3, 3, 3], using: &random), second = Tensor.normal([6, 17, 1, 1], using: &random)
    let image = Tensor.uniform([1, 3, 6, 5], in: -2...3, using: &random)
    let rules = RelevanceRules(convolution: rule, dense: rule)
    let affine = ScaleShift(scale: scale, shift: shift)
    let padding = [1, 1, 1, 1]

    let behind = try Network.chain(
      [1, 3, 6, 5],
      [("conv", Convolution(weights: first, bias: shift, padding: padding)), ("norm", affine), ("relu", ReLU())])
    let scaledFirst: [Float] = first.values.enumerated().map { $1 * scale[$0 / 27] }
    let merged = Tensor(first.shape, scaledFirst), mergedBias: [Float] = zip(scale, shift).map { $0 * $1 + $1 }
    let whole = try Network.chain(
      [1, 3, 6, 5],
      [
        ("conv", Convolution(weights: merged, bias: mergedBias, padding: padding)),
        ("relu", ReLU()),
      ])
    expectSame(try relevance(behind, image, rules).gradients[0], try relevance(whole, image, rules).gradients[0])
    // The layer before the normalisation still has relevance of its own for who asks.
    let asked = try relevance(behind, image, rules, wrt: ["conv", "norm"]).gradients
    #expect(asked[0].values == asked[1].values)

    let before = try Network.chain(
      [1, 3, 6, 5],
      [
        ("conv", Convolution(weights: first, bias: shift, padding: padding)), ("relu", ReLU()), ("norm", affine),
        ("conv2", Convolution(weights: second, bias: [1, 2, 3, 4, 5, 6])),
      ])
    let scaled: [Float] = second.values.enumerated().map { $1 * scale[$0 % 17] }
    let mergedSecond = Tensor(second.shape, scaled)
    var bias: [Float] = [1, 2, 3, 4, 5, 6]
    for (i, weight) in second.values.enumerated() { bias[i / 17] += weight * shift[i % 17] }
    let wholeBefore = try Network.chain(
      [1, 3, 6, 5],
      [
        ("conv", Convolution(weights: first, bias: shift, padding: padding)), ("relu", ReLU()),
        ("conv2", Convolution(weights: mergedSecond, bias: bias)),
      ])
    if case .zBox = rule { return }  // only for the first layer
    expectSame(try relevance(before, image, rules).gradients[0], try relevance(wholeBefore, image, rules).gradients[0])
  }

  private func expectSame(_ a: Tensor, _ b: Tensor, _ location: SourceLocation = #_sourceLocation) {
    let norm = length(b.values), difference = length(zip(a.values, b.values).map { $0 - $1 })
    #expect(difference < 1e-3 * norm, "\(difference) of \(norm)", sourceLocation: location)
  }

  // MARK: Plans

  /// Bounds are the picture's, and go through what normalises it.
  @Test func bounds() throws {
    var random = Random(seed: 27)
    let w = Tensor.normal([4, 3, 3, 3], using: &random)
    let raw = try Network.chain([1, 3, 5, 5], [("conv", Convolution(weights: w, bias: nil, padding: [1, 1, 1, 1]))])
    let seeing = raw.seeing(Preprocessing(order: .bgr, mean: [0.4, 0.5, 0.6], deviation: [0.25, 0.5, 0.2]))
    let picture = Tensor.uniform([1, 3, 5, 5], using: &random)
    let normalized = try Session(seeing).activations(of: [picture], at: ["preprocess/normalize"])[0]
    let byPicture = try relevance(seeing, picture, .epsilonGammaBox(low: [0], high: [1])).gradients[0]
    let byInput = try relevance(
      raw, normalized,
      .epsilonGammaBox(low: [-0.4 / 0.25, -0.5 / 0.5, -0.6 / 0.2], high: [0.6 / 0.25, 0.5 / 0.5, 0.4 / 0.2])
    ).gradients[0]
    // The same, with the colours the other way round.
    expectSame(byPicture, Tensor(byInput.shape, (0..<3).flatMap { c in byInput.values[(2 - c) * 25..<(3 - c) * 25] }))
    #expect(throws: LensError.self) { _ = try relevance(raw, normalized, .epsilonGammaBox(low: [0, 1], high: [1])) }
    let deep = try Network.chain(
      [1, 3, 5, 5], [("conv", Convolution(weights: w, bias: nil)), ("conv2", Convolution(weights: Tensor([1, 4, 1, 1]), bias: nil))])
    let box = RelevanceRule.zBox(low: [-9], high: [9])
    #expect(throws: LensError.self) { _ = try relevance(deep, normalized, RelevanceRules(convolution: box, dense: box)) }
  }

  @Test func severalObjectivesGoBackTogether() throws {
    var random = Random(seed: 28)
    let session = Session(try homogeneous(29)), image = Tensor.normal([2, 3, 12, 12], using: &random)
    let together = try session.gradients(of: [.unit(0), .unit(4)], at: [image], rules: .relevance(.epsilonPlusFlat))
    for (unit, result) in zip([0, 4], together) {
      let alone = try session.gradient(of: .unit(unit), at: [image], rules: .relevance(.epsilonPlusFlat))
      #expect(alone.gradients[0].values == result.gradients[0].values)
    }
  }

  @Test(arguments: all) func plansGiveTheBitsOfTheirNodesOneByOne(_ rule: RelevanceRule) throws {
    var random = Random(seed: 30)
    let network = try homogeneous(31), image = Tensor.uniform([1, 3, 12, 12], in: -2...3, using: &random)
    let planned = Session(network), literal = Session(network)
    literal.isLiteral = true
    let map = RuleMap.relevance(throughout(rule))
    let wrt: [Layer] = [.input, "pool", "all"]
    let a = try planned.gradient(of: .sum(of: .output), at: [image], wrt: wrt, rules: map)
    let b = try literal.gradient(of: .sum(of: .output), at: [image], wrt: wrt, rules: map)
    #expect(a.gradients.map(\.values) == b.gradients.map(\.values))
  }
}

private func length(_ values: [Float]) -> Float { values.reduce(0) { $0 + $1 * $1 }.squareRoot() }

extension Objective {
  /// One number of the output.
  fileprivate static func unit(_ index: Int) -> Objective {
    Objective("unit \(index)", at: [.output]) { activations, seeds in
      let view = activations[.output]
      seeds.add(at: .output) { gradient, weight in for n in 0..<activations.imageCount { gradient[n * view.stride + index] += weight } }
      return Value(scores: (0..<activations.imageCount).map { view.image($0)[index] })
    }
  }
}
