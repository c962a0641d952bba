// SPDX-License-Identifier: Apache-2.0
import CCNNLens
import CNNLens

/// Runs a walk, writes the picture it reached, and remembers what it left behind. Stopped, it still does all that.
private func synthesis(
  _ out: UnsafeMutablePointer<cnnlens_array>?, _ handle: OpaquePointer?, _ walk: (Model, Session, Shape) throws -> Ascent.Result
) -> cnnlens_status {
  status {
    let owner = try session(handle)
    let output = try block(out.map { UnsafePointer($0) }, "out")
    _ = try output.floats("out")
    guard output.shape.rank == 4 else { throw LensError(.shapeMismatch, "out is \(output.shape); it must be N×C×H×W") }
    let result = try reached(output.shape) { try owner.use { try walk(owner.model, $0, output.shape) } }
    try output.write(result.picture, "out")
    owner.remember(scores: result.history.last.map { [$0] } ?? [], targets: result.history.isEmpty ? [] : [-1])
    owner.walk = result
    guard result.isComplete else { throw LensError(.cancelled, "stopped after step \(result.history.count)") }
  }
}

/// Stopped before the first step, a walk has reached a grey picture.
private func reached(_ shape: Shape, _ walk: () throws -> Ascent.Result) throws -> Ascent.Result {
  do { return try walk() } catch let error as LensError where error.code == .cancelled {
    let grey = Tensor(shape, repeating: 0.5)
    return Ascent.Result(picture: grey, isComplete: false, checkpoint: .init(step: 0, parameters: grey, optimizer: [], history: []))
  }
}

private func report(_ progress: cnnlens_progress?, _ payload: UnsafeMutableRawPointer?) -> Progress {
  guard let progress else { return { _, _, _ in true } }
  return { progress(Int64($0), Int64($1), $2, payload) == 0 }
}

private func checkpoint(_ base: UnsafeRawPointer?, _ count: Int64) throws -> Ascent.Checkpoint? {
  guard let base else {
    guard count == 0 else { throw invalid("options.checkpoint is NULL but options.checkpoint_count is \(count)") }
    return nil
  }
  guard count >= 0 else { throw invalid("options.checkpoint_count is \(count)") }
  return try Ascent.Checkpoint(bytes: UnsafeRawBufferPointer(start: base, count: Int(count)))
}

private func center(_ center: (Float, Float, Float), _ shape: Shape) -> [Float] {
  shape.c == 3 ? [center.0, center.1, center.2] : [center.0]
}

private func range(_ isClamped: Int32, _ low: Float, _ high: Float) throws -> ClosedRange<Float>? {
  guard try flag(isClamped, "options.is_clamped") else { return nil }
  guard low.isFinite, high.isFinite, low <= high else { throw invalid("options.low is \(low) and options.high \(high)") }
  return low...high
}

private func optimizer(_ value: Int32, _ rate: Float, memory: Int32 = 10) throws -> any Optimizer {
  guard Int(value) == Int(CNNLENS_OPTIMIZER_LBFGS) || rate > 0 && rate.isFinite else {
    throw invalid("options.rate is \(rate); it must be finite and above 0")
  }
  switch Int(value) {
  case Int(CNNLENS_OPTIMIZER_GRADIENT): return GradientAscent(rate: rate, scale: .meanAbsolute)
  case Int(CNNLENS_OPTIMIZER_MOMENTUM): return Momentum(rate: rate / 10, decay: 0.9, scale: .meanAbsolute)
  case Int(CNNLENS_OPTIMIZER_ADAM): return Adam(rate: rate)
  case Int(CNNLENS_OPTIMIZER_LBFGS):
    guard 1...1000 ~= memory else { throw invalid("options.memory is \(memory); it must be 1...1000") }
    return LBFGS(memory: Int(memory))
  default: throw invalid("options.optimizer is \(value); it must be a CNNLENS_OPTIMIZER_")
  }
}

private func parameterization(_ value: Int32, _ decorrelates: Int32, _ deviation: Float) throws -> (any Parameterization)? {
  let decorrelates = try flag(decorrelates, "options.decorrelates")
  guard deviation.isFinite, deviation >= 0 else { throw invalid("options.deviation is \(deviation); it must be finite and not negative") }
  switch Int(value) {
  case Int(CNNLENS_PARAM_PIXELS): return nil
  case Int(CNNLENS_PARAM_FOURIER): return Fourier(decorrelates: decorrelates, deviation: deviation)
  case Int(CNNLENS_PARAM_PYRAMID): return LaplacianPyramid(decorrelates: decorrelates, deviation: deviation)
  case Int(CNNLENS_PARAM_CPPN): return CPPN()
  default: throw invalid("options.parameterization is \(value); it must be a CNNLENS_PARAM_")
  }
}

