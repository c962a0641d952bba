// SPDX-License-Identifier: Apache-2.0
import LensEngine
import LensTensors

/// How a class model is kept from becoming noise.
public enum ClassModelPreset: Int, Sendable, CaseIterable {
  /// argmax_I S_c(I) - lambda |I|^2, from the mean picture.
  case simonyan
  /// The four sets of table 2 of Yosinski et al. 2015: decay, blur, small norm, small contribution.
  case yosinski1, yosinski2, yosinski3, yosinski4

  /// Of the decay, the blur (deviation in pixels, every so many steps), and the percentiles of norm and contribution.
  var set: (decay: Float, blur: Double, every: Int, norm: Double, contribution: Double)? {
    switch self {
    case .simonyan: nil
    case .yosinski1: (0, 0.5, 4, 50, 0)
    case .yosinski2: (0.3, 0, 0, 20, 0)
    case .yosinski3: (0.0001, 1, 4, 0, 0)
    case .yosinski4: (0, 0.5, 4, 0, 90)
    }
  }
}

/// The picture that a network takes for the best example of a class: its score before the softmax is raised, from the
/// mean picture on.
///
/// Simonyan, Vedaldi & Zisserman, "Deep Inside Convolutional Networks", 2013, section 2, arXiv:1312.6034; Yosinski et al.,
/// "Understanding Neural Networks Through Deep Visualization", 2015, section 3, arXiv:1506.06579.
public struct ClassModel: Sendable {
  public var preset = ClassModelPreset.simonyan
  public var steps = 200
  /// The root of the mean square change of a step, in units of the picture.
  public var rate: Float = 0.01
  /// lambda of Simonyan's preset.
  public var penalty: Float = 0.01
  /// What the zero of the papers is: the mean colour, one number per channel or one for all.
  public var center: [Float] = [0.5]
  /// The values that a picture may have; nil for tensors that are no pictures.
  public var range: ClosedRange<Float>? = 0...1
  public var seed: UInt64 = 0

  public init() {}

  /// - shape: of the picture, N×C×H×W.
  /// - classes: one for all, or one for each.
  public func run(
    _ session: Session, _ classes: [Int], shape: Shape, resuming checkpoint: Ascent.Checkpoint? = nil,
    progress: Progress = { _, _, _ in true }
  ) throws -> Ascent.Result {
    guard shape.rank == 4 else { throw LensError(.shapeMismatch, "the picture is \(shape); it must be N×C×H×W") }
    guard rate > 0, rate.isFinite, penalty >= 0, penalty.isFinite else {
      throw LensError(.invalidArgument, "the rate is \(rate) and lambda \(penalty); they must be finite, above 0 and not negative")
    }
    try check(center: center, channels: shape.c)
    var ascent = Ascent(.logit(classes), steps: steps, seed: seed)
    ascent.optimizer = Momentum(rate: rate / 5, decay: 0.8, scale: .rootMeanSquare)
    if let range { ascent.constraints = [ValueRange(range)] }
    if let set = preset.set {
      // Where the picture is pulled back by a third at each step, the steps must be larger to get anywhere.
      ascent.optimizer = GradientAscent(rate: set.decay > 0.1 ? 4 * rate : rate, scale: .rootMeanSquare)
      if set.decay > 0 { ascent.regularizers.append(Decay(set.decay, around: center)) }
      if set.blur > 0 { ascent.regularizers.append(BlurEvery(set.every, radius: set.blur)) }
      if set.norm > 0 { ascent.regularizers.append(SmallNorm(percentile: set.norm, around: center)) }
      if set.contribution > 0 { ascent.regularizers.append(SmallContribution(percentile: set.contribution, around: center)) }
    } else {
      ascent.objective = ascent.objective - penalty * .norm(2, around: center)
    }
    var start = try Tensor(allocating: shape)
    let centers = start.centers(center), area = shape.h * shape.w
    start.withMutablePointer { x in for (plane, c) in centers.enumerated() { (x + plane * area).update(repeating: c, count: area) } }
    return try ascent.run(session, from: start, resuming: checkpoint, progress: progress)
  }
}
