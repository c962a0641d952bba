// SPDX-License-Identifier: Apache-2.0
import LensEngine
import LensTensors
import LensTestSupport
import Testing

@Suite struct PoolTests {
  /// Every small window over two axes that differ in everything.
  static let windows: [PoolWindow] = {
    var windows: [PoolWindow] = []
    for kernel in 1...3 {
      for stride in 1...3 {
        for dilation in 1...2 {
          for before in 0...1 {
            for after in 0...1 {
              for roundsUp in [false, true] {
                let extent = (kernel - 1) * dilation + 1
                guard before < extent, after < extent else { continue }
                windows.append(
                  PoolWindow(
                    kernel: [kernel, 2], strides: [stride, 2], dilations: [dilation, 1], padding: [before, 1, after, 0], roundsUp: roundsUp)
                )
              }
            }
          }
        }
      }
    }
    // Those that networks have most often, which may have code of their own.
    for kernel in 2...3 {
      for stride in 1...2 {
        for padding in 0..<kernel - 1 { windows.append(PoolWindow(kernel, stride: stride, padding: padding, roundsUp: true)) }
      }
    }
    return windows
  }()

  @Test(arguments: 3...7) func everyWindowFollowsTheDefinition(height: Int) throws {
    let shape: Shape = [2, 18, height, 5]
    for window in PoolTests.windows {
      let reference = PoolReference(window, shape)
      if !reference.isPossible {
        #expect(throws: LensError.self) { try AveragePool(window)(Tensor(shape)) }
        continue
      }
      for countsPadding in [false, true] {
        try checkOperator(AveragePool(window, countsPadding: countsPadding), shapes: [shape], linear: true) { x in
          reference.each(x[0]) { (values: [Double], padded: Int) -> Double in
            values.reduce(0.0, +) / Double(countsPadding ? padded : max(values.count, 1))
          }
        }
      }
      if reference.hasEmptyWindows {
        #expect(throws: LensError.self) { try MaxPool(window)(Tensor(shape)) }
      } else {
        try checkOperator(MaxPool(window), shapes: [shape], reference: { x in reference.each(x[0]) { values, _ in values.max()! } })
      }
    }
  }

  @Test(arguments: 1...3) func normsFollowTheDefinition(p: Int) throws {
    for window in PoolTests.windows where window.strides[0] == 2 {
      let shape: Shape = [2, 2, 6, 5], reference = PoolReference(window, shape)
      guard reference.isPossible, !reference.hasEmptyWindows else { continue }
      try checkOperator(
        LpPool(window, p: p), shapes: [shape], in: 0.5...2,
        reference: { x in
          reference.each(x[0]) { values, _ in power(values.map { power(abs($0), Double(p)) }.reduce(0, +), 1 / Double(p)) }
        })
    }
    try checkOperator(
      GlobalPool(.lp(p)), shapes: [[2, 3, 4, 2]], in: -2 ... -0.5,
      reference: { x in
        channels(x[0]) { values in power(values.map { power(abs($0), Double(p)) }.reduce(0, +), 1 / Double(p)) }
      })
    let silent = try LpPool(PoolWindow(2), p: p).gradients(at: [Tensor([1, 1, 2, 2])], outputGradient: Tensor([1, 1, 1, 1], [3]))
    #expect(silent.gradients[0].values == [0, 0, 0, 0])
  }

  @Test func windowsOverOneAndThreeAxes() throws {
    let one = PoolWindow(kernel: [3], strides: [2], dilations: [1], padding: [1, 1], roundsUp: false)
    try expectEqual(MaxPool(one)(Tensor([1, 1, 5], [3, 1, 4, 1, 5])), [3, 4, 5])
    try expectEqual(AveragePool(one)(Tensor([1, 1, 5], [3, 1, 4, 1, 5])), [2, 2, 3])
    let three = PoolWindow(kernel: [2, 1, 2], strides: [1, 1, 2], dilations: [1, 1, 1], padding: [0, 0, 0, 0, 0, 0], roundsUp: false)
    try expectEqual(AveragePool(three)(Tensor([1, 1, 2, 2, 4], (0..<16).map(Float.init))), [4.5, 6.5, 8.5, 10.5])
    try checkOperator(
      MaxPool(three), shapes: [[2, 3, 3, 2, 5]],
      reference: { x in
        ReferenceTensor([2, 3, 2, 2, 2]) { (at: [Int]) -> Double in
          let (d, h, w) = (at[2], at[3], 2 * at[4])
          return max(
            max(x[0][at[0], at[1], d, h, w], x[0][at[0], at[1], d, h, w + 1]),
            max(x[0][at[0], at[1], d + 1, h, w], x[0][at[0], at[1], d + 1, h, w + 1]))
        }
      })
    try checkOperator(AveragePool(three), shapes: [[2, 3, 3, 2, 5]], linear: true)
  }

