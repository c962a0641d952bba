// SPDX-License-Identifier: Apache-2.0
import LensEngine
import LensTensors

/// The input pixels that one unit of a layer can see, along one axis.
///
/// Unit i sees pixels `i * stride - padding ..< i * stride - padding + size`.
public struct ReceptiveField: Sendable, Equatable {
  public var size: Double
  public var stride: Double
  public var padding: Double

  public init(size: Double, stride: Double, padding: Double) { (self.size, self.stride, self.padding) = (size, stride, padding) }

  public static let pixel = ReceptiveField(size: 1, stride: 1, padding: 0)

  /// The field of a window over units with this field; nil where the window sees the whole axis.
  func seen(through reach: Window.Reach) -> ReceptiveField? {
    switch reach {
    case .everything: nil
    case .local(let extent, let step, let padding):
      ReceptiveField(
        size: size + Double(extent - 1) * stride, stride: stride * Double(step),
        padding: self.padding + Double(padding) * stride)
    case .enlarged(let factor): ReceptiveField(size: size + stride, stride: stride / factor, padding: self.padding + stride / 2)
    }
  }

  /// What two layers that are added or joined see together.
  func union(_ other: ReceptiveField) -> ReceptiveField {
    let start = min(-padding, -other.padding), end = max(size - padding, other.size - other.padding)
    return ReceptiveField(size: end - start, stride: max(stride, other.stride), padding: -start)
  }
}

extension Graph {
  /// The receptive field of every node along height and width; nil where a unit sees the whole axis.
  public func receptiveFields() -> [(vertical: ReceptiveField?, horizontal: ReceptiveField?)] {
    var fields: [(vertical: ReceptiveField?, horizontal: ReceptiveField?)] = []
    for node in nodes {
      let variable = node.inputs.filter { !(nodes[$0].op is Constant) }
      guard !variable.isEmpty else {
        fields.append((.pixel, .pixel))
        continue
      }
      let seesAll = node.op is MatrixMultiply && variable.count > 1 || node.shape.rank < 3 || collapses(node, variable)
      let window = seesAll ? .everything : node.op.window
      let vertical = union(variable.map { fields[$0].vertical }), horizontal = union(variable.map { fields[$0].horizontal })
      guard let window else {
        fields.append((vertical, horizontal))
        continue
      }
      fields.append((vertical?.seen(through: window.vertical), horizontal?.seen(through: window.horizontal)))
    }
    return fields
  }

  /// Whether maps became single values without a window saying so (a mean over both axes).
  private func collapses(_ node: Node, _ inputs: [Int]) -> Bool {
    node.op.window == nil && node.shape.rank == 4 && node.shape.h * node.shape.w == 1
      && inputs.contains { nodes[$0].shape.rank == 4 && nodes[$0].shape.h * nodes[$0].shape.w > 1 }
  }

  private func union(_ fields: [ReceptiveField?]) -> ReceptiveField? {
    guard let first = fields[0] else { return nil }
    return fields.dropFirst().reduce(first) { a, b in a.flatMap { a in b.map(a.union) } }
  }
}
