// SPDX-License-Identifier: Apache-2.0
import LensEngine
import LensTensors

/// The content of one picture in the style of others: Gram matrices of several layers from these, activations of a few
/// deeper ones from that.
///
/// Gatys, Ecker & Bethge, "Image Style Transfer Using Convolutional Neural Networks", 2016, equation 7; losses and
/// weights are those of Johnson's neural-style. Without content it makes textures: Gatys, Ecker & Bethge, "Texture
/// Synthesis Using Convolutional Neural Networks", 2015, arXiv:1505.07376.
public struct StyleTransfer: Sendable {
  public struct Style: Sendable {
    /// 1×C×h×w, of any size.
    public var picture: Tensor
    public var weight: Float
    /// 1×1×h×w, of any size: where in the result this style counts; nil for everywhere.
    public var mask: Tensor?

    public init(_ picture: Tensor, weight: Float = 1, mask: Tensor? = nil) {
      (self.picture, self.weight, self.mask) = (picture, weight, mask)
    }
  }

  public var contentLayers: [Layer]
  public var styleLayers: [Layer]
  public var contentWeight: Float = 5
  public var styleWeight: Float = 100
  /// Of half the sum of squared differences between neighbours, with colours in 0...255.
  public var tvWeight: Float = 1e-3
  /// At each scale.
  public var steps = 1000
  public var optimizer: any Optimizer = LBFGS()
  /// The sizes to work at, from coarse to fine, as fractions of the result's; each starts from the one before, enlarged.
  public var scales: [Double] = [1]
  /// Style pictures have this times the result's longer side.
  public var styleScale = 1.0
  /// The picture's range in units of its numbers: 1 for pictures in 0...1.
  public var unit: Float = 1
  /// Of the noise at the start, where no picture is given.
  public var deviation: Float = 0.001
  public var center: [Float] = [0.5]
  public var seed: UInt64 = 0

  public init(contentLayers: [Layer], styleLayers: [Layer]) { (self.contentLayers, self.styleLayers) = (contentLayers, styleLayers) }

  /// - content: 1×C×h×w; nil for a texture.
  /// - shape: of the result, 1×C×H×W.
  /// - start: the picture to begin with, of any size; nil for noise.
  /// - Returns: the picture, not clipped to a range. The history is minus the loss.
  public func run(
    _ session: Session, content: Tensor?, styles: [Style], shape: Shape, from start: Tensor? = nil,
    resuming checkpoint: Ascent.Checkpoint? = nil, progress: Progress = { _, _, _ in true }
  ) throws -> Ascent.Result {
    try check(content, styles, shape, start)
    let total = steps * scales.count
    var picture = start, history: [Float] = []
    for (stage, scale) in scales.enumerated() where stage >= checkpoint?.stage ?? 0 {
      let size = shape.scaled(by: scale)
      let loss = try loss(session, content, styles, size)
      var origin: Tensor
      if let picture {
        origin = try picture.resized(height: size.h, width: size.w)
      } else {
        origin = try Tensor(allocating: size)
        origin.fillWithNoise(around: center, deviation * unit, seed: seed)
      }
      var ascent = Ascent(-1 * loss, optimizer: optimizer, steps: steps, seed: seed)
      if var lbfgs = optimizer as? LBFGS {
        lbfgs.firstMove *= unit
        ascent.optimizer = lbfgs
      }
      let resuming = stage == checkpoint?.stage ?? 0 ? checkpoint : nil
      var result = try ascent.run(session, from: origin, resuming: resuming) { progress(stage * steps + $0, total, $2) }
      history += result.history
      if stage == scales.count - 1 || !result.isComplete {
        result.picture = try result.picture.resized(height: shape.h, width: shape.w)
        result.history = history
        result.isComplete = result.isComplete && stage == scales.count - 1
        result.checkpoint.stage = stage
        return result
      }
      picture = result.picture
    }
    throw LensError(.invalidArgument, "the checkpoint is of scale \(checkpoint?.stage ?? 0) but there are \(scales.count) scales")
  }

