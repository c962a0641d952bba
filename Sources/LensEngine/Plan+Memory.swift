// SPDX-License-Identifier: Apache-2.0
import LensKernels
import LensTensors

extension Plan {
  /// Decides what runs when, what must be kept for how long, and where it lies.
  mutating func placeMemory(_ flow: GradientFlow? = nil, constants tensors: [Int: Tensor], shares: Bool = true) {
    let flow = flow ?? GradientFlow(self)
    forwardOrder = steps.indices.filter { !steps[$0].inputs.isEmpty && !steps[$0].stage.isView && !steps[$0].isAbsorbed }
    backwardOrder = flow.order.filter { flow.hasWork(steps[$0], $0) }
    cleared = [[(slot: Int, count: Int)]](repeating: [], count: backwardOrder.count + 1)

    placeValues(constants: tensors)
    if shares {
      joinParts()
      shareInPlace()
    }
    placeGradients(flow)
    placeAuxiliaries()
    cutIntoStretches()
    assignOffsets()
  }

  private var objectiveTime: Int { forwardOrder.count }
  private var endTime: Int { forwardOrder.count + backwardOrder.count + 1 }

  mutating func addSlot(_ node: String, _ role: Slot.Role, _ count: Int, alive: ClosedRange<Int>) -> Int {
    slots.append(Slot(node: node, role: role, count: count, lanes: role == .gradient ? request.lanes : 1, alive: alive))
    return slots.count - 1
  }

  /// Makes a slot hold at a time. One that nothing has used is alive at the end only.
  private mutating func extend(_ slot: Int, to time: Int) {
    let alive = slots[slot].alive
    slots[slot].alive = alive.lowerBound == endTime ? time...time : min(alive.lowerBound, time)...max(alive.upperBound, time)
  }

  private mutating func placeValues(constants tensors: [Int: Tensor]) {
    valueSlots = [Int](repeating: -1, count: steps.count)
    let time = Dictionary(uniqueKeysWithValues: forwardOrder.enumerated().map { ($1, $0) })
    let backwardTime = Dictionary(uniqueKeysWithValues: backwardOrder.enumerated().map { ($1, objectiveTime + 1 + $0) })
    for index in steps.indices {
      let step = steps[index]
      if step.stage.isView {
        valueSlots[index] = valueSlots[step.inputs[0]]
      } else {
        let isExternal = step.inputs.isEmpty || step.isAbsorbed
        let start = time[index] ?? 0
        valueSlots[index] = addSlot(
          step.name, isExternal ? .external : .value, step.layout.floatCount(of: step.shape), alive: start...start)
        if let tensor = tensors[index] { constants.append((valueSlots[index], tensor)) }
      }
      let reads = step.call?.reads ?? step.inputs
      steps[index].forward.inputs = reads.map { valueSlots[$0] }
      steps[index].forward.output = valueSlots[index]
      if let now = time[index] { for input in reads { extend(valueSlots[input], to: now) } }
      if let later = backwardTime[index] {
        if step.stage.keeps.contains(.inputs) { for input in step.inputs { extend(valueSlots[input], to: later) } }
        if step.stage.keeps.contains(.output) { extend(valueSlots[index], to: later) }
      }
    }
    for index in seeds { extend(valueSlots[index], to: objectiveTime) }
    for index in taps { extend(valueSlots[index], to: endTime) }
  }

  /// Where a slot's floats are: in which slot with memory of its own, and how many floats in.
  private func place(of slot: Int) -> (host: Int, offset: Int) { slots[slot].place ?? (slot, 0) }

  /// Lets values be written where a concatenation is to have them.
  ///
  /// From last to first: where each begins like the next one (DenseNet), the last has all the values, and the others find
  /// theirs side by side. Results stay in memory of their own, which may be the caller's.
  private mutating func joinParts() {
    let results = Set(taps.map { valueSlots[$0] })
    for index in forwardOrder.reversed() where !steps[index].stage.parts.isEmpty {
      let inputs = steps[index].forward.inputs, parts = steps[index].stage.parts, output = steps[index].forward.output
      let first = place(of: inputs[0])
      if slots[output].place == nil, !results.contains(output),
        zip(inputs, parts).allSatisfy({ place(of: $0) == (first.host, first.offset + $1) })
      {
        slots[output].place = first
        continue
      }
      let whole = place(of: output)
      for (position, input) in inputs.enumerated()
      where slots[input].role == .value && slots[input].place == nil && !results.contains(input) && input != whole.host {
        let step = steps[steps[index].inputs[position]]
        guard slots[input].count == step.layout.floatCount(of: step.shape) else { continue }
        slots[input].place = (whole.host, whole.offset + parts[position])
      }
    }
  }

