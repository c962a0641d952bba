// SPDX-License-Identifier: Apache-2.0
import Glibc
import LensKernelTable
import LensTensors
import Testing

@testable import LensKernels

@Suite struct LoopTests {
  @Test(arguments: Kernels.available.map(\.name)) func reorderGoesThereAndBack(variant: String) {
    let kernels = Kernels.available.first { $0.name == variant }!
    var random = Random(seed: 2)
    for (n, c, h, w) in [(1, 1, 1, 1), (2, 3, 5, 7), (1, 16, 4, 4), (3, 17, 9, 2), (1, 40, 33, 35)] {
      let shape = Shape(n: n, c: c, h: h, w: w), values = noise(shape.count, &random)
      let expected = laidOut(values, shape, .blocked), blocked = Buffer(expected.count), back = Buffer(shape.count)
      withExtendedLifetime((blocked, back)) {
        reorder(values, .plain, to: blocked.base, .blocked, shape: shape, kernels: kernels)
        #expect(blocked.values == expected.values && blocked.isIntact)
        reorder(blocked.base, .blocked, to: back.base, .plain, shape: shape, kernels: kernels)
        #expect(back.values == values && back.isIntact)
        reorder(blocked.base, .blocked, to: back.base, .plain, shape: shape, accumulates: true, kernels: kernels)
        #expect(back.values == values.map { $0 * 2 })
        reorder(values, .plain, to: blocked.base, .blocked, shape: shape, accumulates: true, kernels: kernels)
        #expect(blocked.values == expected.values.map { $0 * 2 })
        reorder(values, .plain, to: back.base, .plain, shape: shape, accumulates: true, kernels: kernels)
        #expect(back.values == values.map { $0 * 2 + $0 })
      }
    }
  }

  private func mapped(_ x: [Float], _ body: (Floats, MutableFloats, Int) -> Void) -> [Float] {
    let result = Buffer(x.count)
    withExtendedLifetime(result) { x.withUnsafeBufferPointer { body($0.baseAddress!, result.base, x.count) } }
    #expect(result.isIntact)
    return result.values
  }

  /// Units in the last place of the true value.
  private func worst(_ got: [Float], _ x: [Float], _ f: (Double) -> Double) -> Double {
    zip(got, x).map { got, x in
      let truth = f(Double(x)), ulp = max(Double(Float(truth).ulp), Double(Float.leastNormalMagnitude) * 0x1p-23)
      return Float(truth) == got ? 0 : abs(Double(got) - truth) / ulp
    }.max() ?? 0
  }

  @Test(arguments: Kernels.available.map(\.name)) func exponentialsAreExactToAFewUlps(variant: String) {
    let k = Kernels.available.first { $0.name == variant }!
    let x = (0...200_003).map { Float($0) * 0.0009 - 90 } + [0, -0.0, 1e-30, -1e-6, 3e-5, 88.7, 89.5, 200, -200, .infinity, -.infinity]
    // Further down 1 / (1 + e^-x) is rounded to 0 where the truth is subnormal.
    let moderate = x.filter { $0 > -85 && $0 < .infinity }
    #expect(mapped([-200, -.infinity, .infinity]) { Elementwise.sigmoid($0, to: $1, $2, kernels: k) } == [0, 0, 1])
    #expect(worst(mapped(x) { Elementwise.exponential($0, to: $1, $2, kernels: k) }, x, exp) < 2)
    #expect(worst(mapped(moderate) { Elementwise.sigmoid($0, to: $1, $2, kernels: k) }, moderate, { 1 / (1 + exp(-$0)) }) < 3)
    #expect(worst(mapped(x) { Elementwise.hyperbolicTangent($0, to: $1, $2, kernels: k) }, x, tanh) < 2.5)
    #expect(worst(mapped(moderate) { Elementwise.silu($0, to: $1, $2, kernels: k) }, moderate, { $0 / (1 + exp(-$0)) }) < 4)
    for f in [Elementwise.exponential, Elementwise.sigmoid, Elementwise.hyperbolicTangent, Elementwise.silu] {
      #expect(mapped([1, .nan, 2]) { f($0, $1, $2, k) }[1].isNaN)
    }
  }

  @Test(arguments: Kernels.available.map(\.name)) func simpleLoopsEqualTheirDefinitions(variant: String) {
    let k = Kernels.available.first { $0.name == variant }!
    var random = Random(seed: 4)
    for count in [1, 15, 16, 17, 1000, 40_003] {
      let a = noise(count, &random), b = noise(count, &random)
      #expect(mapped(a) { Elementwise.add($0, b, to: $1, $2, kernels: k) } == zip(a, b).map { $0 + $1 })
      #expect(mapped(a) { Elementwise.multiply($0, b, to: $1, $2, kernels: k) } == zip(a, b).map { $0 * $1 })
      #expect(mapped(a) { Elementwise.clamp($0, -0.5, 0.7, to: $1, $2, kernels: k) } == a.map { min(max($0, -0.5), 0.7) })
    }
  }

  @Test(arguments: Kernels.available.map(\.name)) func gatesAreOpenStrictlyBetweenTheBounds(variant: String) {
    let k = Kernels.available.first { $0.name == variant }!
    var random = Random(seed: 5)
    for count in [1, 15, 16, 17, 1000, 40_003] {
      for (lower, upper): (Float, Float) in [(0, .infinity), (-0.5, 0.7), (-.infinity, 0), (1, -1)] {
        var x = noise(count, &random)
        for (i, special) in [lower, upper, .nan, 0, -0.0, .infinity, -.infinity].enumerated() where 2 * i < count { x[2 * i] = special }
        let a = noise(count, &random), old = noise(count, &random)
        var gates = [UInt16](repeating: 0xABCD, count: (count + 15) / 16 + 1)
        let clamped = mapped(x) { Elementwise.clamp($0, lower, upper, to: $1, gates: &gates, $2, kernels: k) }
        let expected = x.map { min(max($0, lower), upper) }, isOpen = expected.map { lower < $0 && $0 < upper }
        #expect(zip(clamped, expected).allSatisfy { $0 == $1 || $0.isNaN && $1.isNaN })
        #expect((0..<count).allSatisfy { (gates[$0 / 16] >> UInt16($0 % 16) & 1 == 1) == isOpen[$0] })
        #expect(gates.last == 0xABCD)
        #expect(
          mapped(a) { Elementwise.gate($0, gates, to: $1, accumulates: false, $2, kernels: k) } == zip(a, isOpen).map { $1 ? $0 : 0 })
        let sum = mapped(a) { x, y, count in
          y.update(from: old, count: count)
          Elementwise.gate(x, gates, to: y, accumulates: true, count, kernels: k)
        }
        #expect(sum == zip(old, zip(a, isOpen)).map { $1.1 ? $0 + $1.0 : $0 })
      }
    }
  }
}
