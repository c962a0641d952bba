// SPDX-License-Identifier: Apache-2.0
import LensKernels
import LensTensors

/// An objective that means the same for every picture, and its value for the one on which it was settled.
public struct Settled: Sendable {
  public let score: Float
  /// The class; -1 where the objective is not about one.
  public let target: Int
  public let objective: Objective
}

/// One network, one arena, one thread at a time.
///
/// A session remembers the plans of its calls, so that the second identical call decides nothing and, where the
/// caller brings the memory for the results, allocates nothing the size of an image.
public final class Session {
  public let network: Network

  /// Asked between any two operators; true stops the call, which then throws `.cancelled`.
  public var interrupt: (() -> Bool)?

  /// The most bytes its arena may take; nil for what the machine has left.
  public var memoryLimit: Int?

  /// Whether its gradients are steps of a walk, which may be taken less exactly; see `Precision`.
  private var walks = false

  /// Told of every call of a step, its way back included, as it ends, on the thread that makes it.
  package var observer: ((StepCall) -> Void)?

  /// Whether calls are planned literally: see `Plan.init`. Set before the first call.
  package var isLiteral = false

  /// Which steps of a batch take turns. Set before the first call.
  package var turns = Turns.whereFaster

  private var plans: [Prepared] = []  // most recent last
  private var arena: FloatStorage?
  private var lastGraph: (inputs: [Shape], graph: Graph)?
  private static let rememberedPlans = 16

  public init(_ network: Network) { self.network = network }

  /// Bytes of the arena so far.
  public var arenaBytes: Int { (arena?.count ?? 0) * MemoryLayout<Float>.stride }

  // MARK: Calls

  /// The shapes that layers have at an input size, computed without running anything.
  public func shapes(of layers: [Layer], inputs: [Shape]) throws -> [Shape] {
    try network.validate(inputs)
    let (prepared, groups) = try batched(Plan.Request(inputs: inputs, taps: layers), .gradient)
    return prepared.plan.taps.map { prepared.plan.steps[$0].shape.repeated(groups) }
  }

  /// The whole network at an input size.
  public func graph(for inputs: [Shape]) throws -> Graph {
    if let (known, graph) = lastGraph, known == inputs { return graph }
    try network.validate(inputs)
    let declared = network.inputs.first?.dimensions.first ?? nil
    // A batch size that the file fixes says nothing about layers.
    let shapes = declared.map { n in inputs.map { $0.rank == 0 ? $0 : $0.with(0, n) } } ?? inputs
    let graph = try network.source.graph(for: shapes, reaching: nil)
    lastGraph = (inputs, graph)
    return graph
  }

  /// What the network computes at `layers`.
  ///
  /// - inputs: one tensor for each input of the network.
  /// - into: memory for each result, or nil to have it allocated.
  /// - Throws: `.shapeMismatch`, `.notFound`, `.outOfMemory`, `.cancelled`.
  public func activations(of inputs: [Tensor], at layers: [Layer], into memory: [UnsafeMutablePointer<Float>]? = nil) throws -> [Tensor] {
    try call(Plan.Request(inputs: inputs.map(\.shape), taps: layers), .gradient, inputs, [], memory)[0].activations
  }

  /// The objective's value and its derivative with respect to `layers`.
  ///
  /// - activations: layers whose activations are wanted as well.
  /// - into: memory for the gradients, then for the activations, or nil to have it allocated.
  public func gradient(
    of objective: Objective, at inputs: [Tensor], wrt layers: [Layer] = [.input], activations taps: [Layer] = [],
    rules: RuleMap = .gradient, into memory: [UnsafeMutablePointer<Float>]? = nil
  ) throws -> GradientResult {
    let request = Plan.Request(inputs: inputs.map(\.shape), taps: taps, seeds: objective.layers, wrt: layers, rules: rules.name)
    return try call(request, rules, inputs, [objective], memory)[0]
  }

  /// Several objectives on one forward pass: what `gradient` gives for each of them, to the last bit.
  ///
  /// They go back together, layer by layer, so that a layer's weights are fetched once for all. Their gradients take
  /// memory side by side.
  ///
  /// - activations: layers whose activations are wanted as well; every result has the same.
  /// - into: memory for the gradients, those of all objectives one behind the other, then for the activations, or nil to have it
  ///   allocated.
  public func gradients(
    of objectives: [Objective], at inputs: [Tensor], wrt layers: [Layer] = [.input], activations taps: [Layer] = [],
    rules: RuleMap = .gradient, into memory: [UnsafeMutablePointer<Float>]? = nil
  ) throws -> [GradientResult] {
    guard !objectives.isEmpty else { return [] }
    var request = Plan.Request(inputs: inputs.map(\.shape), taps: taps, wrt: layers, rules: rules.name, lanes: objectives.count)
    for layer in objectives.flatMap(\.layers) where !request.seeds.contains(layer) { request.seeds.append(layer) }
    return try call(request, rules, inputs, objectives, memory)
  }

