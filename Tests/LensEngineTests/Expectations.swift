// SPDX-License-Identifier: Apache-2.0
import Glibc
import LensEngine
import LensTensors
import Testing

func power(_ x: Double, _ exponent: Double) -> Double { pow(x, exponent) }

/// Equal up to rounding of `tolerance` times the largest value.
func expectEqual(
  _ tensor: Tensor, _ expected: [Double], tolerance: Double = 1e-5, _ comment: @autoclosure () -> String = "",
  sourceLocation: SourceLocation = #_sourceLocation
) {
  #expect(tensor.count == expected.count, "\(comment()): shape \(tensor.shape)", sourceLocation: sourceLocation)
  guard tensor.count == expected.count else { return }
  let scale = expected.reduce(1) { max($0, abs($1)) }
  let worst = zip(tensor.values, expected).map { abs(Double($0) - $1) }.max() ?? 0
  #expect(worst <= tolerance * scale, "\(comment()): off by \(worst)", sourceLocation: sourceLocation)
}
