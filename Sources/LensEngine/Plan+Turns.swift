// SPDX-License-Identifier: Apache-2.0
import LensKernels
import LensTensors

/// Steps in running order. Those that can take turns: each thread takes some images through all of them, then the next ones.
///
///     at once     conv 1 2 3 4 | pool 1 2 3 4 | conv 1 2 3 4             each value goes to far memory and comes back
///     in turns    conv 1, pool 1, conv 1, conv 2, pool 2, conv 2         on one thread, what one wrote is near for the next to read,
///                 conv 3, pool 3, conv 3, conv 4, pool 4, conv 4         on another, and neither waits for the other at every step
///
/// Values that nobody reads outside the stretch have memory for one turn of each thread.
struct Stretch: Sendable {
  /// In the forward or in the backward order.
  var positions: Range<Int>
  var turns = 1
  /// Slots that hold all images, and how many floats further each turn finds its own.
  var moves: [(slot: Int, floats: Int)] = []
  /// Slots that hold a turn's images, in memory of which each thread has a copy.
  var own: [Int] = []
  /// The slot that is this memory.
  var memory = 0
}

/// Which steps take turns.
package enum Turns: Sendable {
  case never, whereFaster
  /// All that can, with so many images.
  case wherePossible(images: Int)
}

extension Lowering {
  /// Floats that a turn should move at least, lest calls take longer than what they do.
  private static let leastTraffic = 1 << 16

  /// Prepares for turns what is done faster so: where images are large and weights few, as these come anew for each turn.
  mutating func prepare(_ turns: Turns) {
    guard let n = graph.inputs.first.map({ graph.nodes[$0].shape }).flatMap({ $0.rank > 0 ? $0[0] : nil }), n > 1 else { return }
    /// Floats that a step moves for one image.
    let traffic = steps.map { step in
      (step.inputs.reduce(0) { $0 + (constants[$1] == nil ? steps[$1].shape.count : 0) } + step.shape.count) / n
    }
    let most = traffic.max() ?? 0, threads = min(Threads.count, Threads.available)
    switch turns {
    case .never: return
    case .wherePossible(let images): turnImages = images
    case .whereFaster: turnImages = (1...n).first { n % $0 == 0 && $0 * most >= Lowering.leastTraffic } ?? n
    }
    guard n % turnImages == 0, turnImages < n else { return }
    for index in steps.indices where !steps[index].inputs.isEmpty && !steps[index].stage.isView {
      if case .whereFaster = turns {
        // No thread should be long without work at the end.
        let rounds = (n / turnImages + threads - 1) / threads
        guard 8 * rounds * threads * turnImages <= 9 * n, turnImages * traffic[index] > steps[index].source?.op.parameterCount ?? 0
        else { continue }
      }
      steps[index].turn = Threads.$most.withValue(1) { turn(of: steps[index], from: n, to: turnImages) }
    }
  }

  /// The step's stage for fewer images; nil where one image may depend on another.
  private func turn(of step: Plan.Step, from n: Int, to images: Int) -> Stage? {
    func isBatch(_ shape: Shape) -> Bool { shape.rank >= 3 && shape[0] == n }
    let shapes = step.inputs.map { steps[$0].shape }
    guard isBatch(step.shape), zip(step.inputs, shapes).allSatisfy({ constants[$0] != nil || isBatch($1) }) else { return nil }
    let fewer = zip(step.inputs, shapes).map { constants[$0] == nil ? $1.with(0, images) : $1 }
    let stage: Stage?
    if let source = step.source {
      guard source.op.locality(for: shapes) != nil else { return nil }
      stage = try? self.stage(source.op, of: graph.nodes[source.node], fewer, source.layouts)
    } else {
      stage = .rearranging(fewer[0], from: steps[step.inputs[0]].layout, to: step.layout)
    }
    guard let stage, stage.output == step.shape.with(0, images), stage.scratchCount == 0 || step.stage.scratchCount > 0,
      stage.auxiliaryCount == 0 || stage.auxiliaryCount * (n / images) == step.stage.auxiliaryCount && step.hasWholeBits(for: stage.output)
    else { return nil }
    return stage
  }
}

