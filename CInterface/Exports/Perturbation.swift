// SPDX-License-Identifier: Apache-2.0
import CCNNLens
import CNNLens

@_cdecl("cnnlens_rise") @implementation
public func cnnlens_rise(
  _ out: UnsafeMutablePointer<cnnlens_array>!, _ handle: OpaquePointer!, _ image: UnsafePointer<cnnlens_array>!,
  _ goal: OpaquePointer!, _ given: UnsafePointer<cnnlens_rise_options>!
) -> cnnlens_status {
  attribution(out, handle, image, goal) { _, session, image, objective in
    let defaults = cnnlens_rise_options(
      struct_size: UInt32(MemoryLayout<cnnlens_rise_options>.size), fill: Int32(CNNLENS_FILL_VALUE), masks: 4000, cells: 7, p: 0.5,
      seed: 0, picture: nil, value: 0, reserved: 0, progress: nil, payload: nil)
    let options = try options(given, over: defaults, "options")
    guard options.reserved == 0 else { throw invalid("options.reserved is \(options.reserved); it must be 0") }
    return try rise(
      session, image, objective, masks: Int(options.masks), cells: Int(options.cells), probability: options.p,
      filling: try filling(options.fill, options.value, options.picture), seed: options.seed,
      progress: steps(options.progress, options.payload))
  }
}

@_cdecl("cnnlens_feature_ablation") @implementation
public func cnnlens_feature_ablation(
  _ out: UnsafeMutablePointer<cnnlens_array>!, _ handle: OpaquePointer!, _ image: UnsafePointer<cnnlens_array>!,
  _ goal: OpaquePointer!, _ given: UnsafePointer<cnnlens_segment_options>!
) -> cnnlens_status {
  attribution(out, handle, image, goal) { _, session, image, objective in
    let options = try SegmentOptions(given, image.shape)
    return try featureAblation(
      session, image, objective, segments: options.segments, filling: options.filling, exact: options.exact, progress: options.progress)
  }
}

@_cdecl("cnnlens_lime") @implementation
public func cnnlens_lime(
  _ out: UnsafeMutablePointer<cnnlens_array>!, _ handle: OpaquePointer!, _ image: UnsafePointer<cnnlens_array>!,
  _ goal: OpaquePointer!, _ given: UnsafePointer<cnnlens_segment_options>!
) -> cnnlens_status {
  attribution(out, handle, image, goal) { _, session, image, objective in
    let options = try SegmentOptions(given, image.shape)
    return try options.written(
      lime(
        session, image, objective, segments: options.segments, samples: options.samples ?? 1000, filling: options.filling,
        kernelWidth: options.kernelWidth, ridge: options.ridge, seed: options.seed, progress: options.progress))
  }
}

@_cdecl("cnnlens_kernel_shap") @implementation
public func cnnlens_kernel_shap(
  _ out: UnsafeMutablePointer<cnnlens_array>!, _ handle: OpaquePointer!, _ image: UnsafePointer<cnnlens_array>!,
  _ goal: OpaquePointer!, _ given: UnsafePointer<cnnlens_segment_options>!
) -> cnnlens_status {
  attribution(out, handle, image, goal) { _, session, image, objective in
    let options = try SegmentOptions(given, image.shape)
    return try options.written(
      kernelSHAP(
        session, image, objective, segments: options.segments, samples: options.samples ?? 1000, filling: options.filling,
        seed: options.seed, progress: options.progress))
  }
}

@_cdecl("cnnlens_shapley") @implementation
public func cnnlens_shapley(
  _ out: UnsafeMutablePointer<cnnlens_array>!, _ handle: OpaquePointer!, _ image: UnsafePointer<cnnlens_array>!,
  _ goal: OpaquePointer!, _ given: UnsafePointer<cnnlens_segment_options>!
) -> cnnlens_status {
  attribution(out, handle, image, goal) { _, session, image, objective in
    let options = try SegmentOptions(given, image.shape)
    return try options.written(
      shapley(
        session, image, objective, segments: options.segments, samples: options.samples ?? 25, filling: options.filling,
        seed: options.seed, progress: options.progress))
  }
}

/// What the methods that hide segments are told.
private struct SegmentOptions {
  let segments: Tensor
  let filling: Filling
  /// Nil: as many as the method wants.
  let samples: Int?
  let seed: UInt64
  let kernelWidth: Double
  let ridge: Double
  let exact: Bool
  let progress: Steps?
  private let model: Block?

  init(_ given: UnsafePointer<cnnlens_segment_options>?, _ image: Shape) throws {
    let defaults = cnnlens_segment_options(
      struct_size: UInt32(MemoryLayout<cnnlens_segment_options>.size), fill: Int32(CNNLENS_FILL_SEGMENT_MEAN), segments: nil, picture: nil,
      model: nil, samples: 0, seed: 0, kernel_width: 0.25, ridge: 1, value: 0, exact: 0, progress: nil, payload: nil)
    let options = try options(given, over: defaults, "options")
    segments = try block(options.segments, "options.segments").tensor("options.segments")
    filling =
      options.fill == Int32(CNNLENS_FILL_SEGMENT_MEAN)
      ? .segmentMean : try CInterface.filling(options.fill, options.value, options.picture)
    guard options.samples >= 0 else { throw invalid("options.samples is \(options.samples); it must be at least 1, or 0 for the default") }
    samples = options.samples == 0 ? nil : Int(options.samples)
    seed = options.seed
    (kernelWidth, ridge) = (options.kernel_width, options.ridge)
    exact = try flag(options.exact, "options.exact")
    progress = CInterface.steps(options.progress, options.payload)
    model = try options.model.map { try block(UnsafePointer($0), "options.model") }
    _ = try model?.destination(for: [image.n, 2], "options.model")
  }

  /// The result, after intercepts and fits are where the caller wants them.
  func written(_ result: Attribution) throws -> Attribution {
    let rows = result.models.flatMap { [Float($0.intercept), Float($0.fit ?? .nan)] }
    try model?.write(Tensor([result.models.count, 2], rows), "options.model")
    return result
  }
}
