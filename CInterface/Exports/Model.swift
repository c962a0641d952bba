// SPDX-License-Identifier: Apache-2.0
import CCNNLens
import CNNLens
import Synchronization

/// What a `cnnlens_model *` points to: a network, and its names as C strings.
final class Model: Sendable {
  let network: Network
  let name: ConstantString
  let inputs, outputs, layers, labels: [ConstantString]
  let metadata: [String: ConstantString]
  /// Names that `cnnlens_model_resolve` gave out: no more than there are layers.
  private let resolved = Mutex<[String: ConstantString]>([:])

  init(_ network: Network) {
    self.network = network
    name = ConstantString(network.name)
    inputs = network.inputs.map { ConstantString($0.name) }
    outputs = network.outputs.map { ConstantString($0) }
    layers = network.layers.map { ConstantString($0.name) }
    labels = network.labels.map { ConstantString($0) }
    metadata = network.metadata.mapValues { ConstantString($0) }
  }

  func resolve(_ name: String) throws -> ConstantString {
    let layer = try network.resolve(name)
    return resolved.withLock { names in
      if let known = names[layer.name] { return known }
      let new = ConstantString(layer.name)
      names[layer.name] = new
      return new
    }
  }
}

private func model(_ handle: OpaquePointer?) throws -> Model { try object(handle, "model") }

private func entry(_ list: [ConstantString], _ index: Int64, _ what: String) throws -> UnsafePointer<CChar> {
  guard index >= 0, index < Int64(list.count) else { throw invalid("\(what) \(index) does not exist; there are \(list.count)") }
  return list[Int(index)].pointer
}

@_cdecl("cnnlens_model_open") @implementation
public func cnnlens_model_open(_ out: UnsafeMutablePointer<OpaquePointer?>!, _ path: UnsafePointer<CChar>!) -> cnnlens_status {
  status { try give(out) { Model(try Network.load(path: try text(path, "path"))) } }
}

@_cdecl("cnnlens_model_open_bytes") @implementation
public func cnnlens_model_open_bytes(
  _ out: UnsafeMutablePointer<OpaquePointer?>!, _ bytes: UnsafeRawPointer!, _ size: Int64, _ name: UnsafePointer<CChar>!
) -> cnnlens_status {
  status {
    guard let bytes else { throw invalid("bytes is NULL") }
    guard size >= 0, size <= Int64(1) << 40 else { throw invalid("count is \(size)") }
    let buffer = UnsafeRawBufferPointer(start: bytes, count: Int(size))
    let name = name == nil ? "model" : try text(name, "name")
    try give(out) { Model(try Network.load(bytes: buffer, name: name)) }
  }
}

@_cdecl("cnnlens_model_free") @implementation
public func cnnlens_model_free(_ model: OpaquePointer!) { release(model, as: Model.self) }

@_cdecl("cnnlens_model_name") @implementation
public func cnnlens_model_name(_ handle: OpaquePointer!) -> UnsafePointer<CChar>! {
  string { try model(handle).name.pointer }
}

@_cdecl("cnnlens_model_input_count") @implementation
public func cnnlens_model_input_count(_ handle: OpaquePointer!) -> Int64 { count { try model(handle).inputs.count } }

@_cdecl("cnnlens_model_input_name") @implementation
public func cnnlens_model_input_name(_ handle: OpaquePointer!, _ index: Int64) -> UnsafePointer<CChar>! {
  string { try entry(try model(handle).inputs, index, "input") }
}

@_cdecl("cnnlens_model_input_shape") @implementation
public func cnnlens_model_input_shape(
  _ out: UnsafeMutablePointer<cnnlens_array>!, _ handle: OpaquePointer!, _ index: Int64
) -> cnnlens_status {
  status {
    let model = try model(handle)
    _ = try entry(model.inputs, index, "input")
    let dimensions = model.network.inputs[Int(index)].dimensions
    guard dimensions.count <= Shape.maximumRank else {
      throw LensError(.shapeMismatch, "the input has rank \(dimensions.count); at most \(Shape.maximumRank) is possible")
    }
    describe(dimensions, in: try required(out, "out"))
  }
}

