// SPDX-License-Identifier: Apache-2.0
import LensKernels
import LensTensors

// One operator outside any network: what folds constants at load, and what the checkers call.
extension Operator {
  /// The output for these inputs, all in plain layout.
  public func callAsFunction(_ inputs: Tensor...) throws -> Tensor { try applied(to: inputs) }

  public func applied(to inputs: [Tensor]) throws -> Tensor { try Alone(self, inputs).output }

  /// J^T outputGradient for every input, with the output it belongs to.
  public func gradients(
    at inputs: [Tensor], outputGradient: Tensor, through rule: ((Stage) throws -> Stage)? = nil
  ) throws -> (output: Tensor, gradients: [Tensor]) {
    let alone = try Alone(self, inputs, through: rule)
    var gradients: [Tensor?] = inputs.map { Tensor($0.shape) }
    alone.addGradients(of: outputGradient, to: &gradients)
    return (alone.output, gradients.compactMap { $0 })
  }
}

/// An operator after its forward call, with memory of its own.
package struct Alone {
  package let stage: Stage
  /// Of the stage's shape; in blocked layout a row of floats.
  package private(set) var output: Tensor
  private let inputs: [Tensor]
  private let auxiliary: Tensor
  private let scratch: Tensor
  private let isStrict: Bool

  /// - shapes, layouts: for inputs that are not plain: then their floats come as they lie in memory.
  /// - isStrict: memory holds NaN wherever a stage may not rely on it: everything it has not written, and in the
  ///   backward call what it does not keep.
  /// - inPlace: the output is written over (a copy of) the first input.
  package init(
    _ op: any Operator, _ inputs: [Tensor], shapes: [Shape]? = nil, in layouts: Layouts? = nil, isStrict: Bool = false,
    inPlace: Bool = false, through rule: ((Stage) throws -> Stage)? = nil
  ) throws {
    let shapes = shapes ?? inputs.map(\.shape)
    let layouts = layouts ?? Layouts(inputs: shapes.map { _ in .plain }, output: .plain)
    let given = try op.stage(for: shapes, in: layouts)
    stage = try rule?(given) ?? given
    func memory(_ count: Int) throws -> Tensor {
      isStrict ? Tensor([count], repeating: .nan) : try Tensor(allocating: [count])
    }
    auxiliary = try memory(stage.auxiliaryCount)
    scratch = try memory(stage.scratchCount)
    self.isStrict = isStrict
    let shape = layouts.output == .plain ? stage.output : [layouts.output.floatCount(of: stage.output)]
    if stage.isView {
      (self.inputs, output) = (inputs, inputs[0].reshaped(to: shape))
      return
    }
    output = try memory(shape.count).reshaped(to: shape)
    if inPlace {
      var copy = inputs[0]
      copy.withMutablePointer { _ in }
      self.inputs = [copy] + inputs.dropFirst()
      output = copy.reshaped(to: shape)
    } else {
      self.inputs = inputs
    }
    run(self.inputs + [output, auxiliary, scratch]) { slots, ports in
      stage.forward(ForwardPass(slots: slots, ports: ports))
    }
  }

  /// Runs the backward pass; nil gradients are not wanted.
  /// - accumulates: false tells a stage that overwrites that the memory holds nothing.
  package func addGradients(of outputGradient: Tensor, to gradients: inout [Tensor?], accumulates: Bool = true) {
    if stage.isView {
      guard var gradient = gradients[0] else { return }
      gradients[0] = nil
      let count = gradient.count
      gradient.withMutablePointer { dx in
        outputGradient.withPointer { dy in for i in 0..<count { dx[i] = (accumulates ? dx[i] : 0) + dy[i] } }
      }
      gradients[0] = gradient
      return
    }
    guard let backward = stage.backward else { return }
    func readable(_ tensor: Tensor, _ isKept: Bool) -> Tensor {
      isStrict && !isKept ? Tensor(tensor.shape, repeating: .nan) : tensor
    }
    // Gradients are written through pointers, so their memory must be theirs alone.
    for i in gradients.indices { gradients[i]?.withMutablePointer { _ in } }
    let slots =
      inputs.map { readable($0, stage.keeps.contains(.inputs)) }
      + [readable(output, stage.keeps.contains(.output)), auxiliary, readable(scratch, false), outputGradient]
      + gradients.compactMap { $0 }
    run(slots) { slots, ports in
      var ports = ports
      ports.outputGradient = inputs.count + 3
      var next = inputs.count + 4
      for gradient in gradients {
        ports.inputGradients.append(gradient == nil ? -1 : next)
        ports.accumulates.append(accumulates)
        if gradient != nil { next += 1 }
      }
      backward(BackwardPass(slots: slots, ports: ports))
    }
  }

  /// Slots: the inputs, the output, auxiliary, scratch, then whatever follows.
  private func run(_ slots: [Tensor], _ body: (UnsafePointer<UnsafeMutablePointer<Float>>, Ports) -> Void) {
    let pointers = slots.map { UnsafeMutablePointer(mutating: $0.pointer) }
    let count = inputs.count
    let ports = Ports(
      inputs: Array(0..<count), output: count, auxiliary: stage.auxiliaryCount > 0 ? count + 1 : -1, scratch: count + 2)
    withExtendedLifetime(slots) { pointers.withUnsafeBufferPointer { body($0.baseAddress!, ports) } }
  }
}
