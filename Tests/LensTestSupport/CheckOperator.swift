// SPDX-License-Identifier: Apache-2.0
import LensEngine
import LensKernels
import LensTensors

/// Something an operator promises and does not keep.
public struct CheckFailure: Error, CustomStringConvertible {
  public let description: String
  public init(_ description: String) { self.description = description }
}

/// Proves that an operator keeps the promises of `Operator` and `Stage` at some inputs:
///
/// - forward equals an independent reference in Double;
/// - backward is the transpose of the derivative: for linear (or affine) operators by the adjoint identity
///   <J x, y> = <x, J^T y>, for others against central differences, of the reference in Double where there is one;
/// - it reads nothing it does not keep, writes all of its output, adds to gradients, leaves out those not wanted;
/// - it may write over its first input if it says so;
/// - each image of a batch equals that image alone, bit for bit;
/// - blocked layout gives the values of plain layout, whatever the padding lanes hold.
///
/// - Parameters:
///   - linear: jointly linear or affine in all `differentiable` inputs.
///   - differentiable: the inputs that have a gradient; all unless given.
///   - isBatched: the first axis counts images. Found from the shapes unless given.
///   - tolerance: of forward, relative to the element and the root mean square of all.
///   - gradientTolerance: relative to the terms that make up the directional derivative.
///   - step: of the central differences where there is no reference.
public func checkOperator(
  _ op: any Operator, inputs: [Tensor], linear: Bool = false, differentiable: [Int]? = nil, isBatched: Bool? = nil,
  reference: (([ReferenceTensor]) -> ReferenceTensor)? = nil, tolerance: Double = 2e-6,
  gradientTolerance: Double? = nil, step: Float = 1e-2, seed: UInt64 = 1
) throws {
  let check = try OperatorCheck(op, inputs, Set(differentiable ?? Array(inputs.indices)), seed)
  if let reference { try check.forward(against: reference(inputs.map(ReferenceTensor.init)), tolerance) }
  try check.contract()
  if check.hasGradient {
    if linear {
      try check.adjoint(gradientTolerance ?? 1e-5)
    } else if let reference {
      try check.differences(of: reference, gradientTolerance ?? 2e-5)
    } else {
      try check.differences(step: step, gradientTolerance ?? 2e-2)
    }
  }
  let isOneImageEach =
    !inputs.isEmpty && inputs[0].shape.rank >= 2 && check.output.shape.rank >= 1
    && inputs[0].shape[0] == check.output.shape[0] && inputs[0].shape[0] > 1
    && inputs.allSatisfy { $0.shape.rank <= inputs[0].shape.rank }
  if isBatched ?? isOneImageEach { try check.batch() }
  try check.blocked(tolerance)
}

/// The same at uniformly random inputs.
public func checkOperator(
  _ op: any Operator, shapes: [Shape], in range: ClosedRange<Float> = -2...2, linear: Bool = false,
  differentiable: [Int]? = nil, isBatched: Bool? = nil, reference: (([ReferenceTensor]) -> ReferenceTensor)? = nil,
  tolerance: Double = 2e-6, gradientTolerance: Double? = nil, step: Float = 1e-2, seed: UInt64 = 1
) throws {
  var random = Random(seed: seed)
  try checkOperator(
    op, inputs: shapes.map { .uniform($0, in: range, using: &random) }, linear: linear, differentiable: differentiable,
    isBatched: isBatched, reference: reference, tolerance: tolerance, gradientTolerance: gradientTolerance, step: step,
    seed: seed)
}

struct OperatorCheck {
  let op: any Operator
  let inputs: [Tensor]
  let differentiable: Set<Int>
  let output: Tensor
  let outputGradient: Tensor
  let gradients: [Tensor]
  let hasGradient: Bool
  private let alone: Alone
  private let seed: UInt64

  init(_ op: any Operator, _ inputs: [Tensor], _ differentiable: Set<Int>, _ seed: UInt64) throws {
    var random = Random(seed: seed &+ 0x5EED)
    alone = try Alone(op, inputs, isStrict: true)
    (self.op, self.inputs, self.differentiable, self.seed) = (op, inputs, differentiable, seed)
    output = alone.output
    outputGradient = .normal(output.shape, using: &random)
    hasGradient = alone.stage.backward != nil
    var gradients: [Tensor?] = inputs.map { Tensor($0.shape) }
    alone.addGradients(of: outputGradient, to: &gradients)
    self.gradients = gradients.compactMap { $0 }
  }

  func fail(_ what: String) -> CheckFailure {
    CheckFailure("\(op.kind) of \(inputs.map(\.shape)), seed \(seed): \(what)")
  }

  func forward(against expected: ReferenceTensor, _ tolerance: Double) throws {
    guard output.shape.dimensions == expected.dimensions else {
      throw fail("the output is \(output.shape), not \(Shape(expected.dimensions))")
    }
    try same(output.values.map(Double.init), expected.values, tolerance, "output")
  }

  /// Compares element by element, relative to the element and to the root mean square of all.
  func same(_ got: [Double], _ wanted: [Double], _ tolerance: Double, _ what: String) throws {
    guard got.count == wanted.count else { throw fail("\(what): \(got.count) floats, not \(wanted.count)") }
    let finite = wanted.filter(\.isFinite)
    let scale = (finite.reduce(0) { $0 + $1 * $1 } / Double(max(finite.count, 1))).squareRoot()
    for (i, (a, b)) in zip(got, wanted).enumerated() {
      if a == b || (a.isNaN && b.isNaN) { continue }
      guard abs(a - b) <= tolerance * (abs(b) + scale) + 1e-37 else {
        throw fail("\(what)[\(i)] is \(a), not \(b) (off by \(abs(a - b)); allowed \(tolerance * (abs(b) + scale)))")
      }
    }
  }