@_cdecl("cnnlens_model_output_count") @implementation
public func cnnlens_model_output_count(_ handle: OpaquePointer!) -> Int64 { count { try model(handle).outputs.count } }

@_cdecl("cnnlens_model_output_name") @implementation
public func cnnlens_model_output_name(_ handle: OpaquePointer!, _ index: Int64) -> UnsafePointer<CChar>! {
  string { try entry(try model(handle).outputs, index, "output") }
}

@_cdecl("cnnlens_model_layer_count") @implementation
public func cnnlens_model_layer_count(_ handle: OpaquePointer!) -> Int64 { count { try model(handle).layers.count } }

@_cdecl("cnnlens_model_layer_name") @implementation
public func cnnlens_model_layer_name(_ handle: OpaquePointer!, _ index: Int64) -> UnsafePointer<CChar>! {
  string { try entry(try model(handle).layers, index, "layer") }
}

@_cdecl("cnnlens_model_resolve") @implementation
public func cnnlens_model_resolve(
  _ out: UnsafeMutablePointer<UnsafePointer<CChar>?>!, _ handle: OpaquePointer!, _ name: UnsafePointer<CChar>!
) -> cnnlens_status {
  status {
    let out = try required(out, "out")
    let resolved = try model(handle).resolve(try text(name, "name")).pointer
    out.storeBytes(of: resolved, as: UnsafePointer<CChar>?.self)
  }
}

@_cdecl("cnnlens_model_label_count") @implementation
public func cnnlens_model_label_count(_ handle: OpaquePointer!) -> Int64 { count { try model(handle).labels.count } }

@_cdecl("cnnlens_model_label") @implementation
public func cnnlens_model_label(_ handle: OpaquePointer!, _ index: Int64) -> UnsafePointer<CChar>! {
  string { try entry(try model(handle).labels, index, "label") }
}

@_cdecl("cnnlens_model_metadata") @implementation
public func cnnlens_model_metadata(_ handle: OpaquePointer!, _ key: UnsafePointer<CChar>!) -> UnsafePointer<CChar>! {
  string { try model(handle).metadata[try text(key, "key")]?.pointer }
}

@_cdecl("cnnlens_model_seeing_images") @implementation
public func cnnlens_model_seeing_images(
  _ out: UnsafeMutablePointer<OpaquePointer?>!, _ handle: OpaquePointer!,
  _ given: UnsafePointer<cnnlens_preprocessing_options>!
) -> cnnlens_status {
  status {
    let network = try model(handle).network
    let own = given == nil ? network.preprocessing : nil
    let preprocessing = try own ?? Preprocessing(try options(given, over: .defaults, "options"))
    try give(out) { Model(network.seeing(preprocessing)) }
  }
}

@_cdecl("cnnlens_model_randomized") @implementation
public func cnnlens_model_randomized(
  _ out: UnsafeMutablePointer<OpaquePointer?>!, _ handle: OpaquePointer!,
  _ layers: UnsafePointer<UnsafePointer<CChar>?>!, _ layerCount: Int64, _ seed: UInt64
) -> cnnlens_status {
  status {
    let network = try model(handle).network
    let layers = try strings(layers, layerCount, "layers").map { Layer($0) }
    try give(out) { Model(try network.randomized(layers, seed: seed)) }
  }
}

@_cdecl("cnnlens_model_fully_convolutional") @implementation
public func cnnlens_model_fully_convolutional(
  _ out: UnsafeMutablePointer<OpaquePointer?>!, _ handle: OpaquePointer!, _ height: Int64, _ width: Int64
) -> cnnlens_status {
  status {
    let network = try model(handle).network
    for (size, name) in [(height, "height"), (width, "width")] where size < 0 || size > Int64(Int32.max) {
      throw invalid("\(name) is \(size); it must be at least 1, or 0 for the model's own")
    }
    try give(out) {
      Model(try network.fullyConvolutional(height: height == 0 ? nil : Int(height), width: width == 0 ? nil : Int(width)))
    }
  }
}