private func steps(_ steps: Int64) throws -> Int {
  guard 0...1_000_000_000 ~= steps else { throw invalid("options.steps is \(steps); it must be 0...1,000,000,000") }
  return Int(steps)
}

// MARK: One picture from nothing

@_cdecl("cnnlens_visualize") @implementation
public func cnnlens_visualize(
  _ out: UnsafeMutablePointer<cnnlens_array>!, _ handle: OpaquePointer!, _ goal: OpaquePointer!,
  _ given: UnsafePointer<cnnlens_visualize_options>!
) -> cnnlens_status {
  synthesis(out, handle) { _, session, shape in
    let options = try options(given, over: .defaults, "options")
    var visualization = FeatureVisualization()
    visualization.parameterization = try parameterization(options.parameterization, options.decorrelates, options.deviation)
    visualization.deviation = options.deviation
    visualization.transformsPicture = try flag(options.transforms, "options.transforms")
    visualization.optimizer = try optimizer(options.optimizer, options.rate)
    guard options.redirected_steps >= 0 else {
      throw invalid("options.redirected_steps is \(options.redirected_steps); it must not be negative")
    }
    visualization.redirectedSteps = Int(options.redirected_steps)
    visualization.steps = try steps(options.steps)
    visualization.seed = options.seed
    return try visualization.run(
      session, try objective(goal), shape: shape, resuming: try checkpoint(options.checkpoint, options.checkpoint_count),
      progress: report(options.progress, options.payload))
  }
}

extension cnnlens_visualize_options {
  fileprivate static var defaults: Self {
    .init(
      struct_size: UInt32(MemoryLayout<Self>.size), parameterization: Int32(CNNLENS_PARAM_FOURIER), decorrelates: 1, transforms: 1,
      optimizer: Int32(CNNLENS_OPTIMIZER_ADAM), redirected_steps: 16, rate: 0.05, deviation: 0.01, steps: 512, seed: 0, checkpoint: nil,
      checkpoint_count: 0, progress: nil, payload: nil)
  }
}

@_cdecl("cnnlens_class_model") @implementation
public func cnnlens_class_model(
  _ out: UnsafeMutablePointer<cnnlens_array>!, _ handle: OpaquePointer!, _ numbers: UnsafePointer<Int64>!, _ count: Int64,
  _ given: UnsafePointer<cnnlens_class_model_options>!
) -> cnnlens_status {
  synthesis(out, handle) { _, session, shape in
    let options = try options(given, over: .defaults, "options")
    guard let preset = ClassModelPreset(rawValue: Int(options.preset)) else {
      throw invalid("options.preset is \(options.preset); it must be a CNNLENS_CLASS_MODEL_")
    }
    var model = ClassModel()
    (model.preset, model.rate, model.penalty, model.seed) = (preset, options.rate, options.penalty, options.seed)
    model.steps = try steps(options.steps)
    model.center = center(options.center, shape)
    model.range = try range(options.is_clamped, options.low, options.high)
    return try model.run(
      session, try classes(numbers, count, "classes"), shape: shape,
      resuming: try checkpoint(options.checkpoint, options.checkpoint_count), progress: report(options.progress, options.payload))
  }
}

extension cnnlens_class_model_options {
  fileprivate static var defaults: Self {
    .init(
      struct_size: UInt32(MemoryLayout<Self>.size), preset: Int32(CNNLENS_CLASS_MODEL_SIMONYAN), steps: 200, seed: 0, rate: 0.01,
      penalty: 0.01, center: (0.5, 0.5, 0.5), is_clamped: 1, low: 0, high: 1, checkpoint: nil, checkpoint_count: 0, progress: nil,
      payload: nil)
  }
}

// MARK: From a code, a picture, or several

