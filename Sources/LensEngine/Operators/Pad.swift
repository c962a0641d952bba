// SPDX-License-Identifier: Apache-2.0
import LensKernels
import LensTensors

/// Indices added before and after each axis; negative numbers take indices away, before anything is added.
public struct Pad: Operator {
  public enum Mode: Sendable, Equatable {
    case constant(Float)
    /// d c b | a b c d | c b a
    case reflect
    /// a a a | a b c d | d d d
    case edge
    /// b c d | a b c d | a b c
    case wrap
  }
  public let kind = "Pad"
  public let mode: Mode
  public let before: [Int]
  public let after: [Int]

  public init(mode: Mode, before: [Int], after: [Int]) { (self.mode, self.before, self.after) = (mode, before, after) }

  private var fill: Float { if case .constant(let value) = mode { value } else { 0 } }

  /// Blocked values stay blocked while no channel is added or taken. The lanes behind the last channel get the
  /// fill value too, and those have to be finite.
  public func layouts(for shapes: [Shape], given: [Layout]) -> Layouts {
    let isPossible =
      shapes[0].rank == 4 && before.count == 4 && after.count == 4 && before[1] == 0 && after[1] == 0
      && (fill.isFinite || shapes[0].c % 16 == 0)
    let layout: Layout = isPossible ? given[0] : .plain
    return Layouts(inputs: [layout], output: layout)
  }

  public func stage(for shapes: [Shape], in layouts: Layouts) throws -> Stage {
    let shape = shapes[0]
    guard before.count == shape.rank, after.count == shape.rank else {
      throw LensError(.shapeMismatch, "padding \(before) before and \(after) after a value of shape \(shape)")
    }
    let possible = -Shape.maximumCount...Shape.maximumCount
    guard (before + after).allSatisfy({ possible ~= $0 }) else {
      throw LensError(.invalidArgument, "padding \(before) before and \(after) after a value of shape \(shape)")
    }
    let output = try Shape(checking: (0..<shape.rank).map { before[$0] + shape[$0] + after[$0] })
    let indices = try (0..<shape.rank).map { axis -> [Int]? in
      if before[axis] == 0, after[axis] == 0 { return nil }
      let first = max(0, -before[axis]), length = max(0, shape[axis] - max(0, -after[axis]) - first)
      guard length > 0 || output[axis] == 0 || isConstant else {
        throw LensError(.shapeMismatch, "axis \(axis) of \(shape) has nothing left to pad with")
      }
      return (0..<output[axis]).map { source(of: $0 - max(0, before[axis]), in: length, shift: first) }
    }
    if indices.allSatisfy({ $0 == nil }) { return .view(output) }
    let lanes: [[Int]?] = layouts.output == .blocked ? [nil] : []
    return Rearrangement(from: layouts.output.extents(of: shape), indices: indices + lanes, fill: fill).stage(output)
  }

  private var isConstant: Bool { if case .constant = mode { true } else { false } }

  /// The index shown at `position`, where 0 ..< length are the indices that are kept.
  private func source(of position: Int, in length: Int, shift: Int) -> Int {
    if (0..<length).contains(position) { return position + shift }
    switch mode {
    case .constant: return -1
    case .edge: return min(max(position, 0), length - 1) + shift
    case .wrap: return ((position % length) + length) % length + shift
    case .reflect:
      if length == 1 { return shift }
      let period = 2 * (length - 1), phase = ((position % period) + period) % period
      return min(phase, period - phase) + shift
    }
  }
}
