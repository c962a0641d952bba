// SPDX-License-Identifier: Apache-2.0
import LensTensors
import Synchronization

/// Scratch memory that an objective keeps from call to call. Several threads may use one objective: who comes second
/// gets memory of its own.
final class Workspace: Sendable {
  private let kept = Mutex<FloatStorage?>(nil)

  func use<Result>(_ count: Int, _ body: (UnsafeMutablePointer<Float>) throws -> Result) throws -> Result {
    let found = kept.withLock { storage -> FloatStorage? in
      defer { storage = nil }
      return storage
    }
    let storage = if let found, found.count >= count { found } else { try FloatStorage(count: count) }
    defer { kept.withLock { $0 = storage } }
    return try body(storage.base)
  }
}
