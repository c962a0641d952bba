// SPDX-License-Identifier: Apache-2.0

/// A symmetric positive definite matrix, to solve linear equations with.
struct NormalMatrix {
  let count: Int
  /// Row by row; the lower triangle counts.
  private var a: [Double]

  init(count: Int) { (self.count, a) = (count, [Double](repeating: 0, count: count * count)) }

  var trace: Double { (0..<count).reduce(0) { $0 + a[$1 * count + $1] } }

  /// Adds weight * x x^T.
  mutating func add(_ x: [Double], weight: Double) {
    a.withUnsafeMutableBufferPointer { a in
      for i in 0..<count where x[i] != 0 {
        let factor = weight * x[i]
        for j in 0...i { a[i * count + j] += factor * x[j] }
      }
    }
  }

  mutating func addToDiagonal(_ value: Double) { for i in 0..<count { a[i * count + i] += value } }

  /// Cholesky's factor takes the matrix's place. What has nothing to say (a pivot of rounding errors) becomes 0 in
  /// every solution.
  mutating func factorize() {
    let count = count
    let least = 1e-13 * (0..<count).reduce(0) { max($0, a[$1 * count + $1]) }
    a.withUnsafeMutableBufferPointer { a in
      for j in 0..<count {
        for i in j..<count {
          var sum = a[i * count + j]
          for k in 0..<j { sum -= a[i * count + k] * a[j * count + k] }
          if i == j {
            a[j * count + j] = sum > least ? sum.squareRoot() : .infinity
          } else {
            a[i * count + j] = sum / a[j * count + j]
          }
        }
      }
    }
  }

  /// After `factorize`.
  func solve(_ right: [Double]) -> [Double] {
    var x = right
    for i in 0..<count {
      for k in 0..<i { x[i] -= a[i * count + k] * x[k] }
      x[i] /= a[i * count + i]
    }
    for i in (0..<count).reversed() {
      for k in i + 1..<count { x[i] -= a[k * count + i] * x[k] }
      x[i] /= a[i * count + i]
    }
    return x
  }
}

/// R^2 of `fitted` against `values` under weights: 1 where there is nothing to explain.
func fit(_ values: [Double], _ fitted: [Double], _ weights: [Double]) -> Double {
  let total = weights.reduce(0, +), mean = zip(values, weights).reduce(0) { $0 + $1.0 * $1.1 } / total
  var residual = 0.0, variance = 0.0
  for (i, weight) in weights.enumerated() {
    residual += weight * (values[i] - fitted[i]) * (values[i] - fitted[i])
    variance += weight * (values[i] - mean) * (values[i] - mean)
  }
  return variance > 0 ? 1 - residual / variance : 1
}
