// SPDX-License-Identifier: Apache-2.0
import LensTensors

extension Network {
  /// The same network with all that is behind its last maps turned into convolutions: on a larger picture it gives class
  /// scores, N×K×h×w, at every position; at its own size those are its logits.
  ///
  /// A matrix of K×(C·h·w) becomes K filters of C×h×w, a global pooling one over windows of the size it has here. Where
  /// convolutions before it pad, a position's scores are not quite those of the picture cropped there.
  ///
  /// Sermanet et al., "OverFeat", 2014, section 3.5. arXiv:1312.6229. Long, Shelhamer & Darrell, "Fully Convolutional
  /// Networks for Semantic Segmentation", 2015, section 3.1. arXiv:1411.4038
  /// - height, width: the size the network is made for; nil: what its file says.
  /// - Throws: `.invalidArgument` for a network that has no such size, ends in maps anyway, or does something else behind
  ///   its last maps.
  public func fullyConvolutional(height: Int? = nil, width: Int? = nil) throws -> Network {
    guard inputs.count == 1, let input = inputs.first, input.dimensions.count == 4 else {
      throw LensError(.invalidArgument, "'\(name)' has \(inputs.count) inputs; class maps need one picture, N×C×H×W")
    }
    guard let h = height ?? input.dimensions[2], let w = width ?? input.dimensions[3] else {
      throw LensError(.invalidArgument, "'\(name)' takes \(input.shapeDescription); say the height and width it was trained at")
    }
    let own = try Shape(checking: [input.dimensions[0] ?? 1, input.dimensions[1] ?? 3, h, w])
    try validate([own])
    var source = ConvolutionalSource(base: source, own: own)
    let graph = try source.graph(for: [own], reaching: nil)
    source.outputs = graph.outputs.map { graph.nodes[$0].name }  // a softmax is gone
    return Network(source, name: name)
  }
}

private struct ConvolutionalSource: GraphSource {
  let base: any GraphSource
  /// The input's shape at the size the network is made for.
  let own: Shape
  var outputs: [String] = []

  var inputs: [InputDescription] {
    base.inputs.map { InputDescription(name: $0.name, dimensions: [$0.dimensions[0], $0.dimensions[1], nil, nil]) }
  }
  var layerNames: [String] { base.layerNames }
  var aliases: [String: String] { base.aliases }
  var metadata: [String: String] { base.metadata }

  func graph(for inputs: [Shape], reaching layers: Set<Layer>?) throws -> Graph {
    let plan = try base.graph(for: [own], reaching: nil)
    guard let logits = plan.index(of: .logits) else { throw LensError(.notFound, "the network has no output") }
    let needed = plan.ancestors(of: logits)
    var hasMaps = [Bool](repeating: false, count: plan.nodes.count)  // or leads to a node that has
    for index in needed.reversed() {
      let node = plan.nodes[index]
      // What transposes maps for dense layers to read is no map by itself, nor are channels that come last, N×1×1×C.
      let isVector = node.shape.c == 1 && node.shape.h == 1
      let isMap = node.shape.rank == 4 && node.shape.h * node.shape.w > 1 && !isVector && !(node.op is Transpose)
      if node.op is Input || isMap { hasMaps[index] = true }
      if hasMaps[index] { for input in node.inputs { hasMaps[input] = true } }
    }
    guard !hasMaps[logits] else {
      throw LensError(.invalidArgument, "the network ends in maps, \(plan.nodes[logits].shape); it needs no class map")
    }
    let head = needed.filter { !hasMaps[$0] && !(plan.nodes[$0].op is Constant) }
    let trunk = Set(head.flatMap { plan.nodes[$0].inputs }.filter { hasMaps[$0] && !(plan.nodes[$0].op is Constant) }).sorted()

    let larger = try base.graph(for: inputs, reaching: Set(trunk.map { Layer(plan.nodes[$0].name) }))
    let roots = try trunk.map { index in
      guard let found = larger.index(of: Layer(plan.nodes[index].name)) else {
        throw LensError(.invalidArgument, "layer '\(plan.nodes[index].name)' is not there for an input of \(inputs[0])")
      }
      // Sizes that a file writes down may turn a larger picture into a larger batch.
      guard larger.nodes[found].shape.rank > 0, larger.nodes[found].shape[0] == inputs[0][0] else {
        throw LensError(
          .invalidArgument,
          "layer '\(plan.nodes[index].name)' becomes \(larger.nodes[found].shape) for an input of \(inputs[0]): the file fixes its size")
      }
      return found
    }
    var places: [Int: Int] = [:]
    var rewriting = HeadRewriting(plan: plan, graph: Graph(larger, reaching: roots, places: &places))
    for (index, root) in zip(trunk, roots) { try rewriting.take(index, at: places[root] ?? 0) }
    for index in head { try rewriting.rewrite(index) }
    return try rewriting.finished(logits)
  }
}

