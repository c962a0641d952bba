// SPDX-License-Identifier: Apache-2.0
import Glibc

/// SplitMix64: the same seed gives the same draws on every platform.
/// Steele, Lea & Flood, "Fast Splittable Pseudorandom Number Generators", 2014, figure 1.
public struct Random: RandomNumberGenerator, Sendable {
  private var state: UInt64

  public init(seed: UInt64) { state = seed }

  public mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }

  /// The generator as it is after so many draws.
  public func after(_ draws: Int) -> Random {
    var random = self
    random.state &+= UInt64(truncatingIfNeeded: draws) &* 0x9E37_79B9_7F4A_7C15
    return random
  }

  /// Uniform in 0..<1, 24 bits.
  public mutating func uniform() -> Float { Float(next() >> 40) * 0x1p-24 }

  /// Normal with mean 0 and deviation 1 (Box & Muller, 1958); two draws.
  public mutating func normal() -> Float {
    let radius = (-2 * log(1 - Double(uniform()))).squareRoot()
    return Float(radius * cos(2 * .pi * Double(uniform())))
  }
}

extension Tensor {
  /// Normal noise of the given deviation.
  public static func normal(_ shape: Shape, deviation: Float = 1, using random: inout Random) -> Tensor {
    var result = Tensor(shape)
    result.setToNormal(deviation: deviation, using: &random)
    return result
  }

  /// The same in the memory that is there, for all images or for the first.
  public mutating func setToNormal(of images: Int? = nil, deviation: Float = 1, using random: inout Random) {
    let count = images.map { $0 * (self.count / shape[0]) } ?? count
    withMutablePointer { p in for i in 0..<count { p[i] = deviation * random.normal() } }
  }

  /// Uniform noise in `range`.
  public static func uniform(_ shape: Shape, in range: ClosedRange<Float> = 0...1, using random: inout Random) -> Tensor {
    var result = Tensor(shape)
    result.setToUniform(in: range, using: &random)
    return result
  }

  /// The same in the memory that is there, for all images or for the first.
  public mutating func setToUniform(of images: Int? = nil, in range: ClosedRange<Float> = 0...1, using random: inout Random) {
    let count = images.map { $0 * (self.count / shape[0]) } ?? count
    withMutablePointer { p in
      for i in 0..<count { p[i] = range.lowerBound + (range.upperBound - range.lowerBound) * random.uniform() }
    }
  }
}
