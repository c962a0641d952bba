// SPDX-License-Identifier: Apache-2.0
#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif
import LensEngine
import LensTensors
import SwiftProtobuf

/// A network as an ONNX file describes it: graphs of it at any input size that it can take.
public final class ONNXModel: GraphSource {
  public let inputs: [InputDescription]
  public let outputs: [String]
  public let layerNames: [String]
  public let aliases: [String: String]
  public let metadata: [String: String]

  private let file: String
  private let program: ONNXProgram
  private let layers: [Int: ONNXLayer]
  /// Values by all names of layers, and of inputs.
  private let values: [String: Int]
  private let weights = ONNXWeights()
  private let budget: Int
  private let external: ExternalData?

  /// Reads the file at `path` and, beside it, those its weights are in.
  ///
  /// - Throws: `LensError`: `.notFound` and `.io` for files that cannot be read, `.unsupportedOperator` with all operators that
  ///   are not among those cnnlens runs, `.malformedModel` for everything a file can have wrong.
  public static func read(path: String) throws -> ONNXModel {
    try read(path.lastPathComponent, external: ExternalData(folder: path.parentPath)) {
      // The file is let go before its weights are copied once more.
      let file = try MappedFile(path: path, limit: Limits.fileBytes)
      return try withExtendedLifetime(file) { (try parse(file.bytes), file.bytes.count) }
    }
  }

  /// Reads a model from memory; `name` is what errors call it. Weights have to be inside.
  public static func read(bytes: UnsafeRawBufferPointer, name: String = "model") throws -> ONNXModel {
    guard bytes.count <= Limits.fileBytes else {
      throw LensError(.malformedModel, "\(name): \(bytes.count) bytes are more than the \(Limits.fileBytes) that can be read")
    }
    return try read(name, external: nil) { (try parse(bytes), bytes.count) }
  }

  public static func read(bytes: [UInt8], name: String = "model") throws -> ONNXModel {
    try bytes.withUnsafeBytes { try read(bytes: $0, name: name) }
  }

  private static func read(
    _ name: String, external: ExternalData?, _ parsed: () throws -> (model: Onnx_ModelProto, byteCount: Int)
  ) throws -> ONNXModel {
    do {
      let (model, byteCount) = try parsed()
      return try ONNXModel(model, name: name, storedNumbers: byteCount / 2, external: external)
    } catch let error as LensError {
      // A file nobody has called yet cannot have been called wrongly.
      let code = [.shapeMismatch, .invalidArgument].contains(error.code) ? .malformedModel : error.code
      throw located(LensError(code, error.message), name)
    }
  }

  /// The error with the file's name in front, on one line whatever names the file gives its nodes.
  private static func located(_ error: LensError, _ file: String) -> LensError {
    let scalars = error.message.unicodeScalars.prefix(Limits.messageLength)
    return LensError(
      error.code, scalars.map { $0.properties.generalCategory == .control ? $0.escaped(asASCII: true) : String($0) }.joined()
    ).within(file)
  }

  private static func parse(_ bytes: UnsafeRawBufferPointer) throws -> Onnx_ModelProto {
    guard let base = bytes.baseAddress, bytes.count > 0 else { throw LensError(.malformedModel, "the file is empty") }
    var options = BinaryDecodingOptions()
    options.discardUnknownFields = true
    options.messageDepthLimit = Limits.messageDepth
    let data = Data(bytesNoCopy: UnsafeMutableRawPointer(mutating: base), count: bytes.count, deallocator: .none)
    let model: Onnx_ModelProto
    do { model = try Onnx_ModelProto(serializedBytes: data, options: options) } catch {
      throw LensError(.malformedModel, "not an ONNX model, or a damaged one: \(reason(error))")
    }
    guard model.hasGraph else { throw LensError(.malformedModel, "not an ONNX model: there is no graph in it") }
    return model
  }

  private static func reason(_ error: any Error) -> String {
    switch error as? BinaryDecodingError {
    case .truncated: "it ends in the middle"
    case .messageDepthLimit: "its messages are nested too deeply"
    case .invalidUTF8: "a name in it is not text"
    default: "its bytes are not the messages of a model"
    }
  }

  init(_ model: Onnx_ModelProto, name: String, storedNumbers: Int, external: ExternalData?) throws {
    (file, self.external) = (name, external)
    let reader = try ONNXProgramReader(model, external: external)
    budget = Limits.foldedAtLeast + Limits.foldedPerStored * (storedNumbers + reader.externalNumbers)
    program = try reader.folded(budget: budget)
    inputs = reader.inputs
    outputs = model.graph.output.map(\.name)
    metadata = Dictionary(model.metadataProps.map { ($0.key, $0.value) }) { first, _ in first }

    let naming = ONNXNaming(program)
    (layers, layerNames, aliases, values) = (naming.layers, naming.order, naming.aliases, naming.values)
    if let shapes = try triedShapes() { _ = try specialized(to: shapes, reaching: nil) }
  }

  /// The declared shapes with a batch of 1; nil where a size is free or an input is too large to be tried.
  private func triedShapes() throws -> [Shape]? {
    var shapes: [Shape] = []
    for input in inputs {
      var dimensions = input.dimensions
      if let first = dimensions.first, first == nil { dimensions[0] = 1 }
      guard let known = dimensions as? [Int] else { return nil }
      shapes.append(try Shape(checking: known))
    }
    return shapes.allSatisfy { $0.count <= Limits.triedInput } ? shapes : nil
  }

  public func graph(for inputs: [Shape], reaching layers: Set<Layer>?) throws -> Graph {
    do { return try specialized(to: inputs, reaching: layers) } catch let error as LensError { throw ONNXModel.located(error, file) }
  }

  private func specialized(to shapes: [Shape], reaching wanted: Set<Layer>?) throws -> Graph {
    guard shapes.count == inputs.count else {
      throw LensError(
        .shapeMismatch, "\(shapes.count) inputs are given; it takes \(inputs.count): \(inputs.map(\.name).joined(separator: ", "))")
    }
    for (shape, input) in zip(shapes, inputs) where shape.rank != input.dimensions.count || shape.count == 0 {
      throw LensError(.shapeMismatch, "input '\(input.name)' is \(shape); it must be \(input.shapeDescription)")
    }
    var batch: (declared: Int, actual: Int)?
    if let declared = inputs.first?.dimensions.first ?? nil, let actual = shapes.first?.dimensions.first, actual != declared {
      batch = (declared, actual)
    }
    var specialization = ONNXSpecialization(
      program, layers: layers, weights: weights, inputs: shapes, batch: batch, budget: budget, external: external)
    return try specialization.graph(of: try wanted.map(numbers) ?? Set(program.body.outputs))
  }

  /// The values that layers stand for.
  private func numbers(of wanted: Set<Layer>) throws -> Set<Int> {
    var result: Set<Int> = []
    for layer in wanted {
      if let value = values[layer.name] {
        result.insert(value)
      } else if layer != .input, layer != .logits, layer != .output {
        throw LensError(.notFound, "no layer '\(layer)'")
      }
    }
    if wanted.contains(.logits) || wanted.contains(.output) { result.formUnion(program.body.outputs) }
    return result
  }
}
