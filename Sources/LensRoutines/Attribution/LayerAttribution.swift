// SPDX-License-Identifier: Apache-2.0
import LensEngine
import LensTensors

// The gradient family at a layer instead of the picture. Maps are of the layer's own resolution, and enlarged to the
// picture's where the channels are summed; with reduction `.none` they keep the layer's shape, N×C×h×w or N×K.

/// dS/dA * A at a layer: what each unit contributes, to first order.
///
/// Shrikumar et al., "Not Just a Black Box", 2016, arXiv:1605.01713, at a layer.
/// - image: N×C×H×W.
public func layerGradientTimesActivation(
  _ session: Session, _ image: Tensor, _ objective: Objective = .top, at layer: Layer? = nil, reduction: ChannelReduction = .sum
) throws -> Attribution {
  try session.check(image)
  let layer = try layer ?? session.lastSpatialLayer(inputs: [image.shape])
  let result = try session.gradient(of: objective, at: [image], wrt: [layer], activations: [layer])
  return try Attribution(
    units: result.gradients[0] * result.activations[0], at: layer, reduction, image.shape, scores: result.scores, targets: result.targets)
}

/// The gradient at a layer averaged on the straight way from a baseline to the picture: how much each unit
/// influences the score. I_j = integral over a of dS/dA_j(x' + a (x - x')).
///
/// Leino, Sen, Datta, Fredrikson & Li, "Influence-Directed Explanations for Deep Convolutional Networks", 2018,
/// definition 1. arXiv:1802.03788
/// - image: N×C×H×W.
public func internalInfluence(
  _ session: Session, _ image: Tensor, _ objective: Objective = .top, at layer: Layer? = nil, baseline: Filling = .value(0),
  steps: Int = 50, rule: Quadrature = .gaussLegendre, reduction: ChannelReduction = .sum, progress: Steps? = nil
) throws -> Attribution {
  try session.check(image)
  let layer = try layer ?? session.lastSpatialLayer(inputs: [image.shape])
  return try alongPaths(session, image, objective, baseline, try rule.points(steps), progress) { path in
    var mean: WeightedSum?
    try path.forEachPass { pictures, weights in
      let gradient = try session.gradient(of: path.objective, at: [pictures], wrt: [layer]).gradients[0]
      if mean == nil { mean = WeightedSum(gradient.single(0).shape) }
      mean?.add(gradient, weights)
    }
    return mean?.tensor ?? Tensor([1])
  } finish: {
    try Attribution(units: $0, at: layer, reduction, image.shape, scores: $1, targets: $2)
  }
}

/// How much of the way from S(baseline) to S(picture) flows through each unit of a layer:
/// C_j = integral over a of dS/dA_j * dA_j/da, by the trapezoid rule over the layer's own values.
///
/// The values of a layer that everything passes sum to S(x) - S(x'); `gaps` is what is missing of that.
/// Dhamdhere, Sundararajan & Yan, "How Important Is a Neuron?", 2018, equation 2. arXiv:1805.12233
/// - image: N×C×H×W.
/// - steps: pieces of the way.
public func conductance(
  _ session: Session, _ image: Tensor, _ objective: Objective = .top, at layer: Layer? = nil, baseline: Filling = .value(0),
  steps: Int = 50, reduction: ChannelReduction = .sum, progress: Steps? = nil
) throws -> Attribution {
  try session.check(image)
  let layer = try layer ?? session.lastSpatialLayer(inputs: [image.shape])
  guard 1...99_999 ~= steps else { throw LensError(.invalidArgument, "steps is \(steps); it must be 1...99999") }
  var gaps: [Float] = []
  return try alongPaths(session, image, objective, baseline, try Quadrature.trapezoid.points(steps + 1), progress) { path in
    var flow: WeightedSum?, last: (gradient: Tensor, value: Tensor)?
    try path.forEachPass { pictures, weights in
      let result = try session.gradient(of: path.objective, at: [pictures], wrt: [layer], activations: [layer])
      for k in weights.indices {
        let gradient = result.gradients[0].single(k), value = result.activations[0].single(k)
        if flow == nil { flow = WeightedSum(value.shape) }
        if let last { flow?.add((last.gradient + gradient) * (value - last.value), [0.5]) }
        last = (gradient, value)
      }
    }
    let map = flow?.tensor ?? Tensor([1])
    gaps.append(Float(Double(path.difference) - map.total))
    return map
  } finish: {
    try Attribution(units: $0, at: layer, reduction, image.shape, scores: $1, targets: $2, gaps: gaps)
  }
}

