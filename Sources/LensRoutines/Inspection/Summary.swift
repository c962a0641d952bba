// SPDX-License-Identifier: Apache-2.0
import LensEngine
import LensTensors

/// A network as a table: what each layer is, weighs, costs and sees.
public struct Summary: Sendable {
  public struct Row: Sendable {
    public let name: String
    public let kind: String
    public let shape: Shape
    public let parameters: Int
    public let multiplyAdds: Int
    /// Bytes of its output; 0 where it is written over its input or is only another view of it.
    public let activationBytes: Int
    /// Along height and width; nil where a unit sees the whole axis.
    public let vertical: ReceptiveField?
    public let horizontal: ReceptiveField?
  }

  public let inputs: [Shape]
  public let rows: [Row]
  public var parameters: Int { rows.reduce(0) { $0 + $1.parameters } }
  public var multiplyAdds: Int { rows.reduce(0) { $0 + $1.multiplyAdds } }
  /// With the input.
  public var activationBytes: Int { inputs.reduce(0) { $0 + 4 * $1.count } + rows.reduce(0) { $0 + $1.activationBytes } }
}

extension Network {
  /// - inputs: the shape of each input.
  public func summary(inputs: [Shape]) throws -> Summary { try Session(self).summary(inputs: inputs) }
}

extension Session {
  public func summary(inputs: [Shape]) throws -> Summary {
    let graph = try graph(for: inputs)
    let fields = graph.receptiveFields()
    let rows = try graph.nodes.enumerated().compactMap { index, node -> Summary.Row? in
      if node.inputs.isEmpty { return nil }
      let shapes = graph.shapes(node.inputs)
      let stage = try node.op.stage(for: shapes, in: Layouts(inputs: shapes.map { _ in .plain }, output: .plain))
      let constants = node.inputs.reduce(0) { $0 + (graph.nodes[$1].op as? Constant).map(\.parameterCount).or(0) }
      return Summary.Row(
        name: node.name, kind: node.op.kind, shape: node.shape, parameters: node.op.parameterCount + constants,
        multiplyAdds: node.op.multiplyAdds(for: shapes, output: node.shape),
        activationBytes: stage.isView || stage.runsInPlace ? 0 : 4 * node.shape.count,
        vertical: fields[index].vertical, horizontal: fields[index].horizontal)
    }
    return Summary(inputs: inputs, rows: rows)
  }
}

extension Optional {
  fileprivate func or(_ value: Wrapped) -> Wrapped { self ?? value }
}

// MARK: - As text

extension Summary: CustomStringConvertible {
  public var description: String {
    let head = ["layer", "kind", "output", "params", "MACs", "memory", "sees", "stride"]
    let body = rows.map { row in
      [
        row.name, row.kind, row.shape.description, grouped(row.parameters), grouped(row.multiplyAdds), bytes(row.activationBytes),
        pair(row.vertical.map(\.size), row.horizontal.map(\.size)), pair(row.vertical.map(\.stride), row.horizontal.map(\.stride)),
      ]
    }
    let total = [
      "total", "", inputs.map(\.description).joined(separator: " "), grouped(parameters), grouped(multiplyAdds), bytes(activationBytes), "",
      "",
    ]
    let table = [head] + body + [total]
    let widths = head.indices.map { column in table.map { $0[column].count }.max() ?? 0 }
    func line(_ cells: [String]) -> String {
      cells.enumerated().map { column, cell in
        let space = String(repeating: " ", count: widths[column] - cell.count)
        return column < 3 ? cell + space : space + cell
      }.joined(separator: "  ")
    }
    let rule = widths.map { String(repeating: "-", count: $0) }.joined(separator: "  ")
    return ([line(head), rule] + body.map(line) + [rule, line(total)]).joined(separator: "\n")
  }

  private func pair(_ vertical: Double?, _ horizontal: Double?) -> String {
    let words = [vertical, horizontal].map { $0.map(short) ?? "all" }
    return words[0] == words[1] ? words[0] : words.joined(separator: "×")
  }

  private func short(_ number: Double) -> String {
    number == number.rounded() ? String(Int(number)) : String((number * 100).rounded() / 100)
  }

  private func bytes(_ count: Int) -> String {
    switch count {
    case 0: "-"
    case ..<1_000: "\(count) B"
    case ..<1_000_000: "\(short(Double(count) / 1e3, 1)) kB"
    default: "\(short(Double(count) / 1e6, 1)) MB"
    }
  }

  private func short(_ number: Double, _ decimals: Int) -> String { String((number * 10).rounded() / 10) }

  private func grouped(_ number: Int) -> String {
    var digits = String(number)
    var groups: [String] = []
    while digits.count > 3 {
      groups.insert(String(digits.suffix(3)), at: 0)
      digits.removeLast(3)
    }
    return ([digits] + groups).joined(separator: ",")
  }
}
