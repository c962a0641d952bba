// SPDX-License-Identifier: Apache-2.0
import LensTensors
import Synchronization

/// Weights kept in files beside the model.
///
/// A file names its companions, so the names are not trusted: only plain files in the model's own folder
/// or below it, after symbolic links are followed, are opened.
final class ExternalData: Sendable {
  private let folder: String
  private let files = Mutex<[String: MappedFile]>([:])

  init(folder: String) { self.folder = folder }

  /// The bytes an initialiser's `external_data` entries describe; `expected` is what its shape takes.
  func withBytes<R>(
    of entries: [Onnx_StringStringEntryProto], expected: Int, _ body: (UnsafeRawBufferPointer) throws -> R
  ) throws -> R {
    var fields: [String: String] = [:]
    for entry in entries { fields[entry.key] = entry.value }
    guard let location = fields["location"], !location.isEmpty else {
      throw LensError(.malformedModel, "its floats are in another file, which is not named")
    }
    let offset = try number("offset", in: fields) ?? 0
    let length = try number("length", in: fields) ?? expected
    guard length == expected else {
      throw LensError(.malformedModel, "length is \(length) bytes in '\(location)'; its shape takes \(expected)")
    }
    let file = try file(at: location)
    guard offset <= file.bytes.count, length <= file.bytes.count - offset else {
      throw LensError(.malformedModel, "'\(location)' has \(file.bytes.count) bytes; \(length) at offset \(offset) are wanted")
    }
    return try withExtendedLifetime(file) { try body(UnsafeRawBufferPointer(rebasing: file.bytes[offset..<offset + length])) }
  }

  private func number(_ key: String, in fields: [String: String]) throws -> Int? {
    guard let text = fields[key], !text.isEmpty else { return nil }
    guard let value = Int(text), value >= 0 else {
      throw LensError(.malformedModel, "\(key) of its external data is '\(text)'; it must be a number of bytes")
    }
    return value
  }

  private func file(at location: String) throws -> MappedFile {
    if let file = files.withLock({ $0[location] }) { return file }
    let parts = location.split(separator: "/", omittingEmptySubsequences: false)
    guard !location.hasPrefix("/"), !location.contains("\0" as Character), !parts.contains("..") else {
      throw LensError(.malformedModel, "its floats are said to be in '\(location)', outside the model's folder")
    }
    let path = folder + "/" + location
    guard let home = MappedFile.resolved(folder), let real = MappedFile.resolved(path) else {
      throw LensError(.notFound, "no file '\(path)', which holds weights of the model")
    }
    guard real.hasPrefix(home == "/" ? "/" : home + "/") else {
      throw LensError(.malformedModel, "its floats are said to be in '\(location)', a link out of the model's folder")
    }
    let file = try MappedFile(path: real, limit: Limits.externalFileBytes)
    files.withLock { $0[location] = file }
    return file
  }
}
