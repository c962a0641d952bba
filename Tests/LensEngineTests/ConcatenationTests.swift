// SPDX-License-Identifier: Apache-2.0
import LensEngine
import LensTensors
import LensTestSupport
import Testing

private func convolution(_ inputs: Int, _ outputs: Int, _ random: inout Random) -> Convolution {
  Convolution(weights: .normal([outputs, inputs, 3, 3], deviation: 0.1, using: &random), bias: nil, padding: [1, 1, 1, 1])
}

/// Three layers, each of which reads all before it, and what reads them all.
private func denseBlock() throws -> Network {
  var random = Random(seed: 8)
  let stem = convolution(3, 32, &random)
  let layers = (1...4).map { count in
    let scale = ScaleShift(scale: Tensor.normal([32 * count], using: &random).values, shift: [Float](repeating: 0.1, count: 32 * count))
    return (scale, convolution(32 * count, 32, &random))
  }
  return Network(
    try BuiltSource([[-1, 3, 9, 7]]) { shapes in
      var graph = Graph()
      var features = [try graph.add(stem, [graph.addInput("x", shapes[0])], named: "f0")]
      for (number, (scale, convolution)) in layers.enumerated() {
        let all = try graph.add(Concat(axis: 1), features, named: "c\(number)")
        let rectified = try graph.add(ReLU(), [try graph.add(scale, [all], named: "b\(number)")], named: "r\(number)")
        features.append(try graph.add(convolution, [rectified], named: "f\(number + 1)"))
      }
      graph.outputs = [features.last!]
      return graph
    }, name: "dense")
}

@Suite struct ConcatenationTests {
  private func lines(_ plan: Plan) -> (forward: [Substring], backward: [Substring]) {
    let lines = plan.description.split(separator: "\n"), middle = lines.firstIndex { $0.hasPrefix("backward") }!
    return (Array(lines[..<middle]), Array(lines[middle...]))
  }

  @Test func denseBlocksAreOneMemoryInBothDirections() throws {
    let session = Session(try denseBlock())
    let plan = try session.plan(inputs: [[1, 3, 9, 7]], of: .half(.output), wrt: [.input])
    #expect(!lines(plan).backward.contains { $0.contains("Concat") })
    for role in [Plan.Slot.Role.value, .gradient] {
      for (name, start) in [("f0", 0), ("f1", 32), ("f2", 64), ("f3", 96), ("c2", 0), ("c1", 0)] {
        let place = try #require(plan.slots.first { $0.node == name && $0.role == role }?.place, "\(name)")
        #expect(plan.slots[place.host].node == "c3" && place.offset == start * 63, "\(name)")
      }
    }
    // What is asked for has memory of its own, and so has what lies elsewhere in each image of a batch.
    let watched = try session.plan(inputs: [[1, 3, 9, 7]], of: .half(.output), wrt: [.input, "f2", "c1"])
    for name in ["f2", "c1"] {
      #expect(watched.slots.contains { $0.node == name && $0.role == .gradient && $0.place == nil })
    }
    let batch = try session.plan(inputs: [[2, 3, 9, 7]], of: .half(.output), wrt: [.input])
    #expect(batch.slots.allSatisfy { $0.place == nil })
  }

  @Test func clampsSideBySideAreGatedTogether() throws {
    var random = Random(seed: 9)
    let squeeze = convolution(3, 16, &random), one = convolution(16, 32, &random), other = convolution(16, 64, &random)
    let next = convolution(96, 16, &random)
    let network = Network(
      try BuiltSource([[-1, 3, 9, 7]]) { shapes in
        var graph = Graph()
        let squeezed = try graph.add(ReLU(), [try graph.add(squeeze, [graph.addInput("x", shapes[0])], named: "squeeze")], named: "r")
        let first = try graph.add(ReLU(), [try graph.add(one, [squeezed], named: "one")], named: "r1")
        let second = try graph.add(ReLU(), [try graph.add(other, [squeezed], named: "other")], named: "r2")
        let joined = try graph.add(Concat(axis: 1), [first, second], named: "joined")
        graph.outputs = [try graph.add(next, [joined], named: "next")]
        return graph
      }, name: "fire")
    let session = Session(network)
    let backward = lines(try session.plan(inputs: [[1, 3, 9, 7]], of: .half(.output), wrt: [.input])).backward
    #expect(backward.contains { $0.contains("gated by joined") })
    #expect(!backward.contains { $0.contains("Relu") || $0.contains("Concat") })
    // One that something else is asked of keeps its gates, and so do they all.
    let watched = lines(try session.plan(inputs: [[1, 3, 9, 7]], of: .half(.output), wrt: [.input, "r1"])).backward
    #expect(!watched.contains { $0.contains("gated by joined") } && watched.contains { $0.hasPrefix("  r2  ") })
  }
}
