// SPDX-License-Identifier: Apache-2.0
import LensTensors

/// A node of the file with its names resolved to numbers of values.
struct ONNXNode: Sendable {
  /// Unique in the program, functions' copies included.
  let id: Int
  /// As in the file, calls of functions in front of it; may be empty or not unique.
  let name: String
  /// "" for ONNX's own operators.
  let domain: String
  let kind: String
  /// The version of the operator set that gives `kind` its meaning.
  let opset: Int
  /// `absent` where an optional input is left out or an output is not wanted.
  let inputs: [Int]
  let outputs: [Int]
  var attributes: ONNXAttributes
  /// The two of an `If`.
  var branches: [ONNXBlock] = []

  static let absent = -1

  /// Every value it reads, branches included.
  var reads: [Int] { inputs.filter { $0 >= 0 } + branches.flatMap { $0.outputs + $0.nodes.flatMap(\.reads) } }
}

/// Nodes in order, and which values they are run for.
struct ONNXBlock: Sendable {
  var nodes: [ONNXNode] = []
  var outputs: [Int] = []
}

/// The part of a file that counts: functions inlined, names resolved, nodes that no output needs left out.
struct ONNXProgram: Sendable {
  var body = ONNXBlock()
  /// The names of values, by number.
  var names: [String] = []
  /// Other names of values: calls of functions that end in them.
  var callNames: [Int: [String]] = [:]
  /// Values that come from outside, in declared order.
  var inputs: [Int] = []
  var constants: [Int: ONNXConstant] = [:]
  /// Values that a node or an output reads.
  private(set) var read: Set<Int> = []

  /// Leaves out what no output needs.
  mutating func keepLiveNodes() {
    body.nodes = ONNXProgram.needed(for: Set(body.outputs), in: body.nodes)
    read = Set(body.outputs)
    for node in body.nodes { read.formUnion(node.reads) }
    constants = constants.filter { read.contains($0.key) }
  }

  /// The nodes that `values` depend on, in order.
  static func needed(for values: Set<Int>, in nodes: [ONNXNode]) -> [ONNXNode] {
    var wanted = values
    var kept: [ONNXNode] = []
    for node in nodes.reversed() where node.outputs.contains(where: wanted.contains) {
      kept.append(node)
      wanted.formUnion(node.reads)
    }
    return kept.reversed()
  }
}