extension Plan.Step {
  /// Whether a bit for each number of a turn's output ends where a float does, so that the next turn's bits begin with one.
  fileprivate func hasWholeBits(for turn: Shape) -> Bool { layout.floatCount(of: turn) % 32 == 0 }
}

extension Plan {
  /// Threads that take turns: more than there are cores would keep more images near than there is room for.
  var turnThreads: Int { min(request.threads, Threads.available) }

  /// The stage whose calls a step makes in turns: its own, or forward that of the step whose work it ends. Nil: all images at once.
  private func turn(_ index: Int, isForward: Bool) -> Stage? {
    guard let own = steps[index].turn else { return nil }
    if isForward { return steps[index].call.map { steps[$0.producer].turn } ?? own }
    if let gate = steps[index].gate, !steps[gate].hasWholeBits(for: steps[gate].shape.with(0, turnImages)) { return nil }
    return own
  }

  /// Cuts both orders into stretches. A single step between others gains nothing by turns.
  mutating func cutIntoStretches() {
    let constant = Set(constants.map(\.slot)), hosts = Set(slots.compactMap { $0.place?.host })
    for isForward in [true, false] {
      let order = isForward ? forwardOrder : backwardOrder
      let stages = order.map { turn($0, isForward: isForward) }
      var stretches: [Stretch] = [], start = 0
      while start < order.count {
        let inTurns = stages[start] != nil
        let end = stages[start...].firstIndex { ($0 != nil) != inTurns } ?? order.count
        var stretch = Stretch(positions: start..<end)
        if inTurns, end - start > 1 {
          stretch.turns = request.inputs[0].n / turnImages
          let ports = stretch.positions.map { isForward ? steps[order[$0]].forward : steps[order[$0]].backward }
          let time = start + (isForward ? 0 : forwardOrder.count + 1), times = time...time + end - start - 1
          settle(&stretch, ports, times, except: constant, hosts)
          for (position, ports) in zip(stretch.positions, ports) {
            if slots[ports.scratch].role == .scratch {
              slots[ports.scratch].count = stages[position]!.scratchCount
              stretch.own.append(ports.scratch)
            }
            if !isForward { for entry in cleared[position + 1].indices { cleared[position + 1][entry].count /= stretch.turns } }
          }
          let count = pack(stretch.own) { $0.laneStep }
          stretch.memory = addSlot("turns", .scratch, count, alive: times)
          (slots[stretch.memory].lanes, slots[stretch.memory].copies) = (isForward ? 1 : request.lanes, turnThreads)
          for slot in stretch.own { slots[slot].place = (stretch.memory, slots[slot].offset) }
        }
        stretches.append(stretch)
        start = end
      }
      if isForward { forwardStretches = stretches } else { backwardStretches = stretches }
    }
  }

  /// Slots that are of no use outside the stretch become as small as a turn; the others stay for all of it.
  private mutating func settle(
    _ stretch: inout Stretch, _ ports: [Ports], _ times: ClosedRange<Int>, except constant: Set<Int>, _ hosts: Set<Int>
  ) {
    let used = Set(ports.flatMap { $0.inputs + $0.inputGradients + [$0.output, $0.outputGradient, $0.auxiliary, $0.inputGates] })
    for slot in used.sorted() where slot >= 0 && !constant.contains(slot) && slots[slot].alive.overlaps(times) {
      let alive = slots[slot].alive
      if alive.clamped(to: times) == alive, slots[slot].role != .external, slots[slot].place == nil, !hosts.contains(slot) {
        slots[slot].count /= stretch.turns
        stretch.own.append(slot)
      } else {
        slots[slot].alive = min(alive.lowerBound, times.lowerBound)...max(alive.upperBound, times.upperBound)
        stretch.moves.append((slot, slots[slot].count / stretch.turns))
      }
    }
  }
}
