// SPDX-License-Identifier: Apache-2.0
import LensKernels
import LensTensors

/// x += rate * g, with the gradient g divided by its size: DeepDream's normalised step for `.meanAbsolute`.
public struct GradientAscent: Optimizer {
  /// The step; with a scale, in units of x: the mean change for `.meanAbsolute`, the largest for `.maximum`.
  public var rate: Float
  public var scale: GradientScale
  private var gradient = Tensor.empty

  public init(rate: Float, scale: GradientScale = .none) { (self.rate, self.scale) = (rate, scale) }

  public var state: [Tensor] {
    get { [] }
    set {}
  }

  public mutating func step(_ x: inout Tensor, _ evaluate: Evaluation) throws -> Double {
    try gradient.fit(x.shape)
    let value = try evaluate(x, &gradient)
    let count = x.imageCount, images = x.batch, (rate, scale) = (rate, scale)
    gradient.withPointer { g in
      x.withMutablePointer { x in
        for n in 0..<images {
          let factor = rate * scale.factor(g + n * count, count)
          let (x, g) = (x + n * count, g + n * count)
          parallel(count, grain: 1 << 14) { range in for i in range { x[i] += factor * g[i] } }
        }
      }
    }
    return value
  }
}
