// SPDX-License-Identifier: Apache-2.0
import CNNLens
import LensTestSupport
import Testing

/// conv 3->4, relu, conv 4->5, relu, global pool, dense 5->3: seeded weights.
private func pooledNetwork(_ pool: any Operator = GlobalPool(.average), _ activation: any Operator = ReLU()) throws -> Network {
  var random = Random(seed: 11)
  return try Network.chain(
    [2, 3, 8, 9],
    [
      (
        "conv1",
        Convolution(weights: .normal([4, 3, 3, 3], deviation: 0.4, using: &random), bias: [0.1, 0, -0.1, 0.2], padding: [1, 1, 1, 1])
      ),
      ("relu1", activation),
      (
        "conv2",
        Convolution(weights: .normal([5, 4, 3, 3], deviation: 0.4, using: &random), bias: nil, strides: [2, 2], padding: [1, 1, 1, 1])
      ),
      ("relu2", activation),
      ("pool", pool),
      ("flat", Reshape(to: [2, 5], kind: "Flatten")),
      ("dense", Linear(weights: .normal([3, 5], using: &random), bias: [0.5, 0, -0.5])),
      ("softmax", Softmax(axes: 1..<2)),
    ].map { ($0.0, $0.1 as any Operator) })
}

private func picture(_ seed: UInt64 = 5) -> Tensor {
  var random = Random(seed: seed)
  return .normal([2, 3, 8, 9], using: &random)
}

private func distance(_ a: Tensor, _ b: Tensor) -> Float {
  let difference = zip(a.values, b.values).reduce(Float(0)) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
  return (difference / b.values.reduce(0) { $0 + $1 * $1 }).squareRoot()
}

@Suite struct AttributionTests {
  @Test func gradCAMIsCAMOverTheAreaWhereTheNetworkPoolsGlobally() throws {
    let session = Session(try pooledNetwork())
    let byWeights = try cam(session, picture(), .logit([1]))
    let byGradient = try gradCAM(session, picture(), .logit([1]), keepsPositive: false)
    let area = Float(byWeights.native!.shape[1] * byWeights.native!.shape[2])
    #expect(area == 20)
    #expect(distance(byGradient.native!, (1 / area) * byWeights.native!) < 1e-6)
    #expect(byGradient.layer == "relu2" && byWeights.layer == "relu2")
  }

  @Test func camSumsToTheScoreWithoutItsBias() throws {
    let session = Session(try pooledNetwork())
    let result = try cam(session, picture(), .logit([1]))
    for n in 0..<2 {
      let mean = result.native!.values[n * 20..<n * 20 + 20].reduce(0, +) / 20
      #expect(abs(mean - result.scores[n]) < 1e-5)  // the bias of class 1 is 0
    }
  }

  @Test func camWorksBehindGlobalMaximumPooling() throws {
    let result = try cam(Session(try pooledNetwork(GlobalPool(.maximum))), picture(), .logit([2]))
    #expect(result.native!.shape == [2, 4, 5])
  }

  @Test func camSaysWhatItNeedsWhereNothingPools() throws {
    let network = try Network.chain(
      [-1, 3, 2, 2], [("conv", Convolution(weights: Tensor([2, 3, 1, 1]), bias: nil)), ("flat", Reshape(to: [1, 8]))])
    #expect { try cam(Session(network), Tensor([1, 3, 2, 2])) } throws: { "\($0)".contains("grad_cam") }
  }

  @Test func saliencyIsTheLargestAbsoluteGradientOverTheColours() throws {
    let session = Session(try pooledNetwork())
    let gradient = try session.gradient(of: .logit([0]), at: [picture()]).gradients[0]
    let map = try saliency(session, picture(), .logit([0])).map
    for n in 0..<2 {
      for y in 0..<8 {
        for x in 0..<9 {
          #expect(map[n, y, x] == (0..<3).map { abs(gradient[n, $0, y, x]) }.max()!)
        }
      }
    }
    #expect(try saliency(session, picture(), .logit([0]), reduction: .none).map.values == gradient.values)
  }

