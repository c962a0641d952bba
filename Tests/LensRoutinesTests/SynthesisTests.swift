// SPDX-License-Identifier: Apache-2.0
import CNNLens
@testable import LensRoutines
import LensTestSupport
import Testing

private func noise(_ shape: Shape, _ seed: UInt64 = 1) -> Tensor {
  var random = Random(seed: seed)
  return .normal(shape, using: &random)
}

private func inner(_ a: Tensor, _ b: Tensor) -> Double { zip(a.values, b.values).reduce(0) { $0 + Double($1.0) * Double($1.1) } }

/// conv 3->4, relu, conv 4->5, relu, global pool, dense 5->3, for one picture of any size.
private func network() throws -> Network {
  let first = noise([4, 3, 3, 3], 11).map { 0.4 * $0 }, second = noise([5, 4, 3, 3], 12).map { 0.4 * $0 }
  let operators: [(String, any Operator)] = [
    ("conv1", Convolution(weights: first, bias: nil, padding: [1, 1, 1, 1])), ("relu1", ReLU()),
    ("conv2", Convolution(weights: second, bias: nil, padding: [1, 1, 1, 1])), ("relu2", ReLU()),
    ("pool", GlobalPool(.average)), ("flat", Reshape(to: [1, 5], kind: "Flatten")),
    ("dense", Linear(weights: noise([3, 5], 13), bias: nil)),
  ]
  return try Network.chain([1, 3, -1, -1], operators)
}

/// Strides, a pooling layer and a sum of two branches, then a global pool, for two pictures of any size.
private func stridedNetwork() throws -> Network {
  let first = noise([4, 3, 5, 5], 31).map { 0.2 * $0 }, second = noise([4, 4, 3, 3], 32).map { 0.3 * $0 }
  return Network(
    try BuiltSource([[-1, 3, -1, -1]]) { shapes in
      var graph = Graph()
      let input = graph.addInput("image", shapes[0])
      let conv = try graph.add(
        Convolution(weights: first, bias: [0.1, 0, -0.1, 0.2], strides: [2, 2], padding: [2, 2, 2, 2]), [input], named: "conv1")
      let relu = try graph.add(ReLU(), [conv], named: "relu1")
      let inner = try graph.add(Convolution(weights: second, bias: nil, padding: [1, 1, 1, 1]), [relu], named: "conv2")
      let sum = try graph.add(Binary(.add), [relu, inner], named: "sum")
      let last = try graph.add(Convolution(weights: second, bias: nil, strides: [2, 2], padding: [1, 1, 1, 1]), [sum], named: "conv3")
      let active = try graph.add(ReLU(), [last], named: "relu3")
      graph.outputs = [try graph.add(GlobalPool(.average), [active], named: "pool")]
      return graph
    }, name: "strided")
}

@Suite struct TransformTests {
  static let transforms: [any ImageTransform] = [
    Padding(3), Padding(2, border: .reflected), Padding(4, border: .wrapped), Padding(1, border: .edge), Jitter(3), Jitter(20, wraps: true),
    Crop(height: 5, width: 7), Crop(height: 5, width: 7, isRandom: true), RandomFlip(), RandomScale(0.8...1.3), RandomRotation(-30...30),
    RandomBlur(0...2), RandomOrder([Padding(2), RandomRotation(-5...5), Jitter(1)]),
  ]

  /// <A x + b - b, y> = <x, A^T y>, without a step size.
  @Test(arguments: transforms.indices) func theAdjointIsExact(_ index: Int) throws {
    let shape: Shape = [2, 3, 9, 11]
    for seed in 0..<4 {
      var random = Random(seed: UInt64(seed))
      let map = try Self.transforms[index].sample(for: shape, using: &random)
      let x = noise(shape, 5), y = noise(map.output, 6)
      var moved = Tensor(map.output), origin = Tensor(map.output), back = Tensor(shape), scratch = Tensor([max(map.scratchCount, 1)])
      scratch.withMutablePointer { s in
        moved.withMutablePointer { map.apply(x.pointer, to: $0, scratch: s) }
        let zero = Tensor(shape)
        origin.withMutablePointer { map.apply(zero.pointer, to: $0, scratch: s) }
        back.withMutablePointer { map.adjoint(y.pointer, to: $0, scratch: s) }
      }
      let forward = inner(moved, y) - inner(origin, y), backward = inner(x, back)
      #expect(abs(forward - backward) < 1e-4 * (1 + abs(forward)), "\(Self.transforms[index]), seed \(seed)")
    }
  }

