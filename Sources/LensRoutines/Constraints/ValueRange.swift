// SPDX-License-Identifier: Apache-2.0
import LensKernels
import LensTensors

/// Every value lies in a range: 0...1 for pictures.
public struct ValueRange: Constraint {
  public let range: ClosedRange<Float>

  public init(_ range: ClosedRange<Float> = 0...1) { self.range = range }

  public func project(_ image: inout Tensor) {
    let count = image.count, low = range.lowerBound, high = range.upperBound
    image.withMutablePointer { x in
      parallel(count, grain: 1 << 14) { range in for i in range { x[i] = min(max(x[i], low), high) } }
    }
  }
}
