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
    let alone = try Alone(self, inputs, rule)
    return (alone.output, alone.gradients(outputGradient))
  }
}

private struct Alone {
  let inputs: [Tensor]
  let stage: Stage
  var output: Tensor
  private var auxiliary: Tensor
  private var scratch: Tensor

  init(_ op: any Operator, _ inputs: [Tensor], _ rule: ((Stage) throws -> Stage)? = nil) throws {
    self.inputs = inputs
    let shapes = inputs.map(\.shape)
    let plain = Layouts(inputs: shapes.map { _ in .plain }, output: .plain)
    let given = try op.stage(for: shapes, in: plain)
    stage = try rule?(given) ?? given
    output = try Tensor(allocating: stage.output)
    auxiliary = try Tensor(allocating: [stage.auxiliaryCount])
    scratch = try Tensor(allocating: [stage.scratchCount])
    if stage.isView {
      output = inputs[0].reshaped(to: stage.output)
    } else {
      withSlots { slots, ports in stage.forward(ForwardPass(slots: slots, ports: ports)) }
    }
  }

  func gradients(_ outputGradient: Tensor) -> [Tensor] {
    if stage.isView { return [outputGradient.reshaped(to: inputs[0].shape)] }
    var gradients = inputs.map { Tensor($0.shape) }
    guard let backward = stage.backward else { return gradients }
    withSlots { slots, ports in
      withUnsafeTemporaryAllocation(of: UnsafeMutablePointer<Float>.self, capacity: inputs.count * 2 + 4) { table in
        var ports = ports
        table.baseAddress!.initialize(from: slots, count: inputs.count + 3)
        ports.outputGradient = inputs.count + 3
        table.baseAddress!.advanced(by: ports.outputGradient).initialize(to: UnsafeMutablePointer(mutating: outputGradient.pointer))
        for i in inputs.indices {
          ports.inputGradients.append(inputs.count + 4 + i)
          ports.accumulates.append(true)
          gradients[i].withMutablePointer { table.baseAddress!.advanced(by: inputs.count + 4 + i).initialize(to: $0) }
        }
        backward(BackwardPass(slots: table.baseAddress!, ports: ports))
      }
    }
    return gradients
  }

  /// Slots: the inputs, the output, auxiliary, scratch.
  private func withSlots(_ body: (UnsafePointer<UnsafeMutablePointer<Float>>, Ports) -> Void) {
    let tensors = inputs + [output, auxiliary, scratch]
    let pointers = tensors.map { UnsafeMutablePointer(mutating: $0.pointer) }
    let ports = Ports(inputs: Array(inputs.indices), output: inputs.count, auxiliary: inputs.count + 1, scratch: inputs.count + 2)
    withExtendedLifetime(tensors) { pointers.withUnsafeBufferPointer { body($0.baseAddress!, ports) } }
  }
}
