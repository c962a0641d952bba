// SPDX-License-Identifier: Apache-2.0
import LensKernels
import LensTensors

/// The mean of each window.
public struct AveragePool: Operator {
  public let kind = "AveragePool"
  public let poolWindow: PoolWindow
  /// Padding counts as zeros; otherwise the mean is over what lies on the input. What a rounded-up last window
  /// has beyond the padding never counts.
  public let countsPadding: Bool

  public init(_ window: PoolWindow, countsPadding: Bool = false) { (poolWindow, self.countsPadding) = (window, countsPadding) }

  public var window: Window? { poolWindow.window }
  public func layouts(for shapes: [Shape], given: [Layout]) -> Layouts { Layout.perChannel(shapes[0], given) }

  public func stage(for shapes: [Shape], in layouts: Layouts) throws -> Stage {
    let output = try poolWindow.output(for: shapes[0])
    let sweep = Sweep(poolWindow, from: shapes[0], to: output, in: layouts.output, countsPadding: countsPadding)
    return layouts.output == .plain ? plainStage(sweep, output) : blockedStage(sweep, output)
  }

  private func blockedStage(_ sweep: Sweep, _ output: Shape) -> Stage {
    let runs = Table(sweep.columnRuns()), loops = Kernels.selected.pooling
    var stage = Stage(output: output, overwrites: true) { pass in
      let x = pass.input(0), y = pass.output
      sweep.forEachRun(runs) { loops.mean($0, x + $1, y + $2) }
    } backward: { pass in
      guard let dx = pass.inputGradient(0) else { return }
      let dy = pass.outputGradient
      sweep.forEachRunBack(runs, pass, dx) { loops.meanGradient($0, dy + $2, dx + $1) }
    }
    stage.closesInputGates = true
    return stage
  }

  private func plainStage(_ sweep: Sweep, _ output: Shape) -> Stage {
    let d = sweep.d, h = sweep.h, w = sweep.w
    return Stage(output: output, overwrites: true) { pass in
      let input = pass.input(0), output = pass.output
      sweep.forEachOutputRow { plane, od, oh in
        let y = output + (plane * sweep.outputPlane + (od * h.outputLength + oh) * w.outputLength)
        let x = input + plane * sweep.inputPlane
        let rd = d.reaches[od], rh = h.reaches[oh], rowCount = d.counts[od] * h.counts[oh]
        for ow in 0..<w.outputLength {
          let rw = w.reaches[ow]
          var sum = Float(0)
          for kd in 0..<rd.count {
            for kh in 0..<rh.count {
              let row = (rd.start + kd * d.dilation) * h.inputLength + rh.start + kh * h.dilation
              let x = x + (row * w.inputLength + rw.start)
              for kw in 0..<rw.count { sum = sum + x[kw * w.dilation] }
            }
          }
          y[ow] = sum / (rowCount * w.counts[ow])
        }
      }
    } backward: { pass in
      guard let inputGradient = pass.inputGradient(0) else { return }
      let outputGradient = pass.outputGradient, adds = pass.accumulates(0)
      sweep.forEachInputRow { plane, id, ih in
        let dx = inputGradient + (plane * sweep.inputPlane + (id * h.inputLength + ih) * w.inputLength)
        if !adds { dx.update(repeating: 0, count: w.inputLength) }
        sweep.forEachUse(id, ih) { od, oh, _ in
          let dy = outputGradient + (plane * sweep.outputPlane + (od * h.outputLength + oh) * w.outputLength)
          let rowCount = d.counts[od] * h.counts[oh]
          for ow in 0..<w.outputLength {
            let rw = w.reaches[ow], g = dy[ow] / (rowCount * w.counts[ow])
            let dx = dx + rw.start
            for kw in 0..<rw.count { dx[kw * w.dilation] += g }
          }
        }
      }
    }
  }
}
