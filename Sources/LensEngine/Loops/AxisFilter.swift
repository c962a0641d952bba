// SPDX-License-Identifier: Apache-2.0
import LensKernels

/// Weighted sums along one axis: target[o, j, i] = sum over taps of weight · source[o, index, i]; and its transpose.
package final class AxisFilter: @unchecked Sendable {
  struct Tap {
    var index: Int
    var weight: Float
  }

  package let sourceLength: Int
  package let targetLength: Int
  private let forwardStarts: Table<Int>
  private let forwardTaps: Table<Tap>
  private let backwardStarts: Table<Int>
  private let backwardTaps: Table<Tap>
  private let fill: Float

  /// - taps: for each index of the target; where there are none it gets `fill`.
  package init(sourceLength: Int, taps: [[(index: Int, weight: Double)]], fill: Float = 0) {
    (self.sourceLength, targetLength, self.fill) = (sourceLength, taps.count, fill)
    var forward: [(Int, Tap)] = [], backward: [(Int, Tap)] = []
    for (j, taps) in taps.enumerated() {
      for tap in taps {
        forward.append((j, Tap(index: tap.index, weight: Float(tap.weight))))
        backward.append((tap.index, Tap(index: j, weight: Float(tap.weight))))
      }
    }
    let there = Lists(count: taps.count, forward), back = Lists(count: sourceLength, backward)
    (forwardStarts, forwardTaps) = (Table(there.starts), Table(there.entries))
    (backwardStarts, backwardTaps) = (Table(back.starts), Table(back.entries))
  }

  package func forward(_ outer: Int, _ inner: Int, from source: UnsafePointer<Float>, to target: UnsafeMutablePointer<Float>) {
    AxisFilter.apply(
      forwardStarts.base, forwardTaps.base, sourceLength, targetLength, outer, inner, from: source, to: target, adds: false, fill)
  }

  package func backward(
    _ outer: Int, _ inner: Int, from target: UnsafePointer<Float>, to source: UnsafeMutablePointer<Float>, adds: Bool
  ) {
    AxisFilter.apply(
      backwardStarts.base, backwardTaps.base, targetLength, sourceLength, outer, inner, from: target, to: source, adds: adds, 0)
  }

  private static func apply(
    _ starts: UnsafePointer<Int>, _ taps: UnsafePointer<Tap>, _ m: Int, _ n: Int, _ outer: Int, _ inner: Int,
    from x: UnsafePointer<Float>, to y: UnsafeMutablePointer<Float>, adds: Bool, _ fill: Float
  ) {
    if inner == 1 {
      parallel(outer, grain: max(1, 4096 / n)) { rows in
        for row in rows {
          let x = x + row * m, y = y + row * n
          for j in 0..<n {
            var sum: Float = starts[j] == starts[j + 1] ? fill : 0
            for t in starts[j]..<starts[j + 1] { sum += taps[t].weight * x[taps[t].index] }
            y[j] = adds ? y[j] + sum : sum
          }
        }
      }
      return
    }
    parallel(outer * n, grain: max(1, 4096 / inner)) { rows in
      for row in rows {
        let x = x + row / n * m * inner, y = y + row * inner
        var t = starts[row % n]
        let end = starts[row % n + 1]
        if !adds {
          if t == end {
            y.update(repeating: fill, count: inner)
          } else if t + 1 == end {
            let a = x + taps[t].index * inner, p = taps[t].weight
            for i in 0..<inner { y[i] = p * a[i] }
            t += 1
          } else {
            let a = x + taps[t].index * inner, p = taps[t].weight
            let b = x + taps[t + 1].index * inner, q = taps[t + 1].weight
            for i in 0..<inner { y[i] = p * a[i] + q * b[i] }
            t += 2
          }
        }
        while t < end {
          let a = x + taps[t].index * inner, p = taps[t].weight
          for i in 0..<inner { y[i] += p * a[i] }
          t += 1
        }
      }
    }
  }
}
