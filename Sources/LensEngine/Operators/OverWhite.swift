// SPDX-License-Identifier: Apache-2.0
import LensTensors

/// A picture that is clear in places, laid on white: opacity · x + 1 - opacity, the same for every channel.
public struct OverWhite: Operator {
  public let kind = "OverWhite"
  /// H × W, in 0...1.
  public let opacity: Tensor

  public init(opacity: Tensor) { self.opacity = opacity }

  public func stage(for shapes: [Shape], in layouts: Layouts) throws -> Stage {
    let shape = shapes[0], opacity = opacity, area = opacity.count
    guard shape.rank == 4, opacity.shape == [shape.h, shape.w] else {
      throw LensError(.shapeMismatch, "opacity is \(opacity.shape) for a picture of \(shape)")
    }
    return Stage(output: shape, overwrites: true) { pass in
      let x = pass.input(0), y = pass.output, a = opacity.pointer
      for plane in 0..<shape.n * shape.c { for i in 0..<area { y[plane * area + i] = x[plane * area + i] * a[i] + (1 - a[i]) } }
    } backward: { pass in
      guard let dx = pass.inputGradient(0) else { return }
      let dy = pass.outputGradient, a = opacity.pointer, adds = pass.accumulates(0)
      for plane in 0..<shape.n * shape.c {
        for i in 0..<area { dx[plane * area + i] = (adds ? dx[plane * area + i] : 0) + dy[plane * area + i] * a[i] }
      }
    }
  }
}
