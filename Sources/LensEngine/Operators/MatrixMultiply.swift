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
    let left = Table(product.left), right = Table(product.right)
    let leftUses = product.leftUses, rightUses = product.rightUses
    return Stage(output: product.output, keeps: .inputs, overwrites: true) { pass in
      let a = pass.input(0), b = pass.input(1), y = pass.output
      parallel(batches * m, grain: max(1, (1 << 14) / max(k * n, 1))) {
        for row in $0 {
          let y = y + row * n, a = a + (left.base[row / m] * m + row % m) * k, b = b + right.base[row / m] * k * n
          y.update(repeating: 0, count: n)
          for p in 0..<k { for j in 0..<n { y[j] += a[p] * b[p * n + j] } }
        }
      }
    } backward: { pass in
      let a = pass.input(0), b = pass.input(1), dy = pass.outputGradient
      if let gradient = pass.inputGradient(0) {
        let adds = pass.accumulates(0)
        parallel(leftUses.count * m, grain: max(1, (1 << 14) / max(k * n, 1))) {
          for row in $0 {
            let da = gradient + row * k
            if !adds { da.update(repeating: 0, count: k) }
            for batch in leftUses[row / m] {
              let dy = dy + (batch * m + row % m) * n, b = b + right.base[batch] * k * n
              for p in 0..<k { da[p] += dot(dy, b + p * n, n) }
            }
          }
        }
      }
      if let gradient = pass.inputGradient(1) {
        let adds = pass.accumulates(1)
        parallel(rightUses.count * k, grain: max(1, (1 << 14) / max(m * n, 1))) {
          for row in $0 {
            let db = gradient + row * n
            if !adds { db.update(repeating: 0, count: n) }
            for batch in rightUses[row / k] {
              let a = a + left.base[batch] * m * k + row % k, dy = dy + batch * m * n
              for i in 0..<m { for j in 0..<n { db[j] += a[i * k] * dy[i * n + j] } }
            }
          }
        }
      }
    }
  }
}

/// Which matrices meet.
private struct Product {
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
