// SPDX-License-Identifier: Apache-2.0
import LensKernels
import LensTensors

/// Every step-th index from a start, on every axis; steps may be negative.
public struct Slice: Operator {
  public let kind: String
  public let starts: [Int]
  public let steps: [Int]
  public let counts: [Int]

  /// One entry for each axis: the indices start, start + step, ... , `count` of them.
  public init(starts: [Int], steps: [Int], counts: [Int], kind: String = "Slice") {
    (self.starts, self.steps, self.counts, self.kind) = (starts, steps, counts, kind)
  }

  /// Blocked values stay blocked while whole blocks of channels are taken.
  public func layouts(for shapes: [Shape], given: [Layout]) -> Layouts {
    guard given[0] == .blocked, shapes[0].rank == 4, starts.count == 4, counts.count == 4, steps.count == 4 else {
      return Layouts(inputs: [.plain], output: .plain)
    }
    let takesAll = starts[1] == 0 && steps[1] == 1 && counts[1] == shapes[0].c
    let takesBlocks = steps[1] == 1 && starts[1] % 16 == 0 && counts[1] % 16 == 0
    let layout: Layout = takesAll || takesBlocks ? .blocked : .plain
    return Layouts(inputs: [layout], output: layout)
  }

  public func stage(for shapes: [Shape], in layouts: Layouts) throws -> Stage {
    let shape = shapes[0]
    guard starts.count == shape.rank, steps.count == shape.rank, counts.count == shape.rank else {
      throw LensError(
        .shapeMismatch, "\(starts.count) starts, \(steps.count) steps and \(counts.count) counts for a value of shape \(shape)")
    }
    let output = try Shape(checking: counts)
    var indices: [[Int]?] = []
    for axis in 0..<shape.rank {
      let (start, step, count) = (starts[axis], steps[axis], counts[axis])
      guard
        count == 0 || (steps[axis] != 0 && count <= shape[axis] && 0..<shape[axis] ~= start && isInside(start, step, count, shape[axis]))
      else {
        throw LensError(.shapeMismatch, "\(count) indices from \(start) in steps of \(step) leave axis \(axis) of the shape \(shape)")
      }
      indices.append(start == 0 && step == 1 && count == shape[axis] ? nil : (0..<count).map { start + $0 * step })
    }
    if indices.allSatisfy({ $0 == nil }) { return .view(output) }
    if layouts.output == .blocked {
      indices[1] = indices[1].map { channels in stride(from: 0, to: channels.count, by: 16).map { channels[$0] / 16 } }
      indices.append(nil)
    }
    return Rearrangement(from: layouts.output.extents(of: shape), indices: indices).stage(output)
  }
}

private func isInside(_ start: Int, _ step: Int, _ count: Int, _ length: Int) -> Bool {
  let (distance, overflow) = step.multipliedReportingOverflow(by: count - 1)
  return !overflow && -start..<length - start ~= distance
}

extension Layout {
  /// The sizes of the block of floats that holds a value: N×C×H×W, or N×⌈C/16⌉×H×W×16.
  func extents(of shape: Shape) -> [Int] {
    self == .plain ? shape.dimensions : [shape.n, (shape.c + 15) / 16, shape.h, shape.w, 16]
  }
}
