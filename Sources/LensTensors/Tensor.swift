// SPDX-License-Identifier: Apache-2.0
import Glibc

/// Floats in memory: owned and 64-byte aligned, or borrowed.
public final class FloatStorage: @unchecked Sendable {
  public let base: UnsafeMutablePointer<Float>
  public let count: Int
  private let release: @Sendable () -> Void

  /// `count` floats, zero unless `uninitialized`.
  public init(count: Int, uninitialized: Bool = false) throws {
    let bytes = max(count, 1) * MemoryLayout<Float>.stride
    var memory: UnsafeMutableRawPointer?
    let isLarge = bytes >= FloatStorage.largePage
    guard posix_memalign(&memory, isLarge ? FloatStorage.largePage : 64, bytes) == 0, let memory else {
      throw LensError(.outOfMemory, "\(bytes / 1_000_000) MB of memory are not to be had")
    }
    // Whole ones only, so that nothing is taken beyond what is asked for.
    if isLarge { madvise(memory, bytes / FloatStorage.largePage * FloatStorage.largePage, MADV_HUGEPAGE) }
    if !uninitialized { memset(memory, 0, bytes) }
    self.base = memory.bindMemory(to: Float.self, capacity: max(count, 1))
    self.count = count
    let address = UInt(bitPattern: memory)
    release = { free(UnsafeMutableRawPointer(bitPattern: address)) }
  }

  /// Kernels walk over many megabytes; in pages of 4 KB looking up their addresses takes a twentieth of the time.
  private static let largePage = 2 << 20

  public init(borrowing base: UnsafeMutablePointer<Float>, count: Int, release: @escaping @Sendable () -> Void = {}) {
    (self.base, self.count, self.release) = (base, count, release)
  }

  deinit { release() }
}

/// A block of Float32, contiguous, last axis fastest. A value: copies share memory until one is written.
public struct Tensor: @unchecked Sendable {
  public let shape: Shape
  private var storage: FloatStorage

  /// Zeros.
  public init(_ shape: Shape) {
    self.shape = shape
    guard let storage = try? FloatStorage(count: shape.count) else { fatalError("out of memory for \(shape)") }
    self.storage = storage
  }

  /// Zeros, or `.outOfMemory`.
  public init(allocating shape: Shape) throws {
    self.shape = shape
    storage = try FloatStorage(count: shape.count)
  }

  /// The floats that `fill` writes, all of them.
  public init(_ shape: Shape, filledBy fill: (UnsafeMutablePointer<Float>) -> Void) {
    self.shape = shape
    guard let storage = try? FloatStorage(count: shape.count, uninitialized: true) else { fatalError("out of memory for \(shape)") }
    self.storage = storage
    fill(storage.base)
  }

  public init(_ shape: Shape, _ values: [Float]) {
    precondition(values.count == shape.count, "\(values.count) values for \(shape)")
    self.init(shape) { p in
      values.withUnsafeBufferPointer { if let values = $0.baseAddress { p.update(from: values, count: $0.count) } }
    }
  }

  public init(_ shape: Shape, repeating value: Float) {
    self.init(shape)
    storage.base.update(repeating: value, count: shape.count)
  }

  /// Memory that somebody else owns and that outlives this tensor. Writing makes a copy.
  public init(borrowing base: UnsafePointer<Float>, shape: Shape, release: @escaping @Sendable () -> Void = {}) {
    self.shape = shape
    storage = FloatStorage(borrowing: UnsafeMutablePointer(mutating: base), count: shape.count, release: release)
    isBorrowed = true
  }
  private var isBorrowed = false

  public var count: Int { shape.count }

  /// Valid for as long as this tensor lives.
  public var pointer: UnsafePointer<Float> { UnsafePointer(storage.base) }

  public func withPointer<R>(_ body: (UnsafePointer<Float>) throws -> R) rethrows -> R {
    try withExtendedLifetime(storage) { try body(UnsafePointer(storage.base)) }
  }

  public mutating func withMutablePointer<R>(_ body: (UnsafeMutablePointer<Float>) throws -> R) rethrows -> R {
    if isBorrowed || !isKnownUniquelyReferenced(&storage) {
      var copy = Tensor(shape)
      copy.storage.base.update(from: storage.base, count: count)
      swap(&self, &copy)
    }
    return try withExtendedLifetime(storage) { try body(storage.base) }
  }

  /// The floats in order.
  public var values: [Float] { withPointer { Array(UnsafeBufferPointer(start: $0, count: count)) } }

  public subscript(_ indices: Int...) -> Float {
    precondition(indices.count == shape.rank)
    return withPointer { p in p[Swift.zip(indices, shape.strides).reduce(0) { $0 + $1.0 * $1.1 }] }
  }

  /// The same floats under another shape of the same count.
  public func reshaped(to shape: Shape) -> Tensor {
    precondition(shape.count == count, "\(self.shape) cannot become \(shape)")
    var copy = Tensor(sharing: storage, shape: shape)
    copy.isBorrowed = isBorrowed
    return copy
  }

  /// The first images, the same floats.
  public func leading(_ images: Int) -> Tensor {
    precondition(images <= shape[0], "\(images) images of \(shape)")
    var part = Tensor(sharing: storage, shape: shape.with(0, images))
    part.isBorrowed = isBorrowed
    return part
  }

  private init(sharing storage: FloatStorage, shape: Shape) { (self.storage, self.shape) = (storage, shape) }
}
