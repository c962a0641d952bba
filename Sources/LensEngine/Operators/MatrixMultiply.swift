// SPDX-License-Identifier: Apache-2.0
import LensKernels
import LensTensors

/// The product of two values as NumPy's matmul defines it: matrices in the last two axes, broadcasting over those
/// before; a vector is a row on the left, a column on the right.
public struct MatrixMultiply: Operator {
  public let kind = "MatMul"
  public init() {}

  public func multiplyAdds(for shapes: [Shape], output: Shape) -> Int { output.count * (shapes[0].dimensions.last ?? 1) }

  public func stage(for shapes: [Shape], in layouts: Layouts) throws -> Stage {
    let product = try Product(shapes[0], shapes[1])
    let (m, k, n) = (product.m, product.k, product.n), batches = product.count
    // Of three axes and more the first is the image, so that rows are always together.
    let rowsStay = shapes[0].rank > 2
    let forward = MatrixProduct(m: m, n: n, k: k)
    let byLeft = MatrixProduct(m: m, n: k, k: n, transposesB: true, rowsStay: rowsStay)
    let byRight = MatrixProduct(m: k, n: n, k: m, transposesA: true)
    let share = max(forward.scratchCount, byLeft.scratchCount, byRight.scratchCount), slots = Threads.count
    // Small products go to one thread each; large ones are shared by all.
    let grain = max(1, (1 << 16) / max(1, m * k * n)), together = m * k * n >= 1 << 24 || batches == 1
    @Sendable func each(_ count: Int, _ scratch: UnsafeMutablePointer<Float>, _ body: (Int, UnsafeMutablePointer<Float>) -> Void) {
      if together { return (0..<count).forEach { body($0, scratch) } }
      parallelParts(count, slots, grain: grain) { slot, range in for i in range { body(i, scratch + slot * share) } }
    }
    return Stage(output: product.output, keeps: .inputs, scratchCount: together ? share : slots * share, overwrites: true) { pass in
      each(batches, pass.scratch) { i, scratch in
        forward.run(
          pass.input(0) + product.left[i] * m * k, pass.input(1) + product.right[i] * k * n, into: pass.output + i * m * n,
          scratch: scratch)
      }
    } backward: { pass in
      if let gradient = pass.inputGradient(0) {
        each(product.leftUses.count, pass.scratch) { a, scratch in
          for (position, i) in product.leftUses[a].enumerated() {
            byLeft.run(
              pass.outputGradient + i * m * n, pass.input(1) + product.right[i] * k * n, into: gradient + a * m * k,
              accumulates: position > 0 || pass.accumulates(0), scratch: scratch)
          }
        }
      }
      if let gradient = pass.inputGradient(1) {
        each(product.rightUses.count, pass.scratch) { b, scratch in
          for (position, i) in product.rightUses[b].enumerated() {
            byRight.run(
              pass.input(0) + product.left[i] * m * k, pass.outputGradient + i * m * n, into: gradient + b * k * n,
              accumulates: position > 0 || pass.accumulates(1), scratch: scratch)
          }
        }
      }
    }
  }
}

/// Which matrices meet.
private struct Product: Sendable {
  let m: Int
  let k: Int
  let n: Int
  let output: Shape
  /// Matrices in the output, and for each the matrices it is made of.
  let count: Int
  let left: [Int]
  let right: [Int]
  /// For each matrix of an operand: the output's matrices it is part of.
  private(set) var leftUses: [[Int]]
  private(set) var rightUses: [[Int]]

  init(_ a: Shape, _ b: Shape) throws {
    guard a.rank >= 1, b.rank >= 1 else { throw LensError(.shapeMismatch, "the product of \(a) and \(b)") }
    let p = a.rank == 1 ? [1] + a.dimensions : a.dimensions, q = b.rank == 1 ? b.dimensions + [1] : b.dimensions
    (m, k, n) = (p[p.count - 2], p[p.count - 1], q[q.count - 1])
    guard q[q.count - 2] == k else {
      throw LensError(.shapeMismatch, "the product of \(a) and \(b): \(k) columns meet \(q[q.count - 2]) rows")
    }
    let leftBatch = Shape(p.dropLast(2)), rightBatch = Shape(q.dropLast(2))
    let batch = try leftBatch.broadcast(with: rightBatch)
    let matrix = (a.rank == 1 ? [] : [m]) + (b.rank == 1 ? [] : [n])
    output = try Shape(checking: batch.dimensions + matrix)
    count = batch.count
    left = (0..<batch.count).map { Product.index($0, batch, leftBatch) }
    right = (0..<batch.count).map { Product.index($0, batch, rightBatch) }
    leftUses = [[Int]](repeating: [], count: leftBatch.count)
    rightUses = [[Int]](repeating: [], count: rightBatch.count)
    for i in 0..<batch.count {
      leftUses[left[i]].append(i)
      rightUses[right[i]].append(i)
    }
  }

  private static func index(_ flat: Int, _ batch: Shape, _ operand: Shape) -> Int {
    let missing = batch.rank - operand.rank, strides = batch.strides, own = operand.strides
    return (0..<operand.rank).reduce(0) { sum, axis in
      let index = flat / strides[axis + missing] % batch[axis + missing]
      return sum + (operand[axis] == 1 ? 0 : index * own[axis])
    }
  }
}
