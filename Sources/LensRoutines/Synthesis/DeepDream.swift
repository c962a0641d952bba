// SPDX-License-Identifier: Apache-2.0
import Glibc
import LensEngine
import LensTensors

/// What a network begins to see in a picture is made stronger, from coarse to fine; the detail that was invented at one
/// size is enlarged and carried to the next.
///
/// Mordvintsev, Olah & Tyka, "Inceptionism: Going Deeper into Neural Networks", 2015; numbers and steps as in their
/// notebook.
public struct DeepDream: Sendable {
  /// Of each octave.
  public var steps = 10
  public var octaves = 4
  public var octaveScale = 1.4
  /// The mean change of a pixel in one step, in units of the picture: 1.5 of 255.
  public var stepSize: Float = 1.5 / 255
  /// The picture is rolled by up to so many pixels before the network looks.
  public var jitter = 32
  /// Nil: not clipped.
  public var range: ClosedRange<Float>? = 0...1
  public var seed: UInt64 = 0
  /// As of `Ascent`.
  public var tile: Int?

  public init() {}

  /// Height and width of each octave, the smallest first.
  public func sizes(_ shape: Shape) throws -> [(height: Int, width: Int)] {
    guard 1...64 ~= octaves, octaveScale > 1, octaveScale.isFinite else {
      throw LensError(.invalidArgument, "there are \(octaves) octaves of scale \(octaveScale); 1...64 and above 1 are allowed")
    }
    return try (0..<octaves).reversed().map { octave in
      let factor = pow(octaveScale, Double(-octave))
      let (h, w) = (Int((Double(shape.h) * factor).rounded()), Int((Double(shape.w) * factor).rounded()))
      guard h > 0, w > 0 else {
        throw LensError(
          .invalidArgument,
          "octave \(octave) of a picture of \(shape.h)×\(shape.w) is smaller than a pixel; fewer octaves or a smaller scale are needed")
      }
      return (h, w)
    }
  }

  /// - image: N×C×H×W.
  /// - objective: `.layer` for the network's own associations; `.guide` for those of another picture.
  public func run(
    _ session: Session, _ image: Tensor, _ objective: Objective, progress: Progress = { _, _, _ in true }
  ) throws -> Ascent.Result {
    guard image.shape.rank == 4, image.count > 0 else {
      throw LensError(.shapeMismatch, "the picture is \(image.shape); it must be N×C×H×W")
    }
    guard stepSize.isFinite, jitter >= 0, 0...1_000_000 ~= steps else {
      throw LensError(
        .invalidArgument,
        "the step is \(stepSize), the jitter \(jitter) and there are \(steps) steps; finite, not negative and 0...1,000,000 are allowed")
    }
    let sizes = try sizes(image.shape), total = steps * sizes.count
    var detail: Tensor?, history: [Float] = []
    for (octave, size) in sizes.enumerated() {
      let base = try image.resized(height: size.height, width: size.width)
      var ascent = Ascent(objective, optimizer: GradientAscent(rate: stepSize, scale: .meanAbsolute), steps: steps)
      ascent.seed = seed &+ UInt64(octave) &* 0x9E37_79B9_7F4A_7C15
      // Small octaves fit as they are.
      ascent.tile = tile.flatMap { $0 < max(size.height, size.width) ? $0 : nil }
      if jitter > 0 { ascent.transforms = [Jitter(jitter, wraps: true)] }
      if let range { ascent.constraints = [ValueRange(range)] }
      var start = base
      if let detail { start.add(1, try detail.resized(height: size.height, width: size.width)) }
      let result = try ascent.run(session, from: start) { step, _, value in progress(octave * steps + step, total, value) }
      history += result.history
      detail = result.picture
      detail?.add(-1, base)
      if !result.isComplete {
        // What was invented so far, at the size that was asked for.
        var picture = image
        if let detail { picture.add(1, try detail.resized(height: image.shape.h, width: image.shape.w)) }
        if let range { ValueRange(range).project(&picture) }
        return Ascent.Result(picture: picture, history: history, isComplete: false, checkpoint: result.checkpoint)
      }
      if octave == sizes.count - 1 {
        return Ascent.Result(picture: result.picture, history: history, isComplete: true, checkpoint: result.checkpoint)
      }
    }
    return Ascent.Result(
      picture: image, checkpoint: Ascent.Checkpoint(step: 0, parameters: image, optimizer: [], history: []))
  }
}
