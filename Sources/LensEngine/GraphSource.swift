// SPDX-License-Identifier: Apache-2.0
import LensTensors

/// Where graphs come from: a model file, specialised to the shapes of one call.
public protocol GraphSource: Sendable {
  /// The network's inputs as declared.
  var inputs: [InputDescription] { get }
  /// Names of the outputs, in order.
  var outputs: [String] { get }
  /// The layers' names in topological order: what `reaching` accepts, besides `input`, `logits` and `output`.
  var layerNames: [String] { get }
  /// Other names of layers (tensor names, node names), to the name in `layerNames`.
  var aliases: [String: String] { get }
  /// Key-value metadata of the file.
  var metadata: [String: String] { get }
  /// The graph at these input shapes, holding at least the ancestors of `layers` (of all outputs when nil).
  /// Operators elsewhere that cannot take these shapes do not matter.
  func graph(for inputs: [Shape], reaching layers: Set<Layer>?) throws -> Graph
}

/// An input as the file declares it.
public struct InputDescription: Sendable, Equatable {
  public let name: String
  /// Nil where a size is free.
  public let dimensions: [Int?]

  public init(name: String, dimensions: [Int?]) { (self.name, self.dimensions) = (name, dimensions) }
}
