// SPDX-License-Identifier: Apache-2.0
public import LensKernelTable

/// Loops over contiguous floats, in either layout. Output and inputs may be the same memory.
public enum Elementwise {
  private static let grain = 1 << 14

  /// y = a + b
  public static func add(_ a: Floats, _ b: Floats, to y: MutableFloats, _ count: Int, kernels: KernelTable = Kernels.selected) {
    parallel(count, grain: grain) { kernels.add(a + $0.lowerBound, b + $0.lowerBound, y + $0.lowerBound, $0.count) }
  }

  /// y = a · b
  public static func multiply(_ a: Floats, _ b: Floats, to y: MutableFloats, _ count: Int, kernels: KernelTable = Kernels.selected) {
    parallel(count, grain: grain) { kernels.multiply(a + $0.lowerBound, b + $0.lowerBound, y + $0.lowerBound, $0.count) }
  }

  /// y = x, no less than the lower and no more than the upper bound
  ///
  /// - gates: if not nil, gets a bit for each y: whether it lies strictly between the bounds
  public static func clamp(
    _ x: Floats, _ lower: Float, _ upper: Float, to y: MutableFloats, gates: MutableGates? = nil, _ count: Int,
    kernels: KernelTable = Kernels.selected
  ) {
    wholeVectors(count) {
      kernels.clamp(x + $0.lowerBound, y + $0.lowerBound, $0.count, lower, upper, gates?.advanced(by: $0.lowerBound / 16))
    }
  }

  /// y = x where its bit is set, else 0; or y += that
  public static func gate(
    _ x: Floats, _ gates: Gates, to y: MutableFloats, accumulates: Bool, _ count: Int, kernels: KernelTable = Kernels.selected
  ) {
    wholeVectors(count) { kernels.gate(x + $0.lowerBound, gates + $0.lowerBound / 16, y + $0.lowerBound, $0.count, accumulates) }
  }

  /// Pieces that begin at a multiple of 16.
  private static func wholeVectors(_ count: Int, _ body: (Range<Int>) -> Void) {
    parallel((count + 15) / 16, grain: grain / 16) { body(($0.lowerBound * 16)..<min($0.upperBound * 16, count)) }
  }

  /// y = f(x)
  public static func curve(_ f: Curve, _ x: Floats, to y: MutableFloats, _ count: Int, kernels: KernelTable = Kernels.selected) {
    parallel(count, grain: grain / 4) { kernels.curves.value(f, x + $0.lowerBound, y + $0.lowerBound, $0.count) }
  }
}
