// SPDX-License-Identifier: Apache-2.0
import Glibc
import LensEngine
import LensTensors
import Testing

@testable import LensModels

#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

@Suite final class ExternalDataTests {
  private let folder: String

  init() throws {
    var template = Array("/tmp/cnnlens-test-XXXXXX".utf8CString)
    folder = String(cString: try #require(mkdtemp(&template)))
  }

  deinit { try? FileManager.default.removeItem(atPath: folder) }

  private func write(_ name: String, _ bytes: [UInt8]) {
    let file = open(folder + "/" + name, O_CREAT | O_TRUNC | O_WRONLY, 0o600)
    _ = bytes.withUnsafeBytes { Glibc.write(file, $0.baseAddress, $0.count) }
    close(file)
  }

  /// A model with the weights 1, 2 at an offset of 8 bytes in `location`.
  private func model(_ location: String, offset: String = "8", length: String = "8") -> ModelBuilder {
    var builder = ModelBuilder(input: [nil, 2])
    builder.model.graph.initializer.append(
      .with {
        ($0.name, $0.dataType, $0.dims, $0.dataLocation) = ("w", 1, [2], .external)
        $0.externalData = [("location", location), ("offset", offset), ("length", length)].map { key, value in
          .with { ($0.key, $0.value) = (key, value) }
        }
      })
    builder.node("Mul", ["x", "w"], ["y"])
    return builder
  }

  private func read(_ builder: ModelBuilder) throws -> [Float] {
    write("net.onnx", builder.bytes)
    let graph = try ONNXModel.read(path: folder + "/net.onnx").graph(for: [[1, 2]], reaching: nil)
    return try graph.value(of: .output, at: [Tensor([1, 2], [1, 1])]).values
  }

  private let data: [UInt8] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x80, 0x3F, 0, 0, 0, 0x40]

  @Test func weightsComeFromTheFileBeside() throws {
    write("net.data", data)
    #expect(try read(model("net.data")) == [1, 2])
    #expect(try read(model("net.data", length: "")) == [1, 2])
    #expect(mkdir(folder + "/weights", 0o700) == 0)
    write("weights/w", data)
    #expect(try read(model("weights/w")) == [1, 2])
  }

  @Test func placesOutsideTheFolderAreRefused() throws {
    write("net.data", data)
    #expect(symlink("/etc/passwd", folder + "/link") == 0)
    for location in ["/etc/passwd", "../net.data", "a/../net.data", "link", folder + "/net.data", ""] {
      let error = LensError.thrown { _ = try read(model(location)) }
      #expect(error.code == .malformedModel && error.message.hasPrefix("net.onnx: tensor 'w': "), "\(location): \(error)")
    }
  }

  @Test func partsOutsideTheFileAreRefused() throws {
    write("net.data", data)
    for (offset, length) in [("12", "8"), ("-1", "8"), ("8", "4"), ("x", "8"), ("9223372036854775807", "8"), ("8", "99999999999")] {
      let error = LensError.thrown { _ = try read(model("net.data", offset: offset, length: length)) }
      #expect(error.code == .malformedModel, "\(offset), \(length): \(error)")
    }
    #expect(LensError.thrown { _ = try read(model("missing")) }.code == .notFound)
    #expect(LensError.thrown { _ = try read(model(".")) }.code != .internalError)
    #expect(LensError.thrown { _ = try ONNXModel.read(bytes: model("net.data").bytes) }.code == .malformedModel)
  }

  @Test func filesThatCannotBeReadSaySo() throws {
    #expect(LensError.thrown { _ = try ONNXModel.read(path: folder + "/none.onnx") }.code == .notFound)
    #expect(LensError.thrown { _ = try ONNXModel.read(path: folder) }.code == .io)
    write("empty.onnx", [])
    let error = LensError.thrown { _ = try ONNXModel.read(path: folder + "/empty.onnx") }
    #expect(error.code == .malformedModel && error.message == "empty.onnx: the file is empty")
  }
}
