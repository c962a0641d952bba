// SPDX-License-Identifier: Apache-2.0
import COpenBLAS
import LensTensors
import Testing

@testable import LensKernels

@Suite struct OpenBLASTests {
  /// Layers' shapes, larger than loops in Double would do in a test.
  @Test(arguments: [(1, 1000, 2048), (16, 1000, 2048), (8, 4096, 9216), (197, 384, 1536), (3136, 64, 256), (49, 2048, 512)])
  func matrixProductsAreThoseOfOpenBLAS(m: Int, n: Int, k: Int) throws {
    var random = Random(seed: 5)
    for (transposesA, transposesB) in [(false, false), (false, true), (true, false)] {
      let a = noise(m * k, &random), b = noise(k * n, &random), c = noise(m * n, &random)
      var expected = c, found = c
      cblas_sgemm(
        Int32(COPENBLAS_ROW_MAJOR), Int32(transposesA ? COPENBLAS_TRANSPOSED : COPENBLAS_PLAIN),
        Int32(transposesB ? COPENBLAS_TRANSPOSED : COPENBLAS_PLAIN), Int32(m), Int32(n), Int32(k), 1, a,
        Int32(transposesA ? m : k), b, Int32(transposesB ? k : n), 1, &expected, Int32(n))
      let product = MatrixProduct(m: m, n: n, k: k, transposesA: transposesA, transposesB: transposesB)
      var scratch = [Float](repeating: .nan, count: product.scratchCount)
      product.run(a, b, into: &found, accumulates: true, scratch: &scratch)
      let difference = zip(found, expected).reduce(0.0) { $0 + Double($1.0 - $1.1) * Double($1.0 - $1.1) }
      let size = expected.reduce(0.0) { $0 + Double($1) * Double($1) }
      #expect((difference / size).squareRoot() < 1e-5, "\(m)×\(k) times \(k)×\(n), \(transposesA) \(transposesB)")
    }
  }
}
