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

  @Test(arguments: Kernels.available.map(\.name)) func curvesAreExactToAFewUlps(variant: String) {
    let k = Kernels.available.first { $0.name == variant }!
    func values(_ f: Curve, _ x: [Float]) -> [Float] { mapped(x) { Elementwise.curve(f, $0, to: $1, $2, kernels: k) } }
    let x = (0...200_003).map { Float($0) * 0.0009 - 90 } + [0, -0.0, 1e-30, -1e-6, 3e-5, 88.7, 89.5, 200, -200, .infinity, -.infinity]
    // Further down 1 / (1 + e^-x) is rounded to 0 where the truth is subnormal.
    let moderate = x.filter { $0 > -85 && $0 < .infinity }, near = moderate.filter { abs($0) < 5 }
    let finite = x.filter { abs($0) < .infinity }
    #expect(values(.sigmoid, [-200, -.infinity, .infinity]) == [0, 0, 1])
    #expect(values(.errorFunction, [-200, -.infinity, .infinity]) == [-1, -1, 1])
    #expect(worst(values(.exponential, x), x, exp) < 2)
    #expect(worst(values(.sigmoid, moderate), moderate, { 1 / (1 + exp(-$0)) }) < 3)
    #expect(worst(values(.hyperbolicTangent, x), x, tanh) < 2.5)
    #expect(worst(values(.errorFunction, finite), finite, erf) < 4)
    #expect(worst(values(.swish(alpha: 1), moderate), moderate, { $0 / (1 + exp(-$0)) }) < 4)
    #expect(worst(values(.swish(alpha: 1.5), near), near, { $0 / (1 + exp(-1.5 * $0)) }) < 8)
    // In the tail e^ makes more of the rounding of x^2.
    #expect(worst(values(.gelu, near), near, { 0.5 * $0 * erfc(-$0 / 2.0.squareRoot()) }) < 20)
    #expect(worst(values(.hardSwish, near), near, { $0 * min(max($0 + 3, 0), 6) / 6 }) < 3)
    #expect(worst(values(.mish, near), near, { $0 * tanh(log1p(exp($0))) }) < 6)
    for f in curves { #expect(values(f, [1, .nan, 2])[1].isNaN) }
  }

  private var curves: [Curve] {
    [
      .exponential, .sigmoid, .hyperbolicTangent, .errorFunction, .swish(alpha: 1), .swish(alpha: -0.7), .gelu, .geluByTanh, .mish,
      .hardSwish,
    ]
  }

  /// Against the quotient of differences of the definition in Double.
  @Test(arguments: Kernels.available.map(\.name)) func slopesAreThoseOfTheCurves(variant: String) {
    let k = Kernels.available.first { $0.name == variant }!
    func truth(_ f: Curve, _ x: Double) -> Double {
      switch f {
      case .exponential: exp(x)
      case .sigmoid: 1 / (1 + exp(-x))
      case .hyperbolicTangent: tanh(x)
      case .errorFunction: erf(x)
      case .swish(let alpha): x / (1 + exp(-Double(alpha) * x))
      case .gelu: 0.5 * x * erfc(-x / 2.0.squareRoot())
      case .geluByTanh: 0.5 * x * (1 + tanh((2 / Double.pi).squareRoot() * (x + 0.044715 * x * x * x)))
      case .mish: x * tanh(log1p(exp(x)))
      case .hardSwish: x * min(max(x + 3, 0), 6) / 6
      }
    }
    let x = (0...1600).map { Float($0) * 0.01 - 8 }
    for f in curves {
      let kept = f.derivativeReadsOutput ? mapped(x) { Elementwise.curve(f, $0, to: $1, $2, kernels: k) } : x
      let dy = x.map { 1 + 0.1 * $0 }, old = x.map { 2 - $0 }
      for adds in [false, true] {
        let slopes = mapped(kept) { kept, dx, count in
          dx.update(from: old, count: count)
          k.curves.gradient(f, kept, dy, dx, count, adds)
        }
        // Quotients of differences know nothing of kinks.
        let worst = x.indices.filter { f != .hardSwish || abs(abs(x[$0]) - 3) > 1e-3 }.map { i -> Double in
          let x = Double(x[i]), h = 1e-5, slope = (truth(f, x + h) - truth(f, x - h)) / (2 * h)
          let expected = Double(dy[i]) * slope + (adds ? Double(old[i]) : 0)
          return abs(Double(slopes[i]) - expected) / max(1, abs(expected))
        }.max()!
        // GELU by tanh takes 1 - s of a sigmoid close to 1 times x^3: 2.2e-6 at 5.
        #expect(worst < 4e-6, "\(f), adds: \(adds)")
      }
    }
  }

  @Test(arguments: Kernels.available.map(\.name)) func aCurveDoesNotDependOnThePlace(variant: String) {
    let k = Kernels.available.first { $0.name == variant }!
    var random = Random(seed: 3)
    let x = noise(45, &random), dy = noise(45, &random)
    for f in curves {
      let all = mapped(x) { Elementwise.curve(f, $0, to: $1, $2, kernels: k) }
      let slopes = mapped(x) { k.curves.gradient(f, $0, dy, $1, $2, false) }
      for (start, count) in [(0, 45), (1, 16), (7, 3), (30, 15), (44, 1)] {
        let some = Array(x[start..<start + count]), above = Array(dy[start..<start + count])
        #expect(mapped(some) { Elementwise.curve(f, $0, to: $1, $2, kernels: k) } == Array(all[start..<start + count]))
        #expect(
          mapped(some) { k.curves.gradient(f, $0, above, $1, $2, false) }
            == Array(slopes[start..<start + count]))
      }
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
