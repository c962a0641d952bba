// SPDX-License-Identifier: Apache-2.0
import LensKernels
import LensTensors

/// Rectifiers pass the positive part of what comes back, through their own derivative:
/// R_l = (f_l > 0) (R_(l+1) > 0) R_(l+1) for ReLU.
/// Springenberg, Dosovitskiy, Brox & Riedmiller, "Striving for Simplicity: The All Convolutional Net", 2015,
/// section 3.4, arXiv:1412.6806.
public struct GuidedRule: BackwardRule {
  public init() {}

  /// A second input (the slope of a PReLU) receives nothing.
  public func applied(to stage: Stage, of op: any Operator, shapes: [Shape], layouts: Layouts) throws -> Stage {
    guard let backward = stage.backward else { return stage }
    let count = layouts.output.floatCount(of: stage.output), start = stage.scratchCount
    var stage = stage
    stage.scratchCount += count
    stage.backward = { pass in
      let dy = pass.outputGradient, positive = pass.scratch + start
      parallel(count, grain: 1 << 14) { for i in $0 { positive[i] = max(dy[i], 0) } }
      backward(pass.receiving(positive, onlyFirst: true))
    }
    return stage
  }
}
