// SPDX-License-Identifier: Apache-2.0
import LensEngine
import LensTensors

extension ONNXOperators {
  static let matrixProducts: [String: ONNXLowering] = [
    "Gemm": gemm,
    "MatMul": matMul,
    "Einsum": einsum,
  ]

  /// alpha A B + beta C. With fixed B and a vector C a `Linear`.
  private static let gemm: ONNXLowering = { call in
    let alpha = try call.float("alpha", 1), beta = try call.float("beta", 1)
    let transposesA = try call.flag("transA"), transposesB = try call.flag("transB")
    let a = try call.shape(0), b = try call.shape(1)
    guard a.rank == 2, b.rank == 2 else { throw LensError(.shapeMismatch, "\(a) times \(b): both must be matrices") }
    var left = try call.operand(0)
    if transposesA { left = try call.helper("transposed", Transpose(permutation: [1, 0]), [left]) }
    let columns = b[transposesB ? 0 : 1]

    let bias = call.constant(2)
    let biasIsVector =
      !call.has(2) || (bias.map { $0.shape.count == 1 || ($0.shape.count == columns && $0.shape.dimensions.last == columns) } ?? false)
    if let weights = call.constant(1), biasIsVector {
      let linear = try call.shared {
        let values = bias.map { $0.tensor.values.map { beta * $0 } }
        return Linear(
          weights: ONNXOperators.scaled(transposesB ? weights.tensor : ONNXOperators.transposed(weights.tensor), alpha),
          bias: values.map { $0.count == columns ? $0 : [Float](repeating: $0.first ?? 0, count: columns) })
      }
      return [try call.add(linear, [left])]
    }

    var right = try call.operand(1)
    if transposesB { right = try call.helper("weights transposed", Transpose(permutation: [1, 0]), [right]) }
    guard alpha != 1 || call.has(2) else { return [try call.add(MatrixMultiply(), [left, right])] }
    var product = try call.helper("product", MatrixMultiply(), [left, right])
    if alpha != 1 {
      let factor = call.constant("alpha", Tensor([], [alpha]))
      guard call.has(2) else { return [try call.add(Binary(.multiply), [product, factor])] }
      product = try call.helper("scaled", Binary(.multiply), [product, factor])
    }
    var addend = try call.operand(2)
    if beta != 1 { addend = try call.helper("addend", Binary(.multiply), [addend, call.constant("beta", Tensor([], [beta]))]) }
    return [try call.add(Binary(.add), [product, addend])]
  }

  private static let matMul: ONNXLowering = { call in
    if let weights = call.constant(1), weights.shape.rank == 2, call.isNode(0), try call.shape(0).rank >= 2 {
      let linear = try call.shared { Linear(weights: ONNXOperators.transposed(weights.tensor), bias: nil) }
      return [try call.add(linear, [try call.operand(0)])]
    }
    return [try call.add(MatrixMultiply(), [try call.operand(0), try call.operand(1)])]
  }

  /// Those sums of products that are a matrix product: some axes common to all, one summed over, one from each side.
  private static let einsum: ONNXLowering = { call in
    let equation = try call.string("equation", "").filter { $0 != " " }
    let sides = equation.split(separator: ">", omittingEmptySubsequences: false)
    let terms = (sides.first ?? "").dropLast().split(separator: ",", omittingEmptySubsequences: false).map(Array.init)
    func unsupported() -> LensError {
      LensError(.unsupportedOperator, "equation '\(equation)' is not a matrix product, the only kind of sum that cnnlens runs")
    }
    guard sides.count == 2, terms.count == 2, call.inputCount == 2, !equation.contains("." as Character), sides[0].last == "-" else {
      throw unsupported()
    }
    let (a, b, c) = (terms[0], terms[1], Array(sides[1]))
    let common = c.filter { a.contains($0) && b.contains($0) }
    let summed = a.filter { b.contains($0) && !c.contains($0) }, rows = a.filter { !b.contains($0) }, columns = b.filter { !a.contains($0) }
    guard summed.count == 1, rows.count == 1, columns.count == 1, c.sorted() == (common + rows + columns).sorted(),
      [a, b, c].allSatisfy({ Set($0).count == $0.count }), try call.shape(0).rank == a.count, try call.shape(1).rank == b.count
    else { throw unsupported() }
    func ordered(_ term: [Character], as wanted: [Character], _ node: Int, _ suffix: String) throws -> Int {
      term == wanted ? node : try call.helper(suffix, Transpose(permutation: wanted.compactMap { term.firstIndex(of: $0) }), [node])
    }
    let left = try ordered(a, as: common + rows + summed, try call.operand(0), "left")
    let right = try ordered(b, as: common + summed + columns, try call.operand(1), "right")
    let result = common + rows + columns
    if c == result { return [try call.add(MatrixMultiply(), [left, right])] }
    let product = try call.helper("product", MatrixMultiply(), [left, right])
    return [try call.add(Transpose(permutation: c.compactMap { result.firstIndex(of: $0) }), [product])]
  }

  private static func transposed(_ matrix: Tensor) -> Tensor {
    let rows = matrix.shape[0], columns = matrix.shape[1]
    var result = Tensor([columns, rows])
    matrix.withPointer { source in
      result.withMutablePointer { target in
        for row in 0..<rows { for column in 0..<columns { target[column * rows + row] = source[row * columns + column] } }
      }
    }
    return result
  }

  private static func scaled(_ matrix: Tensor, _ factor: Float) -> Tensor {
    guard factor != 1 else { return matrix }
    var result = matrix
    result.withMutablePointer { p in for i in 0..<matrix.count { p[i] *= factor } }
    return result
  }
}
