// SPDX-License-Identifier: Apache-2.0
import LensKernels
import LensTensors

/// A plan with its tables of addresses: one for each lane of gradients; everything else is the same in all of them.
final class Prepared {
  let plan: Plan
  /// Of the first lane.
  let slots: UnsafeMutablePointer<UnsafeMutablePointer<Float>>
  private var tableCount: Int { plan.slots.count + 1 }
  func slots(_ lane: Int) -> UnsafeMutablePointer<UnsafeMutablePointer<Float>> { slots + lane * tableCount }
  /// The forward call of each step.
  let forward: [@Sendable (ForwardPass) -> Void]
  /// For each result (gradients, then activations): the slot that is the caller's memory, or nil where it is copied at the end.
  private let written: [Int?]
  /// Slots in the memory of others.
  private let guests: [(slot: Int, host: Int, offset: Int)]

  init(_ plan: Plan) {
    self.plan = plan
    slots = .allocate(capacity: (plan.slots.count + 1) * plan.request.lanes)
    forward = plan.steps.map { step in
      step.call.flatMap { call in plan.steps[call.producer].stage.ending?(call.ending) } ?? step.stage.forward
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

  deinit { slots.deallocate() }

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

  func clear(_ slot: Int) {
    for lane in 0..<plan.request.lanes { slots(lane)[slot].update(repeating: 0, count: plan.slots[slot].count) }
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
