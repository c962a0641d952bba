// SPDX-License-Identifier: Apache-2.0
import LensKernels
import LensTensors

/// All of it goes to one input, place by place: activations, normalisations that are not part of a layer with weights, and what a gate
/// multiplies, for which the gate counts as a constant.
struct PassedRelevance: BackwardRule {
  var position = 0

  func applied(to stage: Stage, of op: any Operator, shapes: [Shape], layouts: Layouts) throws -> Stage {
    guard shapes[position] == stage.output, layouts.inputs[position] == layouts.output else {
      throw LensError(.invalidArgument, "relevance cannot pass \(op.kind), which makes \(stage.output) of \(shapes[position])")
    }
    let count = layouts.output.floatCount(of: stage.output), position = position
    var stage = stage
    (stage.keeps, stage.auxiliaryCount) = ([], 0)
    stage.overwrites = false
    stage.backward = { pass in
      guard let dx = pass.inputGradient(position) else { return }
      let r = pass.outputGradient
      parallel(count, grain: 1 << 14) { for i in $0 { dx[i] += r[i] } }
    }
    return stage
  }
}
