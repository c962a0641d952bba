// SPDX-License-Identifier: Apache-2.0
import LensEngine
import LensKernels
import LensTensors
import LensTestSupport
import Testing

/// x -> relu -> (a) -> double = a + a -> sum with x: a diamond with a value used twice and an in-place candidate.
private func diamond(_ shape: [Int]) throws -> Network {
  Network(
    try BuiltSource([shape]) { shapes in
      var graph = Graph()
      let x = graph.addInput("x", shapes[0])
      let a = try graph.add(ReLU(), [x], named: "a")
      let double = try graph.add(Binary(.add), [a, a], named: "double")
      let b = try graph.add(ReLU(), [double], named: "b")
      let y = try graph.add(Binary(.multiply), [b, x], named: "y")
      graph.outputs = [y]
      return graph
    }, name: "diamond")
}

@Suite struct SessionTests {
  @Test func valuesAndGradientsOfADiamond() throws {
    let session = Session(try diamond([-1, 4]))
    let x = Tensor([2, 4], [1, -2, 3, 0.5, -1, 2, -3, 4])
    let y = try session.activations(of: [x], at: [.output])[0]
    #expect(y.values == x.values.map { 2 * max($0, 0) * $0 })  // 2 relu(x) x
    let energy = Objective.half(.output)
    let result = try session.gradient(of: energy, at: [x], wrt: [.input, "a", "double"], activations: ["a"])
    // E = y^2/2, dE/dy = y; y = 2 relu(x) x: dy/dx = 4 relu(x)
    #expect(result.gradients[0].values == zip(x.values, y.values).map { $1 * 4 * max($0, 0) })
    #expect(result.activations[0].values == x.values.map { max($0, 0) })
    // y = b x, b = relu(double): dE/d double = y x where double > 0; dE/da is twice that.
    #expect(result.gradients[2].values == zip(x.values, y.values).map { $0 > 0 ? $1 * $0 : 0 })
    #expect(result.gradients[1].values == zip(x.values, y.values).map { $0 > 0 ? 2 * $1 * $0 : 0 })
  }

  @Test func severalObjectivesOfAFileMadeForOneImage() throws {
    let session = Session(try diamond([1, 4]))
    let x = Tensor([3, 4], [1, -2, 3, 0.5, -1, 2, -3, 4, 7, 8, -9, 1])
    let objectives: [Objective] = [.half(.output), 2 * .half("a"), .half("double")]
    let together = try session.gradients(of: objectives, at: [x], wrt: [.input, "a"])
    for (objective, result) in zip(objectives, together) {
      let alone = try session.gradient(of: objective, at: [x], wrt: [.input, "a"])
      #expect(result.gradients.map(\.values) == alone.gradients.map(\.values) && result.scores == alone.scores)
    }
  }

  /// A plan made for one thread has scratch for one; a session that is then given more must not go on with it.
  @Test func plansAreMadeAgainForMoreThreads() throws {
    defer { Threads.count = Threads.available }
    var random = Random(seed: 3)
    let convolution = Convolution(
      weights: .normal([32, 32, 3, 3], using: &random), bias: nil, dilations: [2, 2], padding: [2, 2, 2, 2])
    let session = Session(
      Network(
        try BuiltSource([[1, 32, 64, 64]]) { shapes in
          var graph = Graph()
          graph.outputs = [try graph.add(convolution, [graph.addInput("x", shapes[0])], named: "convolution")]
          return graph
        }, name: "one"))
    let image = Tensor.normal([1, 32, 64, 64], using: &random)
    Threads.count = 1
    let one = try session.gradient(of: .half(.output), at: [image]), bytes = session.arenaBytes
    Threads.count = 4
    let four = try session.gradient(of: .half(.output), at: [image])
    #expect(session.arenaBytes > bytes)
    #expect(one.gradients[0].values == four.gradients[0].values)
  }

  @Test func everyRequestOfLayersGivesTheSameNumbers() throws {
    let session = Session(try diamond([-1, 4]))
    let x = Tensor([1, 4], [1, -2, 3, 0.5])
    let all: [Layer] = ["a", "double", "b", "y"]
    let together = try session.activations(of: [x], at: all)
    for (layer, expected) in zip(all, together) {
      #expect(try session.activations(of: [x], at: [layer])[0].values == expected.values, "\(layer)")
    }
  }

  @Test func aBatchIsItsImagesOneByOne() throws {
    let session = Session(try diamond([-1, 4]))
    var random = Random(seed: 3)
    let batch = Tensor.normal([5, 4], using: &random)
    let whole = try session.gradient(of: .half(.output), at: [batch])
    for n in 0..<5 {
      let single = try session.gradient(of: .half(.output), at: [Tensor([1, 4], Array(batch.values[n * 4..<n * 4 + 4]))])
      #expect(single.gradients[0].values == Array(whole.gradients[0].values[n * 4..<n * 4 + 4]))
      #expect(single.scores == [whole.scores[n]])
    }
  }

  @Test func aBatchThatTheFileFixesIsRunInGroups() throws {
    let network = try Network.chain([1, 4, 1, 1], [("flat", Reshape(to: [1, 4])), ("relu", ReLU())])
    var random = Random(seed: 3)
    let batch = Tensor.normal([3, 4, 1, 1], using: &random)
    let session = Session(network)
    let values = try session.activations(of: [batch], at: [.output])[0]
    #expect(values.shape == [3, 4])
    #expect(values.values == batch.values.map { max($0, 0) })
    #expect(try session.shapes(of: ["flat"], inputs: [[3, 4, 1, 1]]) == [[3, 4]])
  }

