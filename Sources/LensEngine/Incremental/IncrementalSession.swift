// SPDX-License-Identifier: Apache-2.0
import LensKernels
import LensTensors

/// What a network computes for many pictures that differ from one base in a rectangle each: only what the change
/// reaches is computed anew, bit for bit as a full pass of this session's would; and as a `Session`'s would, unless some
/// convolutions compute every output by itself here, to hand on less of a change.
///
/// The base runs once, and all its values are kept. Changes then run in batches of similar extent, each call on crops of
/// its picture, or on whole pictures where hardly less would be left out.
public final class IncrementalSession {
  public let network: Network
  public let layers: [Layer]

  /// Asked between any two operators; true stops the call, which then throws `.cancelled`.
  public var interrupt: (() -> Bool)?

  /// The most bytes that one batch may take, besides the base's values.
  public var memoryLimit = 512 << 20

  /// What a `Session` would compute.
  private let usual: Flow
  private(set) var flow: Flow
  private var base: BaseValues
  private var plans: [IncrementalPlan] = []  // most recent last
  private var graphs: [Int: Graph?] = [:]
  private var arena: FloatStorage?
  private var largestBatch = 16
  private static let rememberedPlans = 128

  /// Runs the base.
  ///
  /// - base: one tensor for each input of the network, of one image each. Perturbations are of the first, N×C×H×W.
  /// - regions: what will change, if results may differ from a `Session`'s by rounding; convolutions that compute squares of
  ///   outputs together then do so only where that is faster. None: the same bits as a `Session`'s.
  /// - Throws: `.shapeMismatch`, `.notFound`, `.outOfMemory`, `.cancelled`.
  public init(
    _ network: Network, base: [Tensor], at layers: [Layer], quickFor regions: [Region] = [], interrupt: (() -> Bool)? = nil
  ) throws {
    try network.validate(base.map(\.shape))
    guard let first = base.first, first.shape.rank == 4, base.allSatisfy({ $0.shape.rank == 0 || $0.shape.n == 1 }) else {
      let shapes = base.map(\.shape.description).joined(separator: ", ")
      throw LensError(.shapeMismatch, "the base is \(shapes); it must be one picture, 1×C×H×W")
    }
    if let images = network.inputs.first?.dimensions.first ?? nil, images > 1 {
      throw LensError(
        .shapeMismatch, "'\(network.name)' is made for batches of \(images); changes of one picture need a network that takes one")
    }
    (self.network, self.layers, self.interrupt) = (network, layers, interrupt)
    let request = Plan.Request(inputs: base.map(\.shape), taps: layers)
    usual = Flow(try Plan(network, request, rules: .gradient, turns: .never))
    flow = try IncrementalSession.flow(network, quickFor: regions, usual, not: usual) ?? usual
    self.base = try BaseValues(flow)
    try self.base.run(base, interrupt: interrupt)
  }

  /// The flow that is quick for such changes, if it is not `other`.
  private static func flow(_ network: Network, quickFor regions: [Region], _ usual: Flow, not other: Flow) throws -> Flow? {
    var request = usual.plan.request
    request.direct = regions.isEmpty ? [] : usual.direct(for: regions)
    if request.direct == other.plan.request.direct { return nil }
    return request.direct.isEmpty ? usual : Flow(try Plan(network, request, rules: .gradient, turns: .never))
  }

  /// Takes another base of the same shape. What was prepared for the changes stays, unless other layers are quick for `regions`.
  ///
  /// - regions: as for `init`; nil: those of the base before.
  public func rebase(_ inputs: [Tensor], quickFor regions: [Region]? = nil) throws {
    guard inputs.map(\.shape) == flow.plan.request.inputs else {
      throw LensError(.shapeMismatch, "the base is \(inputs.map(\.shape)); it must stay \(flow.plan.request.inputs)")
    }
    if let regions, let other = try IncrementalSession.flow(network, quickFor: regions, usual, not: flow) {
      base = try BaseValues(other)
      (flow, plans) = (other, [])
    }
    try base.run(inputs, interrupt: interrupt)
  }

  /// What the network computes for the base at `layers`.
  public var baseActivations: [Tensor] {
    get throws {
      try flow.plan.taps.map { tap in
        let shape = flow.plan.steps[tap].shape
        var result = try Tensor(allocating: shape)
        result.withMutablePointer { $0.update(from: base.pointer(of: tap), count: shape.count) }
        return result
      }
    }
  }