  @Test func theStandardSetKeepsTheSize() throws {
    let shape: Shape = [1, 3, 40, 56]
    var random = Random(seed: 3), current = shape
    for transform in standardTransforms(for: shape) { current = try transform.sample(for: current, using: &random).output }
    #expect(current == shape)
  }

  @Test func whatCannotBeThrows() {
    var random = Random(seed: 0)
    let wrong: [any ImageTransform] = [
      Padding(-1), Padding(1_000_000), Jitter(-1), Jitter(9), Crop(height: 10, width: 1), Crop(height: 0, width: 1), RandomScale(0...1),
      RandomScale(1...1e9), RandomRotation(0 ... .infinity), RandomBlur(-1...1), RandomBlur(0 ... .infinity),
    ]
    for transform in wrong {
      #expect(throws: LensError.self, "\(transform)") { _ = try transform.sample(for: [1, 3, 9, 11], using: &random) }
    }
  }
}

@Suite struct ParameterizationTests {
  /// The directional derivative, in double precision over float values: both sides of a step.
  @Test(arguments: [0, 1, 2, 3]) func theAdjointIsTheDerivative(_ index: Int) throws {
    let kinds: [any Parameterization] = [
      Fourier(), Fourier(decay: 0.5, decorrelates: false), LaplacianPyramid(levels: 3), CPPN(units: 5, layers: 2),
    ]
    let shape: Shape = [2, 3, 7, 10]
    let decoder = try kinds[index].decoder(for: shape)
    let start = Tensor.zip(decoder.start(seed: 4), noise(decoder.parameters, 7)) { $0 + 0.1 * $1 }, way = noise(decoder.parameters, 8),
      goal = noise(shape, 9)
    func value(_ step: Float) throws -> Double {
      try inner(decoder.picture(Tensor.zip(start, way) { $0 + step * $1 }, shape: shape), goal)
    }
    let picture = try decoder.picture(start, shape: shape)
    var gradient = Tensor(decoder.parameters)
    gradient.withMutablePointer { decoder.adjoint(goal.pointer, at: picture.pointer, to: $0) }
    let step: Float = index == 3 ? 1e-3 : 1e-2, change = try (value(step) - value(-step)) / Double(2 * step)
    #expect(abs(inner(gradient, way) - change) < 1e-3 * abs(change) + 1e-4)
  }

  @Test func wrongOptionsThrow() {
    #expect(throws: LensError.self) { _ = try Fourier(decay: .nan).decoder(for: [1, 3, 8, 8]) }
    #expect(throws: LensError.self) { _ = try Fourier().decoder(for: [1, 1, 8, 8]) }
    #expect(throws: LensError.self) { _ = try LaplacianPyramid(levels: 0).decoder(for: [1, 3, 8, 8]) }
    #expect(throws: LensError.self) { _ = try CPPN(units: 0).decoder(for: [1, 3, 8, 8]) }
  }
}

@Suite struct OptimizerTests {
  /// -|x - 1|^2, per image.
  private func bowl(_ x: Tensor, _ gradient: inout Tensor) -> Double {
    gradient = x.map { 2 * (1 - $0) }
    return -inner(x.map { $0 - 1 }, x.map { $0 - 1 })
  }

