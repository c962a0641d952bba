// SPDX-License-Identifier: Apache-2.0
import LensKernels
import LensTensors

/// max(x, 0). Backward: g where the output is positive.
public struct ReLU: Operator {
  public let kind = "Relu"
  public init() {}

  public func layouts(for shapes: [Shape], given: [Layout]) -> Layouts { .following(given) }

  public func stage(for shapes: [Shape], in layouts: Layouts) -> Stage {
    .clamping(shapes[0], layouts.output, lower: 0, upper: .infinity)
  }
}

extension Stage {
  /// min(max(x, lower), upper), whose derivative is one bit: forward notes where the output is strictly between the bounds.
  static func clamping(_ shape: Shape, _ layout: Layout, lower: Float, upper: Float) -> Stage {
    let count = layout.floatCount(of: shape)
    var stage = Stage(output: shape, auxiliaryCount: (count + 31) / 32, runsInPlace: true, overwrites: true) { pass in
      Elementwise.clamp(pass.input(0), lower, upper, to: pass.output, gates: pass.gates, count)
    } backward: { pass in
      guard let dx = pass.inputGradient(0) else { return }
      Elementwise.gate(pass.outputGradient, pass.gates, to: dx, accumulates: pass.accumulates(0), count)
    }
    stage.joins = Ending(lower: lower, upper: upper)
    (stage.isGate, stage.addsOnce) = (true, true)
    return stage
  }
}