/// Goes through the nodes behind the last maps, of one number a channel each, and puts nodes with a map a channel in
/// their place.
private struct HeadRewriting {
  /// What stands for a node's value. At the network's own size: c×h×w numbers of each image, in this order or with the
  /// channels last.
  private struct Value {
    var node: Int
    var c: Int
    var h: Int
    var w: Int
    var endsInChannels = false
    /// The node has its channels last, N×h×w×C, one number each at the network's own size.
    var isTransposed = false
    var isFlat: Bool { h * w == 1 }
    var count: Int { c * h * w }
  }

  let plan: Graph
  var graph: Graph
  private var values: [Int: Value] = [:]

  init(plan: Graph, graph: Graph) { (self.plan, self.graph) = (plan, graph) }

  /// A node before the head.
  mutating func take(_ index: Int, at place: Int) throws {
    let node = plan.nodes[index]
    guard node.shape.rank == 4, graph.nodes[place].shape.rank == 4 else { throw unsupported(node) }
    values[index] = Value(node: place, c: node.shape.c, h: node.shape.h, w: node.shape.w)
  }

  func finished(_ logits: Int) throws -> Graph {
    guard let value = values[logits], value.isFlat, !value.isTransposed else { throw unsupported(plan.nodes[logits]) }
    var graph = graph
    graph.outputs = [value.node]
    return graph
  }

  mutating func rewrite(_ index: Int) throws {
    let node = plan.nodes[index]
    let known = node.inputs.compactMap { values[$0] }
    guard let first = known.first, let shape = node.inputs.first.map({ plan.nodes[$0].shape }) else { throw unsupported(node) }
    let spatialAxes = Array(2..<max(shape.rank, 2))

    switch node.op {
    case is Identity, is Reshape:
      guard node.shape.rank >= 1, node.shape[0] == shape[0], !first.isTransposed || node.shape == shape else { throw unsupported(node) }
      keep(index, first)
    case let op as Transpose:
      var value = first
      switch (op.permutation, first.isFlat, first.isTransposed) {
      case ([0, 2, 3, 1], false, false) where !first.endsInChannels:
        value.endsInChannels = true
        keep(index, value)
      case ([0, 2, 3, 1], true, false), ([0, 3, 1, 2], true, true):
        value.isTransposed.toggle()
        try add(index, op, [first], value)
      default: throw unsupported(node)
      }
    case let op as LayerNormalization:
      guard first.isTransposed, op.axis == 3 else { throw unsupported(node) }
      try add(index, op, [first], first)
    case is ReLU, is Pointwise: try add(index, node.op, [first], first)
    case _ where known.contains(where: \.isTransposed): throw unsupported(node)

    case is GlobalPool, is Reduction:
      let axes = (node.op as? Reduction)?.axes.sorted() ?? spatialAxes
      guard !first.endsInChannels, shape.rank > 1, shape[1] == first.c, axes == spatialAxes || first.isFlat && !axes.contains(0) else {
        throw unsupported(node)
      }
      if first.isFlat {
        guard node.shape.count == shape.count else { throw unsupported(node) }
        return keep(index, first)
      }
      let window = PoolWindow(
        kernel: [first.h, first.w], strides: [1, 1], dilations: [1, 1], padding: [0, 0, 0, 0], roundsUp: false)
      guard let op = pooling(node.op, window) else { throw unsupported(node) }
      try add(index, op, [first], Value(node: 0, c: first.c, h: 1, w: 1))

    case let op as AveragePool: try pool(index, first, op.poolWindow) { AveragePool($0, countsPadding: op.countsPadding) }
    case let op as MaxPool: try pool(index, first, op.poolWindow) { MaxPool($0) }
    case let op as Convolution:
      guard shape.rank == 4, !first.endsInChannels else { throw unsupported(node) }
      try add(index, op, [first], Value(node: 0, c: node.shape.c, h: node.shape.h, w: node.shape.w))
    case let op as Linear:
      guard shape.rank == 2 || first.isFlat, shape[shape.rank - 1] == first.count, shape.count == shape[0] * first.count else {
        throw unsupported(node)
      }
      try add(index, convolution(op, over: first), [first], Value(node: 0, c: op.weights.shape[0], h: 1, w: 1))

    case is ScaleShift:
      guard shape.rank > 1, shape[1] == first.c, !first.endsInChannels else { throw unsupported(node) }
      try add(index, node.op, [first], first)
    case is Concat where known.count == node.inputs.count && known.allSatisfy(\.isFlat):
      guard (node.op as? Concat)?.axis == 1 else { throw unsupported(node) }
      try add(index, node.op, known, Value(node: 0, c: known.reduce(0) { $0 + $1.c }, h: 1, w: 1))
    case is Binary: try combine(index)
    default: throw unsupported(node)
    }
  }

