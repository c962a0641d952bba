// SPDX-License-Identifier: Apache-2.0
import LensKernels
import LensTensors

/// Every value that a network computes for one image, at addresses that stay when the image changes.
final class BaseValues {
  let prepared: Prepared
  private let inputs: [Tensor]
  private let arena: FloatStorage

  /// - flow: whose plan has one image, or as many as its file fixes.
  init(_ flow: Flow) throws {
    var plan = Plan(request: flow.plan.request)
    plan.steps = flow.plan.steps
    plan.inputs = flow.plan.inputs
    plan.taps = plan.steps.indices.filter { !plan.steps[$0].isAbsorbed }
    var constants: [Int: Tensor] = [:]
    for (index, step) in plan.steps.enumerated() { if let constant = step.source?.op as? Constant { constants[index] = constant.tensor } }
    plan.placeMemory(constants: constants)
    prepared = Prepared(plan)
    inputs = try flow.plan.request.inputs.map { try Tensor(allocating: $0) }
    arena = try FloatStorage(count: plan.arenaCount, uninitialized: true)
    prepared.bind(arena: arena.base, inputs: inputs, results: [])
  }

  func pointer(of step: Int) -> UnsafePointer<Float> { UnsafePointer(prepared.slots[prepared.plan.valueSlots[step]]) }

  func run(_ images: [Tensor], interrupt: (() -> Bool)?) throws {
    for (input, image) in zip(inputs, images) {
      UnsafeMutablePointer(mutating: input.pointer).update(from: image.pointer, count: image.count)
    }
    try prepared.runForward(interrupt: interrupt)
  }
}