@_cdecl("cnnlens_invert") @implementation
public func cnnlens_invert(
  _ out: UnsafeMutablePointer<cnnlens_array>!, _ handle: OpaquePointer!, _ name: UnsafePointer<CChar>!,
  _ code: UnsafePointer<cnnlens_array>!, _ given: UnsafePointer<cnnlens_invert_options>!
) -> cnnlens_status {
  synthesis(out, handle) { model, session, shape in
    let options = try options(given, over: .defaults, "options")
    let layer = try model.network.resolve(try text(name, "layer"))
    var inversion = Inversion()
    (inversion.alpha, inversion.beta, inversion.strength) = (options.alpha, options.beta, options.strength)
    inversion.parameterization = try parameterization(options.parameterization, options.decorrelates, 0.01)
    guard options.deviation.isFinite, options.deviation >= 0 else {
      throw invalid("options.deviation is \(options.deviation); it must be finite and not negative")
    }
    (inversion.deviation, inversion.seed) = (options.deviation, options.seed)
    inversion.steps = try steps(options.steps)
    inversion.center = center(options.center, shape)
    inversion.optimizer = try optimizer(options.optimizer, options.rate)
    return try inversion.run(
      session, try block(code, "code").tensor("code"), at: layer, shape: shape,
      resuming: try checkpoint(options.checkpoint, options.checkpoint_count), progress: report(options.progress, options.payload))
  }
}

extension cnnlens_invert_options {
  fileprivate static var defaults: Self {
    .init(
      struct_size: UInt32(MemoryLayout<Self>.size), optimizer: Int32(CNNLENS_OPTIMIZER_LBFGS), steps: 400, seed: 0, alpha: 6, beta: 2,
      strength: 300, rate: 0.02, center: (0.5, 0.5, 0.5), deviation: 0.05,
      parameterization: Int32(CNNLENS_PARAM_FOURIER), decorrelates: 1, checkpoint: nil, checkpoint_count: 0, progress: nil,
      payload: nil)
  }
}

@_cdecl("cnnlens_deepdream") @implementation
public func cnnlens_deepdream(
  _ out: UnsafeMutablePointer<cnnlens_array>!, _ handle: OpaquePointer!, _ image: UnsafePointer<cnnlens_array>!, _ goal: OpaquePointer!,
  _ given: UnsafePointer<cnnlens_deepdream_options>!
) -> cnnlens_status {
  synthesis(out, handle) { _, session, shape in
    let options = try options(given, over: .defaults, "options")
    let image = try block(image, "image").tensor("image")
    guard image.shape == shape else { throw LensError(.shapeMismatch, "out is \(shape) but the picture is \(image.shape)") }
    guard options.tile >= 0 else { throw invalid("options.tile is \(options.tile); it must not be negative") }
    var dream = DeepDream()
    (dream.octaves, dream.octaveScale, dream.stepSize) = (Int(options.octaves), options.octave_scale, options.step_size)
    (dream.jitter, dream.seed) = (Int(options.jitter), options.seed)
    dream.steps = try steps(options.steps)
    dream.tile = options.tile == 0 ? nil : Int(options.tile)
    dream.range = try range(options.is_clamped, options.low, options.high)
    return try dream.run(session, image, try objective(goal), progress: report(options.progress, options.payload))
  }
}

extension cnnlens_deepdream_options {
  fileprivate static var defaults: Self {
    .init(
      struct_size: UInt32(MemoryLayout<Self>.size), octaves: 4, steps: 10, seed: 0, octave_scale: 1.4, step_size: 1.5 / 255, jitter: 32,
      is_clamped: 1, low: 0, high: 1, tile: 0, progress: nil, payload: nil)
  }
}

