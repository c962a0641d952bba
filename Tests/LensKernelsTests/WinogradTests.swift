// SPDX-License-Identifier: Apache-2.0
import LensKernelTable
import LensTensors
import Testing

@testable import LensKernels

@Suite struct WinogradTests {
  /// Twice that of a sum: the transforms subtract what they have added.
  static let tolerance = 2e-5

  /// Every remainder of tiles, channels and padding, both kernels, both directions.
  @Test(arguments: vectorKernels.map(\.name)) func equalsTheDefinition(variant: String) throws {
    let kernels = vectorKernels.first { $0.name == variant }!
    var random = Random(seed: 11), count = 0, failures: [String] = []
    for k in [3, 5] {
      for (inputs, outputs) in [(16, 16), (17, 40), (48, 16), (33, 80)] {
        for size in 7 - k == 4 ? 13...16 : 7...10 {
          let limit = UInt64(k)
          let g = ConvolutionGeometry(
            n: 1 + Int(random.next() % 3), inputChannels: inputs, h: size + k - 1, w: 13 + Int(random.next() % 8), outputChannels: outputs,
            kernel: .init(k),
            padding: .init(
              top: Int(random.next() % limit), left: Int(random.next() % limit), bottom: Int(random.next() % limit),
              right: Int(random.next() % limit)))
          #expect(WinogradPlan(g, isTransposed: false, kernels) != nil && WinogradPlan(g, isTransposed: true, kernels) != nil)
          count += 1
          if let failure = try check(g, .blocked, kernels, seed: UInt64(count), tolerance: WinogradTests.tolerance) {
            failures.append(failure)
          }
        }
      }
    }
    #expect(failures.isEmpty, "\(failures.count) of \(count): \(failures.prefix(5).joined(separator: "\n"))")
  }

  @Test(arguments: vectorKernels.map(\.name)) func threadsShareTilesOrLanes(variant: String) throws {
    let kernels = vectorKernels.first { $0.name == variant }!
    let large = ConvolutionGeometry(n: 2, inputChannels: 16, h: 61, w: 59, outputChannels: 32, kernel: .init(3), padding: .init(1))
    #expect(WinogradPlan(large, isTransposed: false, kernels)?.share == .tiles)
    var failure = try check(large, .blocked, kernels, tolerance: WinogradTests.tolerance)
    #expect(failure == nil)
    for (inputs, outputs, side, n) in [(400, 48, 14, 1), (80, 400, 7, 3), (48, 160, 28, 3)] {
      let wide = ConvolutionGeometry(
        n: n, inputChannels: inputs, h: side, w: side, outputChannels: outputs, kernel: .init(3), padding: .init(1))
      #expect(WinogradPlan(wide, isTransposed: false, kernels)?.share == .lanes)
      failure = try check(wide, .blocked, kernels, tolerance: WinogradTests.tolerance)
      #expect(failure == nil)
    }
  }

  @Test(arguments: vectorKernels.map(\.name)) func bothWaysReadTheSameWeights(variant: String) throws {
    let kernels = vectorKernels.first { $0.name == variant }!
    let filter = ConvolutionFilter(weights: Tensor([80, 48, 3, 3], repeating: 1))
    let g = ConvolutionGeometry(inputChannels: 48, h: 14, w: 14, outputChannels: 80, kernel: .init(3), padding: .init(1))
    let kernel = try ConvolutionKernel(g, filter, inputLayout: .blocked, kernels: kernels)
    let once = filter.packedCount
    try kernel.prepareInputGradient()
    #expect(once == 80 * 48 * 9 && filter.packedCount == once)
  }

  @Test func theChoiceDependsOnOneImageAlone() {
    for h in [6, 7, 12, 13, 14, 28] {
      for n in [1, 2, 64] {
        let one = ConvolutionGeometry(inputChannels: 64, h: h, w: h, outputChannels: 64, kernel: .init(3), padding: .init(1))
        var many = one
        many.n = n
        #expect(
          (WinogradPlan(one, isTransposed: false, vectorKernels.last!) == nil)
            == (WinogradPlan(many, isTransposed: false, vectorKernels.last!) == nil))
      }
    }
  }
}
