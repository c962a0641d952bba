// SPDX-License-Identifier: Apache-2.0
import LensKernels
import LensTensors

/// A rule that changes the weights of a layer, as a sum of shares: each gives every input its part of what all parts of the share make,
/// R_i = sum over shares of factor * sum_j (part of i in j / all parts in j) R_j.
///
/// One part is an input, the whole of x or some of it, through weights and a bias changed number by number.
struct SharedRelevance: BackwardRule {
  struct Part: Sendable {
    enum Given: Sendable { case whole, positive, negative, ones, constant(Tensor) }
    var given: Given
    var weights: @Sendable (Float) -> Float
    /// Nil: no bias.
    var bias: (@Sendable (Float) -> Float)?
  }
  struct Share: Sendable {
    var factor: Float = 1
    /// The share is only for outputs whose value has this sign; nil: for all.
    var sign: FloatingPointSign?
    var parts: [Part]
  }

  var shares: [Share]
  /// Then x is its positive part.
  var isInputNonNegative: Bool
  /// Added to divisors, with their sign.
  var stabilizer = RelevanceRules.stabilizer
  /// What has the signs that shares ask for; nil: the layer's output.
  var signs: Part?

  func applied(to stage: Stage, of op: any Operator, shapes: [Shape], layouts: Layouts) throws -> Stage {
    guard let weighted = op as? any WeightedOperator else {
      throw LensError(.invalidArgument, "a relevance rule for layers with weights came to \(op.kind)")
    }
    let shares = try shares.map { share in
      let parts = try share.parts.compactMap { try prepare($0, weighted, shapes, layouts) }
      return PreparedShare(factor: share.factor, sign: share.sign, parts: parts)
    }
    let isSigned = shares.contains { $0.sign != nil }, stabilizer = stabilizer
    let signs = isSigned ? try signs.flatMap { try prepare($0, weighted, shapes, layouts) } : nil
    let xCount = layouts.inputs[0].floatCount(of: shapes[0]), yCount = layouts.output.floatCount(of: stage.output)
    let innerCount = (shares.flatMap(\.parts) + [signs].compactMap { $0 }).map(\.stage.scratchCount).max() ?? 0

    var stage = stage
    stage.keeps = isSigned && signs == nil ? [.inputs, .output] : .inputs
    stage.auxiliaryCount = 0
    stage.overwrites = false
    let scratch = ScratchParts([yCount, yCount, xCount, xCount, innerCount, signs == nil ? 0 : yCount])
    stage.scratchCount = max(stage.scratchCount, scratch.count)
    stage.backward = { pass in
      guard let dx = pass.inputGradient(0) else { return }
      let memory = scratch.parts(of: pass.scratch)
      let (z, term, chosen, gradient, inner) = (memory[0], memory[1], memory[2], memory[3], memory[4])
      let x = pass.input(0), r = pass.outputGradient
      let signed = signs == nil ? UnsafePointer(pass.output) : UnsafePointer(memory[5])
      signs?.stage.runForward(x, to: memory[5], scratch: inner)
      for share in shares {
        for (i, part) in share.parts.enumerated() {
          part.stage.runForward(part.choose(x, chosen, xCount), to: i == 0 ? z : term, scratch: inner)
          if i > 0 { parallel(yCount, grain: 1 << 14) { for i in $0 { z[i] += term[i] } } }
        }
        let factor = share.factor
        if let sign = share.sign {
          let direction: Float = sign == .plus ? 1 : -1
          parallel(yCount, grain: 1 << 14) {
            for i in $0 { z[i] = direction * signed[i] > 0 ? factor * r[i] / stabilized(z[i], stabilizer) : 0 }
          }
        } else {
          parallel(yCount, grain: 1 << 14) { for i in $0 { z[i] = factor * r[i] / stabilized(z[i], stabilizer) } }
        }
        for part in share.parts {
          part.stage.runBackward(z, to: gradient, count: xCount, scratch: inner)
          let x = part.choose(x, chosen, xCount)
          parallel(xCount, grain: 1 << 14) { for i in $0 { dx[i] += x[i] * gradient[i] } }
        }
      }
    }
    return stage
  }

  private func prepare(_ part: Part, _ op: any WeightedOperator, _ shapes: [Shape], _ layouts: Layouts) throws -> PreparedPart? {
    var given = part.given
    if isInputNonNegative {
      if case .negative = given { return nil }
      if case .positive = given { given = .whole }
    }
    if case .constant(let tensor) = given, layouts.inputs[0] == .blocked {
      var blocked = Tensor([layouts.inputs[0].floatCount(of: shapes[0])])
      blocked.withMutablePointer { reorder(tensor.pointer, .plain, to: $0, .blocked, shape: shapes[0]) }
      given = .constant(blocked)
    }
    return PreparedPart(given: given, stage: try op.reweighted(part.weights, bias: part.bias).stage(for: shapes, in: layouts))
  }
}

/// z + epsilon sign(z), where the sign of 0 is 1.
@inline(__always)
func stabilized(_ z: Float, _ epsilon: Float) -> Float { z < 0 ? z - epsilon : z + epsilon }

private struct PreparedShare: Sendable {
  let factor: Float
  let sign: FloatingPointSign?
  let parts: [PreparedPart]
}

private struct PreparedPart: Sendable {
  let given: SharedRelevance.Part.Given
  let stage: Stage

  /// What of x the part sees, in `memory` or where it lies.
  func choose(_ x: UnsafePointer<Float>, _ memory: UnsafeMutablePointer<Float>, _ count: Int) -> UnsafePointer<Float> {
    switch given {
    case .whole: return x
    case .constant(let tensor): return tensor.pointer
    case .positive: parallel(count, grain: 1 << 14) { for i in $0 { memory[i] = max(x[i], 0) } }
    case .negative: parallel(count, grain: 1 << 14) { for i in $0 { memory[i] = min(x[i], 0) } }
    case .ones: memory.update(repeating: 1, count: count)
    }
    return UnsafePointer(memory)
  }
}