/// Integrated gradients of a layer's values: the straight way leads from the layer's values for the baseline to those
/// for the picture, IG_j = (A_j(x) - A_j(x')) * integral of dS/dA_j. They sum to S(x) - S(x') where nothing passes the
/// layer by; `gaps` is what is missing.
///
/// Sundararajan, Taly & Yan, 2017, equation 1, arXiv:1703.01365, applied to the network behind the layer.
/// - image: N×C×H×W.
public func layerIntegratedGradients(
  _ session: Session, _ image: Tensor, _ objective: Objective = .top, at layer: Layer? = nil, baseline: Filling = .value(0),
  steps: Int = 50, rule: Quadrature = .gaussLegendre, reduction: ChannelReduction = .sum, progress: Steps? = nil
) throws -> Attribution {
  try session.check(image)
  let layer = try layer ?? session.lastSpatialLayer(inputs: [image.shape]), points = try rule.points(steps), count = image.shape.n
  let rest = try session.behind(layer, inputs: [image.shape.with(0, 1)])
  var maps: [Tensor] = [], scores: [Float] = [], targets: [Int] = [], gaps: [Float] = []
  for n in 0..<count {
    let picture = image.single(n), start = try baseline.picture(picture, n, of: count)
    let settled = try session.settle(objective, at: [picture], image: n)
    let above = try session.activations(of: [picture], at: rest.layers), below = try session.activations(of: [start], at: rest.layers)
    let size = max(1, min(64, (1 << 22) / max(1, above.reduce(0) { $0 + $1.count })))
    var mean = WeightedSum(above[0].shape)
    for first in stride(from: 0, to: points.count, by: size) {
      let part = points[first..<min(first + size, points.count)]
      // What passes the layer by goes the same way, so that the end points are the picture and the baseline.
      let inputs = zip(below, above).map { low, high in Tensor.stacked(part.map { low + Float($0.place) * (high - low) }) }
      mean.add(try rest.session.gradient(of: settled.objective, at: inputs, wrt: [rest.layers[0]]).gradients[0], part.map(\.weight))
      guard progress?(n * points.count + first + part.count, count * points.count) ?? true else {
        throw LensError(.cancelled, "stopped after \(n * points.count + first + part.count) of \(count * points.count) steps")
      }
    }
    let map = (above[0] - below[0]) * mean.tensor
    let lower = try session.settle(settled.objective, at: [start]).score
    gaps.append(Float(Double(settled.score - lower) - map.total))
    maps.append(map)
    scores.append(settled.score)
    targets.append(settled.target)
  }
  return try Attribution(units: .stacked(maps), at: layer, reduction, image.shape, scores: scores, targets: targets, gaps: gaps)
}

extension Attribution {
  /// From one number for each unit of a layer.
  fileprivate init(
    units: Tensor, at layer: Layer, _ reduction: ChannelReduction, _ picture: Shape, scores: [Float], targets: [Int], gaps: [Float]? = nil
  ) throws {
    if case .none = reduction {
      self.init(units, scores: scores, targets: targets, layer: layer, native: units, gaps: gaps)
      return
    }
    guard units.shape.rank == 4 else {
      throw LensError(
        .invalidArgument, "layer '\(layer)' is \(units.shape) and has no maps; choose one that is N×C×H×W, or keep the channels")
    }
    let native = reduction(units)
    self.init(
      try native.enlarged(to: picture, .bilinear), scores: scores, targets: targets, layer: layer, native: native, gaps: gaps)
  }
}
