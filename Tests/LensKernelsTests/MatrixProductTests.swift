// SPDX-License-Identifier: Apache-2.0
import LensKernelTable
import LensTensors
import Testing

@testable import LensKernels

@Suite struct MatrixProductTests {
  private func product(
    _ m: Int, _ n: Int, _ k: Int, _ ta: Bool, _ tb: Bool, _ a: [Float], _ b: [Float], _ c: [Float]?, row: [Float]? = nil,
    rowsStay: Bool = false, _ kernels: KernelTable
  ) -> [Float] {
    let product = MatrixProduct(m: m, n: n, k: k, transposesA: ta, transposesB: tb, rowsStay: rowsStay, kernels: kernels)
    let scratch = Buffer(product.scratchCount), result = Buffer(m * n)
    if let c { for i in c.indices { result.base[i] = c[i] } }
    withExtendedLifetime((scratch, result)) {
      if let row {
        row.withUnsafeBufferPointer { product.run(a, b, into: result.base, row: $0.baseAddress, scratch: scratch.base) }
      } else {
        product.run(a, b, into: result.base, accumulates: c != nil, scratch: scratch.base)
      }
    }
    #expect(scratch.isIntact && result.isIntact, "\(m)×\(n)×\(k) \(ta) \(tb)")
    return result.values
  }

  @Test(arguments: Kernels.available.map(\.name)) func productsEqualTheDefinition(variant: String) {
    let kernels = Kernels.available.first { $0.name == variant }!
    var random = Random(seed: 11)
    for (m, n, k) in [
      (1, 1, 1), (1, 10, 7), (1, 1000, 300), (2, 33, 16), (3, 5, 17), (7, 16, 64), (8, 100, 300), (13, 47, 600), (64, 64, 64),
      (65, 130, 257), (100, 31, 1), (300, 3, 20), (19, 41, 2100), (5, 0, 3), (3, 4, 0),
    ] {
      let a = noise(m * k, &random), b = noise(k * n, &random), c = noise(m * n, &random), row = noise(n, &random)
      for ta in [false, true] {
        for tb in [false, true] {
          for old in [nil, c] {
            var expected = [Double](repeating: 0, count: m * n)
            for i in 0..<m {
              for j in 0..<n {
                for p in 0..<k {
                  expected[i * n + j] += Double(ta ? a[p * m + i] : a[i * k + p]) * Double(tb ? b[j * k + p] : b[p * n + j])
                }
                expected[i * n + j] += Double(old?[i * n + j] ?? 0)
              }
            }
            for rowsStay in [false, true] {
              let error = relativeError(product(m, n, k, ta, tb, a, b, old, rowsStay: rowsStay, kernels), expected)
              #expect(error < tolerance, "\(m)×\(n)×\(k) \(ta) \(tb) \(rowsStay): \(error)")
              guard old == nil, n > 0 else { continue }
              let shifted = expected.indices.map { expected[$0] + Double(row[$0 % n]) }
              let begun = relativeError(product(m, n, k, ta, tb, a, b, nil, row: row, rowsStay: rowsStay, kernels), shifted)
              #expect(begun < tolerance, "\(m)×\(n)×\(k) \(ta) \(tb) \(rowsStay) on a row: \(begun)")
            }
          }
        }
      }
    }
  }

  @Test(arguments: Kernels.available.map(\.name)) func aRowDoesNotDependOnTheOthers(variant: String) {
    let kernels = Kernels.available.first { $0.name == variant }!
    var random = Random(seed: 12)
    // More terms than go through in one pass, more columns than go through together.
    let (n, k, most) = (300, 1100, 40)
    // A few rows leave out what they would multiply by 0.
    let zeros: [Float] = [0, 0.5, 0.97, 1]
    let a = (0..<(most * k)).map { random.uniform() < zeros[$0 / k % 4] ? 0 : random.normal() }, b = noise(k * n, &random),
      c = noise(most * n, &random)
    for transposesB in [false, true] {
      for old in [nil, c] {
        let all = product(most, n, k, false, transposesB, a, b, old, kernels)
        for m in [1, 2, 3, 5, 6, 7, 12, 13, 29] {
          let some = product(
            m, n, k, false, transposesB, Array(a.prefix(m * k)), b, old.map { Array($0.prefix(m * n)) }, kernels)
          #expect(some == Array(all.prefix(m * n)), "\(m) rows, B transposed: \(transposesB)")
        }
      }
    }
  }
}
