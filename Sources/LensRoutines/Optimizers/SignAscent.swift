// SPDX-License-Identifier: Apache-2.0
import LensTensors

/// x += rate * sign(g): the steepest step in the maximum norm.
///
/// With a momentum, g is the sum of gradients over their absolute sums, m <- momentum * m + g / |g|_1.
/// Goodfellow, Shlens & Szegedy 2015, section 4, arXiv:1412.6572; Dong et al., "Boosting Adversarial Attacks with
/// Momentum", 2018, algorithm 1, arXiv:1710.06081
public struct SignAscent: Optimizer {
  /// In units of x.
  public var rate: Double
  public var momentum: Float
  private var gradient = Tensor.empty, sum = Tensor.empty

  public init(rate: Double, momentum: Float = 0) { (self.rate, self.momentum) = (rate, momentum) }

  public var state: [Tensor] {
    get { [sum] }
    set { sum = newValue.first ?? .empty }
  }

  public mutating func step(_ x: inout Tensor, _ evaluate: Evaluation) throws -> Double {
    try gradient.fit(x.shape)
    let value = try evaluate(x, &gradient)
    if momentum == 0 {
      gradient.withPointer { x.move(by: rate, towards: $0) }
      return value
    }
    try sum.fit(x.shape)
    let count = x.imageCount, images = x.batch, momentum = momentum
    gradient.withPointer { g in
      sum.withMutablePointer { m in
        for n in 0..<images {
          let size = absoluteSum(g + n * count, count), factor = size > 0 ? Float(1 / size) : 0
          for i in n * count..<(n + 1) * count { m[i] = momentum * m[i] + factor * g[i] }
        }
      }
    }
    sum.withPointer { x.move(by: rate, towards: $0) }
    return value
  }
}

extension Tensor {
  fileprivate mutating func move(by rate: Double, towards direction: UnsafePointer<Float>) {
    let count = count
    withMutablePointer { x in
      for i in 0..<count {
        let sign: Double = direction[i] > 0 ? 1 : direction[i] < 0 ? -1 : 0
        x[i] = Float(Double(x[i]) + rate * sign)
      }
    }
  }
}
