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
  /// The port whose step's own output gradient, or the part of it that is this input, is where this gradient begins, unmoved; nil for one
  /// that begins with what is written or added.
  private(set) var lender: [Port?]
  /// For a concatenation (or view) whose gradient lies over those of its inputs, added to them as it comes: when it comes.
  private(set) var overlaid: [Int?]
  /// In the memory of which value's gradient each lies, and how many floats in.
  private(set) var place: [Place]

  struct Place: Equatable {
    var owner: Int
    var offset: Int
  }

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
    // Those that would fill gaps with zeros wait until others have begun the gradient, and then touch a part of it.
    var waiting: [Int: [Int]] = [:]  // by the value whose gradient it is
    for index in steps.indices.reversed() {
      order += waiting[index] ?? []
      guard isSeeded[index], steps[index].stage.backward != nil else { continue }
      for input in steps[index].inputs where needsGradient[input] { (isSeeded[input], goesBack[index]) = (true, true) }
      guard goesBack[index] else { continue }
      if steps[index].stage.leavesGaps { waiting[steps[index].inputs[0], default: []].append(index) } else { order.append(index) }
    }
    for index in order {
      for (position, input) in steps[index].inputs.enumerated() where needsGradient[input] {
        contributions[input].append(Port(index, position))
      }
    }
    (self.needsGradient, self.isSeeded) = (needsGradient, isSeeded)
    lender = [Port?](repeating: nil, count: steps.count)
    overlaid = [Int?](repeating: nil, count: steps.count)
    place = steps.indices.map { Place(owner: $0, offset: 0) }
  }

  /// Whether anything is left to do for a step that goes back.
  func hasWork(_ step: Plan.Step, _ index: Int) -> Bool {
    step.inputs.enumerated().contains { isMoved(to: $1, by: Port(index, $0)) }
  }

  /// Whether the step has to write or add what it gives to the gradient of a value.
  func isMoved(to value: Int, by port: Port) -> Bool {
    needsGradient[value] && lender[value] != port && overlaid[port.step] == nil
  }

  /// Whether a gradient begins with what is in its memory already.
  func isThere(_ value: Int) -> Bool { lender[value] != nil || overlaid[value] != nil }

  /// Lets the gradient of an input be the memory of the output's gradient, or a part of it, where a step only passes it on: a sum, a view,
  /// a concatenation, a clamp whose gates were applied before.
  ///
  /// All gradients in one memory are one number to begin with. Take y = a + b:
  ///
  ///     dy complete | y's step: da = db = dy | b's step reads db | another use of a adds to da | a's step reads da
  ///
  /// dy, da and db may be one memory, because da changes only after db has been read for the last time. So an input
  /// joins if the step is the first to write its gradient, and no gradient that has floats in common with it is added to while another
  /// one is alive: from its first number until its own step has run, or for ever if it is a result.
  mutating func share(_ steps: [Plan.Step], wrt: [Int], seeds: [Int]) {
    var position = [Int](repeating: -1, count: steps.count)
    for (time, index) in order.enumerated() { position[index] = time }
    func life(_ index: Int) -> ClosedRange<Int> {
      let birth = seeds.contains(index) ? -1 : contributions[index].first.map { position[$0.step] } ?? -1
      return birth...(wrt.contains(index) ? .max : max(birth, position[index]))
    }
    /// From when what it gives is in memory until it counts.
    func arrival(_ port: Port) -> ClosedRange<Int> { (overlaid[port.step] ?? position[port.step])...position[port.step] }
    func isAddedTo(_ index: Int, during life: ClosedRange<Int>, except lender: Port?) -> Bool {
      contributions[index].contains { $0 != lender && life.overlaps(arrival($0)) }
    }
    func count(_ index: Int) -> Int { steps[index].layout.floatCount(of: steps[index].shape) }

    var together: [Int: [Int]] = [:]  // by the one that owns the memory
    func neighbours(_ place: Place, _ count: Int) -> [Int] {
      (together[place.owner] ?? [place.owner]).filter {
        let start = self.place[$0].offset, length = steps[$0].layout.floatCount(of: steps[$0].shape)
        return start < place.offset + count && place.offset < start + length
      }
    }
    func join(_ value: Int, _ place: Place) {
      together[place.owner, default: [place.owner]].append(value)
      self.place[value] = place
    }

    /// A concatenation that a longer one begins with (DenseNet) finds the gradients of its inputs side by side when its own comes. If that
    /// comes all at once, it is added to them right there, before its turn: nobody may look at them, or add to them, until then.
    func overlay(_ value: Int, at time: Int) {
      let stage = steps[value].stage, inputs = steps[value].inputs, parts = inputs.count == 1 ? [0] : stage.parts
      guard !parts.isEmpty, stage.passes.count == inputs.count, !seeds.contains(value), !wrt.contains(value),
        inputs.reduce(0, { $0 + count($1) }) == count(value)
      else { return }
      let first = place[inputs[0]], wait = time...position[value]
      guard
        zip(inputs, parts).allSatisfy({ input, part in
          place[input] == Place(owner: first.owner, offset: first.offset + part) && lender[input] != nil
            && !contributions[input].contains { $0.step != value && arrival($0).overlaps(wait) }
        }), neighbours(first, count(value)).allSatisfy({ inputs.contains($0) || !wait.overlaps(life($0)) })
      else { return }
      overlaid[value] = time
      join(value, first)
    }

    for index in order {
      let stage = steps[index].stage
      for input in stage.passes {
        let value = steps[index].inputs[input], port = Port(index, input)
        guard needsGradient[value], contributions[value].first == port, !seeds.contains(value),
          !stage.parts.isEmpty || count(value) == count(index)
        else { continue }
        let there = Place(owner: place[index].owner, offset: place[index].offset + (stage.parts.isEmpty ? 0 : stage.parts[input]))
        // Results have memory of their own, which may be the caller's.
        if wrt.contains(value), count(value) < count(there.owner) { continue }
        let isSafe = neighbours(there, count(value)).allSatisfy {
          !isAddedTo(value, during: life($0), except: port) && !isAddedTo($0, during: life(value), except: lender[$0])
        }
        guard isSafe else { continue }
        lender[value] = port
        join(value, there)
      }
      for (input, value) in steps[index].inputs.enumerated()
      where stage.addsOnce && steps[index].gate == nil && contributions[value] == [Port(index, input)] && lender[value] == nil {
        overlay(value, at: position[index])
      }
    }
  }
}
