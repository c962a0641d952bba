// SPDX-License-Identifier: Apache-2.0
import LensTensors

extension Plan: CustomStringConvertible {
  /// The plan as a table: each call in order, with where its output lies and what is kept.
  public var description: String {
    func turns(_ stretches: [Stretch]) -> [String] {
      stretches.flatMap { stretch in stretch.positions.map { _ in stretch.turns > 1 ? ", \(stretch.turns) turns" : "" } }
    }
    let forward = zip(forwardOrder, turns(forwardStretches)).map { row(of: steps[$0], output: steps[$0].forward.output) + $1 }
    let backward = zip(backwardOrder, turns(backwardStretches)).map { index, turns in
      row(of: steps[index], output: steps[index].backward.inputGradients.first { $0 >= 0 })
        + (steps[index].gate.map { ", gated by \(steps[$0].name)" } ?? "") + turns
    }
    let kept = slots.filter { $0.place == nil && ($0.role == .value && $0.alive.upperBound > forwardOrder.count || $0.role == .auxiliary) }
    let keptBytes = kept.reduce(0) { $0 + 4 * $1.count }
    return """
      \(request.inputs.map(\.description).joined(separator: ", ")): arena \(4 * arenaCount / 1024) kB, kept for the way back \(keptBytes / 1024) kB
      forward
      \(forward.joined(separator: "\n"))
      backward (\(request.rules))
      \(backward.joined(separator: "\n"))
      """
  }

  private func row(of step: Step, output: Int?) -> String {
    let place = output.map { slot in
      slots[slot].role == .external
        ? "the caller's memory" : "\(slots[slot].offset * 4)..<\((slots[slot].offset + slots[slot].count) * 4), steps \(slots[slot].alive)"
    }
    return "  \(step.name)  \(step.kind)  \(step.shape) \(step.layout)  \(place ?? "-")"
  }
}
