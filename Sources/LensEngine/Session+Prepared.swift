// SPDX-License-Identifier: Apache-2.0
import LensKernels
import LensTensors

/// A plan with its tables of addresses: one for each lane of gradients; everything else is the same in all of them.
final class Prepared {
  let plan: Plan
  /// A table for each lane.
  struct Addresses {
    let first: UnsafeMutablePointer<UnsafeMutablePointer<Float>>
    let count: Int
    subscript(lane: Int) -> UnsafeMutablePointer<UnsafeMutablePointer<Float>> { first + lane * count }
  }
  /// Those of all images; behind them, the tables of the turns that threads are at.
  let own: Addresses
  /// Of the first lane.
  var slots: UnsafeMutablePointer<UnsafeMutablePointer<Float>> { own[0] }
  func slots(_ lane: Int) -> UnsafeMutablePointer<UnsafeMutablePointer<Float>> { own[lane] }
  /// The calls of each step, at once or in turns as the plan has it.
  let forward: [@Sendable (ForwardPass) -> Void]
  let backward: [@Sendable (BackwardPass) -> Void]
  /// For each result (gradients, then activations): the slot that is the caller's memory, or nil where it is copied at the end.
  private let written: [Int?]
  /// Slots in the memory of others.
  private let guests: [(slot: Int, host: Int, offset: Int)]

  init(_ plan: Plan) {
    self.plan = plan
    let takesTurns = (plan.forwardStretches + plan.backwardStretches).contains { $0.turns > 1 }
    let count = plan.slots.count + 1, workers = takesTurns ? plan.turnThreads : 0
    own = Addresses(first: .allocate(capacity: count * plan.request.lanes * (1 + workers)), count: count)
    func inTurns(_ stretches: [Stretch], _ order: [Int]) -> Set<Int> {
      Set(stretches.filter { $0.turns > 1 }.flatMap { $0.positions.map { order[$0] } })
    }
    let forwardTurns = inTurns(plan.forwardStretches, plan.forwardOrder),
      backwardTurns = inTurns(plan.backwardStretches, plan.backwardOrder)
    forward = plan.steps.indices.map { index in
      func stage(_ index: Int, _ inTurns: Bool) -> Stage { inTurns ? plan.steps[index].turn! : plan.steps[index].stage }
      let inTurns = forwardTurns.contains(index)
      return plan.steps[index].call.flatMap { stage($0.producer, inTurns).ending?($0.ending) } ?? stage(index, inTurns).forward
    }
    backward = plan.steps.indices.map { index in
      let step = plan.steps[index]
      return (backwardTurns.contains(index) ? step.turn! : step.stage).backward ?? { _ in }
    }
    // A result is written in place if its slot holds nothing else: not an input, a constant or another result.
    var taken = Set<Int>()
    guests = plan.slots.enumerated().compactMap { index, slot in slot.place.map { (index, $0.host, $0.offset) } }
    written =
      (plan.wrt.map { (plan.gradientSlots[$0]!, plan.steps[$0].layout) } + plan.taps.map { (plan.valueSlots[$0], plan.steps[$0].layout) })
      .map { slot, layout in
        plan.slots[slot].role != .external && plan.slots[slot].place == nil && layout == .plain && taken.insert(slot).inserted ? slot : nil
      }
  }

  deinit { own.first.deallocate() }

  /// - results: memory for each gradient, of all lanes, then for each activation
  /// - groups: calls that fill a lane of the results one after the other
  func bind(arena: UnsafeMutablePointer<Float>, inputs: [Tensor], results: [UnsafeMutablePointer<Float>], groups: Int = 1) {
    for lane in 0..<plan.request.lanes {
      let slots = slots(lane)
      for (index, slot) in plan.slots.enumerated() { slots[index] = arena + slot.offset + (slot.lanes > 1 ? lane * slot.laneStep : 0) }
      for (slot, tensor) in plan.constants { slots[slot] = UnsafeMutablePointer(mutating: tensor.pointer) }
      for (index, tensor) in zip(plan.inputs, inputs) { slots[plan.valueSlots[index]] = UnsafeMutablePointer(mutating: tensor.pointer) }
      for (position, memory) in results.enumerated() {
        if let slot = written[position] { slots[slot] = memory + offset(of: position, lane, groups) }
      }
      for (slot, host, offset) in guests { slots[slot] = slots[host] + offset }
    }
  }

