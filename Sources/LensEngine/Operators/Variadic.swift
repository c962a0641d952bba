// SPDX-License-Identifier: Apache-2.0
import LensKernels
import LensTensors

/// The sum, mean, smallest or largest of any number of values that broadcast.
public struct Variadic: Operator {
  /// Where several inputs share the extreme, each gets an equal part of the gradient.
  public enum Function: String, Sendable { case sum = "Sum", mean = "Mean", minimum = "Min", maximum = "Max" }

  public let function: Function
  public init(_ function: Function) { self.function = function }

  public var kind: String { function.rawValue }

  public func layouts(for shapes: [Shape], given: [Layout]) -> Layouts {
    shapes.allSatisfy { $0 == shapes[0] } ? .following(given) : Layouts(inputs: given.map { _ in .plain }, output: .plain)
  }

  public func stage(for shapes: [Shape], in layouts: Layouts) throws -> Stage {
    guard !shapes.isEmpty else { throw LensError(.invalidArgument, "\(kind) of no values") }
    let function = function, operands = shapes.indices
    let output = try shapes.dropFirst().reduce(shapes[0]) { try $0.broadcast(with: $1) }
    let lanes = try Broadcasting(shapes.map { layouts.output == .blocked ? $0.blocked : $0 })
    let isLinear = function == .sum || function == .mean
    let part = function == .mean ? 1 / Float(shapes.count) : 1
    var stage = Stage(output: output, keeps: isLinear ? [] : .inputs) { pass in
      lanes.forEachRun { run in
        let y = pass.output + run.start
        for k in operands { function.combine(pass.input(k) + run.offsets[k], lanes.step(k), isFirst: k == 0, into: y, count: run.count) }
        if function == .mean { for i in 0..<run.count { y[i] *= part } }
      }
    } backward: { pass in
      for k in operands {
        guard let dx = pass.inputGradient(k) else { continue }
        lanes.addGradient(of: k, to: dx) { run, terms in
          let dy = pass.outputGradient + run.start
          if isLinear {
            for i in 0..<run.count { terms[i] = part * dy[i] }
          } else {
            for i in 0..<run.count {
              let own = pass.input(k)[run.offsets[k] + i * lanes.step(k)]
              var ties: Float = 0
              for other in operands {
                let x = pass.input(other)[run.offsets[other] + i * lanes.step(other)]
                if function == .maximum ? x > own : x < own {
                  ties = .infinity
                  break
                }
                if x == own { ties += 1 }
              }
              terms[i] = ties == .infinity ? 0 : dy[i] / ties
            }
          }
        }
      }
    }
    if function == .sum, shapes.allSatisfy({ $0 == output }) { stage.passes = Array(operands) }
    return stage
  }
}

extension Variadic.Function {
  fileprivate func combine(
    _ x: UnsafePointer<Float>, _ step: Int, isFirst: Bool, into y: UnsafeMutablePointer<Float>, count: Int
  ) {
    @inline(__always) func each(_ f: (Float, Float) -> Float) {
      if step == 1 {
        for i in 0..<count { y[i] = f(y[i], x[i]) }
      } else {
        let x = x[0]
        for i in 0..<count { y[i] = f(y[i], x) }
      }
    }
    if isFirst { return each { $1 } }
    switch self {
    case .sum, .mean: each { $0 + $1 }
    case .minimum: each { $1 < $0 ? $1 : $0 }
    case .maximum: each { $1 > $0 ? $1 : $0 }
    }
  }
}
