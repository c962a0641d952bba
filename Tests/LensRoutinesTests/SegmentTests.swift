// SPDX-License-Identifier: Apache-2.0
import CNNLens
import LensTestSupport
import Testing

/// Two scores, each a weighted sum of the pixels: linear in any segments.
private func linearNetwork(_ weights: Tensor) throws -> Network {
  try .chain(
    [-1, 2, 12, 10], [("flat", Flattening(240)), ("dense", Linear(weights: weights, bias: [0.5, -1]))])
}

/// N×C×H×W as N×CHW.
private struct Flattening: Operator {
  let kind = "Flatten"
  let count: Int
  init(_ count: Int) { self.count = count }
  func stage(for shapes: [Shape], in layouts: Layouts) throws -> Stage { .view([shapes[0].n, count]) }
}

private func deepNetwork() throws -> Network {
  var random = Random(seed: 5)
  return try .chain(
    [-1, 3, 16, 14],
    [
      ("conv1", Convolution(weights: .normal([8, 3, 3, 3], deviation: 0.4, using: &random), bias: nil, padding: [1, 1, 1, 1])),
      ("relu1", ReLU()), ("pool1", MaxPool(PoolWindow(2))),
      ("conv2", Convolution(weights: .normal([6, 8, 3, 3], deviation: 0.3, using: &random), bias: nil, padding: [1, 1, 1, 1])),
      ("relu2", ReLU()), ("pool", GlobalPool(.average)),
      ("dense", Convolution(weights: .normal([4, 6, 1, 1], using: &random), bias: nil)),
    ])
}

/// Stripes of different widths, their pixels apart from each other.
private func stripes(_ h: Int, _ w: Int, _ count: Int) -> Tensor {
  Tensor([h, w], (0..<h * w).map { Float(($0 / w / 2 + $0 % w / 3) % count * 7 - 3) })
}

@Suite struct SegmentTests {
  private let image: Tensor
  private let session: Session
  private let labels = stripes(12, 10, 5)
  /// What each segment contributes to score 0 against its hidden version.
  private let contributions: [Double]
  private let base: Double

  init() throws {
    var random = Random(seed: 1)
    image = .normal([1, 2, 12, 10], using: &random)
    let weights = Tensor.normal([2, 240], using: &random)
    session = Session(try linearNetwork(weights))
    var sums = [Double](repeating: 0, count: 5), base = 0.5
    for i in 0..<240 {
      let k = Int((labels.values[i % 120] + 3) / 7)
      sums[k] += Double(weights.values[i]) * (Double(image.values[i]) - 0.25)
      base += Double(weights.values[i]) * 0.25
    }
    (contributions, self.base) = (sums, base)
  }

  private func spread(_ weights: [Double]) -> [Float] { labels.values.map { Float(weights[Int(($0 + 3) / 7)]) } }
  private func isClose(_ a: [Float], _ b: [Float], _ tolerance: Float = 1e-4) -> Bool {
    a.count == b.count && zip(a, b).allSatisfy { abs($0 - $1) <= tolerance }
  }

  @Test func everyMethodFindsTheWeightsOfALinearModel() throws {
    let filling = Filling.value(0.25), expected = spread(contributions)
    let ablation = try featureAblation(session, image, .logit([0]), segments: labels, filling: filling)
    #expect(isClose(ablation.map.values, expected))
    let lime = try lime(session, image, .logit([0]), segments: labels, samples: 40, filling: filling, ridge: 0)
    #expect(isClose(lime.map.values, expected) && abs(lime.models[0].intercept - base) < 1e-4 && lime.models[0].fit! > 1 - 1e-8)
    for samples in [20, 30, 100] {
      let shap = try kernelSHAP(session, image, .logit([0]), segments: labels, samples: samples, filling: filling)
      #expect(isClose(shap.map.values, expected) && abs(shap.models[0].intercept - base) < 1e-4)
    }
    let shapley = try shapley(session, image, .logit([0]), segments: labels, samples: 2, filling: filling)
    #expect(isClose(shapley.map.values, expected) && shapley.models[0].fit == nil)
    // Against the mean of each segment instead.
    let other = try featureAblation(session, image, .logit([0]), segments: labels)
    #expect(!isClose(other.map.values, expected))
  }