  /// Of a lane in a result.
  private func offset(of position: Int, _ lane: Int, _ groups: Int) -> Int {
    position < plan.wrt.count ? lane * groups * plan.steps[plan.wrt[position]].shape.count : 0
  }

  /// The forward calls, after `bind`.
  func runForward(interrupt: (() -> Bool)?, observer: ((StepCall) -> Void)? = nil) throws {
    let stop = run(plan.forwardStretches, interrupt) { position, addresses in
      let index = plan.forwardOrder[position]
      forward[index](ForwardPass(slots: UnsafePointer(addresses[0]), ports: plan.steps[index].forward))
      observer?(StepCall(index, of: plan, isBackward: false))
    }
    if let stop { throw LensError(.cancelled, "stopped before '\(plan.steps[plan.forwardOrder[stop]].name)'") }
  }

  /// The backward calls, after the objectives'.
  func runBackward(interrupt: (() -> Bool)?, observer: ((StepCall) -> Void)?) throws {
    let stop = run(plan.backwardStretches, interrupt) { position, addresses in
      let index = plan.backwardOrder[position], ports = plan.steps[index].backward
      for (slot, count) in plan.cleared[position + 1] { clear(slot, count, addresses) }
      for lane in 0..<plan.request.lanes {
        backward[index](BackwardPass(slots: UnsafePointer(addresses[lane]), ports: ports, lane: lane))
      }
      observer?(StepCall(index, of: plan, isBackward: true))
    }
    if let stop { throw LensError(.cancelled, "stopped on the way back at '\(plan.steps[plan.backwardOrder[stop]].name)'") }
  }

  func clear(_ slot: Int, _ count: Int, _ addresses: Addresses? = nil) {
    for lane in 0..<plan.request.lanes { (addresses ?? own)[lane][slot].update(repeating: 0, count: count) }
  }

  /// Turns the derivative at the objective's layers into their relevance: derivative times value.
  func weighSeeds(_ lane: Int) {
    for step in Set(plan.seeds) {
      guard let slot = plan.gradientSlots[step] else { continue }
      let gradient = slots(lane)[slot], value = slots[plan.valueSlots[step]]
      for i in 0..<plan.steps[step].layout.floatCount(of: plan.steps[step].shape) { gradient[i] *= value[i] }
    }
  }

  /// Copies the results that were not written in place.
  func collect(_ results: [UnsafeMutablePointer<Float>], groups: Int = 1) {
    for (position, step) in (plan.wrt + plan.taps).enumerated() where written[position] == nil {
      let isGradient = position < plan.wrt.count
      let slot = isGradient ? plan.gradientSlots[step]! : plan.valueSlots[step], shape = plan.steps[step].shape
      for lane in 0..<(isGradient ? plan.request.lanes : 1) {
        let source = UnsafePointer(slots(lane)[slot]), result = results[position] + offset(of: position, lane, groups)
        if plan.steps[step].layout == .plain {
          result.update(from: source, count: shape.count)
        } else {
          reorder(source, plan.steps[step].layout, to: result, .plain, shape: shape, accumulates: false)
        }
      }
    }
  }

  /// Whether everything asked for has one entry an image.
  func leads(with count: Int) -> Bool {
    (plan.taps + plan.seeds + plan.wrt).allSatisfy { plan.steps[$0].shape.rank > 0 && plan.steps[$0].shape[0] == count }
  }
}