  /// What the network computes at `layers`, one row for each perturbation.
  ///
  /// - progress: gets the number of perturbations done so far; false stops the call, which then throws `.cancelled`.
  public func activations(of perturbations: [Perturbation], progress: ((Int) -> Bool)? = nil) throws -> [Tensor] {
    var results = try flow.plan.taps.map { tap in
      let shape = flow.plan.steps[tap].shape
      return try Tensor(allocating: shape.rank == 0 ? [perturbations.count] : shape.with(0, shape[0] * perturbations.count))
    }
    let memory = results.indices.map { index in results[index].withMutablePointer { $0 } }
    try forEachBatch(of: perturbations, progress) { batch, values in
      for (position, tap) in flow.plan.taps.enumerated() {
        let count = flow.plan.steps[tap].shape.count
        for (row, index) in batch.enumerated() {
          (memory[position] + index * count).update(from: values[position].base + (flow.isChanged[tap] ? row * count : 0), count: count)
        }
      }
    }
    return results
  }

  /// The objective's value for the base, and the objective with what it chose there, for the perturbations.
  ///
  /// - image: the base's place in the caller's batch, for objectives that mean something else for each image.
  public func baseValue(of objective: Objective, image: Int = 0) throws -> (score: Float, target: Int, settled: Objective) {
    let views = flow.plan.taps.map { TensorView(base: base.pointer(of: $0), shape: flow.plan.steps[$0].shape) }
    let settled = try objective.settled(on: try activations(views, imageCount: 1, firstImage: image, of: objective))
    let value = try settled.evaluate(try activations(views, imageCount: 1, firstImage: 0, of: objective), .none)
    return (value.scores.first ?? 0, value.targets.first ?? -1, settled)
  }

  /// The objective's value for each perturbation. Its layers must be among `layers`.
  public func values(of objective: Objective, for perturbations: [Perturbation], progress: ((Int) -> Bool)? = nil) throws -> [Float] {
    var results = [Float](repeating: 0, count: perturbations.count)
    try forEachBatch(of: perturbations, progress) { batch, views in
      let value = try objective.evaluate(try activations(views, imageCount: batch.count, firstImage: 0, of: objective), .none)
      for (score, index) in zip(value.scores, batch) { results[index] = score }
    }
    return results
  }

  private func activations(_ views: [TensorView], imageCount: Int, firstImage: Int, of objective: Objective) throws -> Activations {
    if let missing = objective.layers.first(where: { !layers.contains($0) }) {
      throw LensError(.invalidArgument, "the objective looks at '\(missing)', which is not among the session's layers")
    }
    return Activations(imageCount: imageCount, firstImage: firstImage) { views[self.layers.firstIndex(of: $0)!] }
  }

  /// Multiplications of one batch, and of as many full passes.
  func multiplyAdds(of regions: [Region]) throws -> (incremental: Int, full: Int) {
    let cones = Cones(flow, regions)
    let plan = try plan(for: regions.indices.map { (cones.vertical[cones.rows[$0]], cones.horizontal[cones.columns[$0]]) })
    return (plan?.multiplyAdds ?? 0, flow.multiplyAdds * regions.count)
  }

  // MARK: Preparing

  private func check(_ perturbations: [Perturbation]) throws {
    let shape = flow.plan.request.inputs[0]
    guard !perturbations.isEmpty else { throw LensError(.invalidArgument, "no perturbations") }
    for (index, perturbation) in perturbations.enumerated() {
      let region = perturbation.region
      guard !region.rows.isEmpty, !region.columns.isEmpty, region.rows.clamped(to: 0..<shape.h) == region.rows,
        region.columns.clamped(to: 0..<shape.w) == region.columns
      else { throw LensError(.invalidArgument, "the region of perturbation \(index), \(region), is not inside a picture of \(shape)") }
      guard perturbation.picture.shape == shape else {
        throw LensError(.shapeMismatch, "the picture of perturbation \(index) is \(perturbation.picture.shape); the base is \(shape)")
      }
    }
  }

