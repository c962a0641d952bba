// SPDX-License-Identifier: Apache-2.0
import LensKernels
import LensTensors

/// Its inputs one after the other along one axis.
public struct Concat: Operator {
  public let kind = "Concat"
  public let axis: Int

  public init(axis: Int) { self.axis = axis }

  /// Blocked, if all inputs are and no block would hold channels of two of them.
  public func layouts(for shapes: [Shape], given: [Layout]) -> Layouts {
    let fits = shapes.allSatisfy { $0.rank == 4 && (axis != 1 || $0.c % 16 == 0) }
    return fits ? .following(given) : Layouts(inputs: given.map { _ in .plain }, output: .plain)
  }

  public func stage(for shapes: [Shape], in layouts: Layouts) throws -> Stage {
    guard let first = shapes.first else { throw LensError(.shapeMismatch, "nothing to concatenate") }
    guard (0..<first.rank).contains(axis) else { throw LensError(.shapeMismatch, "axis \(axis) of a value of shape \(first)") }
    for shape in shapes where shape.rank != first.rank || shape.with(axis, 1) != first.with(axis, 1) {
      throw LensError(.shapeMismatch, "\(first) and \(shape) differ in more than axis \(axis)")
    }
    let output = try Shape(checking: first.with(axis, shapes.reduce(0) { $0 + $1[axis] }).dimensions)
    if shapes.count == 1 { return .view(output) }

    // Each input is `outer` stretches, and so many floats into each stretch of the output.
    let extents = shapes.map { Shape(layouts.output.extents(of: $0)) }
    let outer = extents[0].count(0..<axis)
    let lengths = Table(extents.map { $0.count(axis..<$0.rank) })
    let starts = Table(extents.indices.map { extents[..<$0].reduce(0) { $0 + $1.count(axis..<$1.rank) } })
    let total = extents.reduce(0) { $0 + $1.count(axis..<$1.rank) }
    var stage = Stage(output: output, overwrites: true) { pass in
      let y = pass.output
      for i in 0..<lengths.count {
        let x = pass.input(i), length = lengths.base[i], start = starts.base[i]
        if x == UnsafePointer(y + start) { continue }  // written there to begin with
        parallel(outer, grain: max(1, (1 << 14) / max(length, 1))) { rows in
          for row in rows { (y + row * total + start).update(from: x + row * length, count: length) }
        }
      }
    } backward: { pass in
      for i in 0..<lengths.count {
        guard let gradient = pass.inputGradient(i) else { continue }
        let length = lengths.base[i], outputGradient = pass.outputGradient + starts.base[i], adds = pass.accumulates(i)
        parallel(outer, grain: max(1, (1 << 14) / max(length, 1))) { rows in
          for row in rows {
            let dx = gradient + row * length, dy = outputGradient + row * total
            if adds { for k in 0..<length { dx[k] += dy[k] } } else { dx.update(from: dy, count: length) }
          }
        }
      }
    }
    stage.addsOnce = true
    if outer == 1, extents.indices.allSatisfy({ starts.base[$0] % 16 == 0 }) {
      (stage.parts, stage.passes) = (extents.indices.map { starts.base[$0] }, Array(extents.indices))
    }
    return stage
  }
}
