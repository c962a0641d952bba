// SPDX-License-Identifier: Apache-2.0
import CCNNLens
import CNNLens

/// One picture in, one map out, and what the session remembers of it.
private func attribution(
  _ out: UnsafeMutablePointer<cnnlens_array>?, _ handle: OpaquePointer?, _ image: UnsafePointer<cnnlens_array>?,
  _ goal: OpaquePointer?, _ method: (LensSession, Session, Tensor, Objective) throws -> Attribution
) -> cnnlens_status {
  status {
    let owner = try session(handle)
    let image = try block(image, "image").tensor("image")
    let output = try block(out.map { UnsafePointer($0) }, "out")
    _ = try output.floats("out")
    let objective = try objective(goal)
    let result = try owner.use { try method(owner, $0, image, objective) }
    try output.write(result.map, "out")
    owner.remember(scores: result.scores, targets: result.targets, layer: result.layer, native: result.native)
  }
}

private func reduction(
  _ given: UnsafePointer<cnnlens_attribution_options>?, otherwise: ChannelReduction
) throws -> ChannelReduction {
  let defaults = cnnlens_attribution_options(
    struct_size: UInt32(MemoryLayout<cnnlens_attribution_options>.size), reduction: Int32(CNNLENS_REDUCE_DEFAULT))
  let value = try options(given, over: defaults, "options").reduction
  switch Int(value) {
  case Int(CNNLENS_REDUCE_DEFAULT): return otherwise
  case Int(CNNLENS_REDUCE_MAXIMUM): return .maximum
  case Int(CNNLENS_REDUCE_ABSOLUTE): return .absolute
  case Int(CNNLENS_REDUCE_SUM): return .sum
  case Int(CNNLENS_REDUCE_NONE): return .none
  default: throw invalid("options.reduction is \(value); it must be a CNNLENS_REDUCE_")
  }
}

@_cdecl("cnnlens_saliency") @implementation
public func cnnlens_saliency(
  _ out: UnsafeMutablePointer<cnnlens_array>!, _ handle: OpaquePointer!, _ image: UnsafePointer<cnnlens_array>!,
  _ goal: OpaquePointer!, _ given: UnsafePointer<cnnlens_attribution_options>!
) -> cnnlens_status {
  attribution(out, handle, image, goal) {
    try saliency($1, $2, $3, reduction: try reduction(given, otherwise: .maximum))
  }
}

@_cdecl("cnnlens_grad_x_input") @implementation
public func cnnlens_grad_x_input(
  _ out: UnsafeMutablePointer<cnnlens_array>!, _ handle: OpaquePointer!, _ image: UnsafePointer<cnnlens_array>!,
  _ goal: OpaquePointer!, _ given: UnsafePointer<cnnlens_attribution_options>!
) -> cnnlens_status {
  attribution(out, handle, image, goal) {
    try gradientTimesInput($1, $2, $3, reduction: try reduction(given, otherwise: .sum))
  }
}

@_cdecl("cnnlens_guided_backprop") @implementation
public func cnnlens_guided_backprop(
  _ out: UnsafeMutablePointer<cnnlens_array>!, _ handle: OpaquePointer!, _ image: UnsafePointer<cnnlens_array>!,
  _ goal: OpaquePointer!, _ given: UnsafePointer<cnnlens_attribution_options>!
) -> cnnlens_status {
  attribution(out, handle, image, goal) {
    try guidedBackprop($1, $2, $3, reduction: try reduction(given, otherwise: .sum))
  }
}

@_cdecl("cnnlens_deconvnet") @implementation
public func cnnlens_deconvnet(
  _ out: UnsafeMutablePointer<cnnlens_array>!, _ handle: OpaquePointer!, _ image: UnsafePointer<cnnlens_array>!,
  _ goal: OpaquePointer!, _ given: UnsafePointer<cnnlens_attribution_options>!
) -> cnnlens_status {
  attribution(out, handle, image, goal) {
    try deconvNet($1, $2, $3, reduction: try reduction(given, otherwise: .sum))
  }
}

