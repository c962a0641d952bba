// SPDX-License-Identifier: Apache-2.0
import CCNNLens
import CNNLens

/// One picture in, one map out, and what the session remembers of it.
func attribution(
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
    owner.remember(result)
  }
}

private func reduction(
  _ given: UnsafePointer<cnnlens_attribution_options>?, otherwise: ChannelReduction
) throws -> ChannelReduction {
  let defaults = cnnlens_attribution_options(
    struct_size: UInt32(MemoryLayout<cnnlens_attribution_options>.size), reduction: Int32(CNNLENS_REDUCE_DEFAULT))
  return try reduction(try options(given, over: defaults, "options").reduction, otherwise: otherwise)
}

func reduction(_ value: Int32, otherwise: ChannelReduction) throws -> ChannelReduction {
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

@_cdecl("cnnlens_occlusion") @implementation
public func cnnlens_occlusion(
  _ out: UnsafeMutablePointer<cnnlens_array>!, _ handle: OpaquePointer!, _ image: UnsafePointer<cnnlens_array>!,
  _ goal: OpaquePointer!, _ given: UnsafePointer<cnnlens_occlusion_options>!
) -> cnnlens_status {
  attribution(out, handle, image, goal) { _, session, image, objective in
    let defaults = cnnlens_occlusion_options(
      struct_size: UInt32(MemoryLayout<cnnlens_occlusion_options>.size), fill: Int32(CNNLENS_FILL_VALUE), window: (32, 32), stride: (8, 8),
      value: 0, exact: 0, progress: nil, payload: nil)
    let options = try options(given, over: defaults, "options")
    let filling = try filling(options.fill, options.value, nil), exact = try flag(options.exact, "options.exact")
    return try occlusion(
      session, image, objective, window: (Int(options.window.0), Int(options.window.1)),
      stride: (Int(options.stride.0), Int(options.stride.1)), filling: filling, exact: exact,
      progress: steps(options.progress, options.payload))
  }
}

/// - picture: for CNNLENS_FILL_PICTURE, where a method allows it.
func filling(_ fill: Int32, _ value: Float, _ picture: UnsafePointer<cnnlens_array>?) throws -> Filling {
  switch Int(fill) {
  case Int(CNNLENS_FILL_VALUE): return .value(value)
  case Int(CNNLENS_FILL_MEAN): return .mean
  case Int(CNNLENS_FILL_BLUR): return .blur
  case Int(CNNLENS_FILL_PICTURE) where picture != nil: return .picture(try block(picture, "options.picture").tensor("options.picture"))
  default: throw invalid("options.fill is \(fill); it must be a CNNLENS_FILL_\(picture == nil ? " and no picture is given" : "")")
  }
}

/// A method's progress from a C callback.
func steps(_ progress: cnnlens_progress?, _ payload: UnsafeMutableRawPointer?) -> Steps? {
  progress.map { progress in { progress(Int64($0), Int64($1), 0, payload) == 0 } }
}

/// The layer of a method's options; NULL is nil.
func layer(_ name: UnsafePointer<CChar>?, of model: Model) throws -> Layer? {
  try name.map { try model.network.resolve(String(cString: $0)) }
}
