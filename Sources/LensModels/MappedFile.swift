// SPDX-License-Identifier: Apache-2.0
import Glibc
import LensTensors

/// A file's bytes, read-only, mapped into memory until the last reference goes.
final class MappedFile: @unchecked Sendable {
  let path: String
  let bytes: UnsafeRawBufferPointer

  /// - Throws: `.io` with the system's reason; `.malformedModel` for a file of more than `limit` bytes.
  init(path: String, limit: Int) throws {
    self.path = path
    let file = open(path, O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { throw MappedFile.failure(path) }
    defer { close(file) }
    var status = stat()
    guard fstat(file, &status) == 0 else { throw MappedFile.failure(path) }
    guard status.st_mode & S_IFMT == S_IFREG else { throw LensError(.io, "\(path): not a file") }
    let count = Int(status.st_size)
    guard count <= limit else {
      throw LensError(.malformedModel, "\(path): \(count) bytes are more than the \(limit) that can be read")
    }
    guard count > 0 else {
      bytes = UnsafeRawBufferPointer(start: nil, count: 0)
      return
    }
    guard let memory = mmap(nil, count, PROT_READ, MAP_PRIVATE, file, 0), memory != MAP_FAILED else {
      throw MappedFile.failure(path)
    }
    bytes = UnsafeRawBufferPointer(start: memory, count: count)
  }

  deinit {
    if let base = bytes.baseAddress { munmap(UnsafeMutableRawPointer(mutating: base), bytes.count) }
  }

  private static func failure(_ path: String) -> LensError {
    let reason = errno
    return LensError(reason == ENOENT ? .notFound : .io, "\(path): \(String(cString: strerror(reason)).lowercasedFirst)")
  }

  /// The path without symbolic links; nil if there is no such file.
  static func resolved(_ path: String) -> String? {
    guard let real = realpath(path, nil) else { return nil }
    defer { free(real) }
    return String(cString: real)
  }
}

extension String {
  fileprivate var lowercasedFirst: String { prefix(1).lowercased() + dropFirst() }

  /// What stands after the last slash.
  var lastPathComponent: String { lastIndex(of: "/").map { String(self[index(after: $0)...]) } ?? self }
  /// What stands before the last slash; "." when there is none.
  var parentPath: String {
    guard let slash = lastIndex(of: "/") else { return "." }
    return slash == startIndex ? "/" : String(self[..<slash])
  }
}
