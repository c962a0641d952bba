// SPDX-License-Identifier: Apache-2.0
import CNNLens
import LensTestSupport
import Testing

/// conv 3->4, relu, conv 4->5, relu, global pool, dense 5->3: seeded weights, batches of any size.
private func smallNetwork() throws -> Network {
  var random = Random(seed: 11)
  let first = Tensor.normal([4, 3, 3, 3], deviation: 0.4, using: &random)
  let second = Tensor.normal([5, 4, 3, 3], deviation: 0.4, using: &random)
  let last = Tensor.normal([3, 5], deviation: 4, using: &random)
  let source = try BuiltSource([[-1, 3, 8, 9]]) { shapes in
    let layers: [(String, any Operator)] = [
      ("conv1", Convolution(weights: first, bias: [0.1, 0, -0.1, 0.2], padding: [1, 1, 1, 1])), ("relu1", ReLU()),
      ("conv2", Convolution(weights: second, bias: nil, strides: [2, 2], padding: [1, 1, 1, 1])), ("relu2", ReLU()),
      ("pool", GlobalPool(.average)), ("flat", Reshape(to: [shapes[0].n, 5], kind: "Flatten")),
      ("dense", Linear(weights: last, bias: [0.5, 0, -0.5])),
    ]
    var graph = Graph()
    var node = graph.addInput("image", shapes[0])
    for (name, op) in layers { node = try graph.add(op, [node], named: name) }
    graph.outputs = [node]
    return graph
  }
  return Network(source, name: "small")
}

/// Bytes as floats.
private func picture(_ images: Int = 2, seed: UInt64 = 5) -> Tensor {
  var random = Random(seed: seed)
  let noise = Tensor.uniform([images, 3, 8, 9], in: 40...215, using: &random)
  return Tensor(noise.shape, noise.values.map { $0.rounded() / 255 })
}

/// Karpathy's: two classes whose scores differ by w·x = -3.
private let weights: [Float] = [-1, -1, 1, -1, 1, -1, 1, 1, -1, 1]
private let point = Tensor([1, 10], [2, -1, 3, -2, 2, 2, 1, -4, 5, 1])
private func linearNetwork() throws -> Network {
  try Network.chain(
    [-1, 10], [("dense", Linear(weights: Tensor([2, 10], [Float](repeating: 0, count: 10) + weights), bias: nil))])
}

private func changes(_ a: Tensor, _ b: Tensor) -> [Double] { zip(a.values, b.values).map { Double($0) - Double($1) } }
private func length(_ values: [Double]) -> Double { values.reduce(0) { $0 + $1 * $1 }.squareRoot() }

@Suite struct ConstraintTests {
  @Test(arguments: Norm.allCases) func projectionsEndInTheBallAndLeaveItsPointsAlone(norm: Norm) {
    var random = Random(seed: 3)
    let center = Tensor.uniform([2, 3, 4, 5], using: &random)
    for radius in [0, 1e-7, 0.01, 0.5, 3, 1000] {
      var x = center + 0.3 * Tensor.normal(center.shape, using: &random)
      NormBall(norm, radius: radius, around: center).project(&x)
      for n in 0..<2 {
        let d = Array(changes(x, center)[n * 60..<(n + 1) * 60])
        let size = norm == .maximum ? d.map(abs).max()! : norm == .euclidean ? length(d) : d.reduce(0) { $0 + abs($1) }
        #expect(size <= radius)
        if radius > 0.001, radius < 3 { #expect(size > 0.99 * radius || radius > 0.5) }
      }
      let once = x.values
      NormBall(norm, radius: radius, around: center).project(&x)
      #expect(x.values == once)
    }
  }

  /// By hand: (3, -1, 0.5) onto the ball of radius 2 loses 1 everywhere.
  @Test func theBallOfAbsoluteValuesIsReachedByShrinking() {
    var x = Tensor([1, 3], [3, -1, 0.5])
    NormBall(.absolute, radius: 2, around: Tensor([1, 3])).project(&x)
    #expect(zip(x.values, [2, 0, 0]).allSatisfy { abs($0 - $1) < 1e-6 })
  }

  @Test func rangesCut() {
    var x = Tensor([1, 4], [-1, 0, 0.5, 2])
    ValueRange(0...1).project(&x)
    #expect(x.values == [0, 0, 0.5, 1])
  }
}

@Suite struct InterruptedAttackTests {
  @Test func theStepIsFinishedAndHandedBack() throws {
    let session = Session(try smallNetwork()), x = picture()
    for lasts in [true, false] {
      var polls = 0, steps = 0
      session.interrupt = {
        polls += 1
        return lasts ? polls > 30 : polls == 30
      }
      let goal = AttackGoal(progress: { step, _, _ in
        steps = step
        return true
      })
      let found = try pgd(session, x, goal, steps: 1000)
      #expect(steps >= 1 && steps < 30 && found.queries[0] >= steps && found.images.shape == x.shape)
      let one = try nes(session, x, AttackGoal(), steps: 1000, samples: 10)
      #expect(one.images.shape == x.shape)
      #expect(session.interrupt?() == lasts)
    }
  }

