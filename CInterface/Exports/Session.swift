// SPDX-License-Identifier: Apache-2.0
import CCNNLens
import CNNLens
import Glibc
import Synchronization

/// What a `cnnlens_session *` points to: a session, and what its last gradient saw.
final class LensSession: @unchecked Sendable {
  let model: Model
  private let session: Session
  private let isBusy = Atomic(false)
  fileprivate(set) var last: Last?
  /// What several methods at once remembered.
  fileprivate var several: [Last] = []
  fileprivate var lastSpatialLayer: ConstantString?
  /// What the last optimisation of a picture left behind.
  var walk: Ascent.Result?

  struct Last {
    var scores: [Float]
    var targets: [Int]
    var layer: ConstantString?
    var native: Tensor?
    var gaps: [Float]?
  }

  init(_ model: Model) {
    self.model = model
    session = Session(model.network)
  }

  /// The session, for one caller at a time.
  func use<Result>(_ body: (Session) throws -> Result) throws -> Result {
    guard !isBusy.exchange(true, ordering: .acquiring) else {
      throw invalid("the session is in use; make one session per thread")
    }
    defer { isBusy.store(false, ordering: .releasing) }
    return try body(session)
  }

  func remember(scores: [Float], targets: [Int], layer: Layer? = nil, native: Tensor? = nil, gaps: [Float]? = nil) {
    last = Last(scores: scores, targets: targets, layer: layer.map { ConstantString($0.name) }, native: native, gaps: gaps)
  }
}

extension LensSession {
  func remember(_ result: Attribution) {
    remember(scores: result.scores, targets: result.targets, layer: result.layer, native: result.native, gaps: result.gaps)
  }

  func remember(_ results: [Attribution]) {
    several = results.compactMap { result in
      remember(result)
      return last
    }
  }
}

func session(_ handle: OpaquePointer?) throws -> LensSession { try object(handle, "session") }

@_cdecl("cnnlens_session_new") @implementation
public func cnnlens_session_new(_ out: UnsafeMutablePointer<OpaquePointer?>!, _ model: OpaquePointer!) -> cnnlens_status {
  status {
    let model: Model = try object(model, "model")
    try give(out) { LensSession(model) }
  }
}

@_cdecl("cnnlens_session_free") @implementation
public func cnnlens_session_free(_ session: OpaquePointer!) { release(session, as: LensSession.self) }

@_cdecl("cnnlens_session_set_interrupt") @implementation
public func cnnlens_session_set_interrupt(
  _ handle: OpaquePointer!, _ callback: cnnlens_interrupt!, _ payload: UnsafeMutableRawPointer!
) -> cnnlens_status {
  status {
    try session(handle).use { session in
      guard let callback else {
        session.interrupt = nil
        return
      }
      session.interrupt = { callback(payload) != 0 }
    }
  }
}

// MARK: Shapes and activations

@_cdecl("cnnlens_layer_shape") @implementation
public func cnnlens_layer_shape(
  _ out: UnsafeMutablePointer<cnnlens_array>!, _ handle: OpaquePointer!,
  _ layers: UnsafePointer<UnsafePointer<CChar>?>!, _ layerCount: Int64,
  _ inputs: UnsafePointer<cnnlens_array>!, _ inputCount: Int64
) -> cnnlens_status {
  status {
    let owner = try session(handle)
    let out = try required(out, "out")
    let layers = try resolved(layers, layerCount, owner.model)
    let inputs = try blocks(inputs, inputCount, "inputs").map(\.shape)
    let shapes = try owner.use { try $0.shapes(of: layers, inputs: inputs) }
    for (index, shape) in shapes.enumerated() {
      describe(shape.dimensions, in: out + index * MemoryLayout<cnnlens_array>.stride)
    }
  }
}

@_cdecl("cnnlens_last_spatial_layer") @implementation
public func cnnlens_last_spatial_layer(
  _ out: UnsafeMutablePointer<UnsafePointer<CChar>?>!, _ handle: OpaquePointer!, _ inputs: UnsafePointer<cnnlens_array>!,
  _ inputCount: Int64
) -> cnnlens_status {
  status {
    let owner = try session(handle), out = try required(out, "out")
    let shapes = try blocks(inputs, inputCount, "inputs").map(\.shape)
    let name = constantString(try owner.use { try $0.lastSpatialLayer(inputs: shapes) }.name)
    owner.lastSpatialLayer = name
    out.storeBytes(of: name.pointer, as: UnsafePointer<CChar>?.self)
  }
}

