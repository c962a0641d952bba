// SPDX-License-Identifier: Apache-2.0
import LensTensors

/// What a stage can do to its output before it is written: (x + addend) clamped to lower...upper.
public struct Ending: Sendable, Equatable {
  /// Whether the call's last input is added.
  public var adds = false
  public var lower = -Float.infinity
  public var upper = Float.infinity

  public init(adds: Bool = false, lower: Float = -.infinity, upper: Float = .infinity) {
    (self.adds, self.lower, self.upper) = (adds, lower, upper)
  }

  var clamps: Bool { lower > -.infinity || upper < .infinity }
}

extension Plan {
  /// Lets stages that can end in a sum or a clamp do the work of the steps behind them, where nobody else looks at
  /// what lies between. Only forward calls join; every node keeps its own backward call and its own rule.
  mutating func fuse(_ flow: GradientFlow) {
    /// What the way back reads again of a step.
    func keeps(_ index: Int) -> Kept { flow.goesBack[index] ? steps[index].stage.keeps : [] }
    func writesAuxiliary(_ index: Int) -> Bool { flow.goesBack[index] && steps[index].stage.auxiliaryCount > 0 }
    var readers = [Int](repeating: 0, count: steps.count)
    for step in steps { for input in step.inputs { readers[input] += 1 } }
    for index in taps + seeds { readers[index] += 1 }

    var endings: [Int: Ending] = [:]  // of the step whose call it is
    for index in steps.indices {
      let step = steps[index]
      if step.stage.ending != nil { endings[index] = Ending() }
      guard let joining = step.stage.joins, !keeps(index).contains(.inputs) else { continue }
      // The later producer ends in the sum: its addend is then ready.
      let candidates = joining.adds ? [1, 0] : [0]
      for position in candidates where step.inputs.count == (joining.adds ? 2 : 1) {
        let source = step.inputs[position]
        guard readers[source] == 1, var ending = endings[source], steps[source].layout == step.layout,
          steps[source].shape == step.shape, !keeps(source).contains(.output), !writesAuxiliary(source),
          !(joining.adds && (ending.adds || ending.clamps)), !(writesAuxiliary(index) && ending.clamps)
        else { continue }
        ending.adds = ending.adds || joining.adds
        ending.lower = max(ending.lower, joining.lower)
        ending.upper = min(ending.upper, joining.upper)
        guard ending.lower <= ending.upper else { continue }  // one clamp is not two with nothing in common
        steps[index].call = Call(
          producer: steps[source].call?.producer ?? source, ending: ending,
          reads: (steps[source].call?.reads ?? steps[source].inputs) + (joining.adds ? [step.inputs[1 - position]] : []))
        steps[source].isAbsorbed = true
        endings[index] = ending
        break
      }
    }
  }

  /// Lets the step that completes the gradient of a clamp's output apply the clamp's gates to it; or the gates of several clamps, where
  /// what it reads is they and nothing else, one after the other. The clamps themselves then only pass it on, so nobody may want
  /// to see it as it was.
  mutating func closeGates(_ flow: GradientFlow) {
    for index in flow.order where !wrt.contains(index) {
      let closing = closers(of: index, flow)
      guard !closing.isEmpty, closing.allSatisfy({ steps[$0].stage.closesInputGates && steps[$0].inputs == [index] }) else { continue }
      let clamps = steps[index].stage.isGate ? [index] : clampsJoined(by: index, flow)
      guard !clamps.isEmpty else { continue }
      for step in closing { steps[step].gate = index }
      for clamp in clamps {
        steps[clamp].stage.passGradient(steps[clamp].layout.floatCount(of: steps[clamp].stage.output))
        if let output = steps[clamp].turn?.output { steps[clamp].turn!.passGradient(steps[clamp].layout.floatCount(of: output)) }
      }
    }
  }

  /// The last step to touch every number of a value's gradient, and those behind it that leave gaps: all of them apply the gates, to what
  /// they touch. Empty where there is no such step.
  private func closers(of index: Int, _ flow: GradientFlow) -> [Int] {
    let contributions = flow.contributions[index].map(\.step)
    if let last = contributions.lastIndex(where: { !steps[$0].stage.leavesGaps }) { return Array(contributions[last...]) }
    // The first to write a gradient fills its gaps with zeros.
    return seeds.contains(index) || flow.isThere(index) ? [] : contributions
  }

  /// The inputs of a concatenation, if all are clamps that nothing else goes back through.
  private func clampsJoined(by index: Int, _ flow: GradientFlow) -> [Int] {
    let stage = steps[index].stage, inputs = steps[index].inputs
    guard !stage.parts.isEmpty else { return [] }
    let fits = inputs.enumerated().allSatisfy { position, input in
      steps[input].stage.isGate && flow.contributions[input] == [.init(index, position)] && !wrt.contains(input) && !seeds.contains(input)
        && stage.passes.contains(position) && stage.parts[position] % 32 == 0
    }
    return fits ? inputs : []
  }

  /// The forward call of a step that does the work of others before it.
  struct Call: Sendable {
    var producer: Int
    var ending: Ending
    /// Steps whose values it reads.
    var reads: [Int]
  }
}
