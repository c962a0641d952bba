// SPDX-License-Identifier: Apache-2.0
import LensKernelTable
import LensTensors
import Testing

@testable import LensKernels

/// 1×1 convolutions that leave out zeros.
@Suite struct SparseTests {
  /// Groups of lanes of every number, inputs that fill no block or no pass, pixels in a row and strides apart.
  static let geometries = [
    ConvolutionGeometry(n: 2, inputChannels: 33, h: 13, w: 17, outputChannels: 150, kernel: .init(1)),
    ConvolutionGeometry(inputChannels: 200, h: 7, w: 7, outputChannels: 96, kernel: .init(1)),
    ConvolutionGeometry(inputChannels: 64, h: 40, w: 31, outputChannels: 112, kernel: .init(1)),
    ConvolutionGeometry(n: 3, inputChannels: 96, h: 29, w: 28, outputChannels: 160, kernel: .init(1), stride: .init(2)),
    ConvolutionGeometry(inputChannels: 80, h: 31, w: 40, outputChannels: 80, kernel: .init(1), stride: .init(1, 3)),
    ConvolutionGeometry(n: 9, inputChannels: 64, h: 1, w: 1, outputChannels: 64, kernel: .init(1)),
  ]

  /// One that many threads leave out zeros of, too, as other tests may ask for them meanwhile.
  static let roomy = ConvolutionGeometry(inputChannels: 64, h: 40, w: 31, outputChannels: 256, kernel: .init(1))

  @Test(arguments: vectorKernels.map(\.name)) func equalsTheDefinition(variant: String) throws {
    let kernels = vectorKernels.first { $0.name == variant }!
    for zeros in [0.3, 0.6, 0.9, 1] as [Float] {
      for (seed, g) in Self.geometries.enumerated() {
        let failure = try check(g, .blocked, kernels, seed: UInt64(seed), zeros: zeros)
        #expect(failure == nil)
      }
    }
  }

  /// A plan with what it needs for a run.
  fileprivate struct Run {
    let plan: SparsePlan
    let weights: FloatStorage, bias: FloatStorage, zeros = try! FloatStorage(count: 128)
    let input: Buffer, residual: Buffer, scratch: Buffer

    init?(_ g: ConvolutionGeometry, _ kernels: KernelTable, _ x: [Float]) throws {
      guard let plan = g.forwardPlan(.blocked, kernels) as? SparsePlan else { return nil }
      var random = Random(seed: 3)
      let filter = ConvolutionFilter(weights: .normal(g.filterShape, using: &random), bias: noise(g.outputChannels, &random))
      (self.plan, weights, bias) = (plan, try filter.packed(plan.packing), try filter.paddedBias())
      input = laidOut(x, g.inputShape, .blocked)
      residual = laidOut(noise(g.outputShape.count, &random), g.outputShape, .blocked)
      scratch = Buffer(plan.scratchCount)
    }

    func outputs(_ way: (SparsePlan, ConvolutionOperands) -> Void) -> (values: [Float], gates: [Bool]) {
      let output = Buffer(residual.count), gates = Bits(residual.count)
      withExtendedLifetime((self, output, gates)) {
        way(
          plan,
          ConvolutionOperands(
            input: Floats(input.base), weights: Floats(weights.base), bias: Floats(bias.base), zeros: Floats(zeros.base),
            output: output.base,
            epilogue: Epilogue(residual: residual.base, lower: -1, upper: 2, gates: gates.base), scratch: scratch.base))
      }
      #expect(output.isIntact && scratch.isIntact)
      return (output.values, gates.values)
    }
  }

  fileprivate static func thinned(_ g: ConvolutionGeometry, _ zeros: Float, seed: UInt64 = 1) -> [Float] {
    var random = Random(seed: seed)
    return noise(g.inputShape.count, zeros: zeros, &random)
  }

