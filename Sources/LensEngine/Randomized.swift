// SPDX-License-Identifier: Apache-2.0
import LensTensors
import Synchronization

extension Network {
  /// The same network with the weights of some layers drawn anew: what sanity checks compare a trained network with.
  ///
  /// Weights are normal with mean 0 and the root mean square that the filter (a row, for a matrix) had, so that
  /// activations keep their scale; biases with that of the layer's biases. Batch statistics stay. A layer's draw depends
  /// on the seed and its name alone: cascades are nested.
  ///
  /// Adebayo, Gilmer, Muelly, Goodfellow, Hardt & Kim, "Sanity Checks for Saliency Maps", 2018, section 3.
  /// arXiv:1810.03292
  /// - layers: convolutions and matrix products with fixed weights.
  /// - Throws: `.notFound` for a name that does not exist, `.invalidArgument` for a layer without weights (where the
  ///   network has a free size, when it is first run).
  public func randomized(_ layers: [Layer], seed: UInt64 = 0) throws -> Network {
    // A look at the graph, so that a layer without weights is an error here; at a size that may not be the network's.
    let shapes = inputs.map { input in
      Shape(input.dimensions.enumerated().map { axis, size in size ?? (input.dimensions.count == 4 ? [1, 3, 224, 224][axis] : 1) })
    }
    let graph = try? self.source.graph(for: shapes, reaching: nil)
    let names = try layers.map { layer in
      do { return try resolve(layer.name).name } catch {
        // A node that only stands behind a layer, such as the convolution of a sequence: summaries list it, too.
        guard let graph, graph.nodes.contains(where: { $0.name == layer.name }) else { throw error }
        return layer.name
      }
    }
    let source = RandomizedSource(base: self.source, layers: names, seed: seed)
    if graph != nil { _ = try source.graph(for: shapes, reaching: nil) }
    return Network(source, name: name)
  }
}

/// A network some of whose operators are replaced by draws.
private struct RandomizedSource: GraphSource {
  let base: any GraphSource
  let layers: [String]
  let seed: UInt64
  private let drawn = Drawn()

  init(base: any GraphSource, layers: [String], seed: UInt64) { (self.base, self.layers, self.seed) = (base, layers, seed) }

  var inputs: [InputDescription] { base.inputs }
  var outputs: [String] { base.outputs }
  var layerNames: [String] { base.layerNames }
  var aliases: [String: String] { base.aliases }
  var metadata: [String: String] { base.metadata }

  func graph(for inputs: [Shape], reaching layers: Set<Layer>?) throws -> Graph {
    var graph = try base.graph(for: inputs, reaching: layers)
    for name in self.layers {
      guard let index = graph.index(of: Layer(name)) else { continue }
      let node = graph.nodes[index]
      let op = try drawn.operators.withLock { known in
        if let op = known[name] { return op }
        var random = Random(seed: seed ^ fingerprint(of: name))
        guard let op = node.op.redrawn(using: &random) else {
          throw LensError(
            .invalidArgument,
            "layer '\(name)' (\(node.op.kind)) has no weights to draw; convolutions and matrix products with fixed weights have")
        }
        known[name] = op
        return op
      }
      graph.replace(index, op: op, inputs: node.inputs)
    }
    return graph
  }

  /// Draws are made once, for all sizes.
  private final class Drawn: Sendable {
    let operators = Mutex<[String: any Operator]>([:])
  }
}

/// Fowler, Noll & Vo's hash, 64 bits, 1a: the same on every platform and in every process.
private func fingerprint(of name: String) -> UInt64 {
  name.utf8.reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
}

extension Convolution {
  public func redrawn(using random: inout Random) -> (any Operator)? {
    guard weights.shape.rank == 4 else { return nil }
    return Convolution(
      weights: weights.redrawn(runs: weights.shape[0], using: &random), bias: bias?.redrawn(using: &random), strides: strides,
      dilations: dilations, padding: padding, groups: groups)
  }
}

extension TransposedConvolution {
  public func redrawn(using random: inout Random) -> (any Operator)? {
    TransposedConvolution(
      weights: weights.redrawn(runs: 1, using: &random), bias: bias?.redrawn(using: &random), strides: strides, dilations: dilations,
      padding: padding, outputPadding: outputPadding, groups: groups)
  }
}

extension Linear {
  public func redrawn(using random: inout Random) -> (any Operator)? {
    guard weights.shape.rank == 2 else { return nil }
    return Linear(weights: weights.redrawn(runs: weights.shape[0], using: &random), bias: bias?.redrawn(using: &random), kind: kind)
  }
}

extension Tensor {
  /// Normal numbers, each of `runs` equal runs with the root mean square it has.
  fileprivate func redrawn(runs: Int, using random: inout Random) -> Tensor {
    guard runs > 0, count > 0 else { return self }
    let length = count / runs, old = self
    var result = Tensor(shape)
    result.withMutablePointer { p in
      for run in 0..<runs {
        let scale = rootMeanSquare(old.pointer + run * length, length)
        for i in run * length..<(run + 1) * length { p[i] = scale * random.normal() }
      }
    }
    return result
  }
}

extension [Float] {
  fileprivate func redrawn(using random: inout Random) -> [Float] {
    let scale = withUnsafeBufferPointer { buffer in buffer.baseAddress.map { rootMeanSquare($0, buffer.count) } ?? 0 }
    return map { _ in scale * random.normal() }
  }
}

private func rootMeanSquare(_ values: UnsafePointer<Float>, _ count: Int) -> Float {
  var sum = 0.0
  for i in 0..<count { sum += Double(values[i]) * Double(values[i]) }
  return Float((sum / Double(Swift.max(count, 1))).squareRoot())
}
