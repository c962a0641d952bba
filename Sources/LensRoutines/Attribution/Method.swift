// SPDX-License-Identifier: Apache-2.0
import LensEngine
import LensTensors

/// A way to explain pictures, with its options chosen: what SmoothGrad and the tests of maps take.
public typealias AttributionMethod = (Session, Tensor, Objective) throws -> Attribution

/// Gets how many steps of all are done; false stops the call, which then throws `.cancelled`.
public typealias Steps = (_ done: Int, _ all: Int) -> Bool

extension Session {
  /// How many pictures go through the network together where there are many: enough to fetch weights seldom, few
  /// enough for their values to stay small.
  func picturesPerPass(_ shape: Shape) -> Int { max(1, min(8, 8 * 224 * 224 / max(1, shape.h * shape.w))) }

  /// Checks that the picture is N×C×H×W and finite.
  func check(_ image: Tensor) throws {
    guard image.shape.rank == 4, image.count > 0 else {
      throw LensError(.shapeMismatch, "the picture is \(image.shape); it must be N×C×H×W")
    }
    if let index = image.firstNonFinite {
      throw LensError(.invalidArgument, "the picture has the value \(image.values[index]) at place \(index); all must be finite numbers")
    }
  }
}

extension Tensor {
  /// `count` copies behind each other along the first axis.
  func repeated(_ count: Int) -> Tensor {
    var result = Tensor(shape.with(0, shape[0] * count))
    let size = self.count
    withPointer { x in result.withMutablePointer { y in for n in 0..<count { (y + n * size).update(from: x, count: size) } } }
    return result
  }

  /// Tensors of one image each behind each other.
  static func stacked(_ parts: [Tensor]) -> Tensor {
    guard let first = parts.first else { preconditionFailure("nothing to stack") }
    var result = Tensor(first.shape.with(0, first.shape[0] * parts.count))
    result.withMutablePointer { y in
      for (n, part) in parts.enumerated() { part.withPointer { (y + n * first.count).update(from: $0, count: first.count) } }
    }
    return result
  }

  /// The place of the first infinity or NaN.
  var firstNonFinite: Int? {
    withPointer { x in
      // Times zero, everything finite is zero; eight lanes at once for the usual case that nothing is found.
      var lanes = SIMD8<Float>(repeating: 0)
      let whole = count / 8 * 8
      for i in stride(from: 0, to: whole, by: 8) {
        lanes += UnsafeRawPointer(x + i).loadUnaligned(as: SIMD8<Float>.self) * 0
      }
      let isClean = lanes == SIMD8(repeating: 0) && (whole..<count).allSatisfy { x[$0].isFinite }
      return isClean ? nil : (0..<count).first { !x[$0].isFinite }
    }
  }

  /// The sum of all floats.
  var total: Double { withPointer { x in (0..<count).reduce(0.0) { $0 + Double(x[$1]) } } }
}
