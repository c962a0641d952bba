// SPDX-License-Identifier: Apache-2.0
import LensKernels
import LensTensors

/// max(x, 0). Backward: g where the output is positive.
public struct ReLU: Operator {
  public let kind = "Relu"
  public init() {}

  public func layouts(for shapes: [Shape], given: [Layout]) -> Layouts { .following(given) }

  public func stage(for shapes: [Shape], in layouts: Layouts) -> Stage {
    let count = layouts.output.floatCount(of: shapes[0])
    var stage = Stage(output: shapes[0], keeps: .output, runsInPlace: true, overwrites: true) { pass in
      Elementwise.rectify(pass.input(0), to: pass.output, count)
    } backward: { pass in
      guard let dx = pass.inputGradient(0) else { return }
      let y = pass.output, dy = pass.outputGradient
      guard pass.accumulates(0) else { return Elementwise.rectifyGradient(dy, where: y, to: dx, count) }
      parallel(count, grain: 1 << 14) { for i in $0 where y[i] > 0 { dx[i] += dy[i] } }
    }
    stage.joins = Ending(lower: 0)
    return stage
  }
}
