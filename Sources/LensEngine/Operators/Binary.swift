// SPDX-License-Identifier: Apache-2.0
import LensKernels
import LensTensors

/// A function of two numbers, applied to the elements of two values that broadcast.
public struct Binary: Operator {
  public enum Function: Sendable, Equatable {
    case add, subtract, multiply, divide, power
    /// Where the operands are equal, half of the gradient goes to each.
    case minimum, maximum
    /// The remainder has the sign of the divisor, or with `fmod` of the dividend.
    case modulo(fmod: Bool)
    // No gradient; booleans are 0 and 1.
    case equal, less, lessOrEqual, greater, greaterOrEqual, and, or, xor
  }

  public let function: Function
  public init(_ function: Function) { self.function = function }

  public var kind: String { function.kind }

  /// Blocked for equal shapes, for one operand N×C×1×1 or 1×C×1×1, and for a single number (which stays plain).
  public func layouts(for shapes: [Shape], given: [Layout]) -> Layouts {
    let plain = Layouts(inputs: [.plain, .plain], output: .plain)
    guard shapes.count == 2, function.isFinite(dividingBy: shapes[1]) else { return plain }
    for (full, other) in [(0, 1), (1, 0)] where given[full] == .blocked && shapes[full].rank == 4 {
      if shapes[other].count == 1, shapes[other].rank <= 4 {
        var inputs: [Layout] = [.plain, .plain]
        inputs[full] = .blocked
        return Layouts(inputs: inputs, output: .blocked)
      }
      if given[other] == .blocked || shapes[other] != shapes[full], Binary.isPerChannel(shapes[other], of: shapes[full]) {
        return Layouts(inputs: [.blocked, .blocked], output: .blocked)
      }
    }
    return plain
  }

  private static func isPerChannel(_ shape: Shape, of full: Shape) -> Bool {
    guard shape.rank == 4, full.rank == 4 else { return false }
    return shape == full || (shape.c == full.c && shape.h == 1 && shape.w == 1 && (shape.n == full.n || shape.n == 1))
  }

  public func stage(for shapes: [Shape], in layouts: Layouts) throws -> Stage {
    let function = function
    let output = try shapes[0].broadcast(with: shapes[1])
    if let stage = channelProduct(shapes, layouts) { return stage }
    let lanes = try Broadcasting(zip(shapes, layouts.inputs).map { $1 == .blocked ? $0.blocked : $0 })
    let isBlocked = layouts.output == .blocked
    let aStep = lanes.step(0), bStep = lanes.step(1)
    var stage = Stage(output: output, keeps: function.keeps, runsInPlace: shapes[0] == output && layouts.inputs[0] == layouts.output) {
      pass in
      let a = pass.input(0), b = pass.input(1), y = pass.output
      lanes.forEachRun { run in
        function.write(a + run.offsets[0], aStep, b + run.offsets[1], bStep, to: y + run.start, count: run.count)
      }
    } backward: { pass in
      let keepsInputs = function.keeps == .inputs
      let dy = pass.outputGradient
      let a = keepsInputs ? pass.input(0) : dy, b = keepsInputs ? pass.input(1) : dy
      for k in 0..<2 {
        guard let dx = pass.inputGradient(k) else { continue }
        if !lanes.isStretched(k), function.isLinear {
          lanes.forEachRun { run in
            let other = 1 - k, factor = (k == 0 ? b : a) + run.offsets[other]
            function.addLinearGradient(of: k, factor, lanes.step(other), dy + run.start, to: dx + run.start, count: run.count)
          }
          continue
        }
        lanes.addGradient(of: k, to: dx) { run, terms in
          function.writeDerivative(of: k, a + run.offsets[0], aStep, b + run.offsets[1], bStep, to: terms, count: run.count)
          let dy = dy + run.start
          for i in 0..<run.count { terms[i] *= dy[i] }
          // A single number belongs to every channel but to no padding lane.
          if isBlocked, layouts.inputs[k] == .plain {
            for i in 0..<run.count where output.isPadding(run.start + i) { terms[i] = 0 }
          }
        }
      }
    }
    if case .add = function, shapes[0] == shapes[1], layouts.inputs == [layouts.output, layouts.output] {
      (stage.joins, stage.passes) = (Ending(adds: true), [0, 1])
    }
    return function.isPiecewiseConstant ? stage.withoutGradient : stage
  }
}

extension Shape {
  /// The plain shape whose floats lie as those of this N×C×H×W do in blocked layout.
  var blocked: Shape { [n, (c + 15) / 16, h * w, 16] }

  /// Whether a float of this N×C×H×W in blocked layout belongs to no channel.
  func isPadding(_ index: Int) -> Bool { index / (16 * h * w) % ((c + 15) / 16) * 16 + index % 16 >= c }
}

extension Binary.Function {
  var keeps: Kept {
    switch self {
    case .add, .subtract: []
    default: .inputs
    }
  }

  /// In each operand.
  var isLinear: Bool {
    switch self {
    case .add, .subtract, .multiply: true
    default: false
    }
  }

  var isPiecewiseConstant: Bool {
    switch self {
    case .equal, .less, .lessOrEqual, .greater, .greaterOrEqual, .and, .or, .xor: true
    default: false
    }
  }

  /// Whether padding lanes, which hold any finite number, stay finite. Division by one number does not look at any.
  func isFinite(dividingBy divisor: Shape) -> Bool {
    switch self {
    case .power, .modulo: false
    case .divide: divisor.count == 1
    default: true
    }
  }

  var kind: String {
    switch self {
    case .add: "Add"
    case .subtract: "Sub"
    case .multiply: "Mul"
    case .divide: "Div"
    case .power: "Pow"
    case .minimum: "Min"
    case .maximum: "Max"
    case .modulo: "Mod"
    case .equal: "Equal"
    case .less: "Less"
    case .lessOrEqual: "LessOrEqual"
    case .greater: "Greater"
    case .greaterOrEqual: "GreaterOrEqual"
    case .and: "And"
    case .or: "Or"
    case .xor: "Xor"
    }
  }
}
