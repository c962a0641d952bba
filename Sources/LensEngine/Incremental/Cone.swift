// SPDX-License-Identifier: Apache-2.0
import LensTensors

/// Which rows (or which columns) of every value a change of some rows of the input reaches.
struct Cone {
  enum Axis: Int, CaseIterable { case vertical, horizontal }

  /// For each step; empty where the value is no picture.
  let ranges: [Range<Int>]

  /// - direct: nodes that compute every output by itself, beside those that the flow's plan knows of.
  init(_ flow: Flow, _ axis: Axis, from range: Range<Int>, direct: Set<Int> = []) {
    var ranges = [Range<Int>](repeating: 0..<0, count: flow.plan.steps.count)
    ranges[flow.plan.inputs[0]] = range
    for unit in flow.units {
      guard let locality = unit.locality else { continue }
      let taps = axis == .vertical ? locality.vertical : locality.horizontal
      let length = flow.length(of: unit.step, axis)
      let tile = flow.node(of: unit).map(direct.contains) == true ? 1 : locality.tile
      var reached: Range<Int>?
      for (position, read) in unit.reads.enumerated() where flow.isChanged[read] {
        let own = ranges[read]
        let part = flow.looksThroughWindow(unit, position) ? taps.reached(from: own, of: length, tile: tile) : own
        reached = reached.map { min($0.lowerBound, part.lowerBound)..<max($0.upperBound, part.upperBound) } ?? part
      }
      ranges[unit.step] = reached ?? 0..<1
    }
    self.ranges = ranges
  }

  /// How much there is to compute if the other axis is as long.
  func cost(_ flow: Flow) -> Double { flow.units.reduce(0) { $0 + $1.weight * Double(ranges[$1.step].count * ranges[$1.step].count) } }
}

extension Flow {
  /// Height or width of a picture.
  func length(of step: Int, _ axis: Cone.Axis) -> Int {
    let shape = plan.steps[step].shape
    return shape[shape.rank - 2 + axis.rawValue]
  }
}

/// The cones of many changes, along both axes, and the order in which changes of similar extent are neighbours.
struct Cones {
  private(set) var vertical: [Cone] = []
  private(set) var horizontal: [Cone] = []
  /// For each change, its cones.
  private(set) var rows: [Int] = []
  private(set) var columns: [Int] = []
  /// The changes, those with cones of similar sizes next to each other, so that a batch of them has little to round up.
  private(set) var order: [Int] = []

  init(_ flow: Flow, _ regions: [Region]) {
    func cones(_ ranges: [Range<Int>], _ axis: Cone.Axis) -> (cones: [Cone], indices: [Int], ranks: [Int]) {
      var known: [Range<Int>: Int] = [:], cones: [Cone] = []
      let indices = ranges.map { range in
        if let index = known[range] { return index }
        cones.append(Cone(flow, axis, from: range))
        known[range] = cones.count - 1
        return cones.count - 1
      }
      let sizes = cones.map { $0.ranges.map(\.count) }, costs = cones.map { $0.cost(flow) }
      let sorted = cones.indices.sorted { (costs[$0], $0) < (costs[$1], $1) }
      // Equal sizes have equal ranks.
      var ranks = [Int](repeating: 0, count: cones.count), rank = 0
      for (previous, next) in zip(sorted, sorted.dropFirst()) {
        if sizes[previous] != sizes[next] { rank += 1 }
        ranks[next] = rank
      }
      return (cones, indices, ranks)
    }
    let tall = cones(regions.map(\.rows), .vertical), wide = cones(regions.map(\.columns), .horizontal)
    (vertical, rows, horizontal, columns) = (tall.cones, tall.indices, wide.cones, wide.indices)
    let keys = regions.indices.map { interleaved(tall.ranks[tall.indices[$0]], wide.ranks[wide.indices[$0]]) }
    order = regions.indices.sorted { (keys[$0], $0) < (keys[$1], $1) }
  }
}

/// Morton's order: squares of the plane before their neighbours.
private func interleaved(_ a: Int, _ b: Int) -> Int {
  (0..<31).reduce(0) { $0 | (a >> $1 & 1) << (2 * $1 + 1) | (b >> $1 & 1) << (2 * $1) }
}
