// SPDX-License-Identifier: Apache-2.0
import LensTensors

/// v <- decay * v + rate * g; x += v. Polyak, "Some methods of speeding up the convergence of iteration methods", 1964
public struct Momentum: Optimizer {
  public var rate: Float
  public var decay: Float
  public var scale: GradientScale
  private var gradient = Tensor.empty, velocity = Tensor.empty

  public init(rate: Float, decay: Float = 0.9, scale: GradientScale = .none) {
    (self.rate, self.decay, self.scale) = (rate, decay, scale)
  }

  public var state: [Tensor] {
    get { [velocity] }
    set { velocity = newValue.first ?? .empty }
  }

  public mutating func step(_ x: inout Tensor, _ evaluate: Evaluation) throws -> Double {
    try gradient.fit(x.shape)
    try velocity.fit(x.shape)
    let value = try evaluate(x, &gradient)
    let count = x.imageCount, images = x.batch, (rate, decay, scale) = (rate, decay, scale)
    gradient.withPointer { g in
      velocity.withMutablePointer { v in
        x.withMutablePointer { x in
          for n in 0..<images {
            let factor = rate * scale.factor(g + n * count, count)
            for i in n * count..<(n + 1) * count {
              v[i] = decay * v[i] + factor * g[i]
              x[i] += v[i]
            }
          }
        }
      }
    }
    return value
  }
}
