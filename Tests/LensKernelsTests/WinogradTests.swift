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

  /// First layers of one to four channels: every remainder of strides and tiles, pictures that end within a patch, and 16 lanes or more.
  @Test(arguments: vectorKernels.map(\.name)) func firstLayersComeInPatches(variant: String) throws {
    let kernels = vectorKernels.first { $0.name == variant }!
    var random = Random(seed: 12), count = 0, failures: [String] = []
    for (channels, kernel, stride) in [
      (3, 7, 2), (3, 8, 2), (3, 11, 4), (3, 5, 2), (3, 6, 2), (1, 15, 4), (4, 7, 2), (3, 20, 4), (3, 5, 1),
    ] {
      for size in 0..<8 {
        let limit = UInt64(kernel + 1), side = stride * 16 + size
        let g = ConvolutionGeometry(
          n: 1 + Int(random.next() % 3), inputChannels: channels, h: side, w: side + Int(random.next() % 60),
          outputChannels: [16, 40, 64][Int(random.next() % 3)], kernel: .init(kernel), stride: .init(stride),
          padding: .init(
            top: Int(random.next() % limit), left: Int(random.next() % limit), bottom: Int(random.next() % limit),
            right: Int(random.next() % limit)))
        var forced = g
        forced.way = .tiles
        let plans = [false, true].map { WinogradPlan(firstLayer: forced, isTransposed: $0, kernels) }
        guard plans[0] != nil else { continue }
        #expect(plans[1] != nil)
        count += 1
        if let failure = try check(forced, .plain, kernels, seed: UInt64(count), tolerance: WinogradTests.tolerance) {
          failures.append(failure)
        }
      }
    }
    #expect(failures.isEmpty, "\(failures.count) of \(count): \(failures.prefix(5).joined(separator: "\n"))")
    #expect(count >= 56)
  }

  @Test func usualStemsComeInPatches() {
    func isFaster(_ kernel: Int, _ stride: Int, _ size: Int = 224) -> Bool {
      let g = ConvolutionGeometry(
        inputChannels: 3, h: size, w: size, outputChannels: 64, kernel: .init(kernel), stride: .init(stride), padding: .init(kernel / 2))
      return WinogradPlan(firstLayer: g, isTransposed: false, vectorKernels.last!) != nil
    }
    #expect(isFaster(7, 2) && isFaster(11, 4) && isFaster(6, 2) && isFaster(5, 2))
    // Few products an output, or patches as large as the kernel, or few outputs.
    #expect(!isFaster(3, 1) && !isFaster(3, 2) && !isFaster(4, 4) && !isFaster(7, 2, 20))
  }

  /// Rows of outputs that begin behind the last patch.
  @Test(arguments: vectorKernels.map(\.name)) func wideBordersAreComputed(variant: String) throws {
    let kernels = vectorKernels.first { $0.name == variant }!
    for padding in [7, 8, 30] {
      let g = ConvolutionGeometry(
        inputChannels: 3, h: 21, w: 24, outputChannels: 16, kernel: .init(7), stride: .init(2), padding: .init(padding))
      let failure = try check(g, .plain, kernels, tolerance: WinogradTests.tolerance)
      #expect(failure == nil)
    }
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
