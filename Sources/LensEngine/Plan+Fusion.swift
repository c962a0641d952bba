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
}

extension Plan {
  /// Lets stages that can end in a sum or a clamp do the work of the steps behind them, where nobody else looks at
  /// what lies between. Only forward calls join; every node keeps its own backward call and its own rule.
  mutating func fuse() {
    var readers = [Int](repeating: 0, count: steps.count)
    for step in steps { for input in step.inputs { readers[input] += 1 } }
    for index in taps + seeds { readers[index] += 1 }

    var endings: [Int: Ending] = [:]  // of the step whose call it is
    for index in steps.indices {
      let step = steps[index]
      if step.stage.ending != nil { endings[index] = Ending() }
      guard let joining = step.stage.joins, !step.stage.keeps.contains(.inputs) else { continue }
      // The later producer ends in the sum: its addend is then ready.
      let candidates = joining.adds ? [1, 0] : [0]
      for position in candidates where step.inputs.count == (joining.adds ? 2 : 1) {
        let source = step.inputs[position]
        guard readers[source] == 1, var ending = endings[source], steps[source].layout == step.layout,
          steps[source].shape == step.shape, !steps[source].stage.keeps.contains(.output),
          !(joining.adds && (ending.adds || ending.upper < .infinity || ending.lower > -.infinity))
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

  /// The forward call of a step that does the work of others before it.
  struct Call: Sendable {
    var producer: Int
    var ending: Ending
    /// Steps whose values it reads.
    var reads: [Int]
  }
}
