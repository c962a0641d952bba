// SPDX-License-Identifier: Apache-2.0
import LensEngine
import LensTensors
import Synchronization

/// What stands for a value while a graph is built.
enum ONNXValue: Sendable {
  /// A node of the graph.
  case node(Int)
  /// Numbers known without looking at a picture. Static ones do not depend on its size either.
  case constant(ONNXConstant, isStatic: Bool)
  case absent
}

/// Operators that hold weights, made once for all graphs of a model.
final class ONNXWeights: Sendable {
  private struct Key: Hashable {
    let node: Int
    /// What of the operator depends on the shapes: padding, where it is automatic.
    let variant: [Int]
  }
  private let made = Mutex<[Key: any Operator]>([:])

  func op<T: Operator>(of node: Int, for variant: [Int], _ make: () throws -> T) rethrows -> T {
    let key = Key(node: node, variant: variant)
    if let known = made.withLock({ $0[key] as? T }) { return known }
    let new = try make()
    return made.withLock { made in
      if let known = made[key] as? T { return known }
      made[key] = new
      return new
    }
  }
}

/// A graph in the making, and the names in use.
final class ONNXGraphBuilder {
  var graph = Graph()
  /// Names that belong to layers.
  private let reserved: Set<String>
  private var used: Set<String> = []
  /// Constants that are nodes already, by value.
  private var constants: [Int: Int] = [:]

  init(reserved: Set<String> = []) { self.reserved = reserved }

  /// The wanted name, or with a number behind it if it is taken; taken from now on.
  func unusedName(_ wanted: String) -> String {
    let name = proposedName(wanted)
    used.insert(name)
    return name
  }

  func proposedName(_ wanted: String) -> String {
    var name = wanted
    var number = 1
    while reserved.contains(name) || used.contains(name) {
      number += 1
      name = "\(wanted).\(number)"
    }
    return name
  }

  /// A layer's own name, which is free unless the same node is built twice.
  func layerName(_ name: String) -> String { used.insert(name).inserted ? name : unusedName(name) }

  /// The node of a constant operand.
  func constant(_ constant: ONNXConstant, value: Int, named name: String) -> Int {
    if let index = constants[value] { return index }
    let index = graph.addConstant(constant.tensor, named: unusedName(name))
    constants[value] = index
    return index
  }
}

/// An error that says already where it happened.
struct ONNXPlacedError: Error { let error: LensError }

/// One node and its inputs, as its line in the operator table sees them.
struct ONNXCall {
  let node: ONNXNode
  let values: [ONNXValue]
  /// By output: the layer's name and its other names. Nil where nobody reads it.
  let layers: [(name: String, aliases: [String])?]
  let builder: ONNXGraphBuilder
  let weights: ONNXWeights?
  /// Names of the values read, for constants and errors.
  let valueNames: [String]
  /// The batch the file was written for and that of this call, where they differ.
  var batch: (declared: Int, actual: Int)? = nil

  var opset: Int { node.domain.isEmpty ? node.opset : .max }
  var inputCount: Int { values.count }
}

// MARK: - Inputs
extension ONNXCall {
  func has(_ index: Int) -> Bool {
    guard index < values.count, case .absent = values[index] else { return index < values.count }
    return false
  }

  func constant(_ index: Int) -> ONNXConstant? {
    guard index < values.count, case .constant(let constant, _) = values[index] else { return nil }
    return constant
  }

  func isNode(_ index: Int) -> Bool {
    guard index < values.count, case .node = values[index] else { return false }
    return true
  }

  func shape(_ index: Int) throws -> Shape {
    guard index < values.count else { throw missing(index) }
    switch values[index] {
    case .node(let node): return builder.graph.nodes[node].shape
    case .constant(let constant, _): return constant.shape
    case .absent: throw missing(index)
    }
  }

  /// The graph's node of an input; constants become one.
  func operand(_ index: Int) throws -> Int {
    guard index < values.count else { throw missing(index) }
    switch values[index] {
    case .node(let node): return node
    case .constant(let constant, _):
      // While folding, one value may stand for different numbers at two inputs.
      let key = weights == nil || index >= node.inputs.count ? -2 - index : node.inputs[index]
      return builder.constant(constant, value: key, named: index < valueNames.count ? valueNames[index] : "constant")
    case .absent: throw missing(index)
    }
  }

  func operands() throws -> [Int] {
    guard !values.isEmpty else { throw missing(0) }
    return try values.indices.map(operand)
  }

  /// Integers that have to be known before the picture is: shapes, axes, indices.
  func integers(_ index: Int, _ what: String) throws -> [Int] {
    switch try known(index, what) {
    case .integers(_, let values): return values.map { Int($0) }
    case .floats: throw LensError(.malformedModel, "\(what) are floats; they must be integers")
    }
  }

  func optionalIntegers(_ index: Int, _ what: String) throws -> [Int]? { has(index) ? try integers(index, what) : nil }

  /// Floats that have to be known before the picture is: weights.
  func tensor(_ index: Int, _ what: String) throws -> Tensor { try known(index, what).tensor }
  func optionalTensor(_ index: Int, _ what: String) throws -> Tensor? { has(index) ? try tensor(index, what) : nil }

  /// One float a channel.
  func vector(_ index: Int, _ what: String, count: Int) throws -> [Float] {
    let tensor = try tensor(index, what)
    guard tensor.count == count, tensor.shape.rank <= 1 || tensor.shape.dimensions.contains(count) else {
      throw LensError(.shapeMismatch, "\(what) have shape \(tensor.shape); \(count) are wanted")
    }
    return tensor.values
  }