  @Test func theFirstMaximumGetsTheGradient() throws {
    let x = Tensor([1, 1, 2, 4], [1, 1, 0, 2, 1, 1, 2, 2]), dy = Tensor([1, 1, 1, 2], [5, 7])
    #expect(try MaxPool(PoolWindow(2)).gradients(at: [x], outputGradient: dy).gradients[0].values == [5, 0, 0, 7, 0, 0, 0, 0])
    let global = try GlobalPool(.maximum).gradients(at: [x], outputGradient: Tensor([1, 1, 1, 1], [3]))
    #expect(global.gradients[0].values == [0, 0, 0, 3, 0, 0, 0, 0])
  }

  /// In blocked layout as in plain: what is equal, infinite or not a number, in windows with code of their own.
  @Test(arguments: 2...3) func bothLayoutsChooseTheSamePlaces(kernel: Int) throws {
    var random = Random(seed: 12)
    let shape: Shape = [1, 16, 9, 8]
    var x = Tensor.uniform(shape, in: 0...3, using: &random)
    x.withMutablePointer { for i in 0..<shape.count { $0[i] = [-.infinity, 0, 1, .nan][Int($0[i].rounded())] } }
    for window in [PoolWindow(kernel, stride: 1), PoolWindow(kernel, stride: 2, padding: 1)] {
      let pool = MaxPool(window), plain = try pool(x), dy = Tensor.normal(plain.shape, using: &random)
      let expected = try pool.gradients(at: [x], outputGradient: dy).gradients[0]
      let alone = try Alone(pool, [blocked(x)], shapes: [shape], in: Layouts(inputs: [.blocked], output: .blocked))
      var gradients: [Tensor?] = [Tensor([shape.count])]
      alone.addGradients(of: blocked(dy), to: &gradients)
      #expect(same(alone.output.values, blocked(plain).values))
      #expect(same(gradients[0]!.values, blocked(expected).values))
    }
  }

  /// N×16×H×W with channels last, which is what a single block is.
  private func blocked(_ x: Tensor) -> Tensor {
    let pixels = x.count / 16, values = x.values
    return Tensor([x.count], (0..<x.count).map { values[$0 % 16 * pixels + $0 / 16] })
  }

  private func same(_ a: [Float], _ b: [Float]) -> Bool { zip(a, b).allSatisfy { $0 == $1 || $0.isNaN && $1.isNaN } && a.count == b.count }

  @Test func whatIsNotANumberWins() throws {
    let x = Tensor([1, 1, 1, 4], [1, .nan, 3, -.infinity])
    let y = try MaxPool(PoolWindow(kernel: [1, 2], strides: [1, 1], dilations: [1, 1], padding: [0, 0, 0, 0], roundsUp: false))(x)
    #expect(y.values[0].isNaN && y.values[1].isNaN && y.values[2] == 3)
    #expect(try GlobalPool(.maximum)(x).values[0].isNaN)
  }

  @Test func windowsOfMoreTapsThanAByteCounts() throws {
    let window = PoolWindow(kernel: [17, 17], strides: [3, 2], dilations: [1, 1], padding: [2, 2, 2, 2], roundsUp: false)
    let shape: Shape = [1, 17, 20, 19], reference = PoolReference(window, shape)
    try checkOperator(MaxPool(window), shapes: [shape], reference: { x in reference.each(x[0]) { values, _ in values.max()! } })
  }