  @Test func theTargetIsTheScoreBeforeTheSoftmax() throws {
    let session = Session(try pooledNetwork())
    let logits = try session.activations(of: [picture()], at: ["dense"])[0]
    let result = try saliency(session, picture())
    for n in 0..<2 {
      #expect(result.scores[n] == logits.values[n * 3..<n * 3 + 3].max())
      #expect(logits[n, result.targets[n]] == result.scores[n])
    }
  }

  @Test func gradientTimesInputSumsToTheScoreWithoutBiases() throws {
    var random = Random(seed: 2)
    let network = try Network.chain(
      [-1, 3, 8, 8],
      [
        ("conv", Convolution(weights: .normal([6, 3, 3, 3], using: &random), bias: nil, padding: [1, 1, 1, 1])), ("relu", ReLU()),
        ("pool", MaxPool(PoolWindow(2))), ("flat", Reshape(to: [1, 96])),
        ("dense", Linear(weights: .normal([4, 96], using: &random), bias: nil)),
      ])
    let image = Tensor.normal([1, 3, 8, 8], using: &random)
    let result = try gradientTimesInput(Session(network), image, .logit([2]))
    #expect(abs(result.map.values.reduce(0, +) - result.scores[0]) < 1e-4 * abs(result.scores[0]))
  }

  @Test func objectivesAddAndScale() throws {
    let session = Session(try pooledNetwork())
    let parts: [Objective] = [
      .logit([0]), .unit("relu1", channel: 2, y: 3, x: 4), .channel("relu2", 1), .layer("conv1"), .direction("conv2", [1, 2, 3, 4, 5]),
    ]
    let gradients = try parts.map { try session.gradient(of: $0, at: [picture()]) }
    let factors: [Float] = [2, -1, 0.5, 0.01, 3]
    var sum = factors[0] * parts[0]
    for i in 1..<parts.count { sum = sum + factors[i] * parts[i] }
    let together = try session.gradient(of: sum, at: [picture()])
    var expected = factors[0] * gradients[0].gradients[0]
    for i in 1..<parts.count { expected = expected + factors[i] * gradients[i].gradients[0] }
    #expect(distance(together.gradients[0], expected) < 1e-5)
    for n in 0..<2 {
      #expect(abs(together.scores[n] - zip(factors, gradients).reduce(0) { $0 + $1.0 * $1.1.scores[n] }) < 1e-4)
    }
  }

  @Test func objectivesFollowTheirDerivative() throws {
    let session = Session(try pooledNetwork(GlobalPool(.average), Pointwise(.tanh)))
    var random = Random(seed: 9)
    let direction = Tensor.normal([2, 3, 8, 9], using: &random)
    let step: Float = 1e-2
    for objective: Objective in [
      .probability([1]), .crossEntropy([2]), .layer("relu1"), .group("conv2", mask: .normal([5, 4, 5], using: &random)),
    ] {
      let slope = try session.gradient(of: objective, at: [picture()])
      let ahead = try session.gradient(of: objective, at: [picture() + step * direction], wrt: [])
      let behind = try session.gradient(of: objective, at: [picture() + -step * direction], wrt: [])
      for n in 0..<2 {
        let predicted = (0..<216).reduce(Float(0)) { $0 + slope.gradients[0].values[n * 216 + $1] * direction.values[n * 216 + $1] }
        let measured = (ahead.scores[n] - behind.scores[n]) / (2 * step)
        #expect(abs(predicted - measured) < 0.02 * max(abs(measured), 0.05), "\(objective)")
      }
    }
  }

  @Test func wrongTargetsAreNamedWithTheirRange() throws {
    let session = Session(try pooledNetwork())
    #expect { try saliency(session, picture(), .logit([3])) } throws: { "\($0)".contains("class 3") && "\($0)".contains("0...2") }
    #expect { try saliency(session, picture(), .channel("relu2", 5)) } throws: { "\($0)".contains("0...4") }
    #expect { try saliency(session, picture(), .unit("relu2", channel: 0, y: 4, x: 0)) } throws: { "\($0)".contains("4×5") }
    #expect { try gradCAM(session, picture(), at: "dense") } throws: { "\($0)".contains("no maps") }
  }
}