  @Test func theFirstStepOfAdamIsTheSignOfTheGradient() throws {
    var x = Tensor([1, 3], [0, 2, -5]), adam = Adam(rate: 0.25)
    _ = try adam.step(&x, bowl)
    for (value, expected) in zip(x.values, [0.25, 1.75, -4.75] as [Float]) { #expect(abs(value - expected) < 1e-5) }
  }

  @Test func aNormalisedStepHasItsSizeInEveryImage() throws {
    var x = Tensor([2, 4], [3, 5, 2, 9, 100, -4, 2, 0.5]), before = x
    before.withMutablePointer { _ in }
    var ascent = GradientAscent(rate: 0.5, scale: .meanAbsolute)
    _ = try ascent.step(&x, bowl)
    let change = Tensor.zip(x, before, -).map(abs).values
    #expect(abs(change[..<4].reduce(0, +) / 4 - 0.5) < 1e-5 && abs(change[4...].reduce(0, +) / 4 - 0.5) < 1e-5)
  }

  @Test func signAscentMovesEveryEntryByItsRate() throws {
    var x = Tensor([1, 3], [0, 2, 1]), ascent = SignAscent(rate: 0.5)
    _ = try ascent.step(&x, bowl)
    #expect(x.values == [0.5, 1.5, 1])
  }

  /// -(100 (y - x^2)^2 + (1 - x)^2): Rosenbrock's valley upside down.
  private func valley(_ x: Tensor, _ gradient: inout Tensor) -> Double {
    let (a, b) = (Double(x.values[0]), Double(x.values[1])), c = b - a * a
    gradient = Tensor([1, 2], [Float(400 * a * c + 2 * (1 - a)), Float(-200 * c)])
    return -(100 * c * c + (1 - a) * (1 - a))
  }

  @Test func quasiNewtonStepsReachTheEndOfRosenbrocksValley() throws {
    var x = Tensor([1, 2], [-1.2, 1]), lbfgs = LBFGS(), last = -Double.infinity
    for _ in 0..<40 {
      let value = try lbfgs.step(&x, valley)
      #expect(value >= last)
      last = value
    }
    #expect(last > -1e-8)
  }

  @Test func theStateBringsAnOptimizerBack() throws {
    let kinds: [any Optimizer] = [Adam(rate: 0.1), Momentum(rate: 1e-4), SignAscent(rate: 0.01, momentum: 0.9), LBFGS()]
    for kind in kinds {
      var first = kind, second = kind, x = Tensor([1, 2], [-1.2, 1])
      for _ in 0..<5 { _ = try first.step(&x, valley) }
      second.state = first.state
      var y = Tensor(x.shape, x.values)
      for _ in 0..<5 {
        _ = try first.step(&x, valley)
        _ = try second.step(&y, valley)
      }
      #expect(x.values == y.values, "\(kind)")
    }
  }
}

@Suite struct AscentTests {
  @Test func aWalkOfPixelsStaysWithinItsRange() throws {
    var ascent = Ascent(.logit([1]), optimizer: GradientAscent(rate: 0.2, scale: .meanAbsolute), steps: 12)
    ascent.constraints = [ValueRange()]
    let result = try ascent.run(Session(network()), from: Tensor([1, 3, 8, 8], repeating: 0.5))
    #expect(result.picture.values.allSatisfy { (0...1).contains($0) })
    #expect(result.history.count == 12 && result.history[11] > result.history[0] && result.isComplete)
  }

  @Test func aCheckpointSurvivesItsBytesAndNothingShorter() throws {
    let session = try Session(network())
    var ascent = Ascent(.channel("relu2", 2), steps: 10)
    ascent.parameterization = Fourier()
    ascent.transforms = [Jitter(2), RandomRotation(-5...5)]
    let start = Tensor([1, 3, 12, 12]), whole = try ascent.run(session, from: start)
    let half = try ascent.run(session, from: start) { step, _, _ in step < 4 }
    #expect(!half.isComplete && half.history.count == 4)
    let bytes = half.checkpoint.bytes
    #expect(bytes.count == half.checkpoint.byteCount)
    let read = try bytes.withUnsafeBytes { try Ascent.Checkpoint(bytes: $0) }
    let rest = try ascent.run(session, from: start, resuming: read)
    #expect(rest.picture.values == whole.picture.values && rest.history == whole.history)
    for count in stride(from: 0, to: bytes.count, by: 97) {
      #expect(throws: LensError.self) { try bytes[..<count].withUnsafeBytes { _ = try Ascent.Checkpoint(bytes: $0) } }
    }
    for byte in 0..<80 {
      var broken = bytes
      broken[byte] ^= 0x80
      // Broken or not, nothing traps.
      _ = try? broken.withUnsafeBytes { try ascent.run(session, from: start, resuming: Ascent.Checkpoint(bytes: $0)) }
    }
  }

  @Test func linesAreNotSearchedUnderRandomTransforms() throws {
    var ascent = Ascent(.logit([1]), optimizer: LBFGS(), steps: 2)
    ascent.transforms = [Jitter(1)]
    #expect { _ = try ascent.run(Session(network()), from: Tensor([1, 3, 8, 8])) } throws: { "\($0)".contains("L-BFGS") }
  }