@_cdecl("cnnlens_style_transfer") @implementation
public func cnnlens_style_transfer(
  _ out: UnsafeMutablePointer<cnnlens_array>!, _ handle: OpaquePointer!, _ content: UnsafePointer<cnnlens_array>!,
  _ pictures: UnsafePointer<cnnlens_array>!, _ count: Int64, _ given: UnsafePointer<cnnlens_style_transfer_options>!
) -> cnnlens_status {
  synthesis(out, handle) { model, session, shape in
    let options = try options(given, over: .defaults, "options")
    func layers(_ names: UnsafePointer<UnsafePointer<CChar>?>?, _ count: Int64, _ word: String) throws -> [Layer] {
      try strings(names, count, "options.\(word)").map { try model.network.resolve($0) }
    }
    var transfer = StyleTransfer(
      contentLayers: try layers(options.content_layers, options.content_layer_count, "content_layers"),
      styleLayers: try layers(options.style_layers, options.style_layer_count, "style_layers"))
    (transfer.contentWeight, transfer.styleWeight, transfer.tvWeight) = (options.content_weight, options.style_weight, options.tv_weight)
    (transfer.styleScale, transfer.unit, transfer.seed) = (options.style_scale, options.unit, options.seed)
    guard options.deviation.isFinite, options.deviation >= 0 else {
      throw invalid("options.deviation is \(options.deviation); it must be finite and not negative")
    }
    transfer.deviation = options.deviation
    transfer.center = center(options.center, shape)
    transfer.steps = try steps(options.steps)
    transfer.optimizer = try optimizer(options.optimizer, options.rate, memory: options.memory)
    let scales: [Double] = try list(options.scales, options.scale_count, "options.scales", limit: 64)
    if !scales.isEmpty { transfer.scales = scales }

    let blocks = try blocks(pictures, count, "styles")
    let weights: [Float] = try list(options.blend_weights, options.blend_weight_count, "options.blend_weights", limit: 1 << 16)
    guard weights.isEmpty || weights.count == blocks.count else {
      throw invalid("there are \(weights.count) blend weights for \(blocks.count) styles; one for each is wanted")
    }
    let masks: [cnnlens_array] = try list(options.masks, options.mask_count, "options.masks", limit: 1 << 16)
    guard masks.isEmpty || masks.count == blocks.count else {
      throw invalid("there are \(masks.count) masks for \(blocks.count) styles; one for each is wanted")
    }
    let styles = try blocks.enumerated().map { index, picture in
      let mask = masks.isEmpty || masks[index].data == nil ? nil : try block(masks[index], "options.masks[\(index)]").tensor("mask")
      return StyleTransfer.Style(try picture.tensor("styles[\(index)]"), weight: weights.isEmpty ? 1 : weights[index], mask: mask)
    }
    return try transfer.run(
      session, content: content == nil ? nil : try block(content, "content").tensor("content"), styles: styles, shape: shape,
      from: options.start == nil ? nil : try block(options.start, "options.start").tensor("options.start"),
      resuming: try checkpoint(options.checkpoint, options.checkpoint_count), progress: report(options.progress, options.payload))
  }
}

extension cnnlens_style_transfer_options {
  fileprivate static var defaults: Self {
    .init(
      struct_size: UInt32(MemoryLayout<Self>.size), optimizer: Int32(CNNLENS_OPTIMIZER_LBFGS), steps: 1000, seed: 0, content_weight: 5,
      style_weight: 100, tv_weight: 1e-3, rate: 10 / 255, style_scale: 1, unit: 1, deviation: 0.001, center: (0.5, 0.5, 0.5), memory: 10,
      content_layers: nil, content_layer_count: 0, style_layers: nil, style_layer_count: 0, blend_weights: nil, blend_weight_count: 0,
      masks: nil, mask_count: 0, scales: nil, scale_count: 0, start: nil, checkpoint: nil, checkpoint_count: 0, progress: nil, payload: nil)
  }
}

// MARK: What a walk left behind

private func walk(_ handle: OpaquePointer?) throws -> Ascent.Result {
  guard let walk = try session(handle).walk else { throw invalid("the session has not made a picture yet") }
  return walk
}

@_cdecl("cnnlens_session_history_count") @implementation
public func cnnlens_session_history_count(_ handle: OpaquePointer!) -> Int64 { count { try walk(handle).history.count } }

@_cdecl("cnnlens_session_history") @implementation
public func cnnlens_session_history(_ out: UnsafeMutablePointer<Float>!, _ count: Int64, _ handle: OpaquePointer!) -> cnnlens_status {
  status {
    let history = try walk(handle).history
    guard count == Int64(history.count) else { throw LensError(.shapeMismatch, "count is \(count) but there were \(history.count) steps") }
    guard count > 0 else { return }
    let out = try required(out, "out")
    history.withUnsafeBytes { UnsafeMutableRawBufferPointer(start: out, count: $0.count).copyMemory(from: $0) }
  }
}

@_cdecl("cnnlens_session_checkpoint_count") @implementation
public func cnnlens_session_checkpoint_count(_ handle: OpaquePointer!) -> Int64 { count { try walk(handle).checkpoint.byteCount } }

@_cdecl("cnnlens_session_checkpoint") @implementation
public func cnnlens_session_checkpoint(_ out: UnsafeMutableRawPointer!, _ count: Int64, _ handle: OpaquePointer!) -> cnnlens_status {
  status {
    let checkpoint = try walk(handle).checkpoint
    guard count == Int64(checkpoint.byteCount) else {
      throw LensError(.shapeMismatch, "count is \(count) but the checkpoint has \(checkpoint.byteCount) bytes")
    }
    guard let out else { throw invalid("out is NULL") }
    checkpoint.bytes.withUnsafeBytes { UnsafeMutableRawBufferPointer(start: out, count: $0.count).copyMemory(from: $0) }
  }
}
