// SPDX-License-Identifier: Apache-2.0
import LensKernels

/// Which steps the way back goes through, and which gradients lie in each other's memory.
///
/// Time is counted in backward steps here: positions in `order`, the objective before them at -1.
struct GradientFlow {
  /// One input of one step.
  struct Port: Equatable {
    var step: Int
    var position: Int
    init(_ step: Int, _ position: Int) { (self.step, self.position) = (step, position) }
  }

  /// Values that the objective's derivative reaches.
  private(set) var isSeeded: [Bool]
  /// Values between the objective and a layer it is asked for.
  private(set) var needsGradient: [Bool]
  /// Steps with a backward call, in running order.
  private(set) var order: [Int] = []
  private(set) var goesBack: [Bool]
  /// What adds to the gradient of each value, in running order.
  private(set) var contributions: [[Port]]
  /// The port whose step's own output gradient is, unmoved, where this gradient begins; nil for one with memory of its own.
  private(set) var lender: [Port?]

  init(_ plan: Plan) {
    let steps = plan.steps
    var needsGradient = [Bool](repeating: false, count: steps.count), isSeeded = needsGradient
    for index in steps.indices {
      needsGradient[index] =
        plan.wrt.contains(index) || (steps[index].stage.backward != nil && steps[index].inputs.contains { needsGradient[$0] })
    }
    for index in plan.seeds { isSeeded[index] = true }
    contributions = [[Port]](repeating: [], count: steps.count)
    goesBack = [Bool](repeating: false, count: steps.count)
    for index in steps.indices.reversed() where isSeeded[index] && steps[index].stage.backward != nil {
      for (position, input) in steps[index].inputs.enumerated() where needsGradient[input] {
        (isSeeded[input], goesBack[index]) = (true, true)
        contributions[input].append(Port(index, position))
      }
      if goesBack[index] { order.append(index) }
    }
    (self.needsGradient, self.isSeeded) = (needsGradient, isSeeded)
    lender = [Port?](repeating: nil, count: steps.count)
  }

  /// Whether anything is left to do for a step that goes back.
  func hasWork(_ step: Plan.Step, _ index: Int) -> Bool {
    step.inputs.enumerated().contains { needsGradient[$1] && lender[$1] != Port(index, $0) }
  }

  /// Lets the gradient of an input be the memory of the output's gradient, where a step only passes it on: a sum, a view,
  /// a clamp whose gates were applied before.
  ///
  /// All gradients in one memory are one number to begin with. Take y = a + b:
  ///
  ///     dy complete | y's step: da = db = dy | b's step reads db | another use of a adds to da | a's step reads da
  ///
  /// dy, da and db may be one memory, because da changes only after db has been read for the last time. So an input
  /// joins if the step is the first to write its gradient, and no gradient of that memory is added to while another
  /// one is alive: from its first number until its own step has run, or for ever if it is a result.
  mutating func share(_ steps: [Plan.Step], wrt: [Int], seeds: [Int]) {
    var position = [Int](repeating: -1, count: steps.count)
    for (time, index) in order.enumerated() { position[index] = time }
    func life(_ index: Int) -> ClosedRange<Int> {
      let birth = seeds.contains(index) ? -1 : contributions[index].first.map { position[$0.step] } ?? -1
      return birth...(wrt.contains(index) ? .max : max(birth, position[index]))
    }
    func isAddedTo(_ index: Int, during life: ClosedRange<Int>, except lender: Port?) -> Bool {
      contributions[index].contains { $0 != lender && life.contains(position[$0.step]) }
    }

    var together: [Int: [Int]] = [:]  // by the one that owns the memory
    var owner = Array(steps.indices)
    for index in order {
      for input in steps[index].stage.passes {
        let value = steps[index].inputs[input], port = Port(index, input)
        guard needsGradient[value], contributions[value].first == port, !seeds.contains(value),
          steps[value].layout.floatCount(of: steps[value].shape) == steps[index].layout.floatCount(of: steps[index].shape)
        else { continue }
        let others = together[owner[index]] ?? [index]
        let isSafe = others.allSatisfy {
          !isAddedTo(value, during: life($0), except: port) && !isAddedTo($0, during: life(value), except: lender[$0])
        }
        guard isSafe else { continue }
        lender[value] = port
        owner[value] = owner[index]
        together[owner[index]] = others + [value]
      }
    }
  }
}