@_cdecl("cnnlens_run") @implementation
public func cnnlens_run(
  _ out: UnsafeMutablePointer<cnnlens_array>!, _ handle: OpaquePointer!,
  _ layers: UnsafePointer<UnsafePointer<CChar>?>!, _ layerCount: Int64,
  _ inputs: UnsafePointer<cnnlens_array>!, _ inputCount: Int64
) -> cnnlens_status {
  status {
    let owner = try session(handle)
    let layers = try resolved(layers, layerCount, owner.model)
    let inputs = try blocks(inputs, inputCount, "inputs")
    let outputs = try blocks(UnsafePointer(out), layerCount, "out")
    try owner.use { session in
      try write(to: outputs, layers: layers, inputs: inputs, session) { tensors, destinations in
        try session.activations(of: tensors, at: layers, into: destinations)
      }
    }
  }
}

@_cdecl("cnnlens_predict") @implementation
public func cnnlens_predict(
  _ indices: UnsafeMutablePointer<Int64>!, _ probabilities: UnsafeMutablePointer<Float>!, _ top: Int64,
  _ handle: OpaquePointer!, _ image: UnsafePointer<cnnlens_array>!
) -> cnnlens_status {
  status {
    let owner = try session(handle)
    let (indices, probabilities) = (try required(indices, "indices"), try required(probabilities, "probabilities"))
    let image = try block(image, "image").tensor("image")
    let logits = try owner.use { try $0.activations(of: [image], at: [.logits])[0] }
    let images = logits.shape.rank == 0 ? 1 : logits.shape.n
    let classCount = images == 0 ? 0 : logits.count / images
    guard logits.shape.rank >= 2, logits.shape.c == classCount, classCount > 0 else {
      throw LensError(.shapeMismatch, "the output is \(logits.shape), not N×K class scores")
    }
    guard top >= 1, top <= Int64(classCount) else { throw invalid("top is \(top); it must be 1...\(classCount)") }
    let values = logits.values
    for n in 0..<images {
      for (rank, (index, probability)) in softmax(values[n * classCount..<(n + 1) * classCount]).prefix(Int(top)).enumerated() {
        let place = n * Int(top) + rank
        indices.storeBytes(of: Int64(index), toByteOffset: place * 8, as: Int64.self)
        probabilities.storeBytes(of: probability, toByteOffset: place * 4, as: Float.self)
      }
    }
  }
}

/// Probabilities with their classes, largest first, equal ones in order of class.
private func softmax(_ scores: ArraySlice<Float>) -> [(index: Int, probability: Float)] {
  let highest = Double(scores.max() ?? 0)
  let exponentials = scores.map { exp(Double($0) - highest) }
  let sum = exponentials.reduce(0, +)
  return exponentials.enumerated().map { (index: $0.offset, probability: Float($0.element / sum)) }
    .sorted { ($0.probability, $1.index) > ($1.probability, $0.index) }
}

// MARK: Gradients

@_cdecl("cnnlens_gradient") @implementation
public func cnnlens_gradient(
  _ out: UnsafeMutablePointer<cnnlens_array>!, _ handle: OpaquePointer!,
  _ layers: UnsafePointer<UnsafePointer<CChar>?>!, _ layerCount: Int64,
  _ inputs: UnsafePointer<cnnlens_array>!, _ inputCount: Int64,
  _ goal: OpaquePointer!, _ given: UnsafePointer<cnnlens_gradient_options>!
) -> cnnlens_status {
  status {
    let owner = try session(handle)
    let defaults = cnnlens_gradient_options(
      struct_size: UInt32(MemoryLayout<cnnlens_gradient_options>.size), rule: Int32(CNNLENS_RULE_GRADIENT))
    let rules = try ruleMap(try options(given, over: defaults, "options").rule)
    let layers = try resolved(layers, layerCount, owner.model)
    let inputs = try blocks(inputs, inputCount, "inputs")
    let outputs = try blocks(UnsafePointer(out), layerCount, "out")
    let objective = try objective(goal)
    try owner.use { session in
      try write(to: outputs, layers: layers, inputs: inputs, session) { tensors, destinations in
        let result = try session.gradient(of: objective, at: tensors, wrt: layers, rules: rules, into: destinations)
        owner.remember(scores: result.scores, targets: result.targets)
        return result.gradients
      }
    }
  }
}

private func ruleMap(_ rule: Int32) throws -> RuleMap {
  switch Int(rule) {
  case Int(CNNLENS_RULE_GRADIENT): return .gradient
  case Int(CNNLENS_RULE_DECONVNET): return .deconvnet
  case Int(CNNLENS_RULE_GUIDED): return .guided
  case Int(CNNLENS_RULE_REDIRECTED): return .redirected
  default: throw invalid("options.rule is \(rule); it must be a CNNLENS_RULE_")
  }
}

