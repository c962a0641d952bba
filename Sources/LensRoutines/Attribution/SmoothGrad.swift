// SPDX-License-Identifier: Apache-2.0
import LensEngine
import LensKernels
import LensTensors

/// What is made of a method's maps for many noisy copies of a picture.
public enum NoiseSummary: Sendable, CaseIterable {
  /// SmoothGrad: their mean.
  case mean
  /// SmoothGrad-squared: the mean of their squares.
  case square
  /// VarGrad: their variance.
  case variance
}

/// The mean of a method's maps over noisy copies of the picture: M(x) = 1/n sum_i M(x + e_i), e_i ~ N(0, s^2).
///
/// Smilkov, Thorat, Kim, Viégas & Wattenberg, "SmoothGrad: removing noise by adding noise", 2017, section 3,
/// arXiv:1706.03825; the mean of squares: Hooker et al., "A Benchmark for Interpretability Methods", 2019,
/// arXiv:1806.10758; the variance: Adebayo et al., "Local Explanation Methods for DNNs Lack Sensitivity to
/// Parameter Values", 2018, arXiv:1810.03307.
/// - image: N×C×H×W.
/// - noise: s as a share of the picture's range, max - min.
/// - method: what is averaged.
public func smoothGrad(
  _ session: Session, _ image: Tensor, _ objective: Objective = .top, samples: Int = 25, noise: Float = 0.15,
  summary: NoiseSummary = .mean, seed: UInt64 = 0, progress: Steps? = nil,
  of method: AttributionMethod = { try saliency($0, $1, $2) }
) throws -> Attribution {
  try session.check(image)
  guard 1...1_000_000 ~= samples else { throw LensError(.invalidArgument, "samples is \(samples); it must be 1...1000000") }
  guard noise.isFinite, noise >= 0 else { throw LensError(.invalidArgument, "noise is \(noise); it must be a number from 0 on") }
  var maps: [Tensor] = [], natives: [Tensor] = [], scores: [Float] = [], targets: [Int] = [], layer: Layer?
  for n in 0..<image.shape.n {
    let picture = image.single(n), values = picture.values
    let settled = try session.settle(objective, at: [picture], image: n)
    let deviation = noise * ((values.max() ?? 0) - (values.min() ?? 0))
    var random = Random(seed: seed), moments: Moments?, nativeMoments: Moments?, done = 0
    while done < samples {
      let count = min(session.picturesPerPass(image.shape), samples - done)
      var noisy = picture.repeated(count)
      noisy.withMutablePointer { addNoise(to: $0, count * values.count, deviation: deviation, &random) }
      let result = try method(session, noisy, settled.objective)
      for k in 0..<count {
        add(result.map.single(k), to: &moments)
        if let native = result.native { add(native.single(k), to: &nativeMoments) }
      }
      layer = result.layer
      done += count
      guard progress?(n * samples + done, image.shape.n * samples) ?? true else {
        throw LensError(.cancelled, "stopped after \(n * samples + done) of \(image.shape.n * samples) noisy copies")
      }
    }
    if let moments { maps.append(moments.summary(summary)) }
    if let nativeMoments { natives.append(nativeMoments.summary(summary)) }
    scores.append(settled.score)
    targets.append(settled.target)
  }
  return Attribution(
    .stacked(maps), scores: scores, targets: targets, layer: layer, native: natives.isEmpty ? nil : .stacked(natives))
}

/// The draws are those of one generator, whichever thread takes them.
private func addNoise(to p: UnsafeMutablePointer<Float>, _ count: Int, deviation: Float, _ random: inout Random) {
  let start = random
  parallel(count, grain: 1 << 10) { range in
    var random = start.after(2 * range.lowerBound)
    for i in range { p[i] += deviation * random.normal() }
  }
  random = start.after(2 * count)
}

private func add(_ tensor: Tensor, to moments: inout Moments?) {
  if moments == nil { moments = Moments(tensor.shape) }
  moments!.add(tensor)
}

/// Mean and variance of tensors that come one by one (Welford, 1962), so that equal ones have the variance 0.
private struct Moments {
  let shape: Shape
  private var mean: [Double], spread: [Double], squares: [Double]
  private var count = 0.0

  init(_ shape: Shape) {
    self.shape = shape
    mean = [Double](repeating: 0, count: shape.count)
    (spread, squares) = (mean, mean)
  }

  mutating func add(_ tensor: Tensor) {
    count += 1
    tensor.withPointer { x in
      for i in mean.indices {
        let value = Double(x[i]), step = value - mean[i]
        mean[i] += step / count
        spread[i] += step * (value - mean[i])
        squares[i] += value * value
      }
    }
  }

  func summary(_ kind: NoiseSummary) -> Tensor {
    switch kind {
    case .mean: Tensor(shape, mean.map { Float($0) })
    case .square: Tensor(shape, squares.map { Float($0 / count) })
    case .variance: Tensor(shape, spread.map { Float($0 / count) })
    }
  }
}