  @Test func anotherInterruptEndsTheStep() throws {
    let session = Session(try smallNetwork())
    var polls = 0
    session.interrupt = {
      polls += 1
      return polls % 2 == 0
    }
    #expect { try pgd(session, picture(), steps: 1000) } throws: { ($0 as? LensError)?.code == .cancelled }
    #expect(polls == 4)
  }
}

@Suite struct AttackTests {
  /// w·x = -3 becomes 2, 5% becomes 88%.
  @Test func aLinearClassifierIsFooledByTheSumOfItsWeights() throws {
    let session = Session(try linearNetwork())
    let goal = AttackGoal([0], range: nil)
    let fooled = try fgsm(session, point, goal, epsilon: 0.5)
    #expect(fooled.images.values == [1.5, -1.5, 3.5, -2.5, 2.5, 1.5, 1.5, -3.5, 4.5, 1.5])
    #expect(fooled.success == [true] && fooled.classes == [0])
    let after = try session.gradient(of: .probability([1]), at: [fooled.images], wrt: []).scores[0]
    #expect(abs(after - 0.88080) < 1e-5)
    #expect(try fgsm(session, point, AttackGoal([1], isTargeted: true, range: nil), epsilon: 0.5).images.values == fooled.images.values)
  }

  /// 3 / |w|² w: 0.3 everywhere, of length 0.948683.
  @Test func minimalAttacksFindTheDistanceOfALine() throws {
    let session = Session(try linearNetwork())
    let goal = AttackGoal(range: nil)
    let exact = try deepFool(session, point, goal, overshoot: 0, steps: 1)
    for (change, weight) in zip(changes(exact.images, point), weights) { #expect(abs(change - 0.3 * Double(weight)) < 1e-6) }
    let largest = try deepFool(session, point, goal, norm: .maximum, overshoot: 0, steps: 1)
    for (change, weight) in zip(changes(largest.images, point), weights) { #expect(abs(change - 0.3 * Double(weight)) < 1e-6) }
    let distance = 0.948683
    for (name, result, excess) in [
      ("deepfool", try deepFool(session, point, goal), 1.021),
      ("cw", try carliniWagner(session, point, goal, rate: 0.05, steps: 300, searches: 8), 1.05),
      ("lbfgs", try lbfgsAttack(session, point, goal, searches: 12), 1.05),
      ("boundary", try boundary(session, point, AttackGoal(range: -6...6, seed: 4), steps: 2000), 1.15),
      ("hopskipjump", try hopSkipJump(session, point, AttackGoal(range: -6...6, seed: 4)), 1.15),
    ] {
      let found = length(changes(result.images, point))
      #expect(result.success == [true], "\(name)")
      #expect(found >= distance * (1 - 1e-5) && found < distance * excess, "\(name): \(found)")
    }
  }

  @Test(arguments: Norm.allCases) func oneStepOfProjectedGradientsIsTheFastMethod(norm: Norm) throws {
    let session = Session(try smallNetwork())
    for (levels, epsilon) in [(0, 0.02), (255, 8.0 / 255)] {
      let epsilon = norm == .maximum ? epsilon : 20 * epsilon
      let goal = AttackGoal(levels: levels)
      let fast = try fgsm(session, picture(), goal, epsilon: epsilon, norm: norm)
      let one = try pgd(session, picture(), goal, norm: norm, epsilon: epsilon, step: epsilon, steps: 1, startsRandomly: false)
      #expect(fast.images.values == one.images.values)
      #expect(fast.images.values != picture().values)
    }
  }

  @Test(arguments: [8.0 / 255, 1.0 / 3, 0.1, 1e-7]) func theBoundHoldsExactly(epsilon: Double) throws {
    let session = Session(try smallNetwork())
    for result in [
      try fgsm(session, picture(), epsilon: epsilon), try pgd(session, picture(), epsilon: epsilon, step: epsilon / 2),
      try square(session, picture(), epsilon: epsilon, steps: 20), try nes(session, picture(), epsilon: epsilon, steps: 2, samples: 10),
    ] {
      #expect(changes(result.images, picture()).allSatisfy { abs($0) <= epsilon })
      #expect(result.images.values.allSatisfy { (0...1).contains($0) })
    }
  }

  @Test(arguments: Norm.allCases) func bytesStayBytesAndInTheBall(norm: Norm) throws {
    let session = Session(try smallNetwork()), image = picture()
    let epsilon = norm == .maximum ? 3.0 / 255 : norm == .euclidean ? 0.3 : 2
    let result = try pgd(session, image, AttackGoal(levels: 255), norm: norm, epsilon: epsilon, step: epsilon / 3, momentum: 0.5)
    let levels = changes(result.images, image).map { ($0 * 255).rounded() }
    #expect(result.images.values.allSatisfy { $0 == ($0 * 255).rounded() / 255 })
    for n in 0..<2 {
      let d = Array(levels[n * 216..<(n + 1) * 216])
      let size = norm == .maximum ? d.map(abs).max()! : norm == .euclidean ? length(d) : d.reduce(0) { $0 + abs($1) }
      #expect(size <= epsilon * 255 + 1e-9 && size > 0.3 * epsilon * 255)
    }
  }

  @Test func aBatchIsItsImagesOneByOneWhateverTheThreads() throws {
    let session = Session(try smallNetwork()), images = picture(2)
    let goal = AttackGoal(levels: 255, seed: 9)
    let attacks: [(String, (Tensor) throws -> Adversarial)] = [
      ("pgd", { try pgd(session, $0, goal, norm: .euclidean, epsilon: 0.5, step: 0.2, steps: 4) }),
      ("deepfool", { try deepFool(session, $0, goal) }), ("cw", { try carliniWagner(session, $0, goal, steps: 15, searches: 2) }),
      ("lbfgs", { try lbfgsAttack(session, $0, goal, steps: 5, searches: 1) }),
      ("one pixel", { try onePixel(session, $0, goal, population: 8, generations: 3) }),
      ("square", { try square(session, $0, goal, steps: 20) }), ("nes", { try nes(session, $0, goal, steps: 3, samples: 6) }),
      ("boundary", { try boundary(session, $0, goal, steps: 20) }),
      ("hopskipjump", { try hopSkipJump(session, $0, goal, steps: 2, samples: 20) }),
    ]
    for (name, attack) in attacks {
      let together = try attack(images)
      for n in 0..<2 {
        let alone = try attack(Tensor([1, 3, 8, 9], Array(images.values[n * 216..<(n + 1) * 216])))
        #expect(alone.images.values == Array(together.images.values[n * 216..<(n + 1) * 216]), "\(name)")
        #expect(alone.success[0] == together.success[n] && alone.queries[0] == together.queries[n] || name == "pgd", "\(name)")
      }
      #expect(try attack(images).images.values == together.images.values, "\(name)")
    }
  }

  @Test func onePixelIsOnePixel() throws {
    let session = Session(try smallNetwork())
    for pixels in 1...2 {
      let result = try onePixel(session, picture(1), AttackGoal(levels: 255), pixels: pixels, population: 20, generations: 4)
      let changed = changes(result.images, picture(1))
      let places = Set(changed.indices.filter { changed[$0] != 0 }.map { $0 % 72 })
      #expect(1...pixels ~= places.count)
    }
  }

  @Test func fooledNetworksAreSureOfTheTarget() throws {
    let session = Session(try smallNetwork())
    let seen = try session.gradient(of: .top, at: [picture(1)], wrt: []).targets[0]
    for target in 0..<3 {
      let result = try fool(session, picture(1), AttackGoal([target], levels: 255), confidence: 0.9, step: 0.3, steps: 400)
      let p = try session.gradient(of: .probability([target]), at: [result.images], wrt: []).scores[0]
      #expect(result.success == [true] && p >= 0.9, "\(target) from \(seen): \(p)")
    }
  }

  @Test(arguments: ImageEncoding.allCases) func evolutionNeverFallsBack(encoding: ImageEncoding) throws {
    let session = Session(try smallNetwork())
    var costs: [Double] = []
    let goal = AttackGoal([1], levels: 255) { _, _, cost in
      costs.append(cost)
      return true
    }
    let result = try evolveFool(session, shape: [1, 3, 8, 9], goal, encoding: encoding, confidence: 0.999, population: 6, generations: 12)
    #expect(zip(costs, costs.dropFirst()).allSatisfy { $0 >= $1 } && !costs.isEmpty)
    let p = try session.gradient(of: .probability([1]), at: [result.images], wrt: []).scores[0]
    #expect(abs(1 - Double(p) - (costs.last ?? 0)) < 1e-5)
  }

  @Test func mistakesAreTold() throws {
    let session = Session(try smallNetwork()), image = picture(1)
    let seen = try session.gradient(of: .top, at: [image], wrt: []).targets[0]
    #expect(throws: LensError.self) { try fgsm(session, image, epsilon: -1) }
    #expect(throws: LensError.self) { try fgsm(session, image, epsilon: .nan) }
    #expect(throws: LensError.self) { try pgd(session, image, step: .infinity) }
    #expect(throws: LensError.self) { try pgd(session, image, AttackGoal([3])) }
    #expect(throws: LensError.self) { try pgd(session, image, AttackGoal([0, 1])) }
    #expect(throws: LensError.self) { try pgd(session, image, AttackGoal(isTargeted: true)) }
    #expect { try pgd(session, image, AttackGoal([seen], isTargeted: true)) } throws: { "\($0)".contains("sees in it already") }
    #expect(throws: LensError.self) { try deepFool(session, image, norm: .absolute) }
    #expect(throws: LensError.self) { try fgsm(session, 300 * image, epsilon: 1) }
    #expect(throws: LensError.self) { try fgsm(session, 0.999 * image, AttackGoal(levels: 255), epsilon: 1) }
    #expect(throws: LensError.self) { try boundary(session, image, AttackGoal(range: nil)) }
    #expect(throws: LensError.self) { try hopSkipJump(session, image, start: image) }
    #expect(throws: LensError.self) { try onePixel(session, image, population: 3) }
    #expect(throws: LensError.self) { try fool(session, image, AttackGoal([0]), confidence: 1) }
    #expect(throws: LensError.self) { try square(Session(try linearNetwork()), point, AttackGoal(range: nil)) }
  }

  @Test func stoppedAttacksHandBackWhatTheyHave() throws {
    let session = Session(try smallNetwork())
    var calls = 0
    let goal = AttackGoal { _, _, _ in
      calls += 1
      return false
    }
    let result = try pgd(session, picture(), goal, steps: 50)
    #expect(calls == 1 && result.images.values != picture().values)
  }
}

@Suite struct PictureViewTests {
  @Test func operatorsKeepTheContract() throws {
    var random = Random(seed: 2)
    let resample = Resample(rows: .normal([3, 5], using: &random), columns: .normal([4, 6], using: &random))
    try checkOperator(resample, shapes: [[2, 3, 5, 6]], linear: true)
    try checkOperator(OverWhite(opacity: .uniform([5, 6], using: &random)), shapes: [[2, 3, 5, 6]], linear: true)
    try checkOperator(StraightThrough { _, _ in }, shapes: [[2, 3, 5, 6]], linear: true)
  }

  /// <rows X columnsᵀ, G> = <X, rowsᵀ G columns>
  @Test func resamplingHasItsAdjoint() throws {
    var random = Random(seed: 8)
    let op = Resample(rows: .normal([3, 5], using: &random), columns: .normal([4, 6], using: &random))
    let x = Tensor.normal([2, 3, 5, 6], using: &random), g = Tensor.normal([2, 3, 3, 4], using: &random)
    let (y, gradients) = try op.gradients(at: [x], outputGradient: g)
    let left = zip(y.values, g.values).reduce(0.0) { $0 + Double($1.0) * Double($1.1) }
    let right = zip(x.values, gradients[0].values).reduce(0.0) { $0 + Double($1.0) * Double($1.1) }
    #expect(abs(left - right) < 1e-4)
    // One value by hand.
    var value = 0.0
    for i in 0..<5 { for j in 0..<6 { value += Double(op.rows[1, i]) * Double(x[1, 2, i, j]) * Double(op.columns[3, j]) } }
    #expect(abs(Double(y[1, 2, 1, 3]) - value) < 1e-4)
    #expect(throws: LensError.self) { try op(Tensor([1, 3, 6, 6])) }
  }

  @Test func clearPicturesAreLaidOnWhite() throws {
    let op = OverWhite(opacity: Tensor([1, 2], [0.25, 1]))
    let (y, gradients) = try op.gradients(at: [Tensor([1, 1, 1, 2], [0.4, 0.4])], outputGradient: Tensor([1, 1, 1, 2], [1, 1]))
    #expect(zip(y.values, [0.85, 0.4]).allSatisfy { abs($0 - $1) < 1e-6 })
    #expect(gradients[0].values == [0.25, 1])
  }

  @Test func aChangePassesTheGradientStraightThrough() throws {
    let op = StraightThrough { pictures, shape in for i in 0..<shape.count { pictures[i] = 1 } }
    let (y, gradients) = try op.gradients(at: [Tensor([1, 1, 1, 2], [0.4, 0.3])], outputGradient: Tensor([1, 1, 1, 2], [5, 6]))
    #expect(y.values == [1, 1] && gradients[0].values == [5, 6])
  }

  /// Twice the size, seen at half: every pixel of a quartet has a quarter of the gradient.
  @Test func gradientsComeOutAtThePicturesResolution() throws {
    let network = try smallNetwork()
    func half(_ n: Int) -> Tensor { Tensor([n, 2 * n], (0..<n * 2 * n).map { $0 % (2 * n) / 2 == $0 / (2 * n) ? 0.5 : 0 }) }
    let plain = Preprocessing(mean: [0.5, 0.4, 0.3], deviation: [0.2, 0.3, 0.4])
    let seeing = network.seeing(plain, through: PictureView(rows: half(8), columns: half(9)))
    let small = picture(1), values = small.values
    let large = Tensor(
      [1, 3, 16, 18], (0..<3 * 16 * 18).map { i in values[i / 288 * 72 + i % 288 / 18 / 2 * 9 + i % 18 / 2] })
    let a = try Session(network.seeing(plain)).gradient(of: .logit([1]), at: [small])
    let b = try Session(seeing).gradient(of: .logit([1]), at: [large])
    #expect(abs(a.scores[0] - b.scores[0]) < 1e-5)
    #expect(b.gradients[0].shape == large.shape)
    let expected = a.gradients[0].values
    for (i, g) in b.gradients[0].values.enumerated() {
      #expect(abs(g - expected[i / 288 * 72 + i % 288 / 18 / 2 * 9 + i % 18 / 2] / 4) < 1e-5)
    }
    #expect(throws: LensError.self) { try Session(seeing).gradient(of: .logit([1]), at: [small]) }
  }
}