  @Test(arguments: [(33, 47), (40, 64), (21, 90)]) func tilesGiveTheGradientOfTheWhole(_ height: Int, _ width: Int) throws {
    let session = try Session(stridedNetwork()), picture = noise(Shape(n: 2, c: 3, h: height, w: width), 21)
    let code = try session.activations(of: [noise(Shape(c: 3, h: 20, w: 24), 3)], at: ["relu3"])[0]
    for objective in [.layer("relu3"), .guide("relu3", code), .channel("relu3", 2)] as [Objective] {
      let whole = try session.gradient(of: objective, at: [picture])
      for tile in [4, 13, 32] {
        var gradient = Tensor(picture.shape)
        let scores = try gradient.withMutablePointer {
          try TiledGradient(session, objective, tile: tile).gradient(at: picture, rules: .gradient, into: $0)
        }
        let difference = Tensor.zip(gradient, whole.gradients[0], -)
        #expect(inner(difference, difference) < 1e-10 * inner(whole.gradients[0], whole.gradients[0]), "\(objective), tile \(tile)")
        for (a, b) in zip(scores, whole.scores) { #expect(abs(a - b) <= 1e-5 * abs(b)) }
      }
    }
    #expect(throws: LensError.self) { _ = try TiledGradient(session, .layer("relu3") - .totalVariation(), tile: 8) }
    #expect(throws: LensError.self) { _ = try TiledGradient(session, .layer("relu3"), tile: 0) }
    var dream = DeepDream()
    (dream.octaves, dream.steps, dream.jitter, dream.tile) = (1, 1, 2, 8)
    #expect(throws: LensError.self) { _ = try dream.run(session, picture, .layer("pool")) }
  }

  @Test func theSteadyStateKeepsItsArena() throws {
    let session = try Session(network())
    var ascent = Ascent(.layer("relu2"), optimizer: Adam(rate: 0.01), steps: 1)
    _ = try ascent.run(session, from: Tensor([1, 3, 16, 16], repeating: 0.5))
    let bytes = session.arenaBytes
    ascent.steps = 20
    _ = try ascent.run(session, from: Tensor([1, 3, 16, 16], repeating: 0.5))
    #expect(session.arenaBytes == bytes)
  }
}

@Suite struct RegularizerTests {
  private let shape: Shape = [1, 1, 4, 5]

  @Test func decayPullsTowardsTheCenter() throws {
    var x = Tensor(shape, repeating: 1)
    try Decay(0.25, around: [0.5]).apply(&x, gradient: x, step: 0)
    #expect(x.values.allSatisfy { $0 == 0.875 })
  }

  @Test func smallNormsAndContributionsBecomeTheCenter() throws {
    var x = Tensor(shape, (0..<20).map { Float($0) })
    try SmallNorm(percentile: 50).apply(&x, gradient: x, step: 0)
    #expect(x.values == (0..<20).map { $0 < 10 ? 0 : Float($0) })
    x = Tensor(shape, (0..<20).map { Float($0) })
    let gradient = Tensor(shape, (0..<20).map { $0 < 15 ? 1 : 0 })
    try SmallContribution(percentile: 50).apply(&x, gradient: gradient, step: 0)
    #expect(x.values[..<10].filter { $0 > 4 } == [5, 6, 7, 8, 9] && x.values[15...].allSatisfy { $0 == 0 })
  }

  @Test func selectionFindsWhatSortingWould() {
    var random = Random(seed: 3)
    for count in 1...24 {
      // Few different numbers, so that many are equal.
      let values = (0..<count).map { _ in Float(Int(random.uniform() * 6)) }
      for rank in 0..<count {
        var changed = values
        #expect(changed.withUnsafeMutableBufferPointer { $0.baseAddress!.smallest(rank, of: count) } == values.sorted()[rank])
        #expect(changed.sorted() == values.sorted())
      }
    }
  }

  @Test func blurComesEverySoManyStepsAndKeepsAFlatPicture() throws {
    var x = noise(shape)
    let before = x.values
    try BlurEvery(4, radius: 1).apply(&x, gradient: x, step: 0)
    #expect(x.values == before)
    try BlurEvery(4, radius: 1).apply(&x, gradient: x, step: 3)
    #expect(x.values != before)
    var flat = Tensor(shape, repeating: 0.25)
    try BlurEvery(1, radius: 2).apply(&flat, gradient: flat, step: 0)
    #expect(flat.values.allSatisfy { abs($0 - 0.25) < 1e-6 })
  }
}
