// SPDX-License-Identifier: Apache-2.0
import CCNNLens
import CNNLens
import Glibc

// What every export stands on: errors become statuses, handles become objects, options are laid over
// their defaults. Nothing a C caller passes may trap, so everything is checked here before Swift sees it.

// MARK: Errors

/// Runs `body`; what it throws becomes this thread's message and the status.
func status(_ body: () throws -> Void) -> cnnlens_status {
  do {
    try body()
    return cnnlens_status(CNNLENS_OK)
  } catch {
    return report(error)
  }
}

/// The same for functions that give a count.
func count(_ body: () throws -> Int) -> Int64 {
  do { return Int64(try body()) } catch { return Int64(report(error)) }
}

/// The same for functions that give a string.
func string(_ body: () throws -> UnsafePointer<CChar>?) -> UnsafePointer<CChar>? {
  do { return try body() } catch {
    _ = report(error)
    return nil
  }
}

private func report(_ error: any Error) -> cnnlens_status {
  let error = error as? LensError ?? LensError(.internalError, "\(error)")
  cnnlens__set_last_error(error.message)
  return error.code.rawValue
}

func invalid(_ message: String) -> LensError { LensError(.invalidArgument, message) }

// MARK: Handles

/// An object's pointer for C, which now owns one reference.
func handle(_ object: AnyObject) -> OpaquePointer { OpaquePointer(Unmanaged.passRetained(object).toOpaque()) }

func object<Object: AnyObject>(_ handle: OpaquePointer?, _ name: String, as type: Object.Type = Object.self) throws -> Object {
  guard let handle else { throw invalid("\(name) is NULL") }
  return Unmanaged<Object>.fromOpaque(UnsafeRawPointer(handle)).takeUnretainedValue()
}

func release<Object: AnyObject>(_ handle: OpaquePointer?, as type: Object.Type) {
  guard let handle else { return }
  Unmanaged<Object>.fromOpaque(UnsafeRawPointer(handle)).release()
}

func required<Pointee>(_ pointer: UnsafeMutablePointer<Pointee>?, _ name: String) throws -> UnsafeMutableRawPointer {
  guard let pointer else { throw invalid("\(name) is NULL") }
  return UnsafeMutableRawPointer(pointer)
}

/// Writes a new handle to `out` after `make` has succeeded.
func give(_ out: UnsafeMutablePointer<OpaquePointer?>?, _ make: () throws -> AnyObject) throws {
  let out = try required(out, "out")
  out.storeBytes(of: handle(try make()), as: OpaquePointer?.self)
}

// MARK: Strings

/// A C string that lives as long as this object.
final class ConstantString: @unchecked Sendable {
  let pointer: UnsafePointer<CChar>
  init(_ text: String) { pointer = UnsafePointer(strdup(text)) }
  deinit { free(UnsafeMutablePointer(mutating: pointer)) }
}

func constantString(_ text: String) -> ConstantString { ConstantString(text) }

func text(_ string: UnsafePointer<CChar>?, _ name: String) throws -> String {
  guard let string else { throw invalid("\(name) is NULL") }
  return String(cString: string)
}

// MARK: Lists

/// `count` elements of a caller's list, copied out, whatever its alignment.
func list<Element>(_ base: UnsafePointer<Element>?, _ count: Int64, _ name: String, limit: Int64 = 1 << 31) throws -> [Element] {
  guard count >= 0, count <= limit else { throw invalid("\(name) has \(count) entries") }
  guard count > 0 else { return [] }
  guard let base else { throw invalid("\(name) is NULL but has \(count) entries") }
  let raw = UnsafeRawPointer(base)
  return (0..<Int(count)).map { raw.loadUnaligned(fromByteOffset: $0 * MemoryLayout<Element>.stride, as: Element.self) }
}

func strings(_ base: UnsafePointer<UnsafePointer<CChar>?>?, _ count: Int64, _ name: String) throws -> [String] {
  try list(base, count, name).enumerated().map { try text($1, "\(name)[\($0)]") }
}

/// Class numbers, one for all images or one per image.
func classes(_ base: UnsafePointer<Int64>?, _ count: Int64, _ name: String) throws -> [Int] {
  guard count > 0 else { throw invalid("\(name) has \(count) entries; it needs one for all images or one per image") }
  return try list(base, count, name).map { number in
    guard number >= 0 else { throw invalid("class \(number) does not exist; classes count from 0") }
    return Int(number)
  }
}

// MARK: Options

