// SPDX-License-Identifier: Apache-2.0
import LensKernelTable
import LensTensors
import Testing

@testable import LensKernels

/// Runs one convolution in both directions on one variant and compares with the definition.
///
/// - zeros: the share of zeros in what goes in
func check(
  _ g: ConvolutionGeometry, _ layout: Layout, _ kernels: KernelTable, seed: UInt64 = 1, zeros: Float = 0, tolerance: Double? = nil
) throws -> String? {
  // Floats cut into halves lose two or three of their 24 digits; a few outputs that nearly cancel show it.
  let tolerance = tolerance ?? (kernels.amx == nil ? LensKernelsTests.tolerance : 2e-5)
  var random = Random(seed: seed)
  let x = noise(g.inputShape.count, zeros: zeros, &random), w = noise(g.filterShape.count, &random), bias = noise(g.outputChannels, &random)
  let dy = noise(g.outputShape.count, zeros: zeros, &random), old = noise(g.inputShape.count, &random)
  let filter = ConvolutionFilter(weights: Tensor(g.filterShape, w), bias: bias, groups: g.groups)
  let kernel = try ConvolutionKernel(g, filter, inputLayout: layout, kernels: kernels)
  let scratch = Buffer(kernel.scratchCount, filledWith: .nan)
  func failure(_ what: String, _ error: Double) -> String { "\(what) of \(g) on \(kernels.name), \(layout): \(error)" }

  // Rubbish in the padding lanes of the input must not matter.
  let input = laidOut(x, g.inputShape, layout, padding: 777)
  let output = Buffer(Layout.blocked.floatCount(of: g.outputShape))
  kernel.forward(input, output, scratch)
  let y = Reference.forward(g, x, w, bias)
  var error = relativeError(plain(output, g.outputShape, .blocked), y)
  guard error < tolerance else { return failure("forward", error) }
  guard output.isIntact, scratch.isIntact, output.values.allSatisfy(\.isFinite) else { return failure("forward bounds", error) }

  // Residual and clamp.
  let residual = noise(g.outputShape.count, &random)
  let addend = laidOut(residual, g.outputShape, .blocked)
  withExtendedLifetime(addend) { kernel.forward(input, output, Epilogue(residual: addend.base, lower: 0, upper: 6), scratch) }
  error = relativeError(plain(output, g.outputShape, .blocked), zip(y, residual).map { min(max($0 + Double($1), 0), 6) })
  guard error < tolerance else { return failure("epilogue", error) }

  // The same with a note of what lies strictly between the bounds.
  let clamped = Buffer(output.count), gates = Bits(output.count)
  withExtendedLifetime((addend, gates)) {
    kernel.forward(input, clamped, Epilogue(residual: addend.base, lower: 0, upper: 6, gates: gates.base), scratch)
  }
  guard clamped.values == output.values, gates.values == clamped.values.map({ 0 < $0 && $0 < 6 }) else { return failure("gates", 0) }

  let outputGradient = laidOut(dy, g.outputShape, .blocked, padding: 777)
  let dx = Reference.inputGradient(g, dy, w)
  let inputGradient = Buffer(layout.floatCount(of: g.inputShape))
  kernel.inputGradient(outputGradient, inputGradient, scratch)
  error = relativeError(plain(inputGradient, g.inputShape, layout), dx)
  guard error < tolerance else { return failure("gradient", error) }
  guard inputGradient.isIntact, scratch.isIntact, inputGradient.values.allSatisfy(\.isFinite) else {
    return failure("gradient bounds", error)
  }

  let sum = laidOut(old, g.inputShape, layout)
  kernel.inputGradient(outputGradient, sum, accumulates: true, scratch)
  error = relativeError(plain(sum, g.inputShape, layout), zip(dx, old).map { $0 + Double($1) })
  guard error < tolerance else { return failure("accumulated gradient", error) }

  // Gates give the same bits, or 0; or nothing at all where no tap reaches and there was something before.
  if layout == .blocked {
    let open = (0..<sum.count).map { _ in random.next() % 2 == 0 }, gates = Bits(open)
    let isMet = laidOut(Reference.pixelsThatMeetTaps(g), g.inputShape, layout, padding: 1)
    guard kernel.leavesGaps == (isMet.values.contains(0) && !g.isDepthwise) else { return failure("gaps", 0) }
    for (ungated, accumulates) in [(inputGradient, false), (sum, true)] {
      let gated = laidOut(old, g.inputShape, layout)
      withExtendedLifetime((outputGradient, gated, gates, scratch)) {
        kernel.inputGradient(
          outputGradient: outputGradient.base, inputGradient: gated.base, accumulates: accumulates, gates: gates.base,
          scratch: scratch.base)
      }
      let isLeft = isMet.values.map { accumulates && kernel.leavesGaps && $0 == 0 }
      let expected = zip(ungated.values, zip(open, isLeft)).map { $1.0 || $1.1 ? $0 : 0 }
      guard gated.values == expected, gated.isIntact else { return failure("gated gradient", 0) }
    }
  }
  return nil
}