@_cdecl("cnnlens_model_seeing_pictures") @implementation
public func cnnlens_model_seeing_pictures(
  _ out: UnsafeMutablePointer<OpaquePointer?>!, _ handle: OpaquePointer!, _ given: UnsafePointer<cnnlens_preprocessing_options>!,
  _ seen: UnsafePointer<cnnlens_view_options>!
) -> cnnlens_status {
  status {
    let network = try model(handle).network
    let own = given == nil ? network.preprocessing : nil
    let preprocessing = try own ?? Preprocessing(try options(given, over: .defaults, "options"))
    let view = try PictureView(seen)
    try give(out) { Model(network.seeing(preprocessing, through: view)) }
  }
}

extension PictureView {
  fileprivate init(_ given: UnsafePointer<cnnlens_view_options>?) throws {
    let defaults = cnnlens_view_options(
      struct_size: UInt32(MemoryLayout<cnnlens_view_options>.size), channels: 3, rows: nil, columns: nil, opacity: nil, change: nil,
      payload: nil)
    let options = try options(given, over: defaults, "view")
    guard options.channels == 1 || options.channels == 3 else {
      throw invalid("view.channels is \(options.channels); it must be 1 or 3")
    }
    func copy(_ array: UnsafePointer<cnnlens_array>?, _ name: String) throws -> Tensor? {
      guard let array else { return nil }
      let tensor = try block(array, name).tensor(name)
      guard tensor.shape.rank == 2 else { throw LensError(.shapeMismatch, "\(name) is \(tensor.shape); it must be a matrix") }
      let values = tensor.values
      guard values.allSatisfy(\.isFinite) else { throw invalid("\(name) holds NaN or infinity") }
      return Tensor(tensor.shape, values)
    }
    nonisolated(unsafe) let payload = options.payload
    self.init(
      channels: Int(options.channels), rows: try copy(options.rows, "view.rows"), columns: try copy(options.columns, "view.columns"),
      opacity: try copy(options.opacity, "view.opacity"),
      change: options.change.map { change in
        StraightThrough { pictures, shape in
          withUnsafeTemporaryAllocation(of: Int64.self, capacity: 4) { sizes in
            for axis in 0..<4 { sizes[axis] = axis < shape.rank ? Int64(shape[axis]) : 1 }
            change(pictures, sizes.baseAddress, payload)
          }
        }
      })
  }
}

extension cnnlens_preprocessing_options {
  static var defaults: Self {
    .init(
      struct_size: UInt32(MemoryLayout<Self>.size), order: Int32(CNNLENS_ORDER_RGB), channels: 3, scale: 1,
      mean: (0.485, 0.456, 0.406, 0), deviation: (0.229, 0.224, 0.225, 1))
  }
}

extension Preprocessing {
  fileprivate init(_ options: cnnlens_preprocessing_options) throws {
    guard options.channels == 1 || options.channels == 3 else {
      throw invalid("options.channels is \(options.channels); it must be 1 or 3")
    }
    let order: Order
    switch Int(options.order) {
    case Int(CNNLENS_ORDER_RGB): order = .rgb
    case Int(CNNLENS_ORDER_BGR): order = .bgr
    default: throw invalid("options.order is \(options.order); it must be CNNLENS_ORDER_RGB or CNNLENS_ORDER_BGR")
    }
    let count = Int(options.channels)
    let mean = Array([options.mean.0, options.mean.1, options.mean.2].prefix(count))
    let deviation = Array([options.deviation.0, options.deviation.1, options.deviation.2].prefix(count))
    guard options.scale.isFinite, options.scale > 0 else { throw invalid("options.scale is \(options.scale); it must be above 0") }
    guard mean.allSatisfy(\.isFinite) else { throw invalid("options.mean is \(mean); it must be finite") }
    guard deviation.allSatisfy({ $0.isFinite && $0 > 0 }) else { throw invalid("options.deviation is \(deviation); it must be above 0") }
    self.init(order: order, scale: options.scale, mean: mean, deviation: deviation)
  }
}
