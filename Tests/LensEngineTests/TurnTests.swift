// SPDX-License-Identifier: Apache-2.0
import LensEngine
import LensKernels
import LensTensors
import LensTestSupport
import Testing

/// Batches that threads take image by image through a stretch of steps. That this changes no bit is also what `LiteralTests` see on
/// random graphs.
@Suite struct TurnTests {
  /// Two convolutions with rectifiers and a pooling, then what sees all of an image.
  private func network() throws -> Network {
    var random = Random(seed: 40)
    func convolution(_ inputs: Int, _ outputs: Int) -> Convolution {
      Convolution(weights: .normal([outputs, inputs, 3, 3], deviation: 0.2, using: &random), bias: nil, padding: [1, 1, 1, 1])
    }
    return try .chain(
      [-1, 3, 48, 48],
      [
        ("first", convolution(3, 32)), ("first relu", ReLU()), ("second", convolution(32, 32)), ("second relu", ReLU()),
        ("pool", MaxPool(PoolWindow(2, stride: 2))), ("third", convolution(32, 16)), ("mean", GlobalPool(.average)),
      ])
  }

  @Test func largeImagesTakeTurnsInLessMemory() throws {
    let session = Session(try network()), images = 8 * Threads.available, shape = Shape([images, 3, 48, 48])
    let inTurns = try session.plan(inputs: [shape], of: .half(.output), wrt: [.input])
    session.turns = .never
    let atOnce = try session.plan(inputs: [shape], of: .half(.output), wrt: [.input])
    let rows = inTurns.description.split(separator: "\n")
    for (name, takesTurns) in [("second relu  Relu", true), ("pool  MaxPool", true), ("first  Conv", true), ("mean  Global", false)] {
      let found = rows.filter { $0.contains(name) }
      #expect(!found.isEmpty && found.allSatisfy { $0.hasSuffix(", \(images) turns") == takesTurns }, "\(found)")
    }
    #expect(!atOnce.description.contains("turns"))
    #expect(2 * inTurns.arenaCount < atOnce.arenaCount)
  }

  @Test func aCallStoppedAnywhereLeavesTheNextOneAsItWas() throws {
    let session = Session(try network())
    var random = Random(seed: 41)
    let images = Tensor.normal([6, 3, 48, 48], using: &random)
    session.turns = .wherePossible(images: 1)
    let whole = try session.gradient(of: .half(.output), at: [images])
    var stopped = 0
    for step in 0..<24 {
      var left = step
      session.interrupt = {
        left -= 1
        return left < 0
      }
      do {
        let result = try session.gradient(of: .half(.output), at: [images])
        #expect(result.gradients[0].values == whole.gradients[0].values)
      } catch let error as LensError {
        #expect(error.code == .cancelled)
        stopped += 1
      }
      session.interrupt = nil
      if step % 5 == 4 {
        #expect(try session.gradient(of: .half(.output), at: [images]).gradients[0].values == whole.gradients[0].values)
      }
    }
    // The calling thread is asked before its own turns and what is done at once; how many turns others take is chance.
    #expect(stopped >= 2)
  }

  /// The first axis of a value need not be the images, and a constant may be different for each of them.
  @Test func onlyWhatKeepsImagesApartTakesTurns() throws {
    var random = Random(seed: 42)
    let weights = Tensor.normal([16, 16, 3, 3], deviation: 0.2, using: &random)
    let convolution = Convolution(weights: weights, bias: nil, padding: [1, 1, 1, 1])
    let each = Tensor.normal([16, 1, 8, 8], using: &random), images = Tensor.normal([16, 16, 8, 8], using: &random)
    let source = try BuiltSource([[16, 16, 8, 8]]) { shapes in
      var graph = Graph()
      let x = graph.addInput("x", shapes[0]), bias = graph.addConstant(each, named: "bias")
      let a = try graph.add(convolution, [x], named: "a"), b = try graph.add(Binary(.add), [a, bias], named: "b")
      let c = try graph.add(Transpose(permutation: [1, 0, 2, 3]), [b], named: "c"), d = try graph.add(convolution, [c], named: "d")
      let e = try graph.add(Reshape(to: [16, 8, 16, 8]), [d], named: "e"), f = try graph.add(ReLU(), [e], named: "f")
      graph.outputs = [try graph.add(Softmax(axes: 0..<1), [f], named: "g")]
      return graph
    }
    let layers: [Layer] = ["a", "b", "c", "d", "e", "f", "g"]
    func results(_ turns: Turns) throws -> [[Float]] {
      let session = Session(Network(source, name: "mixed"))
      session.turns = turns
      if case .wherePossible(let count) = turns {
        let plan = try session.plan(inputs: [images.shape], of: .half(.output), wrt: [.input]).description
        #expect(plan.contains(", \(16 / count) turns"))
      }
      let gradient = try session.gradient(of: .half(.output), at: [images], wrt: [.input, "b"])
      return try session.activations(of: [images], at: layers).map(\.values) + gradient.gradients.map(\.values)
    }
    let atOnce = try results(.never)
    for count in [1, 2, 8] { #expect(try results(.wherePossible(images: count)) == atOnce, "\(count) images a turn") }
  }
}