  func identical(_ got: Tensor, _ wanted: Tensor, _ what: String) throws {
    for (i, (a, b)) in zip(got.values, wanted.values).enumerated() where !(a == b || (a.isNaN && b.isNaN)) {
      throw fail("\(what)[\(i)] is \(a), not \(b) to the bit")
    }
  }

  // MARK: What every stage promises

  func contract() throws {
    for (k, gradient) in gradients.enumerated() where !hasGradient || !differentiable.contains(k) {
      guard gradient.values.allSatisfy({ $0 == 0 }) else { throw fail("input \(k) has a gradient") }
    }
    // Memory full of NaN where a stage may not look changes nothing; nor does a second forward call.
    try identical(try op.applied(to: inputs), output, "output in clean memory")

    var twice: [Tensor?] = gradients
    alone.addGradients(of: outputGradient, to: &twice)
    for k in inputs.indices {
      try same(twice[k]!.values.map(Double.init), gradients[k].values.map { 2 * Double($0) }, 1e-5, "gradient \(k) added twice")
      var one: [Tensor?] = inputs.map { _ in nil }
      one[k] = Tensor(inputs[k].shape)
      alone.addGradients(of: outputGradient, to: &one)
      try identical(one[k]!, gradients[k], "gradient \(k) when no other is wanted")
    }
    if alone.stage.overwrites {
      var dirty: [Tensor?] = inputs.map { Tensor($0.shape, repeating: .nan) }
      alone.addGradients(of: outputGradient, to: &dirty, accumulates: false)
      for k in inputs.indices { try identical(dirty[k]!, gradients[k], "gradient \(k) written over old memory") }
    }
    if alone.stage.runsInPlace {
      let over = try Alone(op, inputs, isStrict: true, inPlace: true)
      try identical(over.output, output, "output written over the input")
      if !alone.stage.keeps.contains(.inputs) {
        var after: [Tensor?] = inputs.map { Tensor($0.shape) }
        over.addGradients(of: outputGradient, to: &after)
        for k in inputs.indices { try identical(after[k]!, gradients[k], "gradient \(k) after running in place") }
      }
    }
  }

  /// Each image of the batch, taken out, gives the same bits.
  func batch() throws {
    let n = output.shape[0]
    let isSplit = inputs.map { $0.shape.rank >= 1 && $0.shape.rank == inputs[0].shape.rank && $0.shape[0] == n }
    for image in 0..<n {
      let parts = zip(inputs, isSplit).map { $1 ? $0.image(image) : $0 }
      let alone = try Alone(op, parts, isStrict: true)
      try identical(alone.output, output.image(image), "output of image \(image) alone")
      var own: [Tensor?] = parts.map { Tensor($0.shape) }
      alone.addGradients(of: outputGradient.image(image), to: &own)
      for k in inputs.indices where isSplit[k] {
        try identical(own[k]!, gradients[k].image(image), "gradient \(k) of image \(image) alone")
      }
    }
  }

  /// The layouts it asks for when everything of rank 4 is blocked already.
  func blocked(_ tolerance: Double) throws {
    let shapes = inputs.map(\.shape)
    let layouts = op.layouts(for: shapes, given: shapes.map { $0.rank == 4 ? .blocked : .plain })
    guard (layouts.inputs + [layouts.output]).contains(.blocked), Blocked.isThere else { return }
    let packed = zip(inputs, layouts.inputs).map { $1 == .blocked ? Blocked.packed($0, padding: 1e3) : $0 }
    let alone = try Alone(op, packed, shapes: shapes, in: layouts, isStrict: true)
    guard alone.output.values.allSatisfy(\.isFinite) || !output.values.allSatisfy(\.isFinite) else {
      throw fail("a float of the blocked output is not finite")
    }
    let isBlocked = layouts.output == .blocked
    let got = isBlocked ? Blocked.unpacked(alone.output, output.shape) : alone.output
    try same(got.values.map(Double.init), output.values.map(Double.init), tolerance, "blocked output")
    var packedGradients: [Tensor?] = packed.map { Tensor($0.shape) }
    alone.addGradients(
      of: isBlocked ? Blocked.packed(outputGradient, padding: 1e3) : outputGradient, to: &packedGradients)
    for k in inputs.indices {
      let gradient = packedGradients[k]!
      let got = layouts.inputs[k] == .blocked ? Blocked.unpacked(gradient, shapes[k]) : gradient
      try same(got.values.map(Double.init), gradients[k].values.map(Double.init), max(tolerance, 1e-5), "blocked gradient \(k)")
    }
    if alone.stage.runsInPlace {
      let over = try Alone(op, packed, shapes: shapes, in: layouts, isStrict: true, inPlace: true)
      try identical(over.output, alone.output, "blocked output written over the input")
    }
  }
}

extension Tensor {
  /// One image of a batch, as a batch of one.
  public func image(_ index: Int) -> Tensor {
    let count = count / shape[0]
    return Tensor(shape.with(0, 1), Array(values[index * count..<(index + 1) * count]))
  }
}
