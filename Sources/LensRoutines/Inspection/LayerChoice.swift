// SPDX-License-Identifier: Apache-2.0
import LensEngine
import LensTensors

extension Session {
  /// The last layer before the class scores that still has maps larger than one pixel.
  public func lastSpatialLayer(inputs: [Shape]) throws -> Layer {
    let graph = try graph(for: inputs)
    guard let logits = graph.index(of: .logits) else { throw LensError(.notFound, "'\(network.name)' has no output") }
    let axes = graph.pictureAxes()
    let candidate = graph.ancestors(of: logits).last { index in
      let node = graph.nodes[index]
      return axes[index] == [2, 3] && node.shape.h * node.shape.w > 1 && !node.inputs.isEmpty && !(node.op is Identity)
    }
    guard let candidate else {
      throw LensError(.notFound, "no layer of '\(network.name)' has maps before its class scores; name one with layer=")
    }
    return Layer(graph.nodes[candidate].name)
  }

  /// The maps that are pooled globally right before a linear end, and the pooled values.
  func globalPool(inputs: [Shape]) throws -> (maps: Layer, pooled: Layer) {
    let graph = try graph(for: inputs)
    guard var index = graph.index(of: .logits) else { throw LensError(.notFound, "'\(network.name)' has no output") }
    while true {
      let node = graph.nodes[index]
      let variable = node.inputs.filter { !(graph.nodes[$0].op is Constant) }
      guard variable.count == 1, let input = variable.first else { break }
      let maps = graph.nodes[input].shape
      if maps.rank == 4, maps.h * maps.w > 1 {
        guard poolsGlobally(node, maps) else { break }
        return (Layer(graph.nodes[input].name), Layer(node.name))
      }
      guard isLinear(node.op) else { break }
      index = input
    }
    throw LensError(
      .invalidArgument,
      "'\(network.name)' does not pool globally right before a linear layer, as CAM needs (it meets '\(graph.nodes[index].name)', \(graph.nodes[index].op.kind)); grad_cam works on any network"
    )
  }

  private func poolsGlobally(_ node: Graph.Node, _ maps: Shape) -> Bool {
    guard node.shape.count == maps.n * maps.c else { return false }
    switch node.op {
    case is GlobalPool, is AveragePool, is MaxPool: return true
    case let reduction as Reduction: return reduction.function == .mean || reduction.function == .maximum
    default: return false
    }
  }

  private func isLinear(_ op: any Operator) -> Bool {
    switch op {
    case is Linear, is Convolution, is Identity, is Reshape, is ScaleShift, is MatrixMultiply, is Transpose: true
    case let binary as Binary: binary.function == .add || binary.function == .multiply
    default: false
    }
  }
}

extension Graph {
  /// For each node, which of its four axes are height and width of the picture; nil where none are known to be.
  ///
  /// Four axes do not make maps: N×H×W×C between two transpositions, or N×heads×tokens×tokens, have other ones.
  fileprivate func pictureAxes() -> [[Int]?] {
    var axes = [[Int]?](repeating: nil, count: nodes.count)
    for (index, node) in nodes.enumerated() where node.shape.rank == 4 {
      let known = node.inputs.lazy.filter { self.nodes[$0].shape.rank == 4 }.compactMap { axes[$0] }.first
      axes[index] =
        switch node.op {
        case is Input, is Convolution, is TransposedConvolution, is MaxPool, is AveragePool, is GlobalPool, is LocalResponse: [2, 3]
        case let op as Transpose: known?.map { op.permutation.firstIndex(of: $0)! }
        case is Linear where known?.contains(3) == true: nil
        case is Reshape, is MatrixMultiply, is Gather, is Expand:
          node.inputs.first.map { nodes[$0].shape == node.shape } == true ? known : nil
        default: known
        }
    }
    return axes
  }
}