  func optionalScalar(_ index: Int, _ what: String) throws -> Float? {
    guard let tensor = try optionalTensor(index, what) else { return nil }
    guard tensor.count == 1 else { throw LensError(.malformedModel, "\(what) has shape \(tensor.shape); it must be one number") }
    return tensor.values[0]
  }

  private func known(_ index: Int, _ what: String) throws -> ONNXConstant {
    guard has(index) else { throw missing(index) }
    guard let constant = constant(index) else {
      throw LensError(.unsupportedOperator, "\(what) depend on the picture; cnnlens wants them fixed")
    }
    return constant
  }

  func missing(_ index: Int) -> LensError { LensError(.malformedModel, "input \(index) is missing") }

  /// Makes something that holds weights once for all graphs, if the inputs it is made of are always the same.
  func shared<T: Operator>(for variant: [Int] = [], _ make: () throws -> T) throws -> T {
    let isStatic = values.allSatisfy { if case .constant(_, let isStatic) = $0 { isStatic } else { true } }
    guard let weights, isStatic else { return try make() }
    return try weights.op(of: node.id, for: variant, make)
  }
}

// MARK: - Attributes
extension ONNXCall {
  func float(_ name: String, _ standard: Float) throws -> Float { try node.attributes.float(name) ?? standard }
  func string(_ name: String, _ standard: String) throws -> String { try node.attributes.string(name) ?? standard }
  func ints(_ name: String) throws -> [Int]? { try node.attributes.ints(name) }
  func flag(_ name: String, _ standard: Bool = false) throws -> Bool { try node.attributes.int(name).map { $0 != 0 } ?? standard }

  func int(_ name: String, _ standard: Int, in range: ClosedRange<Int> = -Limits.attribute...Limits.attribute) throws -> Int {
    let value = try node.attributes.int(name) ?? standard
    guard range.contains(value) else {
      throw LensError(
        .malformedModel,
        value < range.lowerBound
          ? "\(name) is \(value); it must be at least \(range.lowerBound)" : "\(name) is \(value); at most \(range.upperBound) is possible")
    }
    return value
  }

  /// A list with one number for each of `count` axes.
  func ints(_ name: String, count: Int, _ standard: Int, in range: ClosedRange<Int>) throws -> [Int] {
    guard let list = try ints(name), !list.isEmpty else { return [Int](repeating: standard, count: count) }
    guard list.count == count else { throw LensError(.malformedModel, "\(name) is \(list); \(count) numbers are wanted") }
    guard list.allSatisfy(range.contains) else {
      throw LensError(.malformedModel, "\(name) is \(list); each must be in \(range.lowerBound)...\(range.upperBound)")
    }
    return list
  }

  /// The attribute up to some opset, an input since.
  func integers(attribute name: String, orInput index: Int, since opset: Int) throws -> [Int]? {
    self.opset < opset ? try ints(name) : try optionalIntegers(index, name)
  }

  func axis(_ name: String = "axis", _ standard: Int, rank: Int) throws -> Int {
    try ONNXCall.resolved(try node.attributes.int(name) ?? standard, rank: rank)
  }

  /// Counted from the front, each once, in order.
  static func resolved(_ axes: [Int], rank: Int) throws -> [Int] {
    let resolved = Set(try axes.map { try ONNXCall.resolved($0, rank: rank) })
    guard resolved.count == axes.count else { throw LensError(.malformedModel, "axes \(axes) name one twice") }
    return resolved.sorted()
  }

  static func resolved(_ axis: Int, rank: Int) throws -> Int {
    guard (-rank..<rank).contains(axis) else {
      throw LensError(.shapeMismatch, rank == 0 ? "axis \(axis) of a scalar" : "axis \(axis) of a value with axes \(-rank)...\(rank - 1)")
    }
    return axis < 0 ? axis + rank : axis
  }
}

// MARK: - Nodes
extension ONNXCall {
  /// The node that stands for an output; it gets the layer's names.
  func add(_ op: any Operator, _ inputs: [Int], output: Int = 0) throws -> Int {
    guard let layer = output < layers.count ? layers[output] : nil else { return try helper("\(output)", op, inputs) }
    return try placed { try builder.graph.add(op, inputs, named: builder.layerName(layer.name), aliases: layer.aliases) }
  }

  /// A node on the way to an output.
  func helper(_ suffix: String, _ op: any Operator, _ inputs: [Int]) throws -> Int {
    let base = layers.lazy.compactMap { $0?.name }.first ?? node.kind
    return try placed { try builder.graph.add(op, inputs, named: builder.unusedName("\(base)/\(suffix)")) }
  }

  /// A constant that is not in the file as it stands.
  func constant(_ suffix: String, _ tensor: Tensor) -> Int {
    let base = layers.lazy.compactMap { $0?.name }.first ?? node.kind
    return builder.graph.addConstant(tensor, named: builder.unusedName("\(base)/\(suffix)"))
  }

  func shape(ofNode node: Int) -> Shape { builder.graph.nodes[node].shape }

  private func placed(_ add: () throws -> Int) throws -> Int {
    do { return try add() } catch let error as LensError { throw ONNXPlacedError(error: error) }
  }

  /// Axes whose indices will be listed.
  func checkListable(_ dimensions: [Int], limit: Int = Limits.listedIndices) throws {
    if let large = dimensions.first(where: { $0 > limit }) {
      throw LensError(.shapeMismatch, "a dimension of \(large) is too large here; at most \(limit) is possible")
    }
  }
}
