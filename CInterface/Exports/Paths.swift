// SPDX-License-Identifier: Apache-2.0
import CCNNLens
import CNNLens

// Methods that look at many pictures instead of one: noisy copies, or the way from a baseline.

@_cdecl("cnnlens_smoothgrad") @implementation
public func cnnlens_smoothgrad(
  _ out: UnsafeMutablePointer<cnnlens_array>!, _ handle: OpaquePointer!, _ image: UnsafePointer<cnnlens_array>!,
  _ goal: OpaquePointer!, _ given: UnsafePointer<cnnlens_smoothgrad_options>!
) -> cnnlens_status {
  attribution(out, handle, image, goal) { owner, session, image, objective in
    let defaults = cnnlens_smoothgrad_options(
      struct_size: UInt32(MemoryLayout<cnnlens_smoothgrad_options>.size), method: Int32(CNNLENS_METHOD_SALIENCY), samples: 25,
      seed: 0, noise: 0.15, summary: Int32(CNNLENS_NOISE_MEAN), reduction: Int32(CNNLENS_REDUCE_DEFAULT), layer: nil, progress: nil,
      payload: nil)
    let options = try options(given, over: defaults, "options")
    let summary: NoiseSummary
    switch Int(options.summary) {
    case Int(CNNLENS_NOISE_MEAN): summary = .mean
    case Int(CNNLENS_NOISE_SQUARE): summary = .square
    case Int(CNNLENS_NOISE_VARIANCE): summary = .variance
    default: throw invalid("options.summary is \(options.summary); it must be a CNNLENS_NOISE_")
    }
    let noise = Float(options.noise)
    return try smoothGrad(
      session, image, objective, samples: Int(options.samples), noise: noise, summary: summary, seed: options.seed,
      progress: steps(options.progress, options.payload),
      of: try method(options.method, options.reduction, try layer(options.layer, of: owner.model)))
  }
}

/// A method by its number, with its defaults but for the reduction and the layer.
private func method(_ number: Int32, _ reduced: Int32, _ layer: Layer?) throws -> AttributionMethod {
  let sum = try reduction(reduced, otherwise: .sum), maximum = try reduction(reduced, otherwise: .maximum)
  switch Int(number) {
  case Int(CNNLENS_METHOD_SALIENCY): return { try saliency($0, $1, $2, reduction: maximum) }
  case Int(CNNLENS_METHOD_GRAD_X_INPUT): return { try gradientTimesInput($0, $1, $2, reduction: sum) }
  case Int(CNNLENS_METHOD_GUIDED_BACKPROP): return { try guidedBackprop($0, $1, $2, reduction: sum) }
  case Int(CNNLENS_METHOD_DECONVNET): return { try deconvNet($0, $1, $2, reduction: sum) }
  case Int(CNNLENS_METHOD_INTEGRATED_GRADIENTS): return { try integratedGradients($0, $1, $2, reduction: sum) }
  case Int(CNNLENS_METHOD_GRAD_CAM): return { try gradCAM($0, $1, $2, at: layer) }
  case Int(CNNLENS_METHOD_GUIDED_GRAD_CAM): return { try guidedGradCAM($0, $1, $2, at: layer) }
  default: throw invalid("options.method is \(number); it must be a CNNLENS_METHOD_")
  }
}

@_cdecl("cnnlens_integrated_gradients") @implementation
public func cnnlens_integrated_gradients(
  _ out: UnsafeMutablePointer<cnnlens_array>!, _ handle: OpaquePointer!, _ image: UnsafePointer<cnnlens_array>!,
  _ goal: OpaquePointer!, _ given: UnsafePointer<cnnlens_path_options>!
) -> cnnlens_status {
  attribution(out, handle, image, goal) { owner, session, image, objective in
    let options = try PathOptions(given, owner.model)
    return try integratedGradients(
      session, image, objective, baseline: options.baseline, steps: options.steps, rule: options.rule, reduction: options.reduction,
      progress: options.progress)
  }
}

