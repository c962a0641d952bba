// SPDX-License-Identifier: Apache-2.0
import LensEngine
import LensTensors

/// What the picture and every bias contribute: psi(dS/dx * x) + sum over layers and channels of psi(dS/db * b), with
/// psi = the absolute value, scaled to 0...1 for each layer (summed over its channels) and enlarged.
///
/// The unscaled terms sum to S(x) for a network of convolutions, dense layers, normalisations, ReLU and pooling; `gaps`
/// is what is missing of that. Biases of dense layers have no place in the picture and count in the gap alone.
/// Srinivas & Fleuret, "Full-Gradient Representation for Neural Network Visualization", 2019, equations 3 and 7.
/// arXiv:1905.00780
/// - image: N×C×H×W.
public func fullGrad(_ session: Session, _ image: Tensor, _ objective: Objective = .top) throws -> Attribution {
  try session.check(image)
  let biases = try session.biases(inputs: [image.shape], objective)
  let result = try session.gradient(of: objective, at: [image], wrt: [.input] + biases.map(\.layer))
  let first = result.gradients[0] * image
  var gaps = result.scores.enumerated().map { Double($1) - first.single($0).total }
  var map = first.foldedOverChannels(0) { $0 + abs($1) }.scaledToOne()
  for (gradient, bias) in zip(result.gradients.dropFirst(), biases) {
    let shape = gradient.shape, area = shape.count / max(1, shape[0] * shape[1])
    let term = Tensor(shape, gradient.values.enumerated().map { $1 * bias.values[$0 / area % shape[1]] })
    for n in gaps.indices { gaps[n] -= term.single(n).total }
    guard shape.rank == 4, area > 1 else { continue }
    map = map + (try term.foldedOverChannels(0) { $0 + abs($1) }.scaledToOne().enlarged(to: image.shape, .bilinear))
  }
  return Attribution(map, scores: result.scores, targets: result.targets, gaps: gaps.map { Float($0) })
}

extension Session {
  /// What layers add to their values whatever the picture, one number a channel; those that the objective depends on.
  fileprivate func biases(inputs: [Shape], _ objective: Objective) throws -> [(layer: Layer, values: [Float])] {
    let graph = try graph(for: inputs)
    let needed = Set(objective.layers.compactMap(graph.index(of:)).flatMap(graph.ancestors(of:)))
    let reached = graph.nodes.indices.filter { needed.contains($0) && graph.dependsOnInput($0) }
    return reached.compactMap { index in
      let node = graph.nodes[index]
      let bias: [Float]? =
        switch node.op {
        case let convolution as Convolution: convolution.bias
        case let linear as Linear: linear.bias
        case let normalization as ScaleShift: normalization.shift
        case let sum as Binary where sum.function == .add: graph.channelConstant(node)
        default: nil
        }
      return bias.map { (Layer(node.name), $0) }
    }
  }
}

extension Graph {
  fileprivate func dependsOnInput(_ index: Int) -> Bool { ancestors(of: index).contains { nodes[$0].op is Input } }

  /// The constant that a node adds, if it is one number for each channel.
  fileprivate func channelConstant(_ node: Node) -> [Float]? {
    guard let constant = node.inputs.compactMap({ nodes[$0].op as? Constant }).first?.tensor, node.shape.rank >= 2 else { return nil }
    if constant.count == 1 { return [Float](repeating: constant.values[0], count: node.shape.c) }
    let isPerChannel =
      constant.count == node.shape.c && constant.shape.dimensions.reversed().dropFirst(node.shape.rank - 2).first == node.shape.c
    return isPerChannel ? constant.values : nil
  }
}

extension Tensor {
  /// N×H×W with each image's values from 0 to 1; one that is constant becomes zero.
  fileprivate func scaledToOne() -> Tensor {
    var result = self
    let count = count / shape[0]
    result.withMutablePointer { p in
      for n in 0..<shape[0] {
        let part = UnsafeMutableBufferPointer(start: p + n * count, count: count)
        let low = part.min() ?? 0, high = part.max() ?? 0
        for i in part.indices { part[i] = high > low ? (part[i] - low) / (high - low) : 0 }
      }
    }
    return result
  }
}