/// The caller's struct laid over the defaults: its first `struct_size` bytes count, and what this library
/// does not know must be zero (the kernel's rule for extensible structs).
func options<Options: BitwiseCopyable>(_ given: UnsafePointer<Options>?, over defaults: Options, _ name: String) throws -> Options {
  guard let given else { return defaults }
  let bytes = UnsafeRawPointer(given)
  let size = Int(bytes.loadUnaligned(as: UInt32.self))
  let known = MemoryLayout<Options>.size
  guard size >= MemoryLayout<UInt32>.size else {
    throw invalid("\(name).struct_size is \(size); start from the _INIT macro")
  }
  guard size <= 1 << 16 else { throw invalid("\(name).struct_size is \(size): not initialized?") }
  if size > known {
    for offset in known..<size where bytes.load(fromByteOffset: offset, as: UInt8.self) != 0 {
      throw invalid("\(name) has a field at byte \(offset) that cnnlens \(versionText) does not know")
    }
  }
  var result = defaults
  withUnsafeMutableBytes(of: &result) { $0.baseAddress?.copyMemory(from: bytes, byteCount: min(size, known)) }
  return result
}

var versionText: String { "\(CNNLENS_VERSION_MAJOR).\(CNNLENS_VERSION_MINOR).\(CNNLENS_VERSION_PATCH)" }

func flag(_ value: Int32, _ name: String) throws -> Bool {
  guard value == 0 || value == 1 else { throw invalid("\(name) is \(value); it must be 0 or 1") }
  return value == 1
}

// MARK: Arrays

/// The caller's array: where it is and what shape it claims.
struct Block {
  let base: UnsafeMutableRawPointer?
  let shape: Shape

  /// A tensor over the caller's floats, for the length of this call. No copy unless they are misaligned.
  func tensor(_ name: String) throws -> Tensor {
    let base = try self.floats(name)
    if Int(bitPattern: base) % MemoryLayout<Float>.alignment == 0 {
      return Tensor(borrowing: base.assumingMemoryBound(to: Float.self), shape: shape)
    }
    var copy = try Tensor(allocating: shape)
    copy.withMutablePointer { UnsafeMutableRawPointer($0).copyMemory(from: base, byteCount: byteCount) }
    return copy
  }

  func floats(_ name: String) throws -> UnsafeMutableRawPointer {
    guard let base else { throw invalid("\(name).data is NULL") }
    guard shape.count > 0 else { throw LensError(.shapeMismatch, "\(name) is \(shape), which is empty") }
    return base
  }

  /// Where a result of `shape` is to be written: the caller's own memory, unless it is misaligned.
  func destination(for shape: Shape, _ name: String) throws -> UnsafeMutableRawPointer {
    try check(shape, name)
    return try floats(name)
  }

  func check(_ shape: Shape, _ name: String) throws {
    guard shape == self.shape else {
      throw LensError(.shapeMismatch, "\(name) is \(self.shape) but the result is \(shape)")
    }
  }

  func write(_ tensor: Tensor, _ name: String) throws {
    let base = try destination(for: tensor.shape, name)
    tensor.withPointer { base.copyMemory(from: UnsafeRawPointer($0), byteCount: byteCount) }
  }

  var isAligned: Bool { Int(bitPattern: base) % MemoryLayout<Float>.alignment == 0 }
  var byteCount: Int { shape.count * MemoryLayout<Float>.stride }
}

func block(_ array: cnnlens_array, _ name: String) throws -> Block {
  guard array.rank >= 0, array.rank <= Int64(Shape.maximumRank) else {
    throw LensError(.shapeMismatch, "\(name) has rank \(array.rank); it must be 0...\(Shape.maximumRank)")
  }
  let dimensions = withUnsafeBytes(of: array.shape) { bytes in
    (0..<Int(array.rank)).map { Int(bytes.loadUnaligned(fromByteOffset: $0 * 8, as: Int64.self)) }
  }
  do {
    return Block(base: UnsafeMutableRawPointer(array.data), shape: try Shape(checking: dimensions))
  } catch let error as LensError { throw error.within(name) }
}

func block(_ array: UnsafePointer<cnnlens_array>?, _ name: String) throws -> Block {
  guard let array else { throw invalid("\(name) is NULL") }
  return try block(UnsafeRawPointer(array).loadUnaligned(as: cnnlens_array.self), name)
}

func blocks(_ base: UnsafePointer<cnnlens_array>?, _ count: Int64, _ name: String) throws -> [Block] {
  try list(base, count, name).enumerated().map { try block($1, "\(name)[\($0)]") }
}

/// Fills in rank and shape, -1 for a free dimension, and leaves `data` alone.
func describe(_ dimensions: [Int?], in out: UnsafeMutableRawPointer) {
  var array = out.loadUnaligned(as: cnnlens_array.self)
  array.rank = Int64(dimensions.count)
  withUnsafeMutableBytes(of: &array.shape) { bytes in
    for axis in 0..<Shape.maximumRank {
      let dimension = axis < dimensions.count ? dimensions[axis].map(Int64.init) ?? -1 : 0
      bytes.storeBytes(of: dimension, toByteOffset: axis * 8, as: Int64.self)
    }
  }
  out.storeBytes(of: array, as: cnnlens_array.self)
}