  /// Shapley values by their definition, over all orders of four segments.
  @Test func shapleyValuesAreExactWhereAllSubsetsAreTried() throws {
    let session = Session(try deepNetwork())
    var random = Random(seed: 8)
    let image = Tensor.normal([1, 3, 16, 14], using: &random), labels = stripes(16, 14, 4)
    func value(_ shown: Set<Int>) throws -> Double {
      var picture = image
      picture.withMutablePointer { p in
        for i in 0..<3 * 224 where !shown.contains(Int((labels.values[i % 224] + 3) / 7)) { p[i] = 0 }
      }
      return Double(try session.activations(of: [picture], at: [.logits])[0].values[1])
    }
    var exact = [Double](repeating: 0, count: 4)
    for order in permutations([0, 1, 2, 3]) {
      var shown: Set<Int> = [], before = try value([])
      for k in order {
        shown.insert(k)
        let after = try value(shown)
        exact[k] += (after - before) / 24
        before = after
      }
    }
    let shap = try kernelSHAP(session, image, .logit([1]), segments: labels, samples: 14, filling: .value(0)).models[0].weights
    for k in 0..<4 { #expect(abs(shap[k] - exact[k]) < 1e-5, "\(shap) against \(exact)") }
    let sampled = try shapley(session, image, .logit([1]), segments: labels, samples: 400, filling: .value(0)).models[0]
    for k in 0..<4 { #expect(abs(sampled.weights[k] - exact[k]) < 0.1 * exact.map(abs).max()!) }
    // Efficiency holds for any number of orders, and for KernelSHAP's samples.
    let total = try value([0, 1, 2, 3]) - value([])
    for samples in [1, 3] {
      let few = try shapley(session, image, .logit([1]), segments: labels, samples: samples, filling: .value(0), seed: 4).models[0]
      #expect(abs(few.weights.reduce(0, +) - total) < 1e-6)
    }
    let few = try kernelSHAP(session, image, .logit([1]), segments: labels, samples: 5, filling: .value(0)).models[0]
    #expect(abs(few.weights.reduce(0, +) - total) < 1e-6)
  }

  @Test func ablationEqualsEverySegmentThroughTheWholeNetwork() throws {
    let session = Session(try deepNetwork())
    var random = Random(seed: 9)
    let image = Tensor.normal([2, 3, 16, 14], using: &random)
    // 60 segments scattered over the picture, more than are painted at once; another cut for the second image.
    let labels = Tensor([2, 16, 14], (0..<448).map { Float($0 < 224 ? $0 * 37 % 60 : $0 / 14) })
    let result = try featureAblation(session, image, segments: labels, filling: .mean)
    let logits = try session.activations(of: [image], at: [.logits])[0]
    for n in 0..<2 {
      let target = result.targets[n], picture = Tensor([1, 3, 16, 14], Array(image.values[n * 672..<(n + 1) * 672]))
      let means = (0..<3).map { c in Float((0..<224).reduce(0.0) { $0 + Double(picture.values[c * 224 + $1]) } / 224) }
      for pixel in [0, 17, 100, 223] {
        let label = labels.values[n * 224 + pixel]
        var hidden = picture
        hidden.withMutablePointer { p in
          for i in 0..<224 where labels.values[n * 224 + i] == label { for c in 0..<3 { p[c * 224 + i] = means[c] } }
        }
        let score = try session.activations(of: [hidden], at: [.logits])[0].values[target]
        #expect(result.map.values[n * 224 + pixel] == Float(Double(logits.values[n * 4 + target]) - Double(score)))
      }
    }
  }

  @Test func riseIsTheMeanOverItsMasks() throws {
    // One mask that shows everything: the map is the score.
    let all = try rise(session, image, .logit([0]), masks: 3, cells: 4, probability: 1)
    #expect(all.map.values.allSatisfy { abs($0 - all.scores[0]) < 1e-4 })
    // A network that sees one pixel: that pixel stands out by var(M) x its weight.
    var weights = Tensor([2, 240])
    weights.withMutablePointer { $0[5 * 10 + 4] = 1 }
    let spot = Session(try linearNetwork(weights)), white = Tensor([1, 2, 12, 10], repeating: 1)
    let map = try rise(spot, white, .logit([0]), masks: 3000, cells: 4, seed: 2).map.values
    #expect(map.indices.max { map[$0] < map[$1] }.map { abs($0 / 10 - 5) <= 1 && abs($0 % 10 - 4) <= 1 } == true)
    let far = map[11 * 10 + 9]
    #expect(abs(far - (0.5 + 0.5)) < 0.06, "f is 0.5 + M at the pixel, and masks far from it know nothing: \(far)")
  }

  @Test func drawsBelongToTheSeedAlone() throws {
    let session = Session(try deepNetwork())
    var random = Random(seed: 10)
    let image = Tensor.normal([2, 3, 16, 14], using: &random), labels = stripes(16, 14, 6)
    let second = Tensor([1, 3, 16, 14], Array(image.values[672...]))
    typealias Method = (Tensor, UInt64) throws -> Attribution
    let methods: [Method] = [
      { try rise(session, $0, .logit([2]), masks: 21, cells: 3, seed: $1) },
      { try lime(session, $0, .logit([2]), segments: labels, samples: 21, seed: $1) },
      { try kernelSHAP(session, $0, .logit([2]), segments: labels, samples: 21, seed: $1) },
      { try shapley(session, $0, .logit([2]), segments: labels, samples: 3, seed: $1) },
    ]
    for method in methods {
      let both = try method(image, 7), alone = try method(second, 7)
      #expect(Array(both.map.values[224...]) == alone.map.values)
      #expect(try method(second, 8).map.values != alone.map.values)
    }
  }

  @Test func whatIsWrongIsSaid() throws {
    let bad = Tensor([12, 10], repeating: .nan), half = Tensor([12, 10], repeating: 0.5)
    let wrong: [() throws -> Attribution] = [
      { try lime(session, image, segments: bad) }, { try lime(session, image, segments: half) },
      { try lime(session, image, segments: stripes(10, 12, 3)) }, { try lime(session, image, segments: labels, samples: 1) },
      { try lime(session, image, segments: labels, kernelWidth: 0) }, { try lime(session, image, segments: labels, ridge: -1) },
      { try lime(session, image, segments: labels, ridge: .nan) }, { try shapley(session, image, segments: labels, samples: 0) },
      { try shapley(session, image, segments: labels, samples: .max) }, { try kernelSHAP(session, image, segments: labels, samples: 1) },
      { try rise(session, image, masks: 0) }, { try rise(session, image, masks: .max) }, { try rise(session, image, cells: 11) },
      { try rise(session, image, cells: 0) }, { try rise(session, image, probability: 0) }, { try rise(session, image, probability: .nan) },
      { try rise(session, image, filling: .segmentMean) }, { try rise(session, image, filling: .picture(Tensor([1, 2, 3, 3]))) },
      { try featureAblation(session, image, segments: labels, filling: .value(.infinity)) },
      { try featureAblation(session, Tensor([2, 12, 10]), segments: labels) },
    ]
    for call in wrong {
      let error = #expect(throws: LensError.self) { try call() }
      #expect(error?.code == .invalidArgument || error?.code == .shapeMismatch)
    }
    for stop in 0..<2 {
      let stopped = #expect(throws: LensError.self) { try shapley(session, image, segments: labels) { done, _ in done < stop * 30 } }
      #expect(stopped?.code == .cancelled)
    }
  }
}

private func permutations(_ items: [Int]) -> [[Int]] {
  items.isEmpty ? [[]] : items.flatMap { item in permutations(items.filter { $0 != item }).map { [item] + $0 } }
}
