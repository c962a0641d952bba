// SPDX-License-Identifier: Apache-2.0
import LensTensors

// Exact arithmetic on integers and booleans, wrapping as processors do.
extension ONNXFolding {
  typealias Arithmetic = @Sendable (ONNXCall, [ONNXConstant]) throws -> ONNXConstant

  static let arithmetic: [String: Arithmetic] = [
    "Add": pairwise { $0 &+ $1 },
    "Sub": pairwise { $0 &- $1 },
    "Mul": pairwise { $0 &* $1 },
    "Div": pairwise { a, b in
      guard b != 0 else { throw LensError(.malformedModel, "divides \(a) by 0") }
      return a.dividedReportingOverflow(by: b).partialValue
    },
    "Mod": { call, data in
      let keepsDividendSign = try call.flag("fmod")
      return try pairwise { a, b in
        guard b != 0 else { throw LensError(.malformedModel, "divides \(a) by 0") }
        let rest = a.remainderReportingOverflow(dividingBy: b).partialValue
        return keepsDividendSign || rest == 0 || (rest < 0) == (b < 0) ? rest : rest &+ b
      }(call, data)
    },
    "Pow": pairwise { power($0, $1) },
    "Min": pairwise { min($0, $1) },
    "Max": pairwise { max($0, $1) },
    "Sum": pairwise { $0 &+ $1 },
    "Equal": pairwise { $0 == $1 ? 1 : 0 },
    "Less": pairwise { $0 < $1 ? 1 : 0 },
    "LessOrEqual": pairwise { $0 <= $1 ? 1 : 0 },
    "Greater": pairwise { $0 > $1 ? 1 : 0 },
    "GreaterOrEqual": pairwise { $0 >= $1 ? 1 : 0 },
    "And": pairwise { $0 != 0 && $1 != 0 ? 1 : 0 },
    "Or": pairwise { $0 != 0 || $1 != 0 ? 1 : 0 },
    "Xor": pairwise { ($0 != 0) != ($1 != 0) ? 1 : 0 },
    "Not": single { $0 == 0 ? 1 : 0 },
    "Neg": single { 0 &- $0 },
    "Abs": single { $0 < 0 ? 0 &- $0 : $0 },
    "Sign": single { $0.signum() },
    "ReduceSum": reduced { $0.reduce(0, &+) },
    "ReduceProd": reduced { $0.reduce(1, &*) },
    "ReduceMax": reduced { $0.max() ?? .min },
    "ReduceMin": reduced { $0.min() ?? .max },
    "ReduceMean": reduced { $0.isEmpty ? 0 : $0.reduce(0, &+) / Int64($0.count) },
  ]

  private static func single(_ function: @escaping @Sendable (Int64) -> Int64) -> Arithmetic {
    { _, data in
      guard let first = data.first, case .integers(let shape, let values) = first else {
        throw LensError(.malformedModel, "input 0 is missing")
      }
      return .integers(shape, values.map(function))
    }
  }

  /// Over two inputs or more, with broadcasting.
  private static func pairwise(_ function: @escaping @Sendable (Int64, Int64) throws -> Int64) -> Arithmetic {
    { call, data in
      guard data.count == call.inputCount, var result = data.first else { throw LensError(.malformedModel, "an input is missing") }
      for other in data.dropFirst() {
        guard case .integers(let p, let a) = result, case .integers(let q, let b) = other else { continue }
        let shape = try p.broadcast(with: q)
        let i = positions(of: p, in: shape), j = positions(of: q, in: shape)
        result = .integers(shape, try zip(i, j).map { try function(a[$0], b[$1]) })
      }
      return result
    }
  }

  private static func reduced(_ function: @escaping @Sendable ([Int64]) -> Int64) -> Arithmetic {
    { call, data in
      guard let first = data.first, case .integers(let shape, let values) = first else {
        throw LensError(.malformedModel, "input 0 is missing")
      }
      guard let axes = try call.reducedAxes(since: call.node.kind == "ReduceSum" ? 13 : 18) else { return first }
      let keptShape = Shape(shape.dimensions.indices.map { axes.contains($0) ? 1 : shape[$0] })
      var groups = [[Int64]](repeating: [], count: keptShape.count)
      for (value, position) in zip(values, positions(of: keptShape, in: shape)) { groups[position].append(value) }
      let isKept = try call.flag("keepdims", true)
      return .integers(
        isKept ? keptShape : Shape(shape.dimensions.indices.filter { !axes.contains($0) }.map { shape[$0] }), groups.map(function))
    }
  }

  private static func power(_ base: Int64, _ exponent: Int64) -> Int64 {
    guard exponent >= 0 else { return base == 1 ? 1 : base == -1 ? (exponent % 2 == 0 ? 1 : -1) : 0 }
    var result: Int64 = 1, factor = base, rest = exponent
    while rest > 0 {
      if rest & 1 == 1 { result = result &* factor }
      factor = factor &* factor
      rest >>= 1
    }
    return result
  }

  static func broadcastShape(of data: [ONNXConstant]) throws -> Shape {
    try data.dropFirst().reduce(data.first?.shape ?? []) { try $0.broadcast(with: $1.shape) }
  }

  /// For every element of `shape` in order, the element of `part` that is stretched over it.
  static func positions(of part: Shape, in shape: Shape) -> [Int] {
    let offset = shape.rank - part.rank, strides = part.strides
    var result = [0]
    for axis in 0..<shape.rank {
      let step = axis < offset || part[axis - offset] == 1 ? 0 : strides[axis - offset]
      result = result.flatMap { start in (0..<shape[axis]).map { start + $0 * step } }
    }
    return result
  }
}