  /// What is lowered at one size.
  private func loss(_ session: Session, _ content: Tensor?, _ styles: [Style], _ size: Shape) throws -> Objective {
    var loss = tvWeight * 0.5 * (255 / unit) * (255 / unit) * Objective.totalVariation()
    if let content, contentWeight > 0 {
      let codes = try session.activations(of: [content.resized(height: size.h, width: size.w)], at: contentLayers)
      for (layer, code) in zip(contentLayers, codes) { loss = loss + contentWeight * .distance(layer, to: code, scale: .mean) }
    }
    guard styleWeight > 0 else { return loss }
    let shapes = try session.shapes(of: styleLayers, inputs: [size])
    let sum = styles.reduce(0) { $0 + $1.weight }
    // Styles that count everywhere are blended to one; those with masks stay apart.
    var blended: [Tensor?] = styleLayers.map { _ in nil }, share: Float = 0
    for style in styles {
      let factor = style.weight / sum, side = Double(max(size.h, size.w)) * styleScale
      let ratio = side / Double(max(style.picture.shape.h, style.picture.shape.w)), scaled = style.picture.shape.scaled(by: ratio)
      let codes = try session.activations(of: [style.picture.resized(height: scaled.h, width: scaled.w)], at: styleLayers)
      if style.mask == nil { share += factor }
      for (index, (layer, code)) in zip(styleLayers, codes).enumerated() {
        let gram = try gramMatrix(code)
        if let mask = style.mask {
          let there = try mask.resized(height: shapes[index].h, width: shapes[index].w)
          loss = loss + styleWeight * factor * .gramDistance(layer, to: gram, mask: there)
        } else {
          var target = blended[index] ?? Tensor(gram.shape)
          target.add(factor, gram)
          blended[index] = target
        }
      }
    }
    for (layer, target) in zip(styleLayers, blended) {
      if var target, share > 0 {
        target.scale(by: 1 / share)
        loss = loss + styleWeight * share * .gramDistance(layer, to: target)
      }
    }
    return loss
  }

  private func check(_ content: Tensor?, _ styles: [Style], _ shape: Shape, _ start: Tensor?) throws {
    guard shape.rank == 4, shape.n == 1, shape.count > 0 else {
      throw LensError(.shapeMismatch, "the picture is \(shape); it must be 1×C×H×W")
    }
    for picture in [content, start].compactMap({ $0 }) + styles.map(\.picture) {
      guard picture.shape.rank == 4, picture.shape.n == 1, picture.shape.c == shape.c, picture.count > 0 else {
        throw LensError(.shapeMismatch, "a picture is \(picture.shape); it must be 1×\(shape.c)×H×W")
      }
    }
    for mask in styles.compactMap(\.mask) {
      guard mask.shape.rank == 4, mask.shape.n == 1, mask.shape.c == 1, mask.count > 0 else {
        throw LensError(.shapeMismatch, "a mask is \(mask.shape); it must be 1×1×H×W")
      }
    }
    guard styles.allSatisfy({ $0.weight >= 0 && $0.weight.isFinite }), styles.contains(where: { $0.weight > 0 }) else {
      throw LensError(.invalidArgument, "the styles' weights are \(styles.map(\.weight)); none may be negative, and one must be above 0")
    }
    guard !styleLayers.isEmpty, content == nil || !contentLayers.isEmpty else {
      throw LensError(
        .invalidArgument, "there are \(styleLayers.count) style layers and \(contentLayers.count) content layers; at least one is needed")
    }
    guard [contentWeight, styleWeight, tvWeight].allSatisfy({ $0 >= 0 && $0.isFinite }) else {
      throw LensError(
        .invalidArgument,
        "the weights of content, style and total variation are \(contentWeight), \(styleWeight) and \(tvWeight); none may be negative")
    }
    guard !scales.isEmpty, scales.count <= 64, scales.allSatisfy({ $0 > 0 && $0 <= 8 }) else {
      throw LensError(.invalidArgument, "the scales are \(scales); one to 64 of them are allowed, above 0 and up to 8")
    }
    guard styleScale > 0, styleScale <= 16, unit > 0, unit.isFinite, 0...1_000_000_000 ~= steps else {
      throw LensError(
        .invalidArgument, "the style's scale is \(styleScale) and there are \(steps) steps; above 0 up to 16 and not negative are allowed")
    }
    try LensRoutines.check(center: center, channels: shape.c)
  }
}

extension Shape {
  /// Height and width times a factor, at least a pixel.
  fileprivate func scaled(by factor: Double) -> Shape {
    with(2, max(1, Int((Double(h) * factor).rounded()))).with(3, max(1, Int((Double(w) * factor).rounded())))
  }
}
