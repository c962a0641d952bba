// SPDX-License-Identifier: Apache-2.0
import Glibc
import LensTensors

/// What an optimiser climbs: gives the value at `x` and writes its derivative there over `gradient`, which has the
/// shape of `x`.
public typealias Evaluation = (_ x: Tensor, _ gradient: inout Tensor) throws -> Double

/// Walks uphill. It keeps its memory from step to step and is a value: a copy is a checkpoint.
///
/// Sizes are measured image by image (the first axis), so an image of a batch walks as it would alone. `LBFGS` alone
/// takes the whole tensor for one point.
public protocol Optimizer: Sendable {
  /// One step from `x`, which it moves. Gives the value that it knows best: where the step began, or, with a line
  /// search, where it ended.
  mutating func step(_ x: inout Tensor, _ evaluate: Evaluation) throws -> Double

  /// Everything it remembers, and the way back to it.
  var state: [Tensor] { get set }

  /// Whether it compares values from one step to the next, so that the function must stay the same: no random
  /// transforms then.
  var comparesValues: Bool { get }
}

extension Optimizer {
  public var comparesValues: Bool { false }
}

/// By what a gradient is divided, image by image; a gradient of zeros is left alone.
public enum GradientScale: Sendable, CaseIterable {
  case none
  /// The mean of the absolute values, as DeepDream does.
  case meanAbsolute
  /// The largest absolute value.
  case maximum
  /// The Euclidean length.
  case euclidean
  /// The root of the mean square.
  case rootMeanSquare

  /// What to multiply with.
  func factor(_ g: UnsafePointer<Float>, _ count: Int) -> Float {
    let size: Double
    switch self {
    case .none: return 1
    case .meanAbsolute: size = absoluteSum(g, count) / Double(count)
    case .maximum: size = Double(largestMagnitude(g, count))
    case .euclidean: size = dot(g, g, count).squareRoot()
    case .rootMeanSquare: size = (dot(g, g, count) / Double(count)).squareRoot()
    }
    return size > 0 && size.isFinite ? Float(1 / size) : 0
  }
}

extension Tensor {
  /// Zeros of `shape`, unless it has that shape already.
  mutating func fit(_ shape: Shape) throws {
    if self.shape != shape { self = try Tensor(allocating: shape) }
  }

  static var empty: Tensor { Tensor([0]) }

  /// Floats of one image of the batch.
  var imageCount: Int { shape.rank == 0 || shape[0] == 0 ? count : count / shape[0] }
  /// Images.
  var batch: Int { shape.rank == 0 ? 1 : shape[0] }
}

// MARK: Sums, in double precision and in a fixed order

func dot(_ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, _ count: Int) -> Double {
  var sums = SIMD8<Double>.zero, i = 0
  while i + 8 <= count {
    for lane in 0..<8 { sums[lane] += Double(a[i &+ lane]) * Double(b[i &+ lane]) }
    i &+= 8
  }
  var sum = sums.sum()
  while i < count {
    sum += Double(a[i]) * Double(b[i])
    i += 1
  }
  return sum
}

func absoluteSum(_ a: UnsafePointer<Float>, _ count: Int) -> Double {
  var sums = SIMD8<Double>.zero, i = 0
  while i + 8 <= count {
    for lane in 0..<8 { sums[lane] += Double(abs(a[i &+ lane])) }
    i &+= 8
  }
  var sum = sums.sum()
  while i < count {
    sum += Double(abs(a[i]))
    i += 1
  }
  return sum
}

func largestMagnitude(_ a: UnsafePointer<Float>, _ count: Int) -> Float {
  var largest: Float = 0
  for i in 0..<count { largest = max(largest, abs(a[i])) }
  return largest
}

// MARK: Checkpoints

extension Tensor {
  /// A double, bit for bit, as two floats.
  static func bits(of value: Double) -> [Float] {
    [
      Float(bitPattern: UInt32(truncatingIfNeeded: value.bitPattern >> 32)),
      Float(bitPattern: UInt32(truncatingIfNeeded: value.bitPattern)),
    ]
  }

  static func double(_ high: Float, _ low: Float) -> Double {
    Double(bitPattern: UInt64(high.bitPattern) << 32 | UInt64(low.bitPattern))
  }
}
