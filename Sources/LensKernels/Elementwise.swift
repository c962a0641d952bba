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

  /// y = max(x, 0)
  public static func rectify(_ x: Floats, to y: MutableFloats, _ count: Int, kernels: KernelTable = Kernels.selected) {
    parallel(count, grain: grain) { kernels.rectify(x + $0.lowerBound, y + $0.lowerBound, $0.count) }
  }

  /// y = gradient where x > 0, else 0; x may be the input or the output of the rectifier
  public static func rectifyGradient(
    _ gradient: Floats, where x: Floats, to y: MutableFloats, _ count: Int, kernels: KernelTable = Kernels.selected
  ) {
    parallel(count, grain: grain) { kernels.rectifyGradient(gradient + $0.lowerBound, x + $0.lowerBound, y + $0.lowerBound, $0.count) }
  }

  /// y = x, no less than the lower and no more than the upper bound
  public static func clamp(
    _ x: Floats, _ lower: Float, _ upper: Float, to y: MutableFloats, _ count: Int, kernels: KernelTable = Kernels.selected
  ) {
    parallel(count, grain: grain) { kernels.clamp(x + $0.lowerBound, y + $0.lowerBound, $0.count, lower, upper) }
  }

  /// y = gradient where lower < x < upper, else 0; x may be the input or the output of the clamp
  public static func clampGradient(
    _ gradient: Floats, where x: Floats, _ lower: Float, _ upper: Float, to y: MutableFloats, _ count: Int,
    kernels: KernelTable = Kernels.selected
  ) {
    parallel(count, grain: grain) {
      kernels.clampGradient(gradient + $0.lowerBound, x + $0.lowerBound, y + $0.lowerBound, $0.count, lower, upper)
    }
  }

  /// y = e^x
  public static func exponential(_ x: Floats, to y: MutableFloats, _ count: Int, kernels: KernelTable = Kernels.selected) {
    parallel(count, grain: grain) { kernels.exponential(x + $0.lowerBound, y + $0.lowerBound, $0.count) }
  }

  /// y = 1 / (1 + e^-x)
  public static func sigmoid(_ x: Floats, to y: MutableFloats, _ count: Int, kernels: KernelTable = Kernels.selected) {
    parallel(count, grain: grain) { kernels.sigmoid(x + $0.lowerBound, y + $0.lowerBound, $0.count) }
  }

  /// y = tanh x
  public static func hyperbolicTangent(_ x: Floats, to y: MutableFloats, _ count: Int, kernels: KernelTable = Kernels.selected) {
    parallel(count, grain: grain) { kernels.hyperbolicTangent(x + $0.lowerBound, y + $0.lowerBound, $0.count) }
  }

  /// y = x / (1 + e^-x)
  public static func silu(_ x: Floats, to y: MutableFloats, _ count: Int, kernels: KernelTable = Kernels.selected) {
    parallel(count, grain: grain) { kernels.silu(x + $0.lowerBound, y + $0.lowerBound, $0.count) }
  }
}
