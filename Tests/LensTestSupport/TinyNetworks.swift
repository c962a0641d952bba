// SPDX-License-Identifier: Apache-2.0
import LensEngine
import LensTensors

/// A network written down in a test: a closure that builds its graph for the shapes of its inputs.
public struct BuiltSource: GraphSource {
  public let inputs: [InputDescription]
  public let outputs: [String]
  public let layerNames: [String]
  public var aliases: [String: String] = [:]
  public var metadata: [String: String] = [:]
  private let build: @Sendable ([Shape]) throws -> Graph

  /// - inputs: declared shapes; a dimension of -1 is free (and 1 while the layers' names are listed).
  public init(_ declared: [[Int]], _ build: @escaping @Sendable ([Shape]) throws -> Graph) throws {
    let graph = try build(declared.map { Shape($0.map { $0 < 0 ? 1 : $0 }) })
    inputs = zip(graph.inputs, declared).map { index, shape in
      InputDescription(name: graph.nodes[index].name, dimensions: shape.map { $0 < 0 ? nil : $0 })
    }
    outputs = graph.outputs.map { graph.nodes[$0].name }
    layerNames = graph.nodes.filter { !$0.inputs.isEmpty }.map(\.name)
    self.build = build
  }

  public func graph(for inputs: [Shape], reaching layers: Set<Layer>?) throws -> Graph { try build(inputs) }
}

extension Network {
  /// A chain of named operators on one input.
  public static func chain(_ declared: [Int], _ operators: [(String, any Operator)]) throws -> Network {
    return Network(
      try BuiltSource([declared]) { shapes in
        var graph = Graph()
        var last = graph.addInput("image", shapes[0])
        for (name, op) in operators { last = try graph.add(op, [last], named: name) }
        graph.outputs = [last]
        return graph
      }, name: "chain")
  }
}
