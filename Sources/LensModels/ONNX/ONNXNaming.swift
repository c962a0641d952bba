// SPDX-License-Identifier: Apache-2.0
import LensTensors

/// What layers are called.
///
/// A node's own name if it has one that no other node has, else the name of what it produces; outputs of nodes
/// that have several are numbered. What remains are other names, as long as no layer is called so.
struct ONNXNaming {
  private(set) var layers: [Int: ONNXLayer] = [:]
  private(set) var order: [String] = []
  private(set) var aliases: [String: String] = [:]
  private(set) var values: [String: Int] = [:]

  init(_ program: ONNXProgram) {
    for input in program.inputs { values[program.names[input]] = input }
    let outputs = ONNXNaming.pictured(program)
    var uses: [String: Int] = [:]
    for (node, _) in outputs { uses[node.name, default: 0] += 1 }

    var others: [(value: Int, names: [String])] = []
    for (node, pictured) in outputs {
      for value in pictured {
        let tensor = program.names[value]
        let isNumbered = node.outputs.count > 1 && pictured != [node.outputs[0]]
        var candidates = [node.name, tensor]
        if isNumbered, !node.name.isEmpty { candidates[0] += ":\(node.outputs.firstIndex(of: value) ?? 0)" }
        if uses[node.name] != 1 { candidates[0] = "" }
        let name = free(candidates)
        values[name] = value
        layers[value] = ONNXLayer(name: name)
        order.append(name)
        others.append((value, [tensor, isNumbered ? "" : node.name] + (program.callNames[value] ?? [])))
      }
    }
    for (value, names) in others {
      guard var layer = layers[value] else { continue }
      for name in names where !name.isEmpty && values[name] == nil {
        values[name] = value
        aliases[name] = layer.name
        layer.aliases.append(name)
      }
      layers[value] = layer
    }
  }

  private func free(_ candidates: [String]) -> String {
    if let name = candidates.first(where: { !$0.isEmpty && values[$0] == nil }) { return name }
    let base = candidates.first { !$0.isEmpty } ?? "layer"
    var number = 2
    while values["\(base).\(number)"] != nil { number += 1 }
    return "\(base).\(number)"
  }

  /// The nodes whose outputs depend on the picture and not only on its size, with those outputs that somebody reads.
  private static func pictured(_ program: ONNXProgram) -> [(node: ONNXNode, values: [Int])] {
    var pictured = Set(program.inputs)
    func depends(_ node: ONNXNode) -> Bool {
      guard !ONNXFolding.looksAtShapesOnly(node.kind) else { return false }
      var depends = node.inputs.contains(where: pictured.contains)
      for block in node.branches {
        for inner in block.nodes where self.dependsInside(inner, pictured) { depends = true }
        if block.outputs.contains(where: pictured.contains) { depends = true }
      }
      return depends
    }
    return program.body.nodes.compactMap { node in
      guard depends(node) else { return nil }
      pictured.formUnion(node.outputs.filter { $0 >= 0 })
      let values = node.outputs.filter { $0 >= 0 && program.read.contains($0) }
      return values.isEmpty ? nil : (node, values)
    }
  }

  /// Whether anything in a branch reads a picture other than for its shape.
  private static func dependsInside(_ node: ONNXNode, _ pictured: Set<Int>) -> Bool {
    !ONNXFolding.looksAtShapesOnly(node.kind) && node.reads.contains(where: pictured.contains)
  }
}
