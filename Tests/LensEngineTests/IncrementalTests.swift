// SPDX-License-Identifier: Apache-2.0
@testable import LensEngine
import LensTensors
import LensTestSupport
import Testing

/// A network made of a few lines: layers after layers, each with random weights.
struct Builder {
  var graph = Graph()
  var random = Random(seed: 11)
  private var count = 0

  mutating func add(_ op: any Operator, _ inputs: Int...) throws -> Int { try add(op, inputs) }

  mutating func add(_ op: any Operator, _ inputs: [Int]) throws -> Int {
    count += 1
    return try graph.add(op, inputs, named: "\(op.kind)\(count)")
  }

  mutating func convolution(
    _ input: Int, _ outputs: Int, _ kernel: Int = 3, stride: Int = 1, dilation: Int = 1, padding: [Int]? = nil, groups: Int = 1
  ) throws -> Int {
    let channels = graph.nodes[input].shape.c / groups
    let weights = Tensor.normal([outputs, channels, kernel, kernel], deviation: 0.4, using: &random)
    let bias = (0..<outputs).map { _ in random.normal() }
    let same = (kernel - 1) * dilation / 2
    return try add(
      Convolution(
        weights: weights, bias: bias, strides: [stride, stride], dilations: [dilation, dilation],
        padding: padding ?? [same, same, same, same], groups: groups), input)
  }

  mutating func constant(_ shape: Shape) -> Int {
    count += 1
    return graph.addConstant(.normal(shape, using: &random), named: "constant\(count)")
  }

  /// The mean of every map, and class scores.
  mutating func head(_ input: Int) throws -> Int {
    let shape = graph.nodes[input].shape
    let pooled = try add(GlobalPool(.average), input)
    let flat = try add(Reshape(to: [shape.n, shape.c]), pooled)
    return try add(Linear(weights: .normal([5, shape.c], using: &random), bias: nil), flat)
  }
}

private func network(
  _ channels: Int = 3, _ height: Int = 21, _ width: Int = 18, fixed: Bool = false,
  _ build: @escaping @Sendable (inout Builder, Int) throws -> Int
) throws -> Network {
  Network(
    try BuiltSource([[fixed ? 1 : -1, channels, height, width]]) { shapes in
      var builder = Builder()
      let input = builder.graph.addInput("image", shapes[0])
      builder.graph.outputs = [try build(&builder, input)]
      return builder.graph
    }, name: "built")
}

@Suite struct IncrementalTests {
  /// Corners, borders, single pixels, odd sizes, everything.
  static func regions(_ h: Int, _ w: Int) -> [Region] {
    [
      Region(rows: 0..<1, columns: 0..<1), Region(rows: h - 1..<h, columns: w - 1..<w), Region(rows: h - 3..<h, columns: 0..<2),
      Region(rows: 0..<5, columns: w - 3..<w), Region(rows: h / 2..<h / 2 + 1, columns: w / 2..<w / 2 + 1),
      Region(rows: 4..<9, columns: 6..<11), Region(rows: 5..<10, columns: 7..<12), Region(rows: 7..<12, columns: 3..<8),
      Region(rows: 6..<9, columns: 0..<w), Region(rows: 0..<h, columns: 5..<6), Region(rows: 0..<h, columns: 0..<w),
      Region(rows: 2..<5, columns: 2..<16), Region(rows: 9..<16, columns: 8..<13),
    ]
  }

  static func picture(_ base: Tensor, _ perturbation: Perturbation) -> Tensor {
    var result = base
    let shape = base.shape
    result.withMutablePointer { pixels in
      for c in 0..<shape.c {
        for y in perturbation.region.rows {
          for x in perturbation.region.columns {
            let i = (c * shape.h + y) * shape.w + x
            pixels[i] = perturbation.picture.pointer[i]
          }
        }
      }
    }
    return result
  }

