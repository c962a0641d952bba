// SPDX-License-Identifier: Apache-2.0
import LensTensors
import Testing

@testable import LensKernels

extension ThreadTests {
  @Suite struct InvarianceTests {
    static let geometries: [(ConvolutionGeometry, Layout)] = [
      (
        ConvolutionGeometry(
          n: 3, inputChannels: 3, h: 33, w: 30, outputChannels: 32, kernel: .init(7), stride: .init(2), padding: .init(3)), .plain
      ),
      (ConvolutionGeometry(n: 3, inputChannels: 4, h: 61, w: 45, outputChannels: 40, kernel: .init(3), padding: .init(1)), .plain),
      (ConvolutionGeometry(n: 3, inputChannels: 64, h: 28, w: 28, outputChannels: 64, kernel: .init(3), padding: .init(1)), .blocked),
      (ConvolutionGeometry(n: 3, inputChannels: 16, h: 57, w: 61, outputChannels: 32, kernel: .init(3), padding: .init(1)), .blocked),
      (ConvolutionGeometry(n: 3, inputChannels: 32, h: 13, w: 13, outputChannels: 16, kernel: .init(5), padding: .init(2)), .blocked),
      (ConvolutionGeometry(n: 3, inputChannels: 128, h: 14, w: 15, outputChannels: 96, kernel: .init(1)), .blocked),
      (
        ConvolutionGeometry(
          n: 3, inputChannels: 64, h: 29, w: 28, outputChannels: 64, kernel: .init(3), stride: .init(2), padding: .init(1)), .blocked
      ),
      (
        ConvolutionGeometry(n: 3, inputChannels: 64, h: 28, w: 28, outputChannels: 64, kernel: .init(3), padding: .init(1), groups: 64),
        .blocked
      ),
      (
        ConvolutionGeometry(
          n: 3, inputChannels: 48, h: 57, w: 60, outputChannels: 48, kernel: .init(5), stride: .init(2), padding: .init(2), groups: 48),
        .blocked
      ),
    ]

    private func run(
      _ g: ConvolutionGeometry, _ layout: Layout, _ x: [Float], _ dy: [Float], _ filter: ConvolutionFilter, _ kernels: KernelTable
    ) throws -> (
      [Float], [Float]
    ) {
      let kernel = try ConvolutionKernel(g, filter, inputLayout: layout, kernels: kernels)
      let scratch = Buffer(kernel.scratchCount), y = Buffer(Layout.blocked.floatCount(of: g.outputShape)),
        dx = Buffer(layout.floatCount(of: g.inputShape))
      kernel.forward(laidOut(x, g.inputShape, layout), y, scratch)
      kernel.inputGradient(laidOut(dy, g.outputShape, .blocked), dx, scratch)
      return (plain(y, g.outputShape, .blocked), plain(dx, g.inputShape, layout))
    }

    /// The best vectors, and what is better.
    static let variants = Set([vectorKernels.last!.name, Kernels.available.last!.name]).sorted()

    @Test(arguments: variants) func resultsAreTheSameBitsForAnyThreadsAndBatch(variant: String) throws {
      let kernels = Kernels.available.first { $0.name == variant }!
      defer { Threads.count = Threads.available }
      for (g, layout) in Self.geometries {
        var random = Random(seed: 5)
        let filter = ConvolutionFilter(weights: .normal(g.filterShape, using: &random), groups: g.groups)
        let x = noise(g.inputShape.count, &random), dy = noise(g.outputShape.count, &random)
        Threads.count = 1
        let expected = try run(g, layout, x, dy, filter, kernels)
        for threads in [2, 3, 8] {
          Threads.count = threads
          let got = try run(g, layout, x, dy, filter, kernels)
          #expect(got == expected, "\(threads) threads, \(g)")
        }
        Threads.count = 2
        var one = g
        one.n = 1
        for image in 0..<g.n {
          let a = one.inputShape.count, b = one.outputShape.count
          let got = try run(
            one, layout, Array(x[(image * a)..<((image + 1) * a)]), Array(dy[(image * b)..<((image + 1) * b)]), filter, kernels)
          #expect(got.0 == Array(expected.0[(image * b)..<((image + 1) * b)]))
          #expect(got.1 == Array(expected.1[(image * a)..<((image + 1) * a)]))
        }
      }
    }

    /// Kernels that were made for fewer threads run within the scratch that they asked for.
    @Test func raisingTheThreadCountLaterKeepsToTheScratch() throws {
      defer { Threads.count = Threads.available }
      let (g, layout) = Self.geometries[2]
      var random = Random(seed: 6)
      Threads.count = 1
      let kernel = try ConvolutionKernel(g, ConvolutionFilter(weights: .normal(g.filterShape, using: &random)), inputLayout: layout)
      let scratch = Buffer(kernel.scratchCount), y = Buffer(Layout.blocked.floatCount(of: g.outputShape))
      Threads.count = 8
      kernel.forward(laidOut(noise(g.inputShape.count, &random), g.inputShape, layout), y, scratch)
      #expect(scratch.isIntact)
    }
  }
}