@Suite struct ConvolutionTests {
  /// Every variant that this CPU has runs in this one process: the table is an argument of the kernel.
  @Test(arguments: Kernels.available.map(\.name)) func everySmallGeometryEqualsTheDefinition(variant: String) throws {
    let kernels = Kernels.available.first { $0.name == variant }!
    var random = Random(seed: 7), count = 0, failures: [String] = []
    for kernel in [1, 2, 3, 5] {
      for stride in [1, 2, 3] {
        for dilation in [1, 2, 3] where kernel > 1 || dilation == 1 {
          for (inputs, outputs, groups) in [
            (1, 1, 1), (3, 16, 1), (5, 17, 1), (16, 32, 1), (17, 3, 1), (32, 48, 1), (48, 5, 1), (16, 80, 1), (32, 32, 2), (64, 32, 2),
            (48, 48, 3), (6, 9, 3), (32, 32, 8), (12, 36, 12), (16, 16, 16), (17, 17, 17), (48, 48, 48), (40, 20, 20),
          ] {
            for _ in 0..<3 {
              let h = 1 + Int(random.next() % 9), w = 1 + Int(random.next() % 9), limit = UInt64(kernel + 2)
              let g = ConvolutionGeometry(
                n: 1 + Int(random.next() % 2), inputChannels: inputs, h: h, w: w, outputChannels: outputs,
                kernel: .init(kernel, random.next() % 3 == 0 ? 1 + Int(random.next() % 4) : kernel),
                stride: .init(stride, random.next() % 3 == 0 ? 1 : stride), dilation: .init(dilation),
                padding: .init(
                  top: Int(random.next() % limit), left: Int(random.next() % limit), bottom: Int(random.next() % limit),
                  right: Int(random.next() % limit)),
                groups: groups)
              guard (try? g.validate()) != nil else { continue }
              count += 1
              for layout in groups == 1 && inputs < 16 ? [Layout.plain, .blocked] : [.blocked] {
                if let failure = try check(g, layout, kernels, seed: UInt64(count)) { failures.append(failure) }
              }
            }
          }
        }
      }
    }
    #expect(failures.isEmpty, "\(failures.count) of \(count): \(failures.prefix(5).joined(separator: "\n"))")
    #expect(count > 500)
  }

  @Test(arguments: Kernels.available.map(\.name)) func largerLayersEqualTheDefinition(variant: String) throws {
    let kernels = Kernels.available.first { $0.name == variant }!
    for (g, layout) in [
      (
        ConvolutionGeometry(inputChannels: 3, h: 33, w: 47, outputChannels: 64, kernel: .init(7), stride: .init(2), padding: .init(3)),
        Layout.plain
      ),
      (ConvolutionGeometry(inputChannels: 3, h: 40, w: 31, outputChannels: 32, kernel: .init(3), padding: .init(1)), .plain),
      (
        ConvolutionGeometry(inputChannels: 3, h: 67, w: 67, outputChannels: 64, kernel: .init(11), stride: .init(4), padding: .init(2)),
        .plain
      ),
      (ConvolutionGeometry(n: 2, inputChannels: 5, h: 90, w: 131, outputChannels: 72, kernel: .init(5), padding: .init(1)), .plain),
      (ConvolutionGeometry(n: 2, inputChannels: 64, h: 28, w: 29, outputChannels: 96, kernel: .init(3), padding: .init(1)), .blocked),
      (ConvolutionGeometry(n: 9, inputChannels: 80, h: 7, w: 7, outputChannels: 112, kernel: .init(3), padding: .init(1)), .blocked),
      (ConvolutionGeometry(n: 8, inputChannels: 144, h: 5, w: 3, outputChannels: 80, kernel: .init(1)), .blocked),
      (
        ConvolutionGeometry(inputChannels: 160, h: 14, w: 14, outputChannels: 224, kernel: .init(3), stride: .init(2), padding: .init(1)),
        .blocked
      ),
      (
        ConvolutionGeometry(
          n: 2, inputChannels: 83, h: 29, w: 41, outputChannels: 55, kernel: .init(5), stride: .init(2), padding: .init(2)), .blocked
      ),
      (ConvolutionGeometry(inputChannels: 512, h: 7, w: 7, outputChannels: 128, kernel: .init(3), padding: .init(1)), .blocked),
      (ConvolutionGeometry(n: 3, inputChannels: 144, h: 13, w: 17, outputChannels: 80, kernel: .init(1)), .blocked),
      (ConvolutionGeometry(inputChannels: 64, h: 29, w: 31, outputChannels: 128, kernel: .init(1), stride: .init(2)), .blocked),
      (
        ConvolutionGeometry(inputChannels: 48, h: 21, w: 20, outputChannels: 32, kernel: .init(3), dilation: .init(12), padding: .init(12)),
        .blocked
      ),
      (
        ConvolutionGeometry(inputChannels: 128, h: 20, w: 20, outputChannels: 128, kernel: .init(3), padding: .init(1), groups: 32),
        .blocked
      ),
      (
        ConvolutionGeometry(
          inputChannels: 96, h: 45, w: 39, outputChannels: 96, kernel: .init(3), stride: .init(2), padding: .init(1), groups: 96), .blocked
      ),
      (ConvolutionGeometry(inputChannels: 72, h: 28, w: 28, outputChannels: 72, kernel: .init(5), padding: .init(2), groups: 72), .blocked),
      (
        ConvolutionGeometry(
          inputChannels: 48, h: 17, w: 17, outputChannels: 32, kernel: .init(1, 7), padding: .init(top: 0, left: 3, bottom: 0, right: 3)),
        .blocked
      ),
    ] {
      let failure = try check(g, layout, kernels)
      #expect(failure == nil)
    }
  }