  /// Whether what is in a slot's memory is of use to another slot at a time or later.
  private func isShared(_ slot: Int, at time: Int) -> Bool {
    let own = place(of: slot)
    return slots.indices.contains { other in
      let place = place(of: other)
      return other != slot && place.host == own.host && slots[other].alive.upperBound >= time
        && place.offset < own.offset + slots[slot].count && own.offset < place.offset + slots[other].count
    }
  }

  /// Lets element-wise stages write over an input that nobody reads again.
  private mutating func shareInPlace() {
    for (time, index) in forwardOrder.enumerated() where steps[index].stage.runsInPlace && steps[index].call == nil {
      let source = steps[index].forward.inputs[0], target = steps[index].forward.output
      guard slots[source].role == .value, slots[source].alive.upperBound == time, slots[source].count == slots[target].count,
        !isShared(source, at: time)
      else { continue }
      if let place = slots[target].place {
        guard slots[source].place == nil, !slots.contains(where: { $0.place?.host == source }) else { continue }
        (slots[source].place, slots[target].place) = (place, nil)
      }
      extend(source, to: slots[target].alive.upperBound)
      slots[target].role = .external  // nobody refers to it any more
      for other in steps.indices {
        if valueSlots[other] == target { valueSlots[other] = source }
        if steps[other].forward.output == target { steps[other].forward.output = source }
        for i in steps[other].forward.inputs.indices where steps[other].forward.inputs[i] == target {
          steps[other].forward.inputs[i] = source
        }
      }
    }
  }

  private mutating func placeGradients(_ flow: GradientFlow) {
    gradientSlots = [Int?](repeating: nil, count: steps.count)
    for index in steps.indices.reversed() where flow.isSeeded[index] || wrt.contains(index) {
      let count = steps[index].layout.floatCount(of: steps[index].shape), place = flow.place[index]
      let host = place.owner == index ? nil : gradientSlots[place.owner]!
      if let host, place.offset == 0, slots[host].count == count {
        gradientSlots[index] = host
      } else {
        let slot = addSlot(steps[index].name, .gradient, count, alive: endTime...endTime)
        slots[slot].place = host.map { ($0, place.offset) }
        gradientSlots[index] = slot
      }
    }
    var isWritten = steps.indices.map { flow.isThere($0) }
    for index in seeds where !isWritten[index] {
      cleared[0].append((gradientSlots[index]!, slots[gradientSlots[index]!].count))
      isWritten[index] = true
      extend(gradientSlots[index]!, to: objectiveTime)
    }
    for (position, index) in backwardOrder.enumerated() {
      let time = objectiveTime + 1 + position
      var ports = Ports(inputs: steps[index].inputs.map { valueSlots[$0] }, output: valueSlots[index])
      ports.outputGradient = gradientSlots[index]!
      extend(ports.outputGradient, to: time)
      for (position, input) in steps[index].inputs.enumerated() {
        guard flow.isMoved(to: input, by: .init(index, position)), let slot = gradientSlots[input] else {
          ports.inputGradients.append(-1)
          ports.accumulates.append(true)
          continue
        }
        if !isWritten[input], !steps[index].stage.overwrites { cleared[time - objectiveTime].append((slot, slots[slot].count)) }
        ports.inputGradients.append(slot)
        ports.accumulates.append(isWritten[input] || !steps[index].stage.overwrites)
        isWritten[input] = true
        extend(slot, to: time)
      }
      steps[index].backward = ports
    }
    for index in wrt {
      let slot = gradientSlots[index]!
      if !isWritten[index] {
        cleared[0].append((slot, slots[slot].count))
        extend(slot, to: objectiveTime)
      }
      isWritten[index] = true
      extend(slot, to: endTime)
    }
  }

