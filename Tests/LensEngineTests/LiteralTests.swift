// SPDX-License-Identifier: Apache-2.0
import LensEngine
import LensTensors
import LensTestSupport
import Testing

/// A network of operators on one input; each reads values by number, the input's being 0.
private func network(
  _ name: String, on input: Shape, _ nodes: [(op: any Operator, inputs: [Int])]
) throws -> (network: Network, layers: [Layer]) {
  let source = try BuiltSource([input.with(0, 1).dimensions.enumerated().map { $0 == 0 ? -1 : $1 }]) { [nodes] shapes in
    var graph = Graph()
    _ = graph.addInput("x", shapes[0])
    for (number, node) in nodes.enumerated() { _ = try graph.add(node.op, node.inputs, named: "n\(number)") }
    graph.outputs = [nodes.count]
    return graph
  }
  return (Network(source, name: name), source.layerNames.map { Layer($0) })
}

/// What a node makes of values of these shapes.
private func output(of node: (op: any Operator, inputs: [Int]), _ shapes: [Shape]) throws -> Shape {
  try node.op.stage(for: node.inputs.map { shapes[$0] }, in: Layouts(inputs: node.inputs.map { _ in .plain }, output: .plain)).output
}

/// A random graph of what plans fuse, gate, share and do in place, and of what stands in their way.
private func randomNetwork(_ seed: UInt64) throws -> (network: Network, layers: [Layer]) {
  var random = Random(seed: seed)
  func pick(_ count: Int) -> Int { Int(random.next() % UInt64(count)) }
  // The larger pictures are those that Winograd's transforms are for.
  let input = Shape([1, [3, 16, 20][pick(3)]] + (pick(4) == 0 ? [13, 14] : [7, 6]))
  var nodes: [(op: any Operator, inputs: [Int])] = [], shapes = [input]
  for _ in 0..<(6 + pick(14)) {
    // Mostly the newest value, sometimes the one before or any.
    let newest = shapes.count - 1
    let source = pick(10) == 0 ? pick(shapes.count) : pick(4) == 0 ? max(0, newest - 1) : newest
    let shape = shapes[source], alike = shapes.indices.filter { shapes[$0] == shape }, other = alike[pick(alike.count)]
    func convolution() -> any Operator {
      let kernel = [1, 1, 3][pick(3)], stride = shape.h > 3 && pick(5) == 0 ? 2 : 1, isDepthwise = pick(4) == 0
      let outputs = isDepthwise ? shape.c : [shape.c, shape.c, 16, 20, 32][pick(5)]
      return Convolution(
        weights: .normal([outputs, isDepthwise ? 1 : shape.c, kernel, kernel], deviation: 0.4, using: &random),
        bias: pick(2) == 0 ? nil : (0..<outputs).map { _ in random.normal() }, strides: [stride, stride],
        padding: [Int](repeating: kernel / 2, count: 4), groups: isDepthwise ? shape.c : 1)
    }
    let node: (op: any Operator, inputs: [Int]) =
      switch pick(16) {
      case 0..<5: (convolution(), [source])
      case 5..<8: (ReLU(), [source])
      case 8: (Pointwise(.clip(lower: [0, -1][pick(2)], upper: 1)), [source])
      case 9..<12: (Binary(.add), [source, other])
      case 12 where shape.c <= 32:
        (Concat(axis: 1), [source, other] + (pick(2) == 0 ? [] : [shapes.lastIndex { $0.with(1, 1) == shape.with(1, 1) }!]))
      case 12: (Variadic(.sum), [source, other, source])
      case 13 where shape.h > 3: (MaxPool(PoolWindow(3, stride: 2, padding: 1)), [source])
      case 13: (Binary(.subtract), [source, other])
      case 14:
        (ScaleShift(scale: (0..<shape.c).map { _ in random.normal() }, shift: (0..<shape.c).map { _ in random.normal() }), [source])
      default: ([Identity(), Pointwise(.sigmoid)][pick(2)], [source])
      }
    shapes.append(try output(of: node, shapes))
    nodes.append(node)
  }
  return try network("random \(seed)", on: input, nodes)
}

