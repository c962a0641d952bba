// SPDX-License-Identifier: Apache-2.0
import LensKernels
import LensTensors

/// Where no unit of a rectifier lets anything through, what would bring dead units back to life passes:
/// R_l = R_(l+1), except what pushes a unit at 0 further down, or one at the upper bound further up.
///
/// An ascent that starts where the unit it wants is dead has no gradient to follow; this gives it one. It is decided
/// for each image by itself: if any unit of that image passes any gradient, the image gets its gradient. Meant for the first steps of an
/// ascent (Lucid takes 16), after which the gradient alone should lead.
/// Olah, Mordvintsev & Schubert, "Feature Visualization", Distill 2017, "Optimization objectives", and Lucid's
/// `redirected_relu_grad`. For ReLU and clamps from 0.
public struct RedirectedRule: BackwardRule {
  public init() {}

  /// The upper bound of what the rule is for; nil for other operators, whose derivative does not vanish on half of the line.
  static func upperBound(of op: any Operator) -> Float? {
    if op is ReLU { return .infinity }
    guard case .clip(let lower, let upper) = (op as? Pointwise)?.function, lower == 0 else { return nil }
    return upper
  }

  public func applied(to stage: Stage, of op: any Operator, shapes: [Shape], layouts: Layouts) throws -> Stage {
    guard let upper = Self.upperBound(of: op) else {
      throw LensError(.invalidArgument, "the redirected rule is for ReLU and clamps from 0, not for \(op.kind)")
    }
    let shape = stage.output, isBlocked = layouts.output == .blocked
    let images = shape.rank == 0 ? 1 : max(shape[0], 1), count = layouts.output.floatCount(of: shape) / images
    var stage = stage
    (stage.keeps, stage.auxiliaryCount) = (.output, 0)
    stage.overwrites = false
    stage.backward = { pass in
      guard let gradient = pass.inputGradient(0) else { return }
      parallel(images, grain: 1) {
        for image in $0 {
          let y = pass.output + image * count, dy = pass.outputGradient + image * count, dx = gradient + image * count
          func isOpen(_ i: Int) -> Bool { y[i] > 0 && y[i] < upper }
          let passes = (0..<count).contains { dy[$0] != 0 && isOpen($0) && !(isBlocked && shape.isPadding($0)) }
          for i in 0..<count where isOpen(i) || (!passes && (y[i] > 0 ? dy[i] < 0 : dy[i] > 0)) { dx[i] += dy[i] }
        }
      }
    }
    return stage
  }
}