  /// The objective's value for one image, and the objective with what it chose there, for any other pictures.
  ///
  /// - inputs: of one image each.
  /// - image: its place in the caller's batch, for objectives that mean something else for each image.
  public func settle(_ objective: Objective, at inputs: [Tensor], image: Int = 0) throws -> Settled {
    let values = try activations(of: inputs, at: objective.layers)
    func looking(_ firstImage: Int) -> Activations {
      Activations(imageCount: 1, firstImage: firstImage) { layer in
        let value = values[objective.layers.firstIndex(of: layer)!]
        return TensorView(base: value.pointer, shape: value.shape)
      }
    }
    return try withExtendedLifetime(values) {
      let settled = try objective.settled(on: looking(image))
      let value = try settled.evaluate(looking(0), .none)
      return Settled(score: value.scores.first ?? 0, target: value.targets.first ?? -1, objective: settled)
    }
  }

  /// The table of a gradient's (or, without an objective, an output's) memory.
  public func plan(
    inputs: [Shape], taps: [Layer] = [.output], of objective: Objective? = nil, wrt layers: [Layer] = [], rules: RuleMap = .gradient
  ) throws -> Plan {
    try network.validate(inputs)
    return try Plan(
      network, Plan.Request(inputs: inputs, taps: taps, seeds: objective?.layers ?? [], wrt: layers, rules: rules.name), rules: rules,
      turns: turns)
  }

  /// Calls within are steps of a walk: what they give is not for reading, but leads somewhere.
  package func walking<Result>(_ body: () throws -> Result) rethrows -> Result {
    let before = walks
    walks = true
    defer { walks = before }
    return try body()
  }

  // MARK: Batches

  /// Runs `request` on the whole batch, or image by image where the file fixes the batch size.
  private func call(
    _ request: Plan.Request, _ rules: RuleMap, _ inputs: [Tensor], _ objectives: [Objective], _ memory: [UnsafeMutablePointer<Float>]?
  ) throws -> [GradientResult] {
    try network.validate(request.inputs)
    let (prepared, groups) = try batched(request, rules)
    let plan = prepared.plan, gradientCount = plan.wrt.count
    let wanted = (plan.wrt + plan.taps).map { plan.steps[$0].shape }
    let shapes = wanted.enumerated().map { $1.repeated(groups * ($0 < gradientCount ? request.lanes : 1)) }
    let results = try memory.map { zip($0, shapes).map { Tensor(borrowing: $0, shape: $1) } } ?? shapes.map { try Tensor(allocating: $0) }

    var values = [Objective.Value](repeating: .init(), count: request.lanes)
    let groupSize = request.inputs[0].rank == 0 ? 1 : plan.request.inputs[0].n
    for group in 0..<groups {
      let parts = groups == 1 ? inputs : zip(inputs, plan.request.inputs).map { $0.part(group, shape: $1) }
      let pointers = zip(results, wanted).map { UnsafeMutablePointer(mutating: $0.pointer) + group * $1.count }
      for (lane, part) in try run(prepared, parts, objectives, group * groupSize, pointers, groups).enumerated() {
        values[lane].scores += part.scores
        values[lane].targets += part.targets
      }
    }
    return values.enumerated().map { lane, value in
      GradientResult(
        scores: value.scores, targets: value.targets,
        gradients: zip(results[..<gradientCount], wanted).map { request.lanes == 1 ? $0 : $0.part(lane, shape: $1.repeated(groups)) },
        activations: Array(results[gradientCount...]))
    }
  }

  /// The plan for a request and how often it is run: once, or once for each group of as many images as the file declares.
  private func batched(_ given: Plan.Request, _ rules: RuleMap) throws -> (Prepared, groups: Int) {
    var request = given
    request.precision = Kernels.precision.settled(walks: walks)
    let declared = network.inputs.first?.dimensions.first ?? nil
    let count = request.inputs.first.map { $0.rank == 0 ? 1 : $0.n } ?? 1
    guard let declared, declared > 0, count != declared else { return (try prepare(request, rules), 1) }

    var single = request
    single.inputs = request.inputs.map { $0.with(0, declared) }
    if let known = known(single) { return (known, count / declared) }
    if let whole = try? prepare(request, rules), whole.leads(with: count) { return (whole, 1) }
    guard count % declared == 0 else {
      throw LensError(.shapeMismatch, "a batch of \(count) came but '\(network.name)' is made for batches of \(declared)")
    }
    plans.removeAll { $0.plan.request == request }
    return (try prepare(single, rules), count / declared)
  }

