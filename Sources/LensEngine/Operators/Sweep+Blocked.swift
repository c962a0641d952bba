// SPDX-License-Identifier: Apache-2.0
import LensKernels

// Sweeps over blocked values, a run of neighbouring outputs at a time. These have two axes: d is 1.
extension Sweep {
  /// Neighbouring outputs along w that see as many taps, from the same one on, and whose means have the same divisor.
  struct Run {
    var first, count: Int
  }

  func columnRuns() -> [Run] {
    var runs: [Run] = []
    for output in 0..<w.outputLength {
      if let last = runs.last, w.reaches[last.first].count == w.reaches[output].count, w.reaches[last.first].tap == w.reaches[output].tap,
        w.counts[last.first] == w.counts[output]
      {
        runs[runs.count - 1].count += 1
      } else {
        runs.append(Run(first: output, count: 1))
      }
    }
    return runs
  }

  /// The windows of a run in output row `oh`.
  func call(_ run: Run, row oh: Int) -> PoolCall {
    let rh = h.reaches[oh], rw = w.reaches[run.first]
    let step = run.count > 1 ? w.reaches[run.first + 1].start - rw.start : 0
    var call = PoolCall(
      count: run.count, step: step * Layout.block, rows: rh.count, columns: rw.count,
      rowStep: h.dilation * w.inputLength * Layout.block, columnStep: w.dilation * Layout.block)
    (call.firstTap, call.tapRowStep) = (rh.tap * w.kernel + rw.tap, w.kernel)
    call.divisor = h.counts[oh] * w.counts[run.first]
    return call
  }

  /// Where the first window of a run begins in a plane of the input.
  func start(_ run: Run, row oh: Int) -> Int { (h.reaches[oh].start * w.inputLength + w.reaches[run.first].start) * Layout.block }

  /// What `body` gets for every run of every output row: its call, and where input and output begin.
  func forEachRun(_ runs: Table<Run>, _ body: (_ call: UnsafePointer<PoolCall>, _ x: Int, _ y: Int) -> Void) {
    forEachOutputRow { plane, _, oh in
      for i in 0..<runs.count {
        let run = runs.base[i]
        var call = call(run, row: oh)
        body(
          &call, plane * inputPlane * Layout.block + start(run, row: oh),
          ((plane * h.outputLength + oh) * w.outputLength + run.first) * Layout.block)
      }
    }
  }

  /// The same for the way back, a row of the input's gradient at a time, so that no two threads write the same float: `body` for every
  /// run of every output row that looks at it, with the call of that one row of taps. A row begins with zeros, or with what is there
  /// if the pass accumulates, and ends with the gates.
  func forEachRunBack(
    _ runs: Table<Run>, _ pass: BackwardPass, _ dx: UnsafeMutablePointer<Float>,
    _ body: (_ call: UnsafePointer<PoolCall>, _ x: Int, _ y: Int) -> Void
  ) {
    let count = w.inputLength * Layout.block, accumulates = pass.accumulates(0), gates = pass.inputGates, gate = Kernels.selected.gate
    forEachInputRow { plane, id, ih in
      let row = (plane * h.inputLength + ih) * count
      if !accumulates { (dx + row).update(repeating: 0, count: count) }
      forEachUse(id, ih) { _, oh, firstTap in
        for i in 0..<runs.count {
          let run = runs.base[i]
          var call = call(run, row: oh)
          call.firstTap = firstTap + w.reaches[run.first].tap
          body(
            &call, row + w.reaches[run.first].start * Layout.block,
            ((plane * h.outputLength + oh) * w.outputLength + run.first) * Layout.block)
        }
      }
      if let gates { gate(dx + row, gates + row / Layout.block, dx + row, count, false) }
    }
  }
}
