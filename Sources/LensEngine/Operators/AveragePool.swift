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
    return layouts.output == .plain ? stage(Float.self, sweep, output) : stage(SIMD16<Float>.self, sweep, output)
  }

  private func stage<V: Lanes>(_: V.Type, _ sweep: Sweep, _ output: Shape) -> Stage {
    let d = sweep.d, h = sweep.h, w = sweep.w, lanes = V.count
    return Stage(output: output, overwrites: true) { pass in
      let input = pass.input(0), output = pass.output
      sweep.forEachOutputRow { plane, od, oh in
        let y = output + (plane * sweep.outputPlane + (od * h.outputLength + oh) * w.outputLength) * lanes
        let x = input + plane * sweep.inputPlane * lanes
        let rd = d.reaches[od], rh = h.reaches[oh], rowCount = d.counts[od] * h.counts[oh]
        for ow in 0..<w.outputLength {
          let rw = w.reaches[ow]
          var sum = V.all(0)
          for kd in 0..<rd.count {
            for kh in 0..<rh.count {
              let row = (rd.start + kd * d.dilation) * h.inputLength + rh.start + kh * h.dilation
              let x = x + (row * w.inputLength + rw.start) * lanes
              for kw in 0..<rw.count { sum = sum + V.load(x + kw * w.dilation * lanes) }
            }
          }
          (sum / V.all(rowCount * w.counts[ow])).store(y + ow * lanes)
        }
      }
    } backward: { pass in
      guard let inputGradient = pass.inputGradient(0) else { return }
      let outputGradient = pass.outputGradient, adds = pass.accumulates(0)
      sweep.forEachInputRow { plane, id, ih in
        let dx = inputGradient + (plane * sweep.inputPlane + (id * h.inputLength + ih) * w.inputLength) * lanes
        if !adds { dx.update(repeating: 0, count: w.inputLength * lanes) }
        sweep.forEachUse(id, ih) { od, oh, _ in
          let dy = outputGradient + (plane * sweep.outputPlane + (od * h.outputLength + oh) * w.outputLength) * lanes
          let rowCount = d.counts[od] * h.counts[oh]
          for ow in 0..<w.outputLength {
            let rw = w.reaches[ow], g = V.load(dy + ow * lanes) / V.all(rowCount * w.counts[ow])
            let dx = dx + rw.start * lanes
            for kw in 0..<rw.count {
              let place = dx + kw * w.dilation * lanes
              (V.load(place) + g).store(place)
            }
          }
        }
      }
    }
  }
}
