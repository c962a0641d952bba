// SPDX-License-Identifier: Apache-2.0
import LensTensors

/// Any change of pictures, a defence for example; the gradient passes as if there were none.
///
/// Athalye, Carlini & Wagner, "Obfuscated Gradients Give a False Sense of Security", 2018, section 4.1.
/// arXiv:1802.00420
public struct StraightThrough: Operator {
  public let kind = "StraightThrough"
  /// Changes N×C×H×W floats in place.
  public let change: @Sendable (UnsafeMutablePointer<Float>, Shape) -> Void

  public init(_ change: @escaping @Sendable (UnsafeMutablePointer<Float>, Shape) -> Void) { self.change = change }

  public func stage(for shapes: [Shape], in layouts: Layouts) throws -> Stage {
    let shape = shapes[0], change = change
    return Stage(output: shape, overwrites: true) { pass in
      pass.output.update(from: pass.input(0), count: shape.count)
      change(pass.output, shape)
    } backward: { pass in
      guard let dx = pass.inputGradient(0) else { return }
      let dy = pass.outputGradient
      if pass.accumulates(0) { for i in 0..<shape.count { dx[i] += dy[i] } } else { dx.update(from: dy, count: shape.count) }
    }
  }
}