  @Test func theInputDecides() throws {
    let g = Self.roomy
    func isSparse(_ x: [Float]) throws -> Bool {
      let run = try #require(try Run(g, vectorKernels.last!, x))
      var result = false
      _ = run.outputs { plan, operands in
        result = plan.isSparse(operands)
        plan.run(operands)
      }
      return result
    }
    let decisions = try [0, 0.1, 0.7, 1].map { try isSparse(Self.thinned(g, $0)) }
    #expect(decisions == [false, false, true, true])
  }

  @Test(arguments: vectorKernels.map(\.name)) func nanIsNotZero(variant: String) throws {
    let kernels = vectorKernels.first { $0.name == variant }!, g = Self.roomy, plane = g.h * g.w
    var x = Self.thinned(g, 0.9)
    (x[5], x[3 * plane + 20], x[7 * plane + 40]) = (.nan, .infinity, -0.0)
    let run = try #require(try Run(g, kernels, x))
    let dense = run.outputs { $0.dense.run($1) }.values.map(\.isNaN), sparse = run.outputs { $0.skipZeros($1) }.values.map(\.isNaN)
    #expect(dense == sparse && dense.contains(true) && dense.contains(false))
  }

  /// Few lanes never repay the search for zeros; other taps, groups and borders have plans of their own.
  @Test func otherConvolutionsHaveOtherPlans() {
    func isSparse(_ g: ConvolutionGeometry) -> Bool { g.forwardPlan(.blocked, vectorKernels.last!) is SparsePlan }
    #expect(isSparse(ConvolutionGeometry(inputChannels: 64, h: 14, w: 14, outputChannels: 256, kernel: .init(1))))
    #expect(!isSparse(ConvolutionGeometry(inputChannels: 64, h: 14, w: 14, outputChannels: 16, kernel: .init(1))))
    #expect(!isSparse(ConvolutionGeometry(inputChannels: 64, h: 14, w: 14, outputChannels: 256, kernel: .init(1), padding: .init(1))))
    #expect(!isSparse(ConvolutionGeometry(inputChannels: 64, h: 14, w: 14, outputChannels: 256, kernel: .init(1), groups: 2)))
    #expect(!isSparse(ConvolutionGeometry(inputChannels: 64, h: 14, w: 14, outputChannels: 256, kernel: .init(3), stride: .init(2))))
  }
}

extension ThreadTests {
  @Suite struct SparseThreadTests {
    /// On the way back lists are shared, of as many bands as stay near: here not of all images.
    @Test(arguments: vectorKernels.map(\.name)) func listsAreSharedWhereWeightsAreTurned(variant: String) throws {
      // One thread alone would search for itself.
      defer { Threads.count = Threads.available }
      Threads.count = 2
      let kernels = vectorKernels.first { $0.name == variant }!
      let g = ConvolutionGeometry(n: 4, inputChannels: 256, h: 16, w: 16, outputChannels: 1024, kernel: .init(1))
      let forward = g.forwardPlan(.blocked, kernels).packing as? PackedShape
      let plan = try #require(g.blockedGradientPlans(forward, kernels).first as? SparsePlan)
      #expect(plan.bandsAhead > 0 && plan.bandsAhead < g.n * plan.bands && plan.chunks.count > 1 && plan.turnedCount > 0)
      let failure = try check(g, .blocked, kernels, zeros: 0.7)
      #expect(failure == nil)
    }

    @Test(arguments: vectorKernels.map(\.name)) func bitsAreThoseOfAllInputs(variant: String) throws {
      defer { Threads.count = Threads.available }
      let kernels = vectorKernels.first { $0.name == variant }!
      var runs = 0
      for threads in [1, 2, 7] {
        Threads.count = threads
        for g in SparseTests.geometries {
          for zeros in [0, 0.5, 1] as [Float] {
            // For many threads there may be too few pixels to repay the search.
            guard let run = try SparseTests.Run(g, kernels, SparseTests.thinned(g, zeros)) else { continue }
            runs += 1
            let dense = run.outputs { $0.dense.run($1) }, sparse = run.outputs { $0.skipZeros($1) }
            #expect(dense == sparse, "\(g), \(zeros) zeros, \(threads) threads")
          }
        }
      }
      #expect(runs >= 30)
    }
  }
}