  private func known(_ request: Plan.Request) -> Prepared? { plans.last { $0.plan.request == request } }

  private func prepare(_ request: Plan.Request, _ rules: RuleMap) throws -> Prepared {
    if let index = plans.lastIndex(where: { $0.plan.request == request }) {
      plans.append(plans.remove(at: index))
      return plans[plans.count - 1]
    }
    let plan = try Kernels.$precisionWithin.withValue(request.precision) {
      try Plan(network, request, rules: rules, literally: isLiteral, turns: turns)
    }
    let prepared = Prepared(plan)
    plans.append(prepared)
    if plans.count > Session.rememberedPlans { plans.removeFirst() }
    return prepared
  }

  // MARK: Running

  private func run(
    _ prepared: Prepared, _ inputs: [Tensor], _ objectives: [Objective], _ firstImage: Int, _ results: [UnsafeMutablePointer<Float>],
    _ groups: Int
  ) throws -> [Objective.Value] {
    let plan = prepared.plan
    try reserve(plan)
    prepared.bind(arena: arena!.base, inputs: inputs, results: results, groups: groups)

    try prepared.runForward(interrupt: interrupt, observer: observer)
    var values: [Objective.Value] = []
    if !objectives.isEmpty {
      for (slot, count) in plan.cleared[0] { prepared.clear(slot, count) }
      let activations = Activations(prepared, firstImage: firstImage)
      for (lane, objective) in objectives.enumerated() {
        values.append(try objective.evaluate(activations, Seeds(prepared, lane: lane, weight: 1)))
        if plan.carriesRelevance { prepared.weighSeeds(lane) }
      }
      try prepared.runBackward(interrupt: interrupt, observer: observer)
    }
    prepared.collect(results, groups: groups)
    withExtendedLifetime(inputs) {}
    return values
  }

  /// Arenas below this are asked of the system without a look at what it has left.
  private static let smallArenaBytes = 256 << 20

  private func reserve(_ plan: Plan) throws {
    if let arena, arena.count >= plan.arenaCount { return }
    arena = nil
    let bytes = plan.arenaCount * MemoryLayout<Float>.stride
    let available = memoryLimit ?? (bytes > Session.smallArenaBytes ? Memory.available : nil) ?? .max
    guard bytes <= available, let memory = try? FloatStorage(count: plan.arenaCount, uninitialized: true) else {
      let shapes = plan.request.inputs.map(\.description).joined(separator: ", ")
      let left = available < .max ? " and \(available / 1_000_000) MB are left" : ""
      throw LensError(.outOfMemory, "the plan for \(shapes) needs \(bytes / 1_000_000) MB\(left); a smaller batch or picture needs less")
    }
    arena = memory
  }
}

/// One call of a plan's step, as a profile sees it.
package struct StepCall {
  package let name, kind: String
  package let shape: Shape
  package let multiplyAdds: Int
  package let isBackward: Bool

  init(_ index: Int, of plan: Plan, isBackward: Bool) {
    let step = plan.steps[index], producer = isBackward ? nil : step.call.map { plan.steps[$0.producer] }
    (name, shape, self.isBackward) = (step.name, step.shape, isBackward)
    kind = producer.map { "\($0.kind) \(step.kind)" } ?? step.kind
    multiplyAdds = (producer ?? step).multiplyAdds
  }
}

/// What a gradient call gives.
public struct GradientResult {
  /// The objective's value for each image.
  public let scores: [Float]
  /// The class it chose or named for each image; -1 where it is not about classes.
  public let targets: [Int]
  /// In the order of `wrt`.
  public let gradients: [Tensor]
  /// In the order of `activations`.
  public let activations: [Tensor]
}

extension Shape {
  /// `count` of these, one behind the other along the first axis.
  fileprivate func repeated(_ count: Int) -> Shape { count == 1 ? self : with(0, self[0] * count) }
}

extension Tensor {
  /// The `index`-th run of as many floats as `shape` has.
  fileprivate func part(_ index: Int, shape: Shape) -> Tensor {
    let whole = self
    return Tensor(borrowing: pointer + index * shape.count, shape: shape, release: { withExtendedLifetime(whole) {} })
  }
}