  /// Layers without a border, whose taps find their inputs where they lie: crops of pictures are such.
  @Test(arguments: Kernels.available.map(\.name)) func layersWithoutABorderEqualTheDefinition(variant: String) throws {
    let kernels = Kernels.available.first { $0.name == variant }!
    for kernel in [ConvolutionGeometry.Extent(3), .init(1, 4), .init(2)] {
      for (h, w) in [(8, 8), (7, 13), (5, 19)] {
        for (inputs, outputs, groups) in [(16, 32, 1), (67, 35, 1), (64, 48, 2)] {
          var g = ConvolutionGeometry(n: 2, inputChannels: inputs, h: h, w: w, outputChannels: outputs, kernel: kernel, groups: groups)
          g.way = .direct
          let failure = try check(g, .blocked, kernels)
          #expect(failure == nil)
          g.dilation = .init(2, 1)
          let further = try check(g, .blocked, kernels)
          #expect(further == nil)
        }
      }
    }
  }

  /// Where there are many points, memory keeps one packing; where there are few, turning squares of it would take too long.
  @Test(arguments: vectorKernels.map(\.name)) func theWayBackTurnsTheWeightsOfTheForwardPass(variant: String) throws {
    let kernels = vectorKernels.first { $0.name == variant }!
    func packings(_ size: Int, _ kernel: Int, stride: Int) throws -> Int {
      let g = ConvolutionGeometry(
        inputChannels: 64, h: size, w: size, outputChannels: 96, kernel: .init(kernel), stride: .init(stride), padding: .init(kernel / 2))
      let filter = ConvolutionFilter(weights: Tensor(g.filterShape, repeating: 1))
      try ConvolutionKernel(g, filter, inputLayout: .blocked, kernels: kernels).prepareInputGradient()
      return filter.packedCount / filter.weights.shape.count
    }
    #expect(try packings(14, 1, stride: 1) == 1 && packings(28, 3, stride: 2) == 1 && packings(28, 1, stride: 2) == 1)
    #expect(try packings(7, 1, stride: 1) == 2 && packings(14, 3, stride: 2) == 2)
  }

  /// Plain input of few channels, whose gradient has a way of its own: phases without taps, pictures of one pixel or one
  /// column, every number of channels that makes groups of its own, and output channels that fill no block or no pass.
  @Test(arguments: Kernels.available.map(\.name)) func firstLayersEqualTheDefinition(variant: String) throws {
    let kernels = Kernels.available.first { $0.name == variant }!
    var random = Random(seed: 11), count = 0, failures: [String] = []
    for channels in [1, 2, 3, 4, 5, 7, 15] {
      for kernel in [1, 3, 5, 7, 11] {
        for stride in 1...4 {
          for size in [1, 6, 19, 37] {
            let dilation = random.next() % 4 == 0 ? 1 + Int(random.next() % 3) : 1, limit = UInt64(kernel * dilation + 1)
            let g = ConvolutionGeometry(
              n: 1 + Int(random.next() % 2), inputChannels: channels, h: random.next() % 4 == 0 ? 1 : size,
              w: random.next() % 4 == 0 ? 1 + Int(random.next() % 50) : size, outputChannels: [1, 5, 16, 33, 40][Int(random.next() % 5)],
              kernel: .init(kernel, random.next() % 4 == 0 ? 1 : kernel), stride: .init(stride, random.next() % 4 == 0 ? 1 : stride),
              dilation: .init(dilation),
              padding: .init(
                top: Int(random.next() % limit), left: Int(random.next() % limit), bottom: Int(random.next() % limit),
                right: Int(random.next() % limit)))
            guard (try? g.validate()) != nil else { continue }
            count += 1
            if let failure = try check(g, .plain, kernels, seed: UInt64(count)) { failures.append(failure) }
          }
        }
      }
    }
    #expect(failures.isEmpty, "\(failures.count) of \(count): \(failures.prefix(5).joined(separator: "\n"))")
    #expect(count > 400)
  }

