// SPDX-License-Identifier: Apache-2.0
import LensKernels
import LensTensors

/// By contribution, through the operator's own derivative: R_i = share * x_i sum_j (dy_j/dx_i) R_j / (y_j + epsilon sign(y_j)).
///
/// For layers with weights this is LRP-epsilon; for sums, means and skip connections each summand gets its part of the sum; for p-norms it
/// shares by Euler's theorem, since x . grad y = y.
struct ContributionRelevance: BackwardRule {
  var epsilon = RelevanceRules.stabilizer
  /// 1/2 for products of two values, where x . grad y = y for each of them.
  var share: Float = 1

  func applied(to stage: Stage, of op: any Operator, shapes: [Shape], layouts: Layouts) throws -> Stage {
    guard let backward = stage.backward, !stage.isView else { return stage }
    let epsilon = epsilon, share = share, overwrites = stage.overwrites
    let xCounts = shapes.indices.map { layouts.inputs[$0].floatCount(of: shapes[$0]) }, yCount = layouts.output.floatCount(of: stage.output)
    let scratch = ScratchParts([stage.scratchCount, yCount, xCounts.max() ?? 0])
    var stage = stage
    stage.keeps.formUnion([.inputs, .output])
    stage.overwrites = false
    stage.scratchCount = scratch.count
    stage.backward = { pass in
      let memory = scratch.parts(of: pass.scratch)
      let (quotient, gradient) = (memory[1], memory[2]), y = pass.output, r = pass.outputGradient
      parallel(yCount, grain: 1 << 14) { for i in $0 { quotient[i] = share * r[i] / stabilized(y[i], epsilon) } }
      for (k, count) in xCounts.enumerated() {
        guard let dx = pass.inputGradient(k) else { continue }
        if !overwrites { gradient.update(repeating: 0, count: count) }
        pass.redirected(outputGradient: quotient, input: k, gradient: gradient, backward)
        let x = pass.input(k)
        parallel(count, grain: 1 << 14) { for i in $0 { dx[i] += x[i] * gradient[i] } }
      }
    }
    return stage
  }
}