  @Test func resultsGoStraightIntoTheCallersMemory() throws {
    let session = Session(try diamond([-1, 4]))
    let x = Tensor([1, 4], [1, -2, 3, 0.5])
    var result = Tensor([1, 4])
    let address = result.withMutablePointer { $0 }
    let given = try session.activations(of: [x], at: ["b"], into: [address])[0]
    #expect(given.pointer == UnsafePointer(address))
    #expect(result.values == [2, 0, 6, 1])
  }

  @Test func aSecondIdenticalCallKeepsTheArena() throws {
    let session = Session(try diamond([-1, 4]))
    let x = Tensor([1, 4], [1, -2, 3, 0.5])
    _ = try session.gradient(of: .half(.output), at: [x])
    let bytes = session.arenaBytes
    for _ in 0..<10 { _ = try session.gradient(of: .half(.output), at: [x]) }
    #expect(session.arenaBytes == bytes)
  }

  /// Plans are remembered for each precision; what is not a step of a walk is exact again.
  @Test func stepsOfAWalkHavePlansOfTheirOwn() throws {
    var random = Random(seed: 2)
    let network = try Network.chain(
      [-1, 32, 9, 9], [("conv", Convolution(weights: .normal([48, 32, 3, 3], using: &random), bias: nil, padding: [1, 1, 1, 1]))])
    let session = Session(network), x = Tensor.normal([1, 32, 9, 9], using: &random)
    func gradient() throws -> [Float] { try session.gradient(of: .half(.output), at: [x]).gradients[0].values }
    let exact = try gradient(), step = try session.walking { try gradient() }
    #expect(try gradient() == exact)
    #expect(try session.walking { try gradient() } == step)
    let hasTiles = Kernels.available.contains { $0.amx != nil } && Kernels.selected.amx == nil
    #expect((step != exact) == hasTiles)
    let distance = zip(step, exact).reduce(0.0) { $0 + Double(($1.0 - $1.1) * ($1.0 - $1.1)) }.squareRoot()
    #expect(distance < 2e-5 * exact.reduce(0.0) { $0 + Double($1 * $1) }.squareRoot())
  }

  @Test func anInterruptStopsTheCall() throws {
    let session = Session(try diamond([-1, 4]))
    session.interrupt = { true }
    #expect { try session.activations(of: [Tensor([1, 4])], at: [.output]) } throws: { ($0 as? LensError)?.code == .cancelled }
  }

  @Test func moreMemoryThanAllowedIsRefusedBeforeItIsTaken() throws {
    let session = Session(try diamond([-1, 4]))
    session.memoryLimit = 1 << 20
    #expect {
      try session.activations(of: [Tensor([100_000, 4])], at: [.output])
    } throws: {
      ($0 as? LensError)?.code == .outOfMemory && "\($0)".contains("100000×4")
    }
    #expect(session.arenaBytes == 0)
    #expect(try session.activations(of: [Tensor([1, 4])], at: [.output])[0].count == 4)
  }

  @Test func theMachineSaysWhatItHasLeft() throws {
    let available = try #require(Memory.available)
    #expect((1 << 20...1 << 50).contains(available))
  }

  @Test func wrongInputsAreNamed() throws {
    let session = Session(try diamond([-1, 4]))
    #expect { try session.activations(of: [Tensor([1, 5])], at: [.output]) } throws: { error in
      "\(error)".contains("1×5") && "\(error)".contains("N×4")
    }
    #expect { try session.network.resolve("doubel") } throws: { "\($0)".contains("'double'") }
  }
}

@Suite struct PlanTests {
  @Test func slotsAliveTogetherNeverOverlap() throws {
    let session = Session(try diamond([-1, 64]))
    for wrt in [[], [Layer.input], ["a", "double"]] {
      let plan = try session.plan(inputs: [[3, 64]], of: .half(.output), wrt: wrt)
      for (i, a) in plan.slots.enumerated() where a.role != .external && a.place == nil {
        for b in plan.slots[(i + 1)...] where b.role != .external && b.place == nil && a.alive.overlaps(b.alive) {
          #expect(a.offset + a.count <= b.offset || b.offset + b.count <= a.offset, "\(a) and \(b)")
        }
        #expect(a.offset + a.count <= plan.arenaCount)
      }
    }
  }

  @Test func nothingBelowTheDifferentiatedLayerIsWalked() throws {
    let session = Session(try diamond([-1, 64]))
    let description = try session.plan(inputs: [[3, 64]], of: .half(.output), wrt: ["double"]).description
    let lines = description.split(separator: "\n")
    let backward = try #require(lines.firstIndex { $0.hasPrefix("backward") })
    #expect(lines[backward...].contains { $0.hasPrefix("  b  ") })
    #expect(!lines[backward...].contains { $0.hasPrefix("  a  ") || $0.hasPrefix("  double  ") })
  }
}

extension Objective {
  /// The sum of a layer's values: its derivative is not 0 where a clamp's output is.
  static func sum(of layer: Layer) -> Objective {
    Objective("the sum of \(layer)", at: [layer]) { activations, seeds in
      let view = activations[layer]
      seeds.add(at: layer) { g, weight in for i in 0..<view.shape.count { g[i] += weight } }
      return Value(scores: (0..<view.shape[0]).map { n in (0..<view.stride).reduce(Float(0)) { $0 + view.image(n)[$1] } })
    }
  }

  /// Half the sum of squares.
  static func half(_ layer: Layer) -> Objective {
    Objective("half the squares of \(layer)", at: [layer]) { activations, seeds in
      let view = activations[layer]
      let scores = (0..<view.shape[0]).map { n in
        let a = view.image(n)
        seeds.add(at: layer) { g, weight in for i in 0..<view.stride { g[n * view.stride + i] += weight * a[i] } }
        return (0..<view.stride).reduce(Float(0)) { $0 + a[$1] * a[$1] / 2 }
      }
      return Value(scores: scores)
    }
  }
}
