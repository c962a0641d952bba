// SPDX-License-Identifier: Apache-2.0
import LensEngine
import LensTensors

/// One step along the gradient of the loss: x' = x + epsilon sign(dJ/dx), or along g/|g| for the other norms.
///
/// Goodfellow, Shlens & Szegedy, "Explaining and Harnessing Adversarial Examples", 2015, section 4. arXiv:1412.6572
/// - image: N×C×H×W.
/// - classes: the true ones, whose loss is raised; or, with `isTargeted`, those to reach. Nil: what the network sees now.
/// - epsilon: the size of the step in the units of the image; |x' - x| <= epsilon holds exactly in the maximum norm.
/// - range: the values a picture may have; nil for tensors that are no pictures.
public func fgsm(
  _ session: Session, _ image: Tensor, _ classes: [Int]? = nil, epsilon: Double, isTargeted: Bool = false,
  norm: Norm = .maximum, range: ClosedRange<Float>? = 0...1
) throws -> Tensor {
  guard epsilon >= 0, epsilon.isFinite else {
    throw LensError(.invalidArgument, "epsilon is \(epsilon); it must be a number that is not negative")
  }
  guard !(isTargeted && classes == nil) else {
    throw LensError(.invalidArgument, "a targeted attack needs the class to reach; none was given")
  }
  let seen = try classes ?? session.gradient(of: .top, at: [image], wrt: []).targets
  let gradient = try session.gradient(of: .crossEntropy(seen), at: [image]).gradients[0]
  return image.moved(along: isTargeted ? -1 * gradient : gradient, by: epsilon, norm, within: range)
}

extension Tensor {
  /// Each image moved by `distance` in the direction of steepest ascent under `norm`, then clipped to `range`.
  func moved(along gradient: Tensor, by distance: Double, _ norm: Norm, within range: ClosedRange<Float>?) -> Tensor {
    let count = count / max(shape.n, 1)
    var result = self
    result.withMutablePointer { y in
      withPointer { x in
        gradient.withPointer { g in
          for n in 0..<shape.n {
            let size = norm.length(g + n * count, count)
            for i in n * count..<(n + 1) * count {
              let step = norm == .maximum ? distance * Double(sign(g[i])) : size > 0 ? distance * Double(g[i]) / size : 0
              let moved = Float(Double(x[i]) + step).clamped(to: range)
              y[i] = norm == .maximum ? moved.within(distance, of: x[i]) : moved
            }
          }
        }
      }
    }
    return result
  }
}

extension Float {
  fileprivate func clamped(to range: ClosedRange<Float>?) -> Float {
    range.map { Swift.min(Swift.max(self, $0.lowerBound), $0.upperBound) } ?? self
  }
}

private func sign(_ x: Float) -> Float { x > 0 ? 1 : x < 0 ? -1 : 0 }
