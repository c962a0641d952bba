// SPDX-License-Identifier: Apache-2.0
import LensKernels

/// target[j0, j1, ...] = the sum of source[o0 + o1 + ...] over the products of the lists at j0, j1, ...
///
/// The innermost axes that lie alike in both are one stretch of floats; the axis above them is a table of runs;
/// the axes above that are rows, which are shared out to the threads.
final class Walk: @unchecked Sendable {
  struct Axis {
    var count: Int
    /// Floats between neighbours in the target.
    var stride: Int
    /// Floats between neighbours in the source, where there are no lists.
    var sourceStride: Int
    /// Offsets into the source for every index. Nil: index · sourceStride.
    var lists: Lists<Int>?
  }

  /// `count` stretches of `length` floats, evenly spaced on both sides.
  private struct Run {
    var target: Int
    var source: Int
    var targetStep = 0
    var sourceStep = 0
    var count = 1
    var length: Int
  }

  private struct Level {
    let starts: UnsafePointer<Int>?
    let offsets: UnsafePointer<Int>?
    let sourceStride: Int
    /// Rows under one index.
    let below: Int
  }

  private let levels: Table<Level>
  private let runs: Table<Run>
  private let owned: [Table<Int>]
  private let rowCount: Int
  private let rowLength: Int
  /// No list has two entries; no list has none.
  private let isSingle: Bool
  private let isComplete: Bool
  private let fill: Float

  init(_ axes: [Axis], fill: Float) {
    var axes = axes.sorted { $0.stride > $1.stride }
    var stretch = 1
    while let last = axes.last, last.lists == nil, last.stride == stretch, last.sourceStride == stretch {
      stretch *= last.count
      axes.removeLast()
    }
    isSingle = axes.compactMap(\.lists).allSatisfy { lists in (0..<lists.count).allSatisfy { lists[$0].count < 2 } }
    isComplete = axes.compactMap(\.lists).allSatisfy { lists in (0..<lists.count).allSatisfy { !lists[$0].isEmpty } }
    self.fill = fill

    // A long stretch is a row of its own.
    let inner = stretch >= 256 ? nil : axes.popLast()
    runs = Table(Walk.runs(inner ?? Axis(count: 1, stride: stretch, sourceStride: 0), stretch))
    rowLength = stretch * (inner?.count ?? 1)

    var below = 1
    var owned: [Table<Int>] = [], levels: [Level] = []
    for axis in axes.reversed() {
      let tables = axis.lists.map { [Table($0.starts), Table($0.entries)] } ?? []
      levels.insert(
        Level(starts: tables.first?.base, offsets: tables.last?.base, sourceStride: axis.sourceStride, below: below), at: 0)
      owned += tables
      below *= axis.count
    }
    rowCount = below
    (self.levels, self.owned) = (Table(levels), owned)
  }

  private static func runs(_ axis: Axis, _ stretch: Int) -> [Run] {
    guard let lists = axis.lists else {
      return [Run(target: 0, source: 0, targetStep: stretch, sourceStep: axis.sourceStride, count: axis.count, length: stretch)]
    }
    var runs: [Run] = []
    for index in 0..<lists.count {
      for source in lists[index] {
        let target = index * stretch
        if var run = runs.last {
          let targetStep = target - (run.target + (run.count - 1) * run.targetStep)
          let sourceStep = source - (run.source + (run.count - 1) * run.sourceStep)
          if run.count == 1 || (run.targetStep, run.sourceStep) == (targetStep, sourceStep) {
            (run.targetStep, run.sourceStep, run.count) = (targetStep, sourceStep, run.count + 1)
            runs[runs.count - 1] = run
            continue
          }
        }
        runs.append(Run(target: target, source: source, length: stretch))
      }
    }
    return runs.map { run in
      guard run.count > 1, run.targetStep == stretch, run.sourceStep == stretch else { return run }
      return Run(target: run.target, source: run.source, length: run.count * stretch)
    }
  }

  func run(from source: UnsafePointer<Float>, to target: UnsafeMutablePointer<Float>, adds: Bool) {
    let assigns = !adds && isSingle
    let fills = !adds && !(isSingle && isComplete)
    parallel(rowCount, grain: max(1, (1 << 14) / max(rowLength, 1))) { rows in
      for row in rows {
        let target = target + row * rowLength
        if fills { target.update(repeating: fill, count: rowLength) }
        visit(0, row, source, target, assigns)
      }
    }
  }

  private func visit(
    _ depth: Int, _ row: Int, _ source: UnsafePointer<Float>, _ target: UnsafeMutablePointer<Float>, _ assigns: Bool
  ) {
    if depth < levels.count {
      let level = levels.base[depth]
      let index = row / level.below, rest = row % level.below
      guard let starts = level.starts, let offsets = level.offsets else {
        return visit(depth + 1, rest, source + index * level.sourceStride, target, assigns)
      }
      for entry in starts[index]..<starts[index + 1] { visit(depth + 1, rest, source + offsets[entry], target, assigns) }
    } else if assigns {
      for i in 0..<runs.count { copy(runs.base[i], source, target) }
    } else {
      for i in 0..<runs.count { add(runs.base[i], source, target) }
    }
  }

  @inline(__always)
  private func copy(_ run: Run, _ source: UnsafePointer<Float>, _ target: UnsafeMutablePointer<Float>) {
    let s = source + run.source, t = target + run.target
    if run.length == 1 {
      for i in 0..<run.count { t[i * run.targetStep] = s[i * run.sourceStep] }
    } else {
      for i in 0..<run.count { (t + i * run.targetStep).update(from: s + i * run.sourceStep, count: run.length) }
    }
  }

  @inline(__always)
  private func add(_ run: Run, _ source: UnsafePointer<Float>, _ target: UnsafeMutablePointer<Float>) {
    let s = source + run.source, t = target + run.target
    if run.length == 1 {
      for i in 0..<run.count { t[i * run.targetStep] += s[i * run.sourceStep] }
    } else {
      for i in 0..<run.count {
        let s = s + i * run.sourceStep, t = t + i * run.targetStep
        for k in 0..<run.length { t[k] += s[k] }
      }
    }
  }
}
