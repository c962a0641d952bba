// SPDX-License-Identifier: Apache-2.0
import LensTensors
import Testing

@Suite struct ShapeTests {
  @Test func shapesBroadcastAsNumPyDoes() throws {
    #expect(try Shape([2, 1, 4]).broadcast(with: [3, 1]) == [2, 3, 4])
    #expect(try Shape([]).broadcast(with: [5]) == [5])
    #expect { try Shape([2, 3]).broadcast(with: [2]) } throws: { "\($0)".contains("2×3") && ($0 as? LensError)?.code == .shapeMismatch }
  }

  @Test func sizesFromAFileAreCheckedBeforeTheyAreMultiplied() throws {
    #expect(try Shape(checking: [2, 0, 3]).count == 0)
    for hostile in [[-1], [1 << 62, 1 << 62], [Int.max, 2], [1 << 40], [Int](repeating: 1, count: 9), [0, 1 << 40]] {
      #expect { try Shape(checking: hostile) } throws: { ($0 as? LensError)?.code == .shapeMismatch }
    }
  }

  @Test func stridesCountFloats() { #expect(Shape([2, 3, 4, 5]).strides == [60, 20, 5, 1]) }
}

@Suite struct TensorTests {
  @Test func copiesAreValues() {
    let original = Tensor([2, 2], [1, 2, 3, 4])
    var copy = original
    copy.withMutablePointer { $0[0] = 9 }
    #expect(original.values == [1, 2, 3, 4] && copy.values == [9, 2, 3, 4])
  }

  @Test func borrowedMemoryIsReadWhereItLiesAndNeverWritten() {
    var memory: [Float] = [1, 2, 3]
    memory.withUnsafeMutableBufferPointer { memory in
      var tensor = Tensor(borrowing: UnsafePointer(memory.baseAddress!), shape: [3])
      #expect(tensor.pointer == UnsafePointer(memory.baseAddress!))
      tensor.withMutablePointer { $0[1] = 7 }
      #expect(tensor.values == [1, 7, 3])
      #expect(Array(memory) == [1, 2, 3])
    }
  }

  @Test func foldsOverChannelsGoPixelByPixel() {
    let tensor = Tensor([1, 2, 1, 3], [1, -5, 2, -3, 4, 1])
    #expect(tensor.foldedOverChannels(0) { max($0, abs($1)) }.values == [3, 5, 2])
    #expect(tensor.weightedOverChannels(Tensor([1, 2], [2, -1])).values == [5, -14, 3])
    #expect(tensor.spatialMean().values == [Float(-2) / 3, Float(2) / 3])
  }
}

@Suite struct RandomTests {
  /// The generator's published sequence for seed 1234567.
  @Test func splitMixGivesItsKnownNumbers() {
    var random = Random(seed: 1_234_567)
    let known: [UInt64] = [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]
    #expect(known.map { _ in random.next() } == known)
  }

  @Test func drawsCanBeSkipped() {
    var random = Random(seed: 5)
    for draws in 0..<4 {
      var ahead = Random(seed: 5).after(draws)
      var here = random
      #expect(ahead.next() == here.next())
      _ = random.next()
    }
  }

  @Test func noiseHasItsMeanAndDeviation() {
    var random = Random(seed: 3)
    let values = Tensor.normal([100_000], deviation: 2, using: &random).values.map(Double.init)
    let mean = values.reduce(0, +) / 100_000, variance = values.reduce(0) { $0 + $1 * $1 } / 100_000
    #expect(abs(mean) < 0.03 && abs(variance - 4) < 0.06)
    #expect(Tensor.uniform([1000], in: -1...2, using: &random).values.allSatisfy { (-1...2).contains($0) })
  }
}
