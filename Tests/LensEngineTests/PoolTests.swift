// SPDX-License-Identifier: Apache-2.0
import LensEngine
import LensTensors
import Testing

@Suite struct PoolTests {
  /// Every small window over two axes that differ in everything.
  static let windows: [PoolWindow] = {
    var windows: [PoolWindow] = []
    for kernel in 1...3 { for stride in 1...3 { for dilation in 1...2 { for before in 0...1 { for after in 0...1 { for roundsUp in [false, true] {
      let extent = (kernel - 1) * dilation + 1
      guard before < extent, after < extent else { continue }
      windows.append(
        PoolWindow(
          kernel: [kernel, 2], strides: [stride, 2], dilations: [dilation, 1], padding: [before, 1, after, 0], roundsUp: roundsUp))
    } } } } } }
    return windows
  }()

  @Test(arguments: 3...7) func everyWindowFollowsTheDefinition(height: Int) throws {
    var random = Random(seed: UInt64(height))
    let x = Tensor.normal([2, 3, height, 5], using: &random)
    for window in PoolTests.windows {
      let reference = PoolReference(window, x)
      if reference.isPossible == false {
        #expect(throws: LensError.self) { try AveragePool(window)(x) }
        continue
      }
      for countsPadding in [false, true] {
        try expectEqual(AveragePool(window, countsPadding: countsPadding)(x), reference.average(countsPadding), "\(window)")
      }
      if reference.hasEmptyWindows {
        #expect(throws: LensError.self) { try MaxPool(window)(x) }
      } else {
        try expectEqual(MaxPool(window)(x), reference.maximum(), "\(window)")
      }
      for p in 1...3 { try expectEqual(LpPool(window, p: p)(x), reference.norm(p), "\(window)") }
    }
  }
}

/// Pooling by its definition, in Double.
struct PoolReference {
  let window: PoolWindow
  let x: Tensor
  var lengths: [Int] = []
  var isPossible: Bool { lengths.allSatisfy { $0 > 0 } }

  init(_ window: PoolWindow, _ x: Tensor) {
    (self.window, self.x) = (window, x)
    lengths = (0..<2).map { axis in
      // Count the windows that fit, one at a time.
      let extent = (window.kernel[axis] - 1) * window.dilations[axis] + 1
      let before = window.padding[axis], after = window.padding[axis + 2], length = x.shape[axis + 2]
      if before + length + after < extent && !window.roundsUp { return 0 }
      var count = 0
      while count * window.strides[axis] + extent <= before + length + after { count += 1 }
      let reached = (count - 1) * window.strides[axis] + extent
      if window.roundsUp, count == 0 ? before + length + after + window.strides[axis] > extent : reached < before + length + after,
        count * window.strides[axis] < length + before
      { count += 1 }
      return count
    }
  }

  /// For each output: the values on the input, and how many taps lie on the input or its padding.
  func taps(_ n: Int, _ c: Int, _ oy: Int, _ ox: Int) -> (values: [Double], padded: Int) {
    var values: [Double] = [], padded = 0
    for ky in 0..<window.kernel[0] { for kx in 0..<window.kernel[1] {
      let y = oy * window.strides[0] - window.padding[0] + ky * window.dilations[0]
      let x0 = ox * window.strides[1] - window.padding[1] + kx * window.dilations[1]
      if y < x.shape.h + window.padding[2], x0 < x.shape.w + window.padding[3] { padded += 1 }
      if 0..<x.shape.h ~= y, 0..<x.shape.w ~= x0 { values.append(Double(x[n, c, y, x0])) }
    } }
    return (values, padded)
  }

  func each(_ body: ([Double], Int) -> Double) -> [Double] {
    var result: [Double] = []
    for n in 0..<x.shape.n { for c in 0..<x.shape.c { for y in 0..<lengths[0] { for x in 0..<lengths[1] {
      let (values, padded) = taps(n, c, y, x)
      result.append(body(values, padded))
    } } } }
    return result
  }
  var hasEmptyWindows: Bool { each { values, _ in values.isEmpty ? 1 : 0 }.contains(1) }
  func average(_ countsPadding: Bool) -> [Double] {
    each { values, padded in values.reduce(0, +) / Double(countsPadding ? padded : max(values.count, 1)) }
  }
  func maximum() -> [Double] { each { values, _ in values.max() ?? -.infinity } }
  func norm(_ p: Int) -> [Double] {
    each { values, _ in power(values.map { power(abs($0), Double(p)) }.reduce(0, +), 1 / Double(p)) }
  }
}
