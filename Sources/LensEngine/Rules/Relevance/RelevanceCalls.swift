// SPDX-License-Identifier: Apache-2.0
import LensKernels

// A rule runs loops of its own, or an operator's, on memory that it takes from its scratch.

/// Several stretches of floats, each in cache lines of its own, in one.
struct ScratchParts: Sendable {
  let offsets: [Int]
  let count: Int

  init(_ counts: [Int]) {
    var offsets: [Int] = [], end = 0
    for count in counts {
      offsets.append(end)
      end += (count + 31) / 16 * 16
    }
    (self.offsets, count) = (offsets, end)
  }

  func parts(of scratch: UnsafeMutablePointer<Float>) -> [UnsafeMutablePointer<Float>] { offsets.map { scratch + $0 } }
}

extension Stage {
  /// The forward loop of a stage with one input.
  func runForward(_ x: UnsafePointer<Float>, to y: UnsafeMutablePointer<Float>, scratch: UnsafeMutablePointer<Float>) {
    let slots = [UnsafeMutablePointer(mutating: x), y, scratch]
    slots.withUnsafeBufferPointer {
      guard let base = $0.baseAddress else { return }
      forward(ForwardPass(slots: base, ports: Ports(inputs: [0], output: 1, scratch: 2)))
    }
  }

  /// J^T dy of a linear stage with one input, which reads neither input nor output; whatever the memory held.
  func runBackward(
    _ dy: UnsafeMutablePointer<Float>, to dx: UnsafeMutablePointer<Float>, count: Int, scratch: UnsafeMutablePointer<Float>
  ) {
    if !overwrites { dx.update(repeating: 0, count: count) }
    let slots = [dy, dx, scratch]
    slots.withUnsafeBufferPointer {
      guard let base = $0.baseAddress else { return }
      backward?(
        BackwardPass(
          slots: base, ports: Ports(inputs: [0], output: 0, scratch: 2, outputGradient: 0, inputGradients: [1], accumulates: [!overwrites]))
      )
    }
  }
}

extension BackwardPass {
  /// The same call for one input alone, with other numbers arriving from above and its gradient written elsewhere: overwritten by stages that
  /// overwrite, added to by others.
  func redirected(
    outputGradient: UnsafeMutablePointer<Float>, input index: Int, gradient: UnsafeMutablePointer<Float>, _ body: (BackwardPass) -> Void
  ) {
    var given = Ports(output: inputCount, auxiliary: inputCount + 1, scratch: inputCount + 2, outputGradient: inputCount + 3)
    given.inputs = Array(0..<inputCount)
    given.inputGradients = (0..<inputCount).map { $0 == index ? inputCount + 4 : -1 }
    given.accumulates = (0..<inputCount).map { _ in false }
    let pointers =
      (0..<inputCount).map { UnsafeMutablePointer(mutating: input($0)) }
      + [UnsafeMutablePointer(mutating: output), auxiliary, scratch, outputGradient, gradient]
    pointers.withUnsafeBufferPointer { if let base = $0.baseAddress { body(BackwardPass(slots: base, ports: given, lane: lane)) } }
  }
}
