// SPDX-License-Identifier: Apache-2.0
import LensTensors

/// What a change of a network's first input reaches, step by step: the part of a plan that depends on no particular change.
struct Flow {
  /// A forward call of the base plan that a change reaches.
  struct Unit {
    /// The step whose value it writes, and the one whose operator it runs, with the ending that was fused behind it.
    var step: Int
    var producer: Int
    var ending: Ending?
    /// Steps whose values it reads; the ending's addend comes last.
    var reads: [Int]
    /// How it is computed on part of the picture; nil if it is not.
    var locality: Locality?
    /// Multiplications for each pixel of its output, and something for every float it touches.
    var weight: Double
  }

  let plan: Plan
  private(set) var units: [Unit] = []
  /// For each step: its value depends on the first input.
  private(set) var isChanged: [Bool]
  /// For each step: its value is a picture that corresponds to the input's, so that a region makes sense.
  private(set) var isPicture: [Bool]

  init(_ plan: Plan) {
    self.plan = plan
    isChanged = [Bool](repeating: false, count: plan.steps.count)
    isPicture = isChanged
    let input = plan.inputs[0]
    isChanged[input] = true
    isPicture[input] = plan.steps[input].shape.rank == 4
    for index in plan.steps.indices where !plan.steps[index].inputs.isEmpty && !plan.steps[index].isAbsorbed { add(index) }
  }

  private mutating func add(_ index: Int) {
    let step = plan.steps[index], reads = step.call?.reads ?? step.inputs
    isChanged[index] = reads.contains { isChanged[$0] }
    guard isChanged[index] else { return }
    let producer = step.call?.producer ?? index
    var unit = Unit(step: index, producer: producer, ending: step.call?.ending, reads: reads, locality: nil, weight: 0)
    let shapes = plan.steps[producer].inputs.map { plan.steps[$0].shape }
    if let locality = plan.steps[producer].source.map({ $0.op.locality(for: shapes) }) ?? .own(Identity()), step.shape.rank >= 3 {
      unit.locality = locality
      isPicture[index] = reads.indices.allSatisfy { fits(unit, $0, step.shape) }
      if !isPicture[index] { unit.locality = nil }
    }
    let area = Double(max(1, step.shape.count / max(1, step.shape.dimensions.prefix(step.shape.rank - 2).reduce(1, *))))
    unit.weight = (Double(plan.steps[producer].multiplyAdds) + 16 * Double(step.shape.count)) / area
    units.append(unit)
  }

  /// The graph's node that a unit computes.
  func node(of unit: Unit) -> Int? { plan.steps[unit.producer].source?.node }

  var multiplyAdds: Int { units.reduce(0) { $0 + plan.steps[$1.producer].multiplyAdds } }

  /// Whether a crop of what is read, or all of it, is what the operator needs for a crop of its output.
  private func fits(_ unit: Unit, _ position: Int, _ output: Shape) -> Bool {
    let read = unit.reads[position], shape = plan.steps[read].shape
    if isSpread(unit, position) { return true }
    guard shape.rank >= 3, shape[0] == 1, output[0] == 1, isPicture[read] || !isChanged[read] else { return false }
    if looksThroughWindow(unit, position) { return true }
    return shape.dimensions.suffix(2) == output.dimensions.suffix(2) && (unit.reads.count == 1 || shape.rank == output.rank)
  }

  /// An unchanged value with one number for the whole of each map: every crop reads all of it.
  func isSpread(_ unit: Unit, _ position: Int) -> Bool {
    let read = unit.reads[position]
    return !isChanged[read] && unit.locality?.broadcasts == true && !isAddend(unit, position)
      && plan.steps[read].shape.dimensions.suffix(2).allSatisfy { $0 == 1 }
  }

  /// False where the pixels wanted of what is read are those of the output.
  func looksThroughWindow(_ unit: Unit, _ position: Int) -> Bool { !(unit.locality?.isOwn ?? true) && !isAddend(unit, position) }

  private func isAddend(_ unit: Unit, _ position: Int) -> Bool { unit.ending?.adds == true && position == unit.reads.count - 1 }
}