@_cdecl("cnnlens_cam") @implementation
public func cnnlens_cam(
  _ out: UnsafeMutablePointer<cnnlens_array>!, _ handle: OpaquePointer!, _ image: UnsafePointer<cnnlens_array>!,
  _ goal: OpaquePointer!
) -> cnnlens_status {
  attribution(out, handle, image, goal) { try cam($1, $2, $3) }
}

@_cdecl("cnnlens_grad_cam") @implementation
public func cnnlens_grad_cam(
  _ out: UnsafeMutablePointer<cnnlens_array>!, _ handle: OpaquePointer!, _ image: UnsafePointer<cnnlens_array>!,
  _ goal: OpaquePointer!, _ given: UnsafePointer<cnnlens_cam_options>!
) -> cnnlens_status {
  attribution(out, handle, image, goal) { owner, session, image, objective in
    let options = try CAMOptions(given, owner.model)
    return try gradCAM(
      session, image, objective, at: options.layer, keepsPositive: options.keepsPositive, enlargement: options.enlargement)
  }
}

@_cdecl("cnnlens_guided_grad_cam") @implementation
public func cnnlens_guided_grad_cam(
  _ out: UnsafeMutablePointer<cnnlens_array>!, _ handle: OpaquePointer!, _ image: UnsafePointer<cnnlens_array>!,
  _ goal: OpaquePointer!, _ given: UnsafePointer<cnnlens_cam_options>!
) -> cnnlens_status {
  attribution(out, handle, image, goal) { owner, session, image, objective in
    try guidedGradCAM(session, image, objective, at: try CAMOptions(given, owner.model).layer)
  }
}

private struct CAMOptions {
  let layer: Layer?
  let keepsPositive: Bool
  let enlargement: Enlargement

  init(_ given: UnsafePointer<cnnlens_cam_options>?, _ model: Model) throws {
    let defaults = cnnlens_cam_options(
      struct_size: UInt32(MemoryLayout<cnnlens_cam_options>.size), keeps_positive: 1, layer: nil,
      upsample: Int32(CNNLENS_UPSAMPLE_BILINEAR), reserved: 0)
    let options = try options(given, over: defaults, "options")
    layer = try options.layer.map { try model.network.resolve(String(cString: $0)) }
    keepsPositive = try flag(options.keeps_positive, "options.keeps_positive")
    switch Int(options.upsample) {
    case Int(CNNLENS_UPSAMPLE_BILINEAR): enlargement = .bilinear
    case Int(CNNLENS_UPSAMPLE_NEAREST): enlargement = .nearest
    default: throw invalid("options.upsample is \(options.upsample); it must be a CNNLENS_UPSAMPLE_")
    }
    guard options.reserved == 0 else { throw invalid("options.reserved is \(options.reserved); it must be 0") }
  }
}

@_cdecl("cnnlens_occlusion") @implementation
public func cnnlens_occlusion(
  _ out: UnsafeMutablePointer<cnnlens_array>!, _ handle: OpaquePointer!, _ image: UnsafePointer<cnnlens_array>!,
  _ goal: OpaquePointer!, _ given: UnsafePointer<cnnlens_occlusion_options>!
) -> cnnlens_status {
  attribution(out, handle, image, goal) { _, session, image, objective in
    let defaults = cnnlens_occlusion_options(
      struct_size: UInt32(MemoryLayout<cnnlens_occlusion_options>.size), fill: Int32(CNNLENS_FILL_VALUE), window: (32, 32), stride: (8, 8),
      value: 0, reserved: 0, progress: nil, payload: nil)
    let options = try options(given, over: defaults, "options")
    let filling: Filling
    switch Int(options.fill) {
    case Int(CNNLENS_FILL_VALUE): filling = .value(options.value)
    case Int(CNNLENS_FILL_MEAN): filling = .mean
    case Int(CNNLENS_FILL_BLUR): filling = .blur
    default: throw invalid("options.fill is \(options.fill); it must be a CNNLENS_FILL_")
    }
    guard options.reserved == 0 else { throw invalid("options.reserved is \(options.reserved); it must be 0") }
    return try occlusion(
      session, image, objective, window: (Int(options.window.0), Int(options.window.1)),
      stride: (Int(options.stride.0), Int(options.stride.1)), filling: filling,
      progress: options.progress.map { progress in { progress(Int64($0), Int64($1), 0, options.payload) == 0 } })
  }
}