  @Test func globalPoolsSeeEverything() throws {
    for shape in [[2, 19, 3, 5], [2, 3, 7], [2, 3, 2, 3, 2], [1, 1, 1, 1], [3, 16, 9, 9]] as [[Int]] {
      try checkOperator(
        GlobalPool(.average), shapes: [Shape(shape)], linear: true,
        reference: { x in
          channels(x[0]) { $0.reduce(0, +) / Double($0.count) }
        })
      try checkOperator(GlobalPool(.maximum), shapes: [Shape(shape)], reference: { x in channels(x[0]) { $0.max()! } })
    }
    #expect(throws: LensError.self) { try GlobalPool(.average)(Tensor([1, 2, 0, 3])) }
  }

  @Test func senselessWindowsThrow() {
    let x = Tensor([1, 1, 4, 4])
    func window(_ kernel: [Int], _ strides: [Int], _ dilations: [Int], _ padding: [Int]) -> PoolWindow {
      PoolWindow(kernel: kernel, strides: strides, dilations: dilations, padding: padding, roundsUp: true)
    }
    for window in [
      window([0, 1], [1, 1], [1, 1], [0, 0, 0, 0]), window([1, 1], [0, 1], [1, 1], [0, 0, 0, 0]), window([1], [1], [1], [0, 0]),
      window([1, 1], [1, 1], [1, 1], [0, 0]), window([1, 1], [1, 1], [1, 1], [-1, 0, 0, 0]),
      window([2, 2], [1, 1], [.max, 1], [0, 0, 0, 0]),
      window([9, 9], [1, 1], [1, 1], [0, 0, 0, 0]),
    ] {
      #expect(throws: LensError.self) { try MaxPool(window)(x) }
    }
  }
}

private func channels(_ x: ReferenceTensor, _ body: ([Double]) -> Double) -> ReferenceTensor {
  let planes = x.dimensions[0] * x.dimensions[1], length = x.values.count / planes
  return ReferenceTensor(
    Array(x.dimensions.prefix(2)) + x.dimensions.dropFirst(2).map { _ in 1 },
    (0..<planes).map { body(Array(x.values[$0 * length..<($0 + 1) * length])) })
}

/// Pooling over two axes by its definition.
struct PoolReference {
  let window: PoolWindow
  let shape: Shape
  var lengths: [Int] = []
  var isPossible: Bool { lengths.allSatisfy { $0 > 0 } }

  init(_ window: PoolWindow, _ shape: Shape) {
    (self.window, self.shape) = (window, shape)
    lengths = (0..<2).map { axis in
      // The windows that fit, counted one at a time.
      let extent = (window.kernel[axis] - 1) * window.dilations[axis] + 1, step = window.strides[axis]
      let before = window.padding[axis], padded = before + shape[axis + 2] + window.padding[axis + 2]
      var count = 0
      while count * step + extent <= padded { count += 1 }
      let isLeft = count == 0 ? padded + step > extent : (count - 1) * step + extent < padded
      return window.roundsUp && isLeft && count * step < shape[axis + 2] + before ? count + 1 : count
    }
  }

  /// body(the values under a window, how many of its taps lie on the input or its padding)
  func each(_ x: ReferenceTensor, _ body: ([Double], Int) -> Double) -> ReferenceTensor {
    ReferenceTensor([x.dimensions[0], x.dimensions[1], lengths[0], lengths[1]]) { (at: [Int]) -> Double in
      var values: [Double] = [], padded = 0
      for tap in ReferenceTensor.indices(window.kernel) {
        let y: Int = at[2] * window.strides[0] - window.padding[0] + tap[0] * window.dilations[0]
        let x0: Int = at[3] * window.strides[1] - window.padding[1] + tap[1] * window.dilations[1]
        if y < shape.h + window.padding[2], x0 < shape.w + window.padding[3] { padded += 1 }
        if 0..<shape.h ~= y, 0..<shape.w ~= x0 { values.append(x[at[0], at[1], y, x0]) }
      }
      return body(values, padded)
    }
  }

  var hasEmptyWindows: Bool {
    each(ReferenceTensor([1, 1, shape.h, shape.w])) { values, _ in values.isEmpty ? 1 : 0 }.values.contains(1)
  }
}
