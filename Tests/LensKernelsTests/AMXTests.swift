// SPDX-License-Identifier: Apache-2.0
import LensKernelTable
import LensTensors
import Testing

@testable import LensKernels

/// Floats on a matrix unit that multiplies numbers of eight digits. `ConvolutionTests` run on it as on all others.
@Suite(.enabled(if: Kernels.available.contains { $0.amx != nil })) struct AMXTests {
  static var kernels: KernelTable { Kernels.available.first { $0.amx != nil }! }

  /// Relative L2 errors of both directions.
  private func errors(
    _ g: ConvolutionGeometry, _ x: [Float], _ w: [Float], _ dy: [Float], _ layout: Layout = .blocked
  ) throws -> [Double] {
    let filter = ConvolutionFilter(weights: Tensor(g.filterShape, w), groups: g.groups)
    let kernel = try ConvolutionKernel(g, filter, inputLayout: layout, kernels: Self.kernels)
    let scratch = Buffer(kernel.scratchCount), y = Buffer(Layout.blocked.floatCount(of: g.outputShape))
    let dx = Buffer(layout.floatCount(of: g.inputShape))
    kernel.forward(laidOut(x, g.inputShape, layout), y, scratch)
    kernel.inputGradient(laidOut(dy, g.outputShape, .blocked), dx, scratch)
    return [
      relativeError(plain(y, g.outputShape, .blocked), Reference.forward(g, x, w, [Float](repeating: 0, count: g.outputChannels))),
      relativeError(plain(dx, g.inputShape, layout), Reference.inputGradient(g, dy, w)),
    ]
  }

  private static let layers = [
    ConvolutionGeometry(inputChannels: 256, h: 14, w: 14, outputChannels: 64, kernel: .init(1)),
    ConvolutionGeometry(inputChannels: 64, h: 14, w: 15, outputChannels: 96, kernel: .init(3), padding: .init(1)),
    ConvolutionGeometry(n: 2, inputChannels: 48, h: 15, w: 15, outputChannels: 64, kernel: .init(3), stride: .init(2), padding: .init(1)),
  ]

  @Test func aLayerIsAsGoodAsWinograds() throws {
    for g in Self.layers {
      var random = Random(seed: 3)
      let x = noise(g.inputShape.count, &random), w = noise(g.filterShape.count, &random), dy = noise(g.outputShape.count, &random)
      for error in try errors(g, x, w, dy) { #expect(error < 6e-6 && error > 1e-7, "\(g)") }
    }
  }

  /// What two halves can hold comes out as of floats.
  @Test func numbersOfSixteenDigitsLoseNothing() throws {
    for g in Self.layers {
      var random = Random(seed: 4)
      func short(_ count: Int, _ digits: Int) -> [Float] {
        (0..<count).map { _ in Float(random.next() % (1 << digits)) - Float(1 << (digits - 1)) }
      }
      let errors = try errors(g, short(g.inputShape.count, 16), short(g.filterShape.count, 8), short(g.outputShape.count, 16))
      for error in errors { #expect(error < 4e-7, "\(g)") }
    }
  }

  /// First layers have so many products that tiles are worth filling; their error shows that the factors were cut.
  @Test func firstLayersFillTiles() throws {
    let stem = ConvolutionGeometry(
      inputChannels: 3, h: 41, w: 47, outputChannels: 64, kernel: .init(7), stride: .init(2), padding: .init(3))
    let small = ConvolutionGeometry(inputChannels: 3, h: 41, w: 47, outputChannels: 64, kernel: .init(3), padding: .init(1))
    #expect(stem.forwardPlan(.plain, Self.kernels) is AMXPlan && stem.plainGradientPlan(Self.kernels) is AMXPlan)
    // Vectors are faster where an output has 27 products.
    #expect(!(small.forwardPlan(.plain, Self.kernels) is AMXPlan) && small.plainGradientPlan(Self.kernels) is AMXPlan)
    #expect(!(stem.forwardPlan(.plain, vectorKernels.last!) is AMXPlan))
    var random = Random(seed: 5)
    let x = noise(stem.inputShape.count, &random), w = noise(stem.filterShape.count, &random), dy = noise(stem.outputShape.count, &random)
    for error in try errors(stem, x, w, dy, .plain) { #expect(error < 6e-6 && error > 1e-7) }
  }

  /// Every grid point once, whatever the band, in pairs that need few shapes of tiles.
  @Test func runsCoverTheGrid() throws {
    for (h, w, stride, n) in [(7, 7, 1, 8), (14, 14, 1, 1), (56, 56, 1, 1), (9, 31, 2, 3), (1, 1, 1, 4), (3, 200, 1, 1)] {
      var g = ConvolutionGeometry(
        n: n, inputChannels: 64, h: h, w: w, outputChannels: 32, kernel: .init(3), stride: .init(stride), padding: .init(1))
      g.way = .direct
      let plan = try #require(g.forwardPlan(.blocked, Self.kernels) as? AMXPlan)
      let plane = g.outputH * g.outputW * 16
      for (runs, rows) in [(plan.runs, plan.bandRows), (plan.lastRuns, g.outputH - (plan.bands - 1) * plan.bandRows)] {
        var seen = Set<Int>()
        for run in runs {
          #expect(run.points >= 1 && run.points <= 16)
          for point in 0..<run.points { #expect(seen.insert(run.output + point * 16).inserted) }
        }
        let images = (0..<plan.imagesAtOnce).flatMap { image in
          (0..<rows * g.outputW).map { image * Layout.blocks(g.outputChannels) * plane + $0 * 16 }
        }
        #expect(seen == Set(images), "\(g)")
      }
    }
  }
}