  /// The same bits as the full pass, for all regions at once and one by one.
  static func expectExact(
    _ network: Network, at layers: [Layer] = [.output], _ height: Int = 21, _ width: Int = 18, channels: Int = 3,
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    var random = Random(seed: 5)
    let shape: Shape = [1, channels, height, width]
    let base = Tensor.normal(shape, deviation: 2, using: &random), other = Tensor.normal(shape, deviation: 2, using: &random)
    let perturbations = regions(height, width).map { Perturbation($0, of: other) }
    let session = Session(network), incremental = try IncrementalSession(network, base: [base], at: layers)
    let expected = try perturbations.map { try session.activations(of: [picture(base, $0)], at: layers) }
    func compare(_ results: [Tensor], _ order: [Int], _ comment: String) {
      for (position, result) in results.enumerated() {
        let count = expected[0][position].count
        for (row, index) in order.enumerated() {
          let a = (0..<count).map { (result.pointer + row * count)[$0].bitPattern }
          let b = expected[index][position].values.map(\.bitPattern)
          let wrong = a.indices.filter { a[$0] != b[$0] }
          let first = wrong.first.map { "\($0): \(Float(bitPattern: a[$0])) is not \(Float(bitPattern: b[$0]))" } ?? ""
          let place = "\(comment), \(regions(height, width)[index])"
          #expect(wrong.isEmpty, "\(place): \(wrong.count) of \(count), \(first)", sourceLocation: sourceLocation)
        }
      }
    }
    let all = Array(perturbations.indices)
    compare(try incremental.activations(of: perturbations), all, "together")
    compare(try incremental.activations(of: perturbations.reversed()), all.reversed(), "again")
    let small = [0, 1, 2, 3, 4, 5, 6, 7]
    compare(try incremental.activations(of: small.map { perturbations[$0] }), small, "small ones")
    compare(try incremental.activations(of: [perturbations[5], perturbations[7]]), [5, 7], "two")
    for index in all { compare(try incremental.activations(of: [perturbations[index]]), [index], "alone") }
    try incremental.rebase([other])
    let unchanged = try session.activations(of: [other], at: layers)
    for (a, b) in zip(try incremental.activations(of: [perturbations[5]]), unchanged) { #expect(a.values == b.values) }
    for (a, b) in zip(try incremental.baseActivations, unchanged) { #expect(a.values == b.values) }
    try expectOwnPass(network, at: layers, base, perturbations, expected, sourceLocation)
  }

  /// A session that is quick for such changes: the same bits as a full pass of its own, and a `Session`'s but for rounding.
  static func expectOwnPass(
    _ network: Network, at layers: [Layer], _ base: Tensor, _ perturbations: [Perturbation], _ expected: [[Tensor]],
    _ sourceLocation: SourceLocation
  ) throws {
    let regions = perturbations.map(\.region).filter { $0.rows.count < 3 }
    let quick = try IncrementalSession(network, base: [base], at: layers, quickFor: regions)
    let together = try quick.activations(of: perturbations)
    for (index, perturbation) in perturbations.enumerated() {
      let alone = try quick.activations(of: [perturbation])
      try quick.rebase([picture(base, perturbation)])
      for (position, whole) in try quick.baseActivations.enumerated() {
        let row = (0..<whole.count).map { (together[position].pointer + index * whole.count)[$0] }
        #expect(row == whole.values && alone[position].values == whole.values, "\(perturbation.region)", sourceLocation: sourceLocation)
        let distance = zip(row, expected[index][position].values).reduce(0) { $0 + Double($1.0 - $1.1) * Double($1.0 - $1.1) }
        let size = row.reduce(0) { $0 + Double($1) * Double($1) }
        #expect(distance <= 1e-10 * size, "\(perturbation.region): \(distance) of \(size)", sourceLocation: sourceLocation)
      }
      try quick.rebase([base])
    }
  }

  @Test func convolutions() throws {
    for (kernel, stride, dilation, padding) in [
      (3, 1, 1, [1, 1, 1, 1]), (3, 2, 1, [1, 1, 1, 1]), (7, 2, 1, [3, 3, 3, 3]), (3, 1, 2, [2, 2, 2, 2]), (3, 2, 2, [0, 1, 2, 1]),
      (5, 3, 1, [2, 0, 1, 2]), (1, 1, 1, [0, 0, 0, 0]), (1, 2, 1, [0, 0, 0, 0]), (1, 3, 1, [0, 0, 0, 0]), (2, 1, 1, [0, 0, 1, 1]),
      (3, 1, 1, [0, 0, 0, 0]), (1, 1, 1, [1, 2, 0, 1]), (3, 1, 1, [4, 4, 4, 4]),
    ] {
      try Self.expectExact(
        network { builder, x in
          let first = try builder.add(ReLU(), builder.convolution(x, 20, kernel, stride: stride, dilation: dilation, padding: padding))
          let second = try builder.convolution(first, 7, kernel == 7 ? 3 : kernel, dilation: dilation, padding: padding.map { $0 / 2 })
          return try builder.head(second)
        })
    }
  }

  /// Convolutions that compute squares of outputs, beside and behind others.
  @Test func tiles() throws {
    for kernel in [3, 5] {
      let network = try network { builder, x in
        var y = try builder.add(ReLU(), builder.convolution(x, 32))
        y = try builder.add(Binary(.add), y, builder.convolution(builder.convolution(y, 20, kernel), 32, 1))
        y = try builder.convolution(builder.add(ReLU(), y), 48, kernel, padding: [2, 0, 1, 2])
        y = try builder.convolution(builder.add(MaxPool(PoolWindow(3, stride: 2)), y), 32, 3)
        return try builder.head(y)
      }
      let graph = try network.source.graph(for: [[1, 3, 21, 18]], reaching: nil)
      let tiles = graph.nodes.map { $0.op.locality(for: graph.shapes($0.inputs))?.tile ?? 1 }
      #expect(tiles.contains(7 - kernel))
      try Self.expectExact(network)
    }
  }

  /// Strided first layers that compute squares of outputs from patches of the picture, which reach beyond the kernel.
  @Test func stems() throws {
    for (kernel, stride, height, width) in [(7, 2, 61, 58), (11, 4, 75, 80), (5, 2, 45, 47)] {
      let network = try network(3, height, width) { builder, x in
        let stem = try builder.convolution(x, 32, kernel, stride: stride, padding: [kernel / 2, 1, kernel / 2, 2])
        return try builder.head(builder.convolution(builder.add(ReLU(), stem), 20))
      }
      let graph = try network.source.graph(for: [[1, 3, height, width]], reaching: nil)
      let stem = try #require(graph.nodes.lazy.compactMap { $0.op.locality(for: graph.shapes($0.inputs)) }.first)
      #expect(stem.tile > 1)
      try Self.expectExact(network, height, width)
    }
  }

  /// What computes every output by itself: layers that a small change reaches in part, while it costs less than squares.
  @Test func fewOutputsAreComputedByThemselves() throws {
    let network = try network(3, 64, 64) { builder, x in
      var y = try builder.convolution(x, 32)
      for _ in 0..<6 { y = try builder.add(ReLU(), builder.convolution(y, 32)) }
      return try builder.head(y)
    }
    func direct(_ regions: [Region]) throws -> Int {
      let base = Tensor([1, 3, 64, 64])
      return try IncrementalSession(network, base: [base], at: [.output], quickFor: regions).flow.plan.request.direct.count
    }
    let pixel = Region(rows: 30..<31, columns: 30..<31), half = Region(rows: 0..<64, columns: 0..<32)
    let (none, few, all, wide) = try (direct([]), direct([pixel]), direct([Region](repeating: pixel, count: 99)), direct([half]))
    #expect(none == 0 && few > 2 && all == few && wide == 0, "\(none) \(few) \(all) \(wide)")
  }

  @Test func groups() throws {
    try Self.expectExact(
      network { builder, x in
        var y = try builder.convolution(x, 48)
        y = try builder.convolution(y, 48, groups: 48)
        y = try builder.add(Pointwise(.clip(lower: 0, upper: 6)), y)
        y = try builder.convolution(y, 32, 3, stride: 2, groups: 4)
        y = try builder.convolution(y, 32, 5, stride: 2, groups: 32)
        return try builder.head(builder.add(Pointwise(.hardSwish), y))
      })
  }

  @Test func pools() throws {
    let pools: [any Operator] = [
      MaxPool(PoolWindow(3, stride: 2, padding: 1)), MaxPool(PoolWindow(3, stride: 2, roundsUp: true)), MaxPool(PoolWindow(2)),
      MaxPool(PoolWindow(kernel: [3, 2], strides: [1, 1], dilations: [2, 1], padding: [1, 0, 2, 1], roundsUp: false)),
      AveragePool(PoolWindow(2)), AveragePool(PoolWindow(3, stride: 1, padding: 1)),
      AveragePool(PoolWindow(3, stride: 2, padding: 1), countsPadding: true), AveragePool(PoolWindow(2, stride: 2, roundsUp: true)),
      AveragePool(PoolWindow(3, stride: 2, padding: 1, roundsUp: true), countsPadding: true), LpPool(PoolWindow(3, stride: 2), p: 2),
    ]
    for pool in pools {
      for stem in [16, 5] {
        try Self.expectExact(
          network { builder, x in
            let y = try builder.add(pool, builder.convolution(x, stem, 3, padding: [0, 0, 0, 0]))
            return try builder.head(builder.convolution(y, 6))
          })
      }
      try Self.expectExact(network { builder, x in try builder.add(ReLU(), builder.add(pool, x)) })
    }
  }

  @Test func residuals() throws {
    try Self.expectExact(
      network { builder, x in
        let stem = try builder.add(ReLU(), builder.convolution(x, 32))
        let body = try builder.convolution(builder.add(ReLU(), builder.convolution(stem, 16, 1)), 32)
        let sum = try builder.add(ReLU(), builder.add(Binary(.add), body, stem))
        let down = try builder.convolution(sum, 48, 1, stride: 2)
        let branch = try builder.convolution(builder.add(ReLU(), builder.convolution(sum, 16, 3, stride: 2)), 48, 1)
        let twice = try builder.add(ReLU(), builder.add(Binary(.add), branch, down))
        // The shortcut reaches farther than the branch.
        let far = try builder.convolution(twice, 48, 5)
        let near = try builder.convolution(twice, 48, 1)
        return try builder.head(builder.add(ReLU(), builder.add(Binary(.add), near, far)))
      })
  }

  @Test func normalizations() throws {
    try Self.expectExact(
      network { builder, x in
        var y = x
        for (channels, kernel) in [(24, 3), (32, 3), (32, 1)] {
          y = try builder.convolution(y, channels, kernel)
          let scale = (0..<channels).map { 0.5 + Float($0) / 16 }, shift = (0..<channels).map { 0.25 - Float($0) / 32 }
          y = try builder.add(ReLU(), builder.add(ScaleShift(scale: scale, shift: shift), y))
        }
        return try builder.head(y)
      }, at: [.output, "Conv4", "BatchNormalization5"])
  }

  @Test func joinedBranches() throws {
    try Self.expectExact(
      network { builder, x in
        let stem = try builder.add(LocalResponse(size: 3, alpha: 0.1, beta: 0.75, bias: 1), builder.convolution(x, 16))
        let a = try builder.convolution(stem, 16, 1), b = try builder.convolution(stem, 32, 3), c = try builder.convolution(stem, 9, 5)
        let d = try builder.add(MaxPool(PoolWindow(3, stride: 1, padding: 1)), stem)
        let narrow = try builder.add(Concat(axis: 1), [a, b]), wide = try builder.add(Concat(axis: 1), [narrow, c, d])
        let pairs = (scale: [Float](repeating: 0.5, count: 73), shift: [Float](repeating: 0.25, count: 73))
        let scaled = try builder.add(ScaleShift(scale: pairs.scale, shift: pairs.shift), wide)
        return try builder.head(builder.convolution(builder.add(ReLU(), scaled), 16, 3, stride: 2))
      })
  }

  @Test func elementwise() throws {
    try Self.expectExact(
      network { builder, x in
        var y = try builder.convolution(x, 16)
        y = try builder.add(Binary(.multiply), y, builder.add(Pointwise(.sigmoid), y))
        y = try builder.add(Binary(.add), y, builder.constant([16, 1, 1]))
        y = try builder.add(Binary(.multiply), builder.constant([1, 16, 1, 1]), y)
        y = try builder.add(Binary(.maximum), y, builder.constant([1, 16, 21, 18]))
        y = try builder.add(PReLU(), y, builder.constant([16, 1, 1]))
        y = try builder.add(Variadic(.mean), [y, builder.convolution(x, 16), builder.constant([])])
        for function: Pointwise.Function in [.swish(alpha: 1), .gelu(tanh: true), .tanh, .mish, .exp] {
          y = try builder.add(Pointwise(function), builder.convolution(y, 17, 1))
        }
        let bent = try builder.add(Where(), builder.add(Binary(.less), y, builder.constant([1])), y, builder.constant([17, 1, 1]))
        // Not the same for every pixel.
        let shaded = try builder.add(Binary(.multiply), bent, builder.constant([1, 18]))
        return try builder.head(builder.convolution(shaded, 8))
      })
  }

  @Test func squeezeAndExcite() throws {
    try Self.expectExact(
      network { builder, x in
        let y = try builder.convolution(x, 32, 3, stride: 2)
        var scale = try builder.add(GlobalPool(.average), y)
        scale = try builder.add(Pointwise(.swish(alpha: 1)), builder.convolution(scale, 8, 1))
        scale = try builder.add(Pointwise(.sigmoid), builder.convolution(scale, 32, 1))
        let z = try builder.add(Binary(.multiply), y, scale)
        return try builder.head(builder.convolution(builder.add(ReLU(), builder.convolution(z, 16)), 16, 3, stride: 2))
      })
  }

  @Test func channelsInAnotherOrder() throws {
    try Self.expectExact(
      network { builder, x in
        let reversed = try builder.add(Gather(axis: 1, indices: [2, 1, 0], indexShape: [3]), x)
        let y = try builder.convolution(reversed, 32), shape = builder.graph.nodes[y].shape
        let split = try builder.add(Reshape(to: [shape.n, 2, 16, shape.h, shape.w]), y)
        let shuffled = try builder.add(Reshape(to: shape), builder.add(Transpose(permutation: [0, 2, 1, 3, 4]), split))
        func half(_ start: Int, _ count: Int) throws -> Int {
          try builder.add(
            Slice(starts: [0, start, 0, 0], steps: [1, 1, 1, 1], counts: [shape.n, count, shape.h, shape.w]), shuffled)
        }
        let left = try builder.convolution(half(0, 16), 16, 3), right = try half(16, 16), odd = try half(3, 11)
        let joined = try builder.add(Concat(axis: 1), [left, right, odd])
        let padded = try builder.add(Pad(mode: .constant(0.5), before: [0, 0, 2, 1], after: [0, 0, 1, 3]), joined)
        let mirrored = try builder.add(Pad(mode: .reflect, before: [0, 0, 1, 1], after: [0, 0, 1, 1]), builder.convolution(padded, 16))
        return try builder.head(builder.convolution(mirrored, 5, 3, padding: [0, 0, 0, 0]))
      })
  }

  @Test func layersInTheMiddle() throws {
    let network = try network { builder, x in
      let y = try builder.add(MaxPool(PoolWindow(2)), builder.add(ReLU(), builder.convolution(x, 20)))
      return try builder.add(Softmax(axes: 1..<2), builder.head(builder.convolution(y, 16)))
    }
    try Self.expectExact(network, at: ["Conv1", "Relu2", "MaxPool3", "input", .logits, .output, "GlobalAveragePool5"])
  }

  @Test func wholePicturesOnly() throws {
    try Self.expectExact(
      network { builder, x in
        let y = try builder.add(Softmax(axes: 3..<4), builder.convolution(x, 8))
        return try builder.head(builder.convolution(y, 8))
      })
    try Self.expectExact(
      network { builder, x in
        let flat = try builder.add(Reshape(to: [builder.graph.nodes[x].shape.n, 3 * 21 * 18]), x)
        return try builder.add(Linear(weights: .normal([4, 3 * 21 * 18], using: &builder.random), bias: nil), flat)
      })
  }

  /// A file made for one image, with a shape written into it.
  @Test func fixedBatch() throws {
    try Self.expectExact(
      network(fixed: true) { builder, x in
        let y = try builder.add(ReLU(), builder.convolution(x, 16, 3, stride: 2))
        let pooled = try builder.add(GlobalPool(.average), y)
        guard builder.graph.nodes[x].shape.n == 1 else { throw LensError(.shapeMismatch, "one image") }
        let flat = try builder.add(Reshape(to: [1, 16]), pooled)
        return try builder.add(Linear(weights: .normal([5, 16], using: &builder.random), bias: nil), flat)
      })
  }

  /// Nothing to do with the input, next to it.
  @Test func unchangedParts() throws {
    let source = try BuiltSource([[-1, 3, 21, 18], [-1, 4, 21, 18]]) { shapes in
      var builder = Builder()
      let x = builder.graph.addInput("a", shapes[0]), y = builder.graph.addInput("b", shapes[1])
      let still = try builder.add(ReLU(), builder.convolution(y, 16)), moved = try builder.convolution(x, 16)
      let sum = try builder.add(Binary(.add), builder.convolution(moved, 16), builder.convolution(still, 16))
      let weights = try builder.add(GlobalPool(.average), builder.convolution(y, 32))
      let weighted = try builder.add(Binary(.multiply), builder.add(Concat(axis: 1), [sum, still]), weights)
      builder.graph.outputs = [try builder.head(weighted)]
      return builder.graph
    }
    let network = Network(source, name: "two")
    var random = Random(seed: 8)
    let a = Tensor.normal([1, 3, 21, 18], using: &random), b = Tensor.normal([1, 4, 21, 18], using: &random)
    let other = Tensor.normal([1, 3, 21, 18], using: &random)
    let session = try IncrementalSession(network, base: [a, b], at: [.output, "Relu2"])
    let perturbations = Self.regions(21, 18).map { Perturbation($0, of: other) }
    let results = try session.activations(of: perturbations)
    for (row, perturbation) in perturbations.enumerated() {
      let expected = try Session(network).activations(of: [Self.picture(a, perturbation), b], at: [.output, "Relu2"])
      for (result, expected) in zip(results, expected) {
        let count = expected.count
        #expect(Array(result.values[row * count..<(row + 1) * count]) == expected.values, "\(perturbation.region)")
      }
    }
  }

  /// A 3×3 kernel, its pool and another: 13×13, then 7×7, then the squares of 4×4 that see any of it.
  @Test func onlyTheConeIsComputed() throws {
    let network = try network(3, 64, 64) { builder, x in
      let y = try builder.add(MaxPool(PoolWindow(2)), builder.add(ReLU(), builder.convolution(x, 32)))
      return try builder.head(builder.convolution(y, 32))
    }
    let session = try IncrementalSession(network, base: [Tensor([1, 3, 64, 64])], at: [.output])
    func work(_ region: Region) throws -> Int { try session.multiplyAdds(of: [region, region]).incremental / 2 }
    let head = 32 * 5
    #expect(try work(Region(rows: 21..<32, columns: 21..<32)) == 13 * 13 * 27 * 32 + 12 * 12 * 32 * 9 * 32 + head)
    #expect(try work(Region(rows: 0..<11, columns: 53..<64)) == 12 * 12 * 27 * 32 + 8 * 8 * 32 * 9 * 32 + head)
    let whole = try session.multiplyAdds(of: [Region(rows: 0..<64, columns: 1..<63)])
    #expect(whole.incremental == whole.full)
  }

  @Test func littleMemoryMeansSmallBatches() throws {
    let network = try network { builder, x in try builder.head(builder.convolution(builder.convolution(x, 64), 64)) }
    let base = Tensor([1, 3, 21, 18], repeating: 0.5), other = Tensor([1, 3, 21, 18], repeating: 1)
    let session = try IncrementalSession(network, base: [base], at: [.output])
    let perturbations = Self.regions(21, 18).map { Perturbation($0, of: other) }
    let expected = try session.activations(of: perturbations)[0].values
    session.memoryLimit = 2_000_000
    #expect(try session.activations(of: perturbations)[0].values == expected)
    session.memoryLimit = 1000
    let error = #expect(throws: LensError.self) { try session.activations(of: perturbations) }
    #expect(error?.code == .outOfMemory)
  }

  @Test func whatIsWrongIsSaid() throws {
    let network = try network { builder, x in try builder.head(x) }
    let base = Tensor([1, 3, 21, 18], repeating: 0.5)
    #expect(throws: LensError.self) { try IncrementalSession(network, base: [Tensor([2, 3, 21, 18])], at: [.output]) }
    #expect(throws: LensError.self) { try IncrementalSession(network, base: [base], at: ["nothing"]) }
    let session = try IncrementalSession(network, base: [base], at: [.output])
    func refused(_ rows: Range<Int>, _ columns: Range<Int>, _ picture: Tensor) {
      #expect(throws: LensError.self) { try session.activations(of: [Perturbation(Region(rows: rows, columns: columns), of: picture)]) }
    }
    refused(0..<22, 0..<1, base)
    refused(-1..<3, 0..<1, base)
    refused(0..<1, 17..<19, base)
    refused(3..<3, 0..<1, base)
    refused(0..<1, 0..<1, Tensor([1, 3, 21, 17]))
    #expect(throws: LensError.self) { try session.activations(of: []) }
    #expect(throws: LensError.self) { try session.rebase([Tensor([1, 3, 20, 18])]) }
    session.interrupt = { true }
    let error = #expect(throws: LensError.self) {
      try session.activations(of: [Perturbation(Region(rows: 0..<1, columns: 0..<1), of: base)])
    }
    #expect(error?.code == .cancelled)
    session.interrupt = nil
    let stopped = #expect(throws: LensError.self) {
      try session.activations(of: Self.regions(21, 18).map { Perturbation($0, of: base) }) { _ in false }
    }
    #expect(stopped?.code == .cancelled)
  }

  @Test func theRegionOfADifference() {
    let base = Tensor([1, 2, 5, 6])
    var values = base.values
    (values[8], values[30 + 3 * 6 + 4]) = (1, 2)
    let perturbation = Perturbation(Tensor([1, 2, 5, 6], values), differingFrom: base)
    #expect(perturbation.region == Region(rows: 1..<4, columns: 2..<5))
    #expect(Perturbation(base, differingFrom: base).region == Region(rows: 0..<1, columns: 0..<1))
  }
}
