// SPDX-License-Identifier: Apache-2.0
import Glibc
import LensTensors

/// x += rate * m' / (sqrt(v') + epsilon), with running means m of the gradient and v of its square, freed of their
/// start at zero. The first step is rate * sign(g).
///
/// Kingma & Ba, "Adam: A Method for Stochastic Optimization", 2015, algorithm 1. arXiv:1412.6980
public struct Adam: Optimizer {
  /// In units of x.
  public var rate: Float
  /// beta_1 and beta_2.
  public var decays: (first: Double, second: Double)
  public var epsilon: Float
  private var steps = 0.0
  private var gradient = Tensor.empty, mean = Tensor.empty, square = Tensor.empty

  public init(rate: Float, decays: (first: Double, second: Double) = (0.9, 0.999), epsilon: Float = 1e-8) {
    (self.rate, self.decays, self.epsilon) = (rate, decays, epsilon)
  }

  public var state: [Tensor] {
    get { [mean, square, Tensor([2], Tensor.bits(of: steps))] }
    set {
      guard newValue.count == 3, newValue[2].count == 2 else { return }
      (mean, square) = (newValue[0], newValue[1])
      steps = Tensor.double(newValue[2].values[0], newValue[2].values[1])
    }
  }

  public mutating func step(_ x: inout Tensor, _ evaluate: Evaluation) throws -> Double {
    try gradient.fit(x.shape)
    try mean.fit(x.shape)
    try square.fit(x.shape)
    let value = try evaluate(x, &gradient)
    steps += 1
    let rate = rate / Float(1 - pow(decays.first, steps)), correction = Float(1 / (1 - pow(decays.second, steps)))
    let (first, second, epsilon, count) = (Float(decays.first), Float(decays.second), epsilon, x.count)
    gradient.withPointer { g in
      mean.withMutablePointer { m in
        square.withMutablePointer { v in
          x.withMutablePointer { x in
            for i in 0..<count {
              m[i] = first * m[i] + (1 - first) * g[i]
              v[i] = second * v[i] + (1 - second) * (g[i] * g[i])
              x[i] += rate * m[i] / ((correction * v[i]).squareRoot() + epsilon)
            }
          }
        }
      }
    }
    return value
  }
}
