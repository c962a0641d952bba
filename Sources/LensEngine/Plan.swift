// SPDX-License-Identifier: Apache-2.0
import LensKernels
import LensTensors

/// What one kind of call computes and where every float of it lives, decided before running.
///
/// Time is counted in steps: forward 0..<F, the objective at F, backward after it. A slot is a piece of memory
/// with the steps during which it must hold; slots whose times do not meet share addresses in the arena.
public struct Plan: Sendable {
  /// What a plan is made for, and found again by.
  struct Request: Hashable, Sendable {
    var inputs: [Shape]
    /// Layers whose activations the caller gets.
    var taps: [Layer] = []
    /// Layers the objective looks at.
    var seeds: [Layer] = []
    /// Layers with respect to which the objective is differentiated.
    var wrt: [Layer] = []
    var rules: String = RuleMap.gradient.name
    /// Objectives that go back together over one forward pass. Each has gradients of its own, a lane of every gradient slot.
    var lanes = 1
    /// Kernels ask for as much scratch as so many threads need, and take no more threads later.
    var threads = Threads.count
    var precision = Precision.highest
    /// Nodes of the graph whose convolutions compute every output by itself, though squares of outputs together would be faster.
    var direct: Set<Int> = []
  }

  public struct Slot: Sendable {
    public enum Role: String, Sendable {
      case value, gradient, auxiliary, scratch
      /// Memory of the caller or of the network, not of the arena.
      case external
    }
    public let node: String
    public internal(set) var role: Role
    public internal(set) var count: Int
    /// How many times `count` floats it is, one behind the other in whole cache lines.
    public internal(set) var lanes = 1
    /// How many times it is there, all lanes each time, for threads that take turns.
    public internal(set) var copies = 1
    public internal(set) var offset = 0
    public internal(set) var alive: ClosedRange<Int>
    /// The slot in whose memory it lies, and how many floats in, in every lane; nil for one with memory of its own.
    public internal(set) var place: (host: Int, offset: Int)?
  }

  /// A node of the graph, or a change of layout between two, with the memory of its calls.
  struct Step: Sendable {
    var name: String
    var kind: String
    var stage: Stage
    /// The same for the images of one turn, where those of a batch take turns.
    var turn: Stage?
    var shape: Shape
    var layout: Layout
    var inputs: [Int]
    var multiplyAdds = 0
    /// The graph's node with its layouts; nil for a change of layout. A folded one has another operator than the graph's.
    var source: (node: Int, op: any Operator, layouts: Layouts, isFolded: Bool)?
    /// Set where the forward call does the work of steps before it, which are absorbed.
    var call: Call?
    var isAbsorbed = false
    /// The clamp whose output is the first input, or the concatenation of clamps, where backward applies its gates.
    var gate: Int?
    var forward = Ports()
    var backward = Ports()
  }

  let request: Request
  /// Whether the objective's derivative is multiplied with its layers' values before it goes back.
  var carriesRelevance = false
  var steps: [Step] = []
  public internal(set) var slots: [Slot] = []
  public internal(set) var arenaCount = 0

  /// Indices of steps in running order.
  var forwardOrder: [Int] = []
  var backwardOrder: [Int] = []
  var forwardStretches: [Stretch] = []
  var backwardStretches: [Stretch] = []
  /// Images of one turn, where steps take turns.
  var turnImages = 1
  /// Slots to clear before the backward step at the same position, and how many floats of them; the first entry is for the objective.
  var cleared: [[(slot: Int, count: Int)]] = [[]]

  /// Step index of each input of the network, tap, seed layer and differentiated layer.
  var inputs: [Int] = []
  var taps: [Int] = []
  var seeds: [Int] = []
  var wrt: [Int] = []
  /// Slots of constants, with what they hold.
  var constants: [(slot: Int, tensor: Tensor)] = []
  /// Of each step's value and gradient.
  var valueSlots: [Int] = []
  var gradientSlots: [Int?] = []
}

extension Plan {
  /// - literally: no step does another's work, and no two values or gradients share memory while both are needed: slower,
  ///   and what every other plan must agree with to the bit.
  init(_ network: Network, _ request: Request, rules: RuleMap, literally: Bool = false, turns: Turns = .whereFaster) throws {
    self.request = request
    let wanted = request.taps + request.seeds + request.wrt
    var graph = try network.source.graph(for: request.inputs, reaching: Set(wanted))
    func index(_ layer: Layer) throws -> Int {
      if let index = graph.index(of: layer) { return index }
      throw LensError(
        .notFound,
        "layer '\(layer)' does not exist in '\(network.name)' at the input size \(request.inputs.map(\.description).joined(separator: ", "))"
      )
    }

    let differentiated = Set(try request.wrt.map(index))
    graph = rules.canonical(graph, differentiated)
    carriesRelevance = rules.carriesRelevance
    var lowering = Lowering(graph, try rules.rules(in: graph), direct: request.direct)
    for layer in request.taps + request.seeds { lowering.need(try index(layer)) }
    for layer in request.wrt { lowering.need(try index(layer)) }
    try lowering.fold(keeping: differentiated)
    try lowering.run()
    if !literally { lowering.prepare(turns) }
    turnImages = lowering.turnImages
    taps = try request.taps.map { lowering.plain(try index($0)) }
    seeds = try request.seeds.map { lowering.plain(try index($0)) }
    wrt = try request.wrt.map { lowering.primary[try index($0)]! }
    inputs = graph.inputs.map { lowering.plain($0) }
    steps = lowering.steps
    var flow = GradientFlow(self)
    if !literally {
      fuse(flow)
      closeGates(flow)
      flow.share(steps, wrt: wrt, seeds: seeds)
    }
    placeMemory(flow, constants: lowering.constants, shares: !literally)
  }
}