/// A random graph of concatenations: of much of what there is, of what was concatenated before, of the same once more, along any axis.
private func randomConcatenations(_ seed: UInt64) throws -> (network: Network, layers: [Layer]) {
  var random = Random(seed: seed)
  func pick(_ count: Int) -> Int { Int(random.next() % UInt64(count)) }
  let input = Shape([1, [3, 16, 16][pick(3)]] + (pick(4) == 0 ? [5, 3] : [4, 8]))
  var nodes: [(op: any Operator, inputs: [Int])] = [], shapes = [input], features: [Int] = []
  func add(_ op: any Operator, _ inputs: Int...) throws { try add(op, inputs) }
  func add(_ op: any Operator, _ inputs: [Int]) throws {
    shapes.append(try output(of: (op, inputs), shapes))
    nodes.append((op, inputs))
  }
  var newest: Int { shapes.count - 1 }
  /// A convolution of a value, or what often stands before or behind one.
  func addFeature(of value: Int) throws {
    let c = shapes[value].c
    if pick(2) == 0 {
      try add(ScaleShift(scale: (0..<c).map { _ in random.normal() }, shift: (0..<c).map { _ in random.normal() }), value)
      if pick(3) > 0 { try add(ReLU(), newest) }
    } else {
      try add([Identity(), ReLU(), Pointwise(.sigmoid)][pick(3)], value)
    }
    let outputs = [16, 16, 32, 20][pick(4)], kernel = [1, 3][pick(2)]
    try add(
      Convolution(
        weights: .normal([outputs, shapes[newest].c, kernel, kernel], deviation: 0.3, using: &random), bias: nil,
        padding: [Int](repeating: kernel / 2, count: 4)), newest)
    switch pick(6) {
    case 0: try add(ReLU(), newest)
    case 1: try add(Pointwise(.sigmoid), newest)
    case 2: try add(Identity(), newest)
    case 3: try add(MaxPool(PoolWindow(3, stride: 1, padding: 1)), newest)
    default: break
    }
  }
  func like(_ value: Int, but axis: Int) -> [Int] { shapes.indices.filter { shapes[$0].with(axis, 1) == shapes[value].with(axis, 1) } }

  if pick(3) > 0 { try addFeature(of: 0) }
  features = [newest]
  for _ in 0..<(3 + pick(7)) {
    switch pick(12) {
    case 0..<6 where shapes[features[0]].c <= 32:
      // As DenseNet has it, or as a chain of pairs.
      if features.count > 1 || pick(3) == 0 { try add(Concat(axis: 1), features) }
      let whole = newest
      if shapes[whole].c <= 160 {
        try addFeature(of: whole)
        features = pick(3) == 0 ? [whole, newest] : features + [newest]
      } else {
        features = [whole]
      }
    case 6:
      let near = like(newest, but: 1).filter { shapes[$0].c <= 64 }
      if !near.isEmpty { try add(Concat(axis: 1), (0..<(2 + pick(2))).map { _ in near[pick(near.count)] }) }
    case 7:
      // A fire module: two of one, clamped.
      try addFeature(of: newest)
      let squeezed = newest
      try addFeature(of: squeezed)
      try add(ReLU(), newest)
      let one = newest
      try addFeature(of: squeezed)
      try add(ReLU(), newest)
      if shapes[one].c + shapes[newest].c <= 128 { try add(Concat(axis: 1), one, newest) }
    case 8:
      let alike = shapes.indices.filter { shapes[$0] == shapes[newest] }
      try add(Binary(.add), newest, alike[pick(alike.count)])
    case 9:
      let axis = 2 + pick(2), near = like(newest, but: axis)
      if shapes[newest][axis] < 20 { try add(Concat(axis: axis), newest, near[pick(near.count)]) }
      features = [newest]
    case 10: try add([Identity(), ReLU(), Pointwise(.sigmoid), Pointwise(.clip(lower: -1, upper: 1))][pick(4)], pick(shapes.count))
    default:
      try addFeature(of: pick(shapes.count))
      if shapes[newest].with(1, 1) == shapes[features[0]].with(1, 1) { features.append(newest) } else { features = [newest] }
    }
  }
  // What nobody read yet takes part.
  let read = Set(nodes.flatMap(\.inputs))
  let rest = shapes.indices.filter { !read.contains($0) && $0 < newest && shapes[$0].with(1, 1) == shapes[newest].with(1, 1) }
  if !rest.isEmpty { try add(Concat(axis: 1), [newest] + rest) }
  return try network("concatenations \(seed)", on: input, nodes)
}

/// A plan that fuses, gates and shares gives the bits of one that does each node by itself.
@Suite struct LiteralTests {
  @Test(arguments: 0..<8) func plansGiveTheBitsOfTheirNodesOneByOne(part: UInt64) throws {
    var closed = 0, turned = 0
    for seed in part * 25..<(part + 1) * 25 {
      let (network, layers) = try randomNetwork(seed)
      try compare(network, layers, seed) {
        closed += $0.description.contains("gated by") ? 1 : 0
        turned += $0.description.contains(" turns") ? 1 : 0
      }
    }
    #expect(closed > 30 && turned > 200, "\(closed), \(turned)")
  }

  @Test(arguments: 0..<8) func concatenationsWithoutCopiesGiveTheBitsOfThoseWith(part: UInt64) throws {
    var placed = (values: 0, gradients: 0)
    for seed in part * 25..<(part + 1) * 25 {
      let (network, layers) = try randomConcatenations(seed)
      try compare(network, layers, seed) { plan in
        placed.values += plan.slots.count { $0.place != nil && $0.role == .value }
        placed.gradients += plan.slots.count { $0.place != nil && $0.role == .gradient }
      }
    }
    #expect(placed.values > 400 && placed.gradients > 400, "\(placed)")
  }

