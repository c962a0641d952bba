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
}
