// SPDX-License-Identifier: Apache-2.0
import LensEngine
import LensTensors

/// What a unit, a channel, a direction or a mixture of them reacts to, as a picture.
///
/// Olah, Mordvintsev & Schubert, "Feature Visualization", 2017. doi:10.23915/distill.00007. Erhan et al., "Visualizing
/// Higher-Layer Features of a Deep Network", 2009.
public struct FeatureVisualization: Sendable {
  public var steps = 512
  /// Nil: pixels, kept in 0...1.
  public var parameterization: (any Parameterization)? = Fourier()
  /// Lucid's robust set.
  public var transformsPicture = true
  public var optimizer: any Optimizer = Adam(rate: 0.05)
  /// For so many steps, rectifiers that are off let a gradient through that would switch them on.
  public var redirectedSteps = 16
  /// Of the noise at the start, for pixels; a parameterisation has its own.
  public var deviation: Float = 0.01
  public var seed: UInt64 = 0

  public init() {}

  /// - shape: of the pictures, N×C×H×W.
  public func run(
    _ session: Session, _ objective: Objective, shape: Shape, resuming checkpoint: Ascent.Checkpoint? = nil,
    progress: Progress = { _, _, _ in true }
  ) throws -> Ascent.Result {
    guard shape.rank == 4, shape.count > 0 else { throw LensError(.shapeMismatch, "the picture is \(shape); it must be N×C×H×W") }
    var ascent = Ascent(objective, optimizer: optimizer, steps: steps, seed: seed)
    ascent.parameterization = parameterization
    if redirectedSteps > 0 { ascent.openingRules = (.redirected, redirectedSteps) }
    if transformsPicture { ascent.transforms = standardTransforms(for: shape) }
    if parameterization == nil { ascent.constraints = [ValueRange()] }
    var start = try Tensor(allocating: shape)
    if parameterization == nil { start.fillWithNoise(around: [0.5], deviation, seed: seed) }
    return try ascent.run(session, from: start, resuming: checkpoint, progress: progress)
  }
}

extension Tensor {
  /// Normal noise around a colour; picture n draws from a stream of its own.
  mutating func fillWithNoise(around center: [Float], _ deviation: Float, seed: UInt64) {
    let centers = centers(center), (n, c, area) = (shape.n, shape.c, shape.h * shape.w)
    withMutablePointer { x in
      for image in 0..<n {
        var random = Random(seed: seed, stream: image)
        for plane in image * c..<(image + 1) * c {
          for i in plane * area..<(plane + 1) * area { x[i] = centers[plane] + deviation * random.normal() }
        }
      }
    }
  }
}
