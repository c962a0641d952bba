// SPDX-License-Identifier: Apache-2.0
public import LensKernelTable
import LensTensors
import Synchronization

/// One convolution of one size, ready to run in both directions.
///
/// The numbers in the output do not depend on the number of threads, nor an image's on the others in its batch: each
/// is computed by one thread in one order.
public final class ConvolutionKernel: Sendable {
  public let geometry: ConvolutionGeometry
  public let filter: ConvolutionFilter
  public let inputLayout, outputLayout: Layout

  /// Floats of scratch that either direction needs. It goes with `Threads.count` as it was when this kernel was made.
  public var scratchCount: Int { max(forwardScratchCount, inputGradientScratchCount) }
  public var forwardScratchCount: Int { forwardPlan.scratchCount }
  public var inputGradientScratchCount: Int { gradientPlans.map(\.scratchCount).max() ?? 0 }

  /// Whether some pixels of the input meet no tap, and `inputGradient` that accumulates leaves them as they are.
  public var leavesGaps: Bool { gradientPlans.contains { $0.isEmpty } }

  private let kernels: KernelTable
  private let forwardPlan: any ConvolutionPlan
  private let gradientPlans: [any ConvolutionPlan]
  private let forwardWeights: FloatStorage
  private let gradientWeights = Mutex<[FloatStorage]?>(nil)
  private let bias: FloatStorage?
  private let zeros: FloatStorage

  /// The layouts that a convolution wants, given the one its input has. Plain input is taken as it is where there are
  /// few channels, as in a first layer; the output is always blocked.
  public static func layouts(for geometry: ConvolutionGeometry, given inputLayout: Layout) -> (input: Layout, output: Layout) {
    let takesPlain = inputLayout == .plain && geometry.groups == 1 && geometry.inputChannels < Layout.block
    return (takesPlain ? .plain : .blocked, .blocked)
  }

  /// - Throws: `LensError`: the geometry is none, or does not fit the filter; or no memory for the packed weights.
  public init(
    _ geometry: ConvolutionGeometry, _ filter: ConvolutionFilter, inputLayout: Layout, outputLayout: Layout = .blocked,
    kernels: KernelTable = Kernels.selected
  ) throws {
    try geometry.validate()
    guard filter.weights.shape == geometry.filterShape, filter.groups == geometry.groups else {
      throw LensError(
        .shapeMismatch,
        "the filter is \(filter.weights.shape) in \(filter.groups) groups; the convolution needs \(geometry.filterShape) in \(geometry.groups)"
      )
    }
    guard ConvolutionKernel.layouts(for: geometry, given: inputLayout) == (inputLayout, outputLayout) else {
      throw LensError(.internalError, "a convolution from \(inputLayout) to \(outputLayout) is not among the kernels")
    }
    (self.geometry, self.filter, self.kernels) = (geometry, filter, kernels)
    (self.inputLayout, self.outputLayout) = (inputLayout, outputLayout)
    forwardPlan = geometry.forwardPlan(inputLayout, kernels)
    let forwardPack = forwardPlan.packing as? PackedShape
    gradientPlans =
      inputLayout == .plain ? [geometry.plainGradientPlan(kernels)] : geometry.blockedGradientPlans(forwardPack, kernels)
    forwardWeights = try filter.packed(forwardPlan.packing)
    bias = filter.bias == nil ? nil : try filter.paddedBias()
    zeros = try FloatStorage(count: 8 * Layout.block)
  }

  /// output = convolution of input + bias (+ residual, clamped)
  ///
  /// - Parameters:
  ///   - input: in `inputLayout`
  ///   - output: in `outputLayout`; must not overlap the input. May be the residual itself.
  ///   - scratch: `forwardScratchCount` floats
  public func forward(input: Floats, output: MutableFloats, epilogue: Epilogue = .none, scratch: MutableFloats) {
    forwardPlan.run(
      .init(
        input: input, weights: Floats(forwardWeights.base), bias: bias.map { Floats($0.base) }, zeros: Floats(zeros.base),
        output: output, epilogue: epilogue, scratch: scratch))
  }

  /// The gradient with respect to the input of a sum whose gradient with respect to the output is given: the transposed
  /// convolution, without the bias. Packs the weights at the first call unless `prepareInputGradient` was called.
  ///
  /// - Parameters:
  ///   - outputGradient: in `outputLayout`
  ///   - inputGradient: in `inputLayout`; added to if `accumulates`
  ///   - gates: in `inputLayout`, which is blocked; what `inputGradient` then has becomes 0 where a bit is not set, but for the pixels
  ///     that it leaves as they are
  ///   - scratch: `inputGradientScratchCount` floats
  public func inputGradient(
    outputGradient: Floats, inputGradient: MutableFloats, accumulates: Bool = false, gates: Gates? = nil, scratch: MutableFloats
  ) {
    precondition(gates == nil || inputLayout == .blocked, "no gates in the plain layout")
    guard let weights = try? packedGradientWeights() else {
      fatalError("out of memory for the weights of a \(geometry.filterShape) convolution")
    }
    for (plan, weights) in zip(gradientPlans, weights) where !(accumulates && plan.isEmpty) {
      plan.run(
        .init(
          input: outputGradient, weights: Floats(weights.base), bias: nil, zeros: Floats(zeros.base),
          output: inputGradient, accumulates: accumulates, gatedBy: gates, scratch: scratch))
    }
  }

  /// Packs the weights for `inputGradient`.
  ///
  /// - Throws: `.outOfMemory`
  public func prepareInputGradient() throws { _ = try packedGradientWeights() }

  private func packedGradientWeights() throws -> [FloatStorage] {
    try gradientWeights.withLock { weights in
      if let weights { return weights }
      let made = try gradientPlans.map { try filter.packed($0.packing) }
      weights = made
      return made
    }
  }
}
