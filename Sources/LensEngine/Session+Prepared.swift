// SPDX-License-Identifier: Apache-2.0
import LensKernels
import LensTensors

/// A plan with its table of addresses.
final class Prepared {
  let plan: Plan
  let slots: UnsafeMutablePointer<UnsafeMutablePointer<Float>>
  /// The forward call of each step.
  let forward: [@Sendable (ForwardPass) -> Void]
  /// For each result (gradients, then activations): the slot that is the caller's memory, or nil where it is copied at the end.
  private let written: [Int?]

  init(_ plan: Plan) {
    self.plan = plan
    slots = .allocate(capacity: plan.slots.count + 1)
    forward = plan.steps.map { step in
      step.call.flatMap { call in plan.steps[call.producer].stage.ending?(call.ending) } ?? step.stage.forward
    }
    // A result is written in place if its slot holds nothing else: not an input, a constant or another result.
    var taken = Set<Int>()
    written =
      (plan.wrt.map { (plan.gradientSlots[$0]!, plan.steps[$0].layout) } + plan.taps.map { (plan.valueSlots[$0], plan.steps[$0].layout) })
      .map { slot, layout in
        plan.slots[slot].role != .external && layout == .plain && taken.insert(slot).inserted ? slot : nil
      }
  }

  deinit { slots.deallocate() }

  func bind(arena: UnsafeMutablePointer<Float>, inputs: [Tensor], results: [UnsafeMutablePointer<Float>]) {
    for index in plan.slots.indices { slots[index] = arena + plan.slots[index].offset }
    for (slot, tensor) in plan.constants { slots[slot] = UnsafeMutablePointer(mutating: tensor.pointer) }
    for (index, tensor) in zip(plan.inputs, inputs) { slots[plan.valueSlots[index]] = UnsafeMutablePointer(mutating: tensor.pointer) }
    for (slot, memory) in zip(written, results) { if let slot { slots[slot] = memory } }
  }

  func clear(_ slot: Int) { slots[slot].update(repeating: 0, count: plan.slots[slot].count) }

  /// Copies the results that were not written in place.
  func collect(_ results: [UnsafeMutablePointer<Float>]) {
    for (position, step) in (plan.wrt + plan.taps).enumerated() where written[position] == nil {
      let slot = position < plan.wrt.count ? plan.gradientSlots[step]! : plan.valueSlots[step]
      let shape = plan.steps[step].shape
      if plan.steps[step].layout == .plain {
        results[position].update(from: slots[slot], count: shape.count)
      } else {
        reorder(UnsafePointer(slots[slot]), plan.steps[step].layout, to: results[position], .plain, shape: shape, accumulates: false)
      }
    }
  }

  /// Whether everything asked for has one entry an image.
  func leads(with count: Int) -> Bool {
    (plan.taps + plan.seeds + plan.wrt).allSatisfy { plan.steps[$0].shape.rank > 0 && plan.steps[$0].shape[0] == count }
  }
}