  /// What each condition of sharing is for.
  @Test func whatStandsInTheWayIsSeen() throws {
    var random = Random(seed: 6)
    func convolution(_ inputs: Int, _ outputs: Int) -> Convolution {
      Convolution(weights: .normal([outputs, inputs, 3, 3], deviation: 0.2, using: &random), bias: nil, padding: [1, 1, 1, 1])
    }
    let affine = ScaleShift(scale: Tensor.normal([32], using: &random).values, shift: [Float](repeating: 0.1, count: 32))
    let pair: [(op: any Operator, inputs: [Int])] = [(convolution(16, 16), [0]), (convolution(16, 16), [0]), (Concat(axis: 1), [1, 2])]
    let rectified: [(op: any Operator, inputs: [Int])] = [
      (convolution(16, 32), [0]), (ReLU(), [1]), (convolution(16, 32), [0]), (ReLU(), [3]),
    ]
    let cases: [(String, [(op: any Operator, inputs: [Int])])] = [
      (
        "added to one of a pair after the pair's own comes",
        pair + [
          (convolution(16, 16), [1]), (affine, [3]), (convolution(32, 16), [5]), (Concat(axis: 1), [1, 2, 6]), (convolution(48, 16), [7]),
          (Binary(.add), [8, 4]),
        ]
      ),
      (
        "another with the same numbers, still to be read",
        pair + [
          (convolution(16, 48), [0]), (affine, [3]), (convolution(32, 16), [5]), (Concat(axis: 1), [1, 2, 6]), (Binary(.add), [7, 4]),
          (convolution(48, 16), [8]),
        ]
      ),
      (
        "in place, from one concatenation to another",
        pair + [(Pointwise(.sigmoid), [3]), (convolution(16, 16), [0]), (Concat(axis: 1), [4, 5]), (convolution(48, 16), [6])]
      ),
      (
        "one of several clamps read elsewhere",
        rectified + [
          (Concat(axis: 1), [2, 4]), (convolution(64, 16), [5]), (convolution(32, 16), [2]), (Binary(.add), [6, 7]),
        ]
      ),
      ("clamps side by side", rectified + [(Concat(axis: 1), [2, 4]), (convolution(64, 16), [5])]),
      ("the same twice", pair + [(Concat(axis: 1), [3, 3, 1]), (convolution(80, 16), [4])]),
    ]
    for (name, nodes) in cases {
      let (network, layers) = try network(name, on: [1, 16, 4, 8], nodes)
      for seed in 0..<8 { try compare(network, layers, UInt64(seed)) { _ in } }
    }
  }

  /// - body: gets a plan of each gradient that was compared.
  private func compare(_ network: Network, _ layers: [Layer], _ seed: UInt64, _ body: (Plan) throws -> Void) throws {
    var random = Random(seed: seed ^ 0xA5)
    func some(_ most: Int) -> [Layer] {
      (0..<Int(random.next() % UInt64(most + 1))).map { _ in layers[Int(random.next() % UInt64(layers.count))] }
    }
    let literal = Session(network)
    literal.isLiteral = true
    for (n, turns) in [(1, Turns.whereFaster), (3, .wherePossible(images: 1)), (4, .wherePossible(images: 2))] {
      let planned = Session(network)
      planned.turns = turns
      let shape = Shape([n] + network.inputs[0].dimensions.dropFirst().map { $0! })
      let image = Tensor.normal(shape, deviation: 2, using: &random)
      let tapped = [layers, some(3) + [.output]]
      for taps in tapped {
        let (got, wanted) = (try planned.activations(of: [image], at: taps), try literal.activations(of: [image], at: taps))
        #expect(zip(got, wanted).allSatisfy(same), "\(network.name), taps \(taps)")
      }
      for rules: RuleMap in [.gradient, .gradient, .gradient, .guided, .deconvnet, .redirected, .relevance(.epsilonPlus)] {
        var objective = Objective.half(.output)
        if let other = some(1).first { objective = objective + Objective.sum(of: other) }
        let wrt = random.next() % 2 == 0 ? [Layer.input] : Array(Set([.input] + some(3)))
        let taps = some(2), objectives = random.next() % 3 == 0 ? [objective, .half(.output), .half(layers[0])] : [objective]
        let got = try planned.gradients(of: objectives, at: [image], wrt: wrt, activations: taps, rules: rules)
        let wanted = try literal.gradients(of: objectives, at: [image], wrt: wrt, activations: taps, rules: rules)
        let plan = try planned.plan(inputs: [shape], taps: taps, of: objective, wrt: wrt, rules: rules)
        for (got, wanted) in zip(got, wanted) {
          for (layer, (a, b)) in zip(wrt, zip(got.gradients, wanted.gradients)) where !same(a, b) {
            Issue.record(
              "\(network.name), \(rules.name): gradient of \(layer) differs; wrt \(wrt), taps \(taps), \(objectives)\n\(plan)")
            return
          }
          #expect(zip(got.activations, wanted.activations).allSatisfy(same), "\(network.name)")
          #expect(got.scores == wanted.scores, "\(network.name)")
        }
        try body(plan)
      }
    }
  }

  private func same(_ a: Tensor, _ b: Tensor) -> Bool {
    zip(a.values, b.values).allSatisfy { $0 == $1 || $0.isNaN && $1.isNaN }
  }
}
