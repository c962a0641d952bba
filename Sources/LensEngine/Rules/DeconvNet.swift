// SPDX-License-Identifier: Apache-2.0
import LensKernels
import LensTensors

/// Rectifiers rectify what comes back, whatever went forward: R_l = max(R_(l+1), 0).
/// Zeiler & Fergus, "Visualizing and Understanding Convolutional Networks", 2014, section 2.1, arXiv:1311.2901.
public struct DeconvNetRule: BackwardRule {
  public init() {}

  /// A second input (the slope of a PReLU) receives nothing.
  public func applied(to stage: Stage, of op: any Operator, shapes: [Shape], layouts: Layouts) throws -> Stage {
    guard stage.backward != nil else { return stage }
    guard shapes[0] == stage.output, layouts.inputs[0] == layouts.output else {
      throw LensError(
        .invalidArgument, "the deconvnet rule is for operators that keep the shape; \(op.kind) makes \(stage.output) of \(shapes[0])")
    }
    let count = layouts.output.floatCount(of: stage.output)
    var stage = stage
    (stage.keeps, stage.auxiliaryCount) = ([], 0)
    stage.overwrites = false
    stage.backward = { pass in
      guard let dx = pass.inputGradient(0) else { return }
      let dy = pass.outputGradient
      parallel(count, grain: 1 << 14) { for i in $0 { dx[i] += max(dy[i], 0) } }
    }
    return stage
  }
}