private func resolved(_ layers: UnsafePointer<UnsafePointer<CChar>?>?, _ count: Int64, _ model: Model) throws -> [Layer] {
  guard count >= 1 else { throw invalid("layer_count is \(count); it must be at least 1") }
  return try strings(layers, count, "layers").map { try model.network.resolve($0) }
}

/// Runs `compute` so that it writes straight into the caller's arrays, whose shapes are checked first.
private func write(
  to outputs: [Block], layers: [Layer], inputs: [Block], _ session: Session,
  _ compute: ([Tensor], [UnsafeMutablePointer<Float>]?) throws -> [Tensor]
) throws {
  let tensors = try inputs.enumerated().map { try $1.tensor("inputs[\($0)]") }
  let shapes = try session.shapes(of: layers, inputs: tensors.map(\.shape))
  for (index, shape) in shapes.enumerated() { _ = try outputs[index].destination(for: shape, "out[\(index)]") }
  if outputs.allSatisfy(\.isAligned) {
    let destinations = outputs.compactMap { $0.base?.assumingMemoryBound(to: Float.self) }
    _ = try compute(tensors, destinations)
  } else {
    for (index, tensor) in try compute(tensors, nil).enumerated() { try outputs[index].write(tensor, "out[\(index)]") }
  }
}

// MARK: What the last call saw

private func last(_ handle: OpaquePointer?) throws -> LensSession.Last {
  guard let last = try session(handle).last else { throw invalid("the session has not computed a gradient yet") }
  return last
}

@_cdecl("cnnlens_session_image_count") @implementation
public func cnnlens_session_image_count(_ handle: OpaquePointer!) -> Int64 { count { try last(handle).scores.count } }

@_cdecl("cnnlens_session_scores") @implementation
public func cnnlens_session_scores(_ out: UnsafeMutablePointer<Float>!, _ count: Int64, _ handle: OpaquePointer!) -> cnnlens_status {
  status { try copy(try last(handle).scores, to: out, count) }
}

@_cdecl("cnnlens_session_targets") @implementation
public func cnnlens_session_targets(_ out: UnsafeMutablePointer<Int64>!, _ count: Int64, _ handle: OpaquePointer!) -> cnnlens_status {
  status { try copy(try last(handle).targets.map { Int64($0) }, to: out, count) }
}

@_cdecl("cnnlens_session_gaps") @implementation
public func cnnlens_session_gaps(_ out: UnsafeMutablePointer<Float>!, _ count: Int64, _ handle: OpaquePointer!) -> cnnlens_status {
  status {
    guard let gaps = try last(handle).gaps else {
      throw LensError(.notFound, "the session's last method has no gaps: its values do not add up to anything")
    }
    try copy(gaps, to: out, count)
  }
}

@_cdecl("cnnlens_session_select") @implementation
public func cnnlens_session_select(_ handle: OpaquePointer!, _ index: Int64) -> cnnlens_status {
  status {
    let owner = try session(handle), several = owner.several
    guard index >= 0, index < Int64(several.count) else {
      throw invalid("index is \(index) but the session's last cnnlens_explain had \(several.count) methods")
    }
    owner.last = several[Int(index)]
  }
}

private func copy<Number: BitwiseCopyable>(_ values: [Number], to out: UnsafeMutablePointer<Number>?, _ count: Int64) throws {
  let out = try required(out, "out")
  guard count == Int64(values.count) else { throw LensError(.shapeMismatch, "count is \(count) but there were \(values.count) images") }
  for (index, value) in values.enumerated() {
    out.storeBytes(of: value, toByteOffset: index * MemoryLayout<Number>.stride, as: Number.self)
  }
}

@_cdecl("cnnlens_session_layer") @implementation
public func cnnlens_session_layer(_ handle: OpaquePointer!) -> UnsafePointer<CChar>! {
  string { try last(handle).layer?.pointer }
}

@_cdecl("cnnlens_session_native") @implementation
public func cnnlens_session_native(_ out: UnsafeMutablePointer<cnnlens_array>!, _ handle: OpaquePointer!) -> cnnlens_status {
  status {
    guard let native = try last(handle).native else { throw invalid("the session's last method has no map of its own resolution") }
    let array = try required(out, "out")
    if array.loadUnaligned(as: cnnlens_array.self).data == nil {
      describe(native.shape.dimensions, in: array)
    } else {
      try block(out, "out").write(native, "out")
    }
  }
}
