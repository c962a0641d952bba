// SPDX-License-Identifier: Apache-2.0
import LensKernels
import LensTensors

/// Floats that are worked on together: one of a plain value, sixteen channels of a blocked one.
protocol Lanes: Sendable {
  associatedtype Tap
  static var count: Int { get }
  static func load(_ address: UnsafePointer<Float>) -> Self
  func store(_ address: UnsafeMutablePointer<Float>)
  static func all(_ value: Float) -> Self
  static func tap(_ number: Int32) -> Tap
  static func load<Switch: FixedWidthInteger & SIMDScalar>(_ address: UnsafePointer<Switch>) -> Tap
  static func store<Switch: FixedWidthInteger & SIMDScalar>(_ tap: Tap, _ address: UnsafeMutablePointer<Switch>)

  static func + (a: Self, b: Self) -> Self
  static func * (a: Self, b: Self) -> Self
  static func / (a: Self, b: Self) -> Self
  /// Becomes x, and `tap` its number, where x is greater or not a number.
  mutating func raise(to x: Self, _ number: Int32, _ tap: inout Tap)
  mutating func raise(to x: Self)
  /// Itself where `tap` is that number, 0 elsewhere.
  func `where`(_ tap: Tap, is number: Int32) -> Self
}

extension Float: Lanes {
  static var count: Int { 1 }
  @inline(__always) static func load(_ address: UnsafePointer<Float>) -> Float { address.pointee }
  @inline(__always) func store(_ address: UnsafeMutablePointer<Float>) { address.pointee = self }
  @inline(__always) static func all(_ value: Float) -> Float { value }
  @inline(__always) static func tap(_ number: Int32) -> Int32 { number }
  @inline(__always) static func load<Switch: FixedWidthInteger & SIMDScalar>(_ address: UnsafePointer<Switch>) -> Int32 {
    Int32(truncatingIfNeeded: address.pointee)
  }
  @inline(__always) static func store<Switch: FixedWidthInteger & SIMDScalar>(_ tap: Int32, _ address: UnsafeMutablePointer<Switch>) {
    address.pointee = Switch(truncatingIfNeeded: tap)
  }
  @inline(__always) mutating func raise(to x: Float, _ number: Int32, _ tap: inout Int32) {
    if x > self || x.isNaN { (self, tap) = (x, number) }
  }
  @inline(__always) mutating func raise(to x: Float) { if x > self || x.isNaN { self = x } }
  @inline(__always) func `where`(_ tap: Int32, is number: Int32) -> Float { tap == number ? self : 0 }
}

extension SIMD16<Float>: Lanes {
  static var count: Int { 16 }
  @inline(__always) static func load(_ address: UnsafePointer<Float>) -> Self {
    UnsafeRawPointer(address).loadUnaligned(as: Self.self)
  }
  @inline(__always) func store(_ address: UnsafeMutablePointer<Float>) {
    UnsafeMutableRawPointer(address).storeBytes(of: self, as: Self.self)
  }
  @inline(__always) static func all(_ value: Float) -> Self { Self(repeating: value) }
  @inline(__always) static func tap(_ number: Int32) -> SIMD16<Int32> { SIMD16<Int32>(repeating: number) }
  @inline(__always) static func load<Switch: FixedWidthInteger & SIMDScalar>(_ address: UnsafePointer<Switch>) -> SIMD16<Int32> {
    SIMD16<Int32>(truncatingIfNeeded: UnsafeRawPointer(address).loadUnaligned(as: SIMD16<Switch>.self))
  }
  @inline(__always) static func store<Switch: FixedWidthInteger & SIMDScalar>(
    _ tap: SIMD16<Int32>, _ address: UnsafeMutablePointer<Switch>
  ) {
    UnsafeMutableRawPointer(address).storeBytes(of: SIMD16<Switch>(truncatingIfNeeded: tap), as: SIMD16<Switch>.self)
  }
  @inline(__always) mutating func raise(to x: Self, _ number: Int32, _ tap: inout SIMD16<Int32>) {
    let higher = (x .> self) .| (x .!= x)
    replace(with: x, where: higher)
    tap.replace(with: SIMD16<Int32>(repeating: number), where: higher)
  }
  @inline(__always) mutating func raise(to x: Self) { replace(with: x, where: (x .> self) .| (x .!= x)) }
  @inline(__always) func `where`(_ tap: SIMD16<Int32>, is number: Int32) -> Self {
    Self(repeating: 0).replacing(with: self, where: tap .== SIMD16<Int32>(repeating: number))
  }
}

extension Layout {
  /// N·C pictures of one lane, or N·⌈C/16⌉ of sixteen.
  func planeCount(of shape: Shape) -> Int { self == .plain ? shape.n * shape.c : shape.n * ((shape.c + 15) / 16) }

  /// For operators that look at each channel of a picture alone: blocked if the value is and has rank 4.
  static func perChannel(_ shape: Shape, _ given: [Layout]) -> Layouts {
    shape.rank == 4 ? .following(given) : Layouts(inputs: given.map { _ in .plain }, output: .plain)
  }
}