  private mutating func placeAuxiliaries() {
    let backwardTime = Dictionary(uniqueKeysWithValues: backwardOrder.enumerated().map { ($1, objectiveTime + 1 + $0) })
    // By the clamp, or the concatenation of clamps, who applies its gates.
    var gating = Dictionary(grouping: backwardOrder.filter { steps[$0].gate != nil }) { steps[$0].gate! }
    var places: [Int: (host: Int, offset: Int)] = [:]
    for (gate, readers) in gating.sorted(by: { $0.key > $1.key }) where !steps[gate].stage.isGate {
      // The bits of a concatenation of clamps are theirs, one after the other.
      let step = steps[gate], parts = step.stage.parts
      let count = (step.layout.floatCount(of: step.shape) + 31) / 32, times = readers.map { backwardTime[$0]! }
      let slot = addSlot(step.name, .auxiliary, count, alive: times.min()!...times.max()!)
      for reader in readers { steps[reader].backward.inputGates = slot }
      for (input, part) in zip(step.inputs, parts) { (gating[input], places[input]) = (readers, (slot, part / 32)) }
    }
    for (time, index) in forwardOrder.enumerated() {
      let stage = steps[index].stage, name = steps[index].name
      if stage.auxiliaryCount > 0, let last = (gating[index] ?? [index]).compactMap({ backwardTime[$0] }).max() {
        let slot = addSlot(name, .auxiliary, stage.auxiliaryCount, alive: time...last)
        steps[index].forward.auxiliary = slot
        steps[index].backward.auxiliary = slot
        slots[slot].place = places[index]
        if places[index] == nil { for reader in gating[index] ?? [] { steps[reader].backward.inputGates = slot } }
      }
      let scratchCount = steps[steps[index].call?.producer ?? index].stage.scratchCount
      if scratchCount > 0 { steps[index].forward.scratch = addSlot(name, .scratch, scratchCount, alive: time...time) }
    }
    for (position, index) in backwardOrder.enumerated() where steps[index].stage.scratchCount > 0 {
      let time = objectiveTime + 1 + position
      steps[index].backward.scratch = addSlot(steps[index].name, .scratch, steps[index].stage.scratchCount, alive: time...time)
    }
  }

  /// Those that lie in another's memory keep it alive and go with it.
  private mutating func assignOffsets() {
    let guests = slots.indices.filter { slots[$0].place != nil }
    for guest in guests where slots[guest].alive.lowerBound < endTime {
      extend(slots[guest].place!.host, to: slots[guest].alive.lowerBound)
      extend(slots[guest].place!.host, to: slots[guest].alive.upperBound)
    }
    arenaCount = pack(slots.indices.filter { slots[$0].role != .external && slots[$0].place == nil }) { $0.extent }
    for guest in guests { slots[guest].offset = slots[slots[guest].place!.host].offset + slots[guest].place!.offset }
  }

  /// Largest first, each at the lowest address where no slot alive at the same time lies.
  /// - Returns: the floats that all of them take.
  mutating func pack(_ indices: [Int], _ count: (Slot) -> Int) -> Int {
    var placed: [Int] = [], end = 0  // by offset
    for index in indices.sorted(by: { count(slots[$0]) > count(slots[$1]) }) {
      var offset = 0
      for other in placed where slots[other].alive.overlaps(slots[index].alive) {
        if slots[other].offset >= offset + count(slots[index]) { break }
        offset = max(offset, slots[other].offset + count(slots[other]))
      }
      slots[index].offset = offset
      end = max(end, offset + count(slots[index]))
      placed.insert(index, at: placed.firstIndex { slots[$0].offset > offset } ?? placed.count)
    }
    return end
  }
}

extension Plan.Slot {
  /// Floats of one lane in whole cache lines, one to spare, so that no two slots meet in one.
  var laneStep: Int { (count + 31) / 16 * 16 }
  /// Floats of all lanes.
  var copyStep: Int { lanes * laneStep }
  /// Floats of the arena.
  var extent: Int { copies * copyStep }
}