@_cdecl("cnnlens_layer_grad_x_activation") @implementation
public func cnnlens_layer_grad_x_activation(
  _ out: UnsafeMutablePointer<cnnlens_array>!, _ handle: OpaquePointer!, _ image: UnsafePointer<cnnlens_array>!,
  _ goal: OpaquePointer!, _ given: UnsafePointer<cnnlens_path_options>!
) -> cnnlens_status {
  attribution(out, handle, image, goal) { owner, session, image, objective in
    let options = try PathOptions(given, owner.model)
    return try layerGradientTimesActivation(session, image, objective, at: options.layer, reduction: options.reduction)
  }
}

@_cdecl("cnnlens_layer_integrated_gradients") @implementation
public func cnnlens_layer_integrated_gradients(
  _ out: UnsafeMutablePointer<cnnlens_array>!, _ handle: OpaquePointer!, _ image: UnsafePointer<cnnlens_array>!,
  _ goal: OpaquePointer!, _ given: UnsafePointer<cnnlens_path_options>!
) -> cnnlens_status {
  attribution(out, handle, image, goal) { owner, session, image, objective in
    let options = try PathOptions(given, owner.model)
    return try layerIntegratedGradients(
      session, image, objective, at: options.layer, baseline: options.baseline, steps: options.steps, rule: options.rule,
      reduction: options.reduction, progress: options.progress)
  }
}

@_cdecl("cnnlens_internal_influence") @implementation
public func cnnlens_internal_influence(
  _ out: UnsafeMutablePointer<cnnlens_array>!, _ handle: OpaquePointer!, _ image: UnsafePointer<cnnlens_array>!,
  _ goal: OpaquePointer!, _ given: UnsafePointer<cnnlens_path_options>!
) -> cnnlens_status {
  attribution(out, handle, image, goal) { owner, session, image, objective in
    let options = try PathOptions(given, owner.model)
    return try internalInfluence(
      session, image, objective, at: options.layer, baseline: options.baseline, steps: options.steps, rule: options.rule,
      reduction: options.reduction, progress: options.progress)
  }
}

@_cdecl("cnnlens_conductance") @implementation
public func cnnlens_conductance(
  _ out: UnsafeMutablePointer<cnnlens_array>!, _ handle: OpaquePointer!, _ image: UnsafePointer<cnnlens_array>!,
  _ goal: OpaquePointer!, _ given: UnsafePointer<cnnlens_path_options>!
) -> cnnlens_status {
  attribution(out, handle, image, goal) { owner, session, image, objective in
    let options = try PathOptions(given, owner.model)
    return try conductance(
      session, image, objective, at: options.layer, baseline: options.baseline, steps: options.steps, reduction: options.reduction,
      progress: options.progress)
  }
}

private struct PathOptions {
  let steps: Int
  let baseline: Filling
  let rule: Quadrature
  let reduction: ChannelReduction
  let layer: Layer?
  let progress: Steps?

  init(_ given: UnsafePointer<cnnlens_path_options>?, _ model: Model) throws {
    let defaults = cnnlens_path_options(
      struct_size: UInt32(MemoryLayout<cnnlens_path_options>.size), rule: Int32(CNNLENS_PATH_GAUSS_LEGENDRE), steps: 50,
      baseline: Int32(CNNLENS_FILL_VALUE), value: 0, picture: nil, layer: nil, reduction: Int32(CNNLENS_REDUCE_DEFAULT), reserved: 0,
      progress: nil, payload: nil)
    let options = try options(given, over: defaults, "options")
    guard options.reserved == 0 else { throw invalid("options.reserved is \(options.reserved); it must be 0") }
    let rules: [Int: Quadrature] = [
      Int(CNNLENS_PATH_GAUSS_LEGENDRE): .gaussLegendre, Int(CNNLENS_PATH_LEFT): .left, Int(CNNLENS_PATH_RIGHT): .right,
      Int(CNNLENS_PATH_MIDDLE): .middle, Int(CNNLENS_PATH_TRAPEZOID): .trapezoid,
    ]
    guard let rule = rules[Int(options.rule)] else { throw invalid("options.rule is \(options.rule); it must be a CNNLENS_PATH_") }
    self.rule = rule
    steps = Int(options.steps)
    baseline = try filling(options.baseline, options.value, options.picture)
    reduction = try CInterface.reduction(options.reduction, otherwise: .sum)
    layer = try CInterface.layer(options.layer, of: model)
    progress = CInterface.steps(options.progress, options.payload)
  }
}