  private func pooling(_ op: any Operator, _ window: PoolWindow) -> (any Operator)? {
    switch op {
    case let pool as GlobalPool:
      switch pool.function {
      case .average: AveragePool(window)
      case .maximum: MaxPool(window)
      case .lp(let p): LpPool(window, p: p)
      }
    case let reduction as Reduction:
      switch reduction.function {
      case .mean: AveragePool(window)
      case .maximum: MaxPool(window)
      default: nil
      }
    default: nil
    }
  }

  /// A pooling that leaves one number a channel at the network's own size: of every window, not only of those a stride meets.
  private mutating func pool(_ index: Int, _ value: Value, _ window: PoolWindow, _ make: (PoolWindow) -> any Operator) throws {
    guard plan.nodes[index].shape.rank == 4, !value.endsInChannels else { throw unsupported(plan.nodes[index]) }
    let dense = PoolWindow(
      kernel: window.kernel, strides: window.strides.map { _ in 1 }, dilations: window.dilations, padding: window.padding,
      roundsUp: window.roundsUp)
    try add(index, make(dense), [value], Value(node: 0, c: value.c, h: 1, w: 1))
  }

  /// The matrix's rows as filters.
  private func convolution(_ linear: Linear, over value: Value) -> Convolution {
    let (c, h, w) = (value.c, value.h, value.w), rows = linear.weights.shape[0]
    let shape = Shape([rows, c, h, w])
    guard value.endsInChannels, !value.isFlat else {
      return Convolution(weights: linear.weights.reshaped(to: shape), bias: linear.bias)
    }
    var weights = Tensor(shape)
    linear.weights.withPointer { source in
      weights.withMutablePointer { target in
        for row in 0..<rows {
          for channel in 0..<c {
            for pixel in 0..<h * w { target[(row * c + channel) * h * w + pixel] = source[(row * h * w + pixel) * c + channel] }
          }
        }
      }
    }
    return Convolution(weights: weights, bias: linear.bias)
  }

  /// Two values of one kind, or one and a constant with a number for each channel, or for all.
  private mutating func combine(_ index: Int) throws {
    let node = plan.nodes[index]
    let operands = node.inputs.map { values[$0] }
    guard let value = operands.compactMap({ $0 }).first else { throw unsupported(node) }
    var places: [Int] = []
    for (input, operand) in zip(node.inputs, operands) {
      if let operand {
        guard operand.count == value.count, operand.c == value.c, operand.endsInChannels == value.endsInChannels else {
          throw unsupported(node)
        }
        places.append(operand.node)
      } else {
        guard let constant = plan.nodes[input].op as? Constant,
          constant.tensor.count == 1 || (constant.tensor.count == value.c && value.isFlat)
        else { throw unsupported(node) }
        let tensor = constant.tensor.reshaped(to: [1, constant.tensor.count, 1, 1])
        places.append(graph.addConstant(tensor, named: "\(node.name)/\(plan.nodes[input].name)"))
      }
    }
    var result = value
    result.node = try graph.add(node.op, places, named: node.name, aliases: node.aliases)
    values[index] = result
  }

  private mutating func keep(_ index: Int, _ value: Value) {
    values[index] = value
    for name in [plan.nodes[index].name] + plan.nodes[index].aliases { graph.alias(name, to: value.node) }
  }

  private mutating func add(_ index: Int, _ op: any Operator, _ inputs: [Value], _ value: Value) throws {
    let node = plan.nodes[index]
    var value = value
    value.node = try graph.add(op, inputs.map(\.node), named: node.name, aliases: node.aliases)
    values[index] = value
  }

  private func unsupported(_ node: Graph.Node) -> LensError {
    LensError(
      .invalidArgument,
      "node '\(node.name)' (\(node.op.kind)) behind the last maps has no convolution that does the same; class maps need dense layers, pooling and functions of one number there"
    )
  }
}