/// Turns graph nodes into steps, choosing layouts and inserting changes of layout where neighbours disagree.
struct Lowering {
  let graph: Graph
  let rule: RuleMap.Choice
  /// See `Plan.Request`.
  let direct: Set<Int>
  var needed: [Bool]
  var steps: [Plan.Step] = []
  /// The step that computes a graph node, in the layout it is computed in.
  var primary: [Int: Int] = [:]
  /// The same value in the other layout.
  private var reordered: [Int: Int] = [:]
  /// What stands in a node's place and does the work of nodes before it, too: see `fold`.
  var folded: [Int: (op: any Operator, inputs: [Int])] = [:]
  var constants: [Int: Tensor] = [:]
  var turnImages = 1

  init(_ graph: Graph, _ rule: @escaping RuleMap.Choice, direct: Set<Int>) {
    (self.graph, self.rule, self.direct) = (graph, rule, direct)
    needed = [Bool](repeating: false, count: graph.nodes.count)
  }

  mutating func need(_ index: Int) { needed[index] = true }

  mutating func run() throws {
    for index in graph.nodes.indices where needed[index] { try lower(index) }
  }

  private mutating func lower(_ index: Int) throws {
    let node = graph.nodes[index]
    var (op, sources): (any Operator, [Int]) = folded[index].map { ($0.op, $0.inputs) } ?? (node.op, node.inputs)
    if direct.contains(index) { op = op.computedDirectly }
    let shapes = graph.shapes(sources)
    let given = sources.map { steps[primary[$0]!].layout }
    let layouts = op.layouts(for: shapes, given: given)
    let stage = try stage(op, of: node, shapes, layouts)
    let inputs = zip(sources, layouts.inputs).map { step(of: $0, in: $1) }
    if let constant = node.op as? Constant { constants[steps.count] = constant.tensor }
    primary[index] = steps.count
    steps.append(
      Plan.Step(
        name: node.name, kind: op.kind, stage: stage, shape: stage.output, layout: layouts.output, inputs: inputs,
        multiplyAdds: op.multiplyAdds(for: shapes, output: stage.output), source: (index, op, layouts, folded[index] != nil)))
  }

  /// The node's stage, computed by `op`, with its rule.
  func stage(_ op: any Operator, of node: Graph.Node, _ shapes: [Shape], _ layouts: Layouts) throws -> Stage {
    do {
      var stage = try op.stage(for: shapes, in: layouts)
      if let rule = try rule(node) {
        stage = try stage.withBackward { try rule.applied(to: $0, of: op, shapes: shapes, layouts: layouts) }
      }
      if stage.isView { stage.passGradient(layouts.output.floatCount(of: stage.output)) }
      return stage
    } catch let error as LensError {
      throw error.within("node '\(node.name)' (\(op.kind))")
    }
  }

  mutating func plain(_ index: Int) -> Int { step(of: index, in: .plain) }

  private mutating func step(of index: Int, in layout: Layout) -> Int {
    let source = primary[index]!
    if steps[source].layout == layout { return source }
    if let known = reordered[index] { return known }
    reordered[index] = steps.count
    let shape = steps[source].shape
    steps.append(
      Plan.Step(
        name: steps[source].name + (layout == .plain ? " (plain)" : " (blocked)"), kind: "Reorder",
        stage: .rearranging(shape, from: steps[source].layout, to: layout), shape: shape, layout: layout, inputs: [source]))
    return steps.count - 1
  }
}

extension Stage {
  /// Makes backward that of a view: the gradient goes through as it is.
  mutating func passGradient(_ count: Int) {
    (overwrites, passes, addsOnce) = (true, [0], true)
    backward = { pass in
      guard let gradient = pass.inputGradient(0) else { return }
      let given = pass.outputGradient
      if pass.accumulates(0) { for i in 0..<count { gradient[i] += given[i] } } else { gradient.update(from: given, count: count) }
    }
  }

  /// The same values in another layout.
  static func rearranging(_ shape: Shape, from source: Layout, to target: Layout) -> Stage {
    var stage = Stage(output: shape, overwrites: true) { pass in
      reorder(pass.input(0), source, to: pass.output, target, shape: shape, accumulates: false)
    } backward: { pass in
      guard let gradient = pass.inputGradient(0) else { return }
      reorder(pass.outputGradient, target, to: gradient, source, shape: shape, accumulates: pass.accumulates(0))
    }
    stage.addsOnce = true
    return stage
  }
}