  /// Nil where it would take more memory than allowed, and fewer images may do.
  private func plan(for cones: [(vertical: Cone, horizontal: Cone)]) throws -> IncrementalPlan? {
    let key = IncrementalPlan.Key(flow, cones)
    if let index = plans.lastIndex(where: { $0.key == key }) {
      plans.append(plans.remove(at: index))
    } else {
      plans.append(try IncrementalPlan(flow, base, key, graph: graph(for: key.images)))
      if plans.count > IncrementalSession.rememberedPlans { plans.removeFirst() }
    }
    let plan = plans[plans.count - 1], count = plan.prepared.plan.arenaCount, bytes = count * MemoryLayout<Float>.stride
    guard bytes <= memoryLimit else {
      if key.images > 1 { return nil }
      throw LensError(.outOfMemory, "one image takes \(bytes / 1_000_000) MB; at most \(memoryLimit / 1_000_000) MB are allowed")
    }
    if arena.map({ $0.count < count }) ?? true {
      arena = nil
      arena = try FloatStorage(count: count, uninitialized: true)
    }
    return plan
  }

  /// The network's graph for a batch; nil where it is not the graph for one image with more images in every value.
  private func graph(for images: Int) -> Graph? {
    if let known = graphs[images] { return known }
    func made() -> Graph? {
      let shapes = flow.plan.request.inputs.map { $0.rank == 0 ? $0 : $0.with(0, images) }
      guard let single = try? network.source.graph(for: flow.plan.request.inputs, reaching: Set(layers)),
        let many = try? network.source.graph(for: shapes, reaching: Set(layers)), single.nodes.count == many.nodes.count,
        zip(single.nodes, many.nodes).allSatisfy({ $0.op.kind == $1.op.kind && $0.inputs == $1.inputs })
      else { return nil }
      // Files that fix the batch size may compute something else for another.
      let isFixed = network.inputs.first?.dimensions.first.map { $0 != nil } ?? false
      for (index, step) in flow.plan.steps.enumerated() where flow.isChanged[index] {
        guard let node = step.source?.node, isFixed || flow.isPicture[index] || flow.plan.taps.contains(index) else { continue }
        guard step.shape.rank > 0, many.nodes[node].shape == step.shape.with(0, step.shape[0] * images) else { return nil }
      }
      return many
    }
    let graph = made()
    graphs[images] = .some(graph)
    return graph
  }

  // MARK: Running

  /// `body` gets the numbers of a batch's perturbations, and one value for each of `layers`.
  private func forEachBatch(
    of perturbations: [Perturbation], _ progress: ((Int) -> Bool)?, _ body: ([Int], [TensorView]) throws -> Void
  ) throws {
    try check(perturbations)
    let cones = Cones(flow, perturbations.map(\.region))
    var done = 0
    while done < perturbations.count {
      let left = perturbations.count - done, batches = (left + largestBatch - 1) / largestBatch
      let batch = Array(cones.order[done..<done + (left + batches - 1) / batches])
      guard let plan = try plan(for: batch.map { (cones.vertical[cones.rows[$0]], cones.horizontal[cones.columns[$0]]) }) else {
        largestBatch = max(1, batch.count / 2)
        continue
      }
      for (image, index) in batch.enumerated() {
        plan.placements.place(image, flow, cones.vertical[cones.rows[index]], cones.horizontal[cones.columns[index]])
        paint(perturbations[index], into: plan, image)
      }
      let input = Tensor(borrowing: UnsafePointer(plan.input.base), shape: [plan.input.count])
      plan.prepared.bind(arena: arena!.base, inputs: [input], results: [])
      try plan.prepared.runForward(interrupt: interrupt)
      try body(batch, plan.values)
      done += batch.count
      if progress?(done) == false { throw LensError(.cancelled, "stopped after \(done) of \(perturbations.count) changes") }
    }
  }

  /// The crop of one image: the base, and the perturbation's picture inside its region.
  private func paint(_ perturbation: Perturbation, into plan: IncrementalPlan, _ image: Int) {
    let shape = flow.plan.request.inputs[0], crop = plan.inputCrops, region = perturbation.region
    let top = plan.placements.row(crop.placement, image), left = plan.placements.column(crop.placement, image)
    let base = base.pointer(of: flow.plan.inputs[0]), picture = perturbation.picture.pointer
    var target = plan.input.base + image * shape.c * crop.height * crop.width
    for channel in 0..<shape.c {
      for row in top..<top + crop.height {
        let line = (channel * shape.h + row) * shape.w
        target.update(from: base + line + left, count: crop.width)
        if region.rows.contains(row) {
          (target + (region.columns.lowerBound - left)).update(
            from: picture + line + region.columns.lowerBound, count: region.columns.count)
        }
        target += crop.width
      }
    }
  }
}