  /// Read in place, in pieces that have the same taps: with and without borders, down to grids that are all border, and
  /// phases that no tap meets.
  @Test(arguments: Kernels.available.map(\.name)) func depthwiseLayersEqualTheDefinition(variant: String) throws {
    let kernels = Kernels.available.first { $0.name == variant }!
    var random = Random(seed: 13), count = 0, failures: [String] = []
    for channels in [16, 20, 40] {
      for kernel in [1, 2, 3, 5, 7] {
        for stride in 1...4 {
          for size in [1, 7, 14, 31, 50] {
            let dilation = random.next() % 4 == 0 ? 2 : 1, limit = UInt64(kernel * dilation + 1)
            let g = ConvolutionGeometry(
              n: 1 + Int(random.next() % 2), inputChannels: channels, h: size,
              w: random.next() % 2 == 0 ? 1 + Int(random.next() % 40) : size, outputChannels: channels,
              kernel: .init(kernel, random.next() % 4 == 0 ? 1 : kernel), stride: .init(stride, random.next() % 4 == 0 ? 1 : stride),
              dilation: .init(dilation),
              padding: .init(
                top: Int(random.next() % limit), left: Int(random.next() % limit), bottom: Int(random.next() % limit),
                right: Int(random.next() % limit)),
              groups: channels)
            guard (try? g.validate()) != nil else { continue }
            count += 1
            if let failure = try check(g, .blocked, kernels, seed: UInt64(count)) { failures.append(failure) }
          }
        }
      }
    }
    #expect(failures.isEmpty, "\(failures.count) of \(count): \(failures.prefix(5).joined(separator: "\n"))")
    #expect(count > 250)
  }

  @Test func forwardAndGradientAreAdjoint() throws {
    var random = Random(seed: 3)
    let g = ConvolutionGeometry(
      n: 2, inputChannels: 20, h: 11, w: 13, outputChannels: 36, kernel: .init(3), stride: .init(2), padding: .init(1), groups: 2)
    let filter = ConvolutionFilter(weights: .normal(g.filterShape, using: &random), groups: 2)
    let kernel = try ConvolutionKernel(g, filter, inputLayout: .blocked)
    let x = noise(g.inputShape.count, &random), dy = noise(g.outputShape.count, &random)
    let scratch = Buffer(kernel.scratchCount), y = Buffer(Layout.blocked.floatCount(of: g.outputShape)),
      dx = Buffer(Layout.blocked.floatCount(of: g.inputShape))
    kernel.forward(laidOut(x, g.inputShape, .blocked), y, scratch)
    kernel.inputGradient(laidOut(dy, g.outputShape, .blocked), dx, scratch)
    let left = zip(plain(y, g.outputShape, .blocked), dy).reduce(0.0) { $0 + Double($1.0) * Double($1.1) }
    let right = zip(plain(dx, g.inputShape, .blocked), x).reduce(0.0) { $0 + Double($1.0) * Double($1.1) }
    #expect(abs(left - right) < 1e-4 * abs(left))
  }

  @Test func badGeometriesThrow() throws {
    let good = ConvolutionGeometry(inputChannels: 4, h: 5, w: 5, outputChannels: 6, kernel: .init(3))
    try good.validate()
    for change: (inout ConvolutionGeometry) -> Void in [
      { $0.n = 0 }, { $0.kernel.h = 0 }, { $0.stride.w = 0 }, { $0.dilation.h = 0 }, { $0.padding.left = -1 }, { $0.groups = 3 },
      { $0.groups = 0 }, { $0.h = 2 },
    ] {
      var bad = good
      change(&bad)
      #expect(throws: LensError.self) { try bad.validate() }
    }
    let filter = ConvolutionFilter(weights: Tensor([6, 4, 5, 5]))
    #expect(throws: LensError.self) { try ConvolutionKernel(good, filter, inputLayout: .blocked) }
  }
}
