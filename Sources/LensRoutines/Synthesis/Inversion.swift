// SPDX-License-Identifier: Apache-2.0
import Glibc
import LensEngine
import LensTensors

/// A picture with the code that another one has at a layer: what is left of it there.
///
/// argmin |Phi(x) - Phi_0|^2 / |Phi_0|^2 + (|x|^alpha / (H W B^alpha) + TV_beta(x) / (H W V^beta)) / C, with x measured
/// from the mean colour. Mahendran & Vedaldi, "Understanding Deep Image Representations by Inverting Them", 2015,
/// arXiv:1412.0035; B, V and C as in "Visualizing Deep Convolutional Neural Networks Using Natural Pre-Images", 2016,
/// section 4, arXiv:1512.02017, in units of 1 instead of 255.
public struct Inversion: Sendable {
  public var alpha: Float = 6
  public var beta: Float = 2
  /// C: how much the code counts against the priors.
  public var strength: Float = 300
  public var steps = 400
  public var optimizer: any Optimizer = LBFGS()
  /// Nil: pixels, as in the papers. By the spectrum, coarse structure and colour come back in a tenth of the steps.
  public var parameterization: (any Parameterization)? = Fourier()
  /// The mean colour: one number per channel, or one for all.
  public var center: [Float] = [0.5]
  /// Of the noise at the start, for pixels; a parameterisation has its own.
  public var deviation: Float = 0.05
  public var seed: UInt64 = 0

  public init() {}

  /// The loss that is lowered.
  public func loss(_ layer: Layer, code: Tensor, shape: Shape) throws -> Objective {
    guard alpha >= 1, alpha.isFinite, beta > 0, beta.isFinite, strength > 0, strength.isFinite else {
      throw LensError(
        .invalidArgument, "alpha is \(alpha), beta \(beta) and the strength \(strength); at least 1, above 0 and above 0 are allowed")
    }
    guard shape.rank == 4, shape.count > 0 else { throw LensError(.shapeMismatch, "the picture is \(shape); it must be N×C×H×W") }
    try check(center: center, channels: shape.c)
    let (largest, step) = (Float(80.0 / 255), Float(80.0 / 255 / 6.5)), area = Float(shape.h * shape.w)
    return .distance(layer, to: code, scale: .relative)
      + 1 / (strength * area * power(largest, alpha)) * .norm(alpha, around: center)
      + 1 / (strength * area * power(step, beta)) * .totalVariation(beta: beta)
  }

  /// - code: the layer's activations for one picture.
  /// - shape: of the picture to find, 1×C×H×W.
  /// - Returns: the picture; of pixels, not clipped to a range. The history is minus the loss.
  public func run(
    _ session: Session, _ code: Tensor, at layer: Layer, shape: Shape, resuming checkpoint: Ascent.Checkpoint? = nil,
    progress: Progress = { _, _, _ in true }
  ) throws -> Ascent.Result {
    let loss = try loss(layer, code: code, shape: shape)
    var start = try Tensor(allocating: shape)
    start.fillWithNoise(around: center, deviation, seed: seed)
    var ascent = Ascent(-1 * loss, optimizer: optimizer, steps: steps, seed: seed)
    ascent.parameterization = parameterization
    return try ascent.run(session, from: start, resuming: checkpoint, progress: progress)
  }
}

private func power(_ base: Float, _ exponent: Float) -> Float { exp(exponent * log(base)) }
