// SPDX-License-Identifier: Apache-2.0
import Glibc
import LensKernels
import LensTensors

/// One number from all elements along some axes.
public struct Reduction: Operator {
  /// Where several elements share the extreme, each gets an equal part of the gradient.
  public enum Function: String, Sendable, CaseIterable {
    case mean = "ReduceMean", sum = "ReduceSum", maximum = "ReduceMax", minimum = "ReduceMin", l1 = "ReduceL1"
    case l2 = "ReduceL2", product = "ReduceProd", sumOfSquares = "ReduceSumSquare", logSum = "ReduceLogSum"
    case logSumExp = "ReduceLogSumExp"
  }

  public let function: Function
  public let axes: [Int]
  public let keepsDimensions: Bool

  public init(_ function: Function, axes: [Int], keepsDimensions: Bool) {
    (self.function, self.axes, self.keepsDimensions) = (function, axes, keepsDimensions)
  }

  public var kind: String { function.rawValue }

  public func stage(for shapes: [Shape], in layouts: Layouts) throws -> Stage {
    let function = function, shape = shapes[0]
    guard axes.allSatisfy({ (0..<shape.rank).contains($0) }) else {
      throw LensError(.shapeMismatch, "axes \(axes) of a value of shape \(shape)")
    }
    guard shape.count > 0 else { throw LensError(.shapeMismatch, "a value of shape \(shape) holds nothing to reduce") }
    let kept = Shape((0..<shape.rank).map { axes.contains($0) ? 1 : shape[$0] })
    let dropped = Shape((0..<shape.rank).filter { !axes.contains($0) }.map { shape[$0] })
    // The result is an operand stretched over the axes that are reduced: operand 1.
    let lanes = try Broadcasting([shape, kept])
    let count = kept.count, length = shape.count / count, step = lanes.step(1)
    // Beside each result, what its derivative is made of: see `Reduction.Function.fold`.
    let notes: Int =
      switch function {
      case .maximum, .minimum, .logSum: 1
      case .product: 2
      default: 0
      }
    return Stage(
      output: keepsDimensions ? kept : dropped, keeps: function.keeps, auxiliaryCount: notes * count, scratchCount: notes * count
    ) { pass in
      function.reduce(lanes, length, pass.input(0), to: pass.output, notes: pass.auxiliary ?? pass.scratch, count: count)
    } backward: { pass in
      guard let dx = pass.inputGradient(0) else { return }
      let keeps = function.keeps, dy = pass.outputGradient, notes = pass.auxiliary
      let x = keeps.contains(.inputs) ? pass.input(0) : dy, y = keeps.contains(.output) ? pass.output : dy
      lanes.forEachRun { run in
        let x = x + run.start, dx = dx + run.start, o = run.offsets[1]
        @inline(__always) func each(_ derivative: (Float, Int) -> Float) {
          if step == 0 {
            let dy = dy[o]
            for i in 0..<run.count { dx[i] += dy * derivative(x[i], o) }
          } else {
            for i in 0..<run.count { dx[i] += dy[o + i] * derivative(x[i], o + i) }
          }
        }
        switch function {
        case .sum: each { _, _ in 1 }
        case .mean:
          let part = 1 / Float(length)
          each { _, _ in part }
        case .maximum, .minimum: each { x, o in x == y[o] ? 1 / notes[o] : 0 }
        case .l1: each { x, _ in sign(x) }
        case .l2: each { x, o in y[o] == 0 ? 0 : x / y[o] }
        case .sumOfSquares: each { x, _ in 2 * x }
        case .logSum: each { _, o in 1 / notes[o] }
        case .logSumExp: each { x, o in exp(x - y[o]) }
        case .product:
          // The product of the others: of all that are not 0, unless another one is.
          each { x, o in notes[2 * o + 1] > (x == 0 ? 1 : 0) ? 0 : (x == 0 ? notes[2 * o] : notes[2 * o] / x) }
        }
      }
    }
  }
}

extension Reduction.Function {
  fileprivate var keeps: Kept {
    switch self {
    case .sum, .mean, .logSum: []
    case .l1, .sumOfSquares, .product: .inputs
    case .maximum, .minimum, .l2, .logSumExp: [.inputs, .output]
    }
  }

  /// - notes: for extremes, how many elements share them; for `logSum` the sum; for `product` the product of what is
  ///   not 0 and the number of zeros.
  fileprivate func reduce(
    _ lanes: Broadcasting, _ length: Int, _ x: UnsafePointer<Float>, to y: UnsafeMutablePointer<Float>,
    notes: UnsafeMutablePointer<Float>, count: Int
  ) {
    @inline(__always) func fold(_ fold: Broadcasting.Fold, _ term: (Float, Int) -> Float, _ finish: (Int, Double) -> Void) {
      lanes.fold(
        1, fold,
        terms: { run, terms in
          let x = x + run.start, o = run.offsets[1], step = lanes.step(1)
          for i in 0..<run.count { terms[i] = term(x[i], o + i * step) }
        }, finish: finish)
    }
    switch self {
    case .sum: fold(.sum, { x, _ in x }) { y[$0] = Float($1) }
    case .mean: fold(.sum, { x, _ in x }) { y[$0] = Float($1 / Double(length)) }
    case .l1: fold(.sum, { x, _ in abs(x) }) { y[$0] = Float($1) }
    case .l2: fold(.sum, { x, _ in x * x }) { y[$0] = Float($1.squareRoot()) }
    case .sumOfSquares: fold(.sum, { x, _ in x * x }) { y[$0] = Float($1) }
    case .logSum:
      fold(.sum, { x, _ in x }) {
        notes[$0] = Float($1)
        y[$0] = Float(Glibc.log($1))
      }
    case .maximum, .minimum:
      let sign: Float = self == .maximum ? 1 : -1
      fold(.maximum, { x, _ in sign * x }) { y[$0] = sign * Float($1) }
      fold(.sum, { x, o in x == y[o] ? 1 : 0 }) { notes[$0] = Float($1) }
    case .logSumExp:
      fold(.maximum, { x, _ in x }) { y[$0] = Float($1) }
      fold(.sum, { x, o in x == y[o] ? 1 : exp(x - y[o]) }) { y[$0] += Float(Glibc.log($1)) }
    case .product:
      fold(.product, { x, _ in x == 0 ? 1 : x }) { notes[2 * $0] = Float($1) }
      fold(.sum, { x, _ in x == 0 ? 1 : 0 }) { notes[2 * $0 + 1] = Float($1) }
      for o in 0..<count { y[o] = notes[2 * o + 1] > 0 ? 0 : notes[2 * o] }
    }
  }
}
