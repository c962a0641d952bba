// SPDX-License-Identifier: Apache-2.0
import LensEngine
import LensTensors
import LensTestSupport
import Testing

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
    shapes.append(
      try node.op.stage(for: node.inputs.map { shapes[$0] }, in: Layouts(inputs: node.inputs.map { _ in .plain }, output: .plain)).output)
    nodes.append(node)
  }
  let source = try BuiltSource([input.with(0, 1).dimensions.enumerated().map { $0 == 0 ? -1 : $1 }]) { [nodes] shapes in
    var graph = Graph()
    _ = graph.addInput("x", shapes[0])
    for (number, node) in nodes.enumerated() { _ = try graph.add(node.op, node.inputs, named: "n\(number)") }
    graph.outputs = [nodes.count]
    return graph
  }
  return (Network(source, name: "random \(seed)"), source.layerNames.map { Layer($0) })
}

/// A plan that fuses, gates and shares gives the bits of one that does each node by itself.
@Suite struct LiteralTests {
  @Test(arguments: 0..<8) func plansGiveTheBitsOfTheirNodesOneByOne(part: UInt64) throws {
    var closed = 0
    for seed in part * 25..<(part + 1) * 25 {
      let (network, layers) = try randomNetwork(seed)
      var random = Random(seed: seed ^ 0xA5)
      func some(_ most: Int) -> [Layer] {
        (0..<Int(random.next() % UInt64(most + 1))).map { _ in layers[Int(random.next() % UInt64(layers.count))] }
      }
      let planned = Session(network), literal = Session(network)
      literal.isLiteral = true
      for n in [1, 3] {
        let shape = Shape([n] + network.inputs[0].dimensions.dropFirst().map { $0! })
        let image = Tensor.normal(shape, deviation: 2, using: &random)
        #expect(
          try planned.activations(of: [image], at: layers).map(\.values) == literal.activations(of: [image], at: layers).map(\.values),
          "seed \(seed)")
        for rules: RuleMap in [.gradient, .gradient, .gradient, .guided, .deconvnet, .redirected, .relevance(.epsilonPlus)] {
          var objective = Objective.half(.output)
          if let other = some(1).first { objective = objective + Objective.half(other) }
          let wrt = random.next() % 2 == 0 ? [Layer.input] : Array(Set([.input] + some(3)))
          let taps = some(2)
          let got = try planned.gradient(of: objective, at: [image], wrt: wrt, activations: taps, rules: rules)
          let wanted = try literal.gradient(of: objective, at: [image], wrt: wrt, activations: taps, rules: rules)
          for (layer, (a, b)) in zip(wrt, zip(got.gradients, wanted.gradients)) where !same(a, b) {
            let plan = try planned.plan(inputs: [shape], taps: taps, of: objective, wrt: wrt, rules: rules)
            Issue.record(
              "seed \(seed), \(rules.name): gradient of \(layer) differs; wrt \(wrt), taps \(taps), \(objective.layers)\n\(plan)")
            return
          }
          #expect(zip(got.activations, wanted.activations).allSatisfy(same), "seed \(seed)")
          #expect(got.scores == wanted.scores, "seed \(seed)")
          closed += try planned.plan(inputs: [shape], of: objective, wrt: wrt).description.contains("gated by") ? 1 : 0
        }
      }
    }
    #expect(closed > 30)
  }

  private func same(_ a: Tensor, _ b: Tensor) -> Bool {
    zip(a.values, b.values).allSatisfy { $0 == $1 || $0.isNaN && $1.isNaN }
  }
}
