// SPDX-License-Identifier: Apache-2.0
import LensKernels
import LensTensors

/// How values of several shapes line up with the shape they broadcast to (NumPy's rule), in as few axes as possible:
/// N×C×H×W with C×1×1 becomes N×C×HW with strides 0, 1, 0. Along the last axis a stride is 1 or 0.
///
/// Loops see runs: stretches of the output over which every operand either advances by one float or stands still.
struct Broadcasting: Sendable {
  let output: Shape
  /// At least one.
  let dimensions: [Int]
  /// For each operand, floats between neighbours along each of `dimensions`; 0 where it is stretched.
  let strides: [[Int]]

  /// Runs are cut here, so that what is computed about one fits on the stack and in the nearest cache.
  static let longestRun = 512

  init(_ shapes: [Shape]) throws {
    let output = try shapes.dropFirst().reduce(shapes[0]) { try $0.broadcast(with: $1) }
    var dimensions: [Int] = []
    var strides = shapes.map { _ in [Int]() }
    for axis in 0..<output.rank where output[axis] != 1 {
      let here = shapes.map { shape in
        let own = axis - (output.rank - shape.rank)
        return own < 0 || shape[own] == 1 ? 0 : shape.count(own + 1..<shape.rank)
      }
      if let last = dimensions.last, zip(strides, here).allSatisfy({ $0.last! == $1 * output[axis] }) {
        dimensions[dimensions.count - 1] = last * output[axis]
        for k in strides.indices { strides[k][dimensions.count - 1] = here[k] }
      } else {
        dimensions.append(output[axis])
        for k in strides.indices { strides[k].append(here[k]) }
      }
    }
    if dimensions.isEmpty || output.count == 0 {
      (dimensions, strides) = ([output.count], shapes.map { [$0.count == 1 ? 0 : 1] })
    }
    (self.output, self.dimensions, self.strides) = (output, dimensions, strides)
  }

  var operandCount: Int { strides.count }
  /// 1 where the operand advances along a run, 0 where it stands still.
  func step(_ operand: Int) -> Int { strides[operand].last! }
  func isStretched(_ operand: Int) -> Bool { zip(dimensions, strides[operand]).contains { $0 != 1 && $1 == 0 } }

  /// Where one run starts: in the output and in each operand.
  struct Run {
    let start: Int
    let offsets: UnsafeMutablePointer<Int>
    let count: Int
  }

  /// Every run in a range of output elements, in order.
  func forEachRun(in range: Range<Int>, _ body: (Run) -> Void) {
    let length = dimensions.last!
    guard !range.isEmpty else { return }
    withUnsafeTemporaryAllocation(of: Int.self, capacity: operandCount) { table in
      let offsets = table.baseAddress!
      var row = range.lowerBound / length, column = range.lowerBound % length, start = range.lowerBound
      while start < range.upperBound {
        var rest = row
        for k in 0..<operandCount { offsets[k] = column * step(k) }
        for axis in stride(from: dimensions.count - 2, through: 0, by: -1) {
          let (quotient, index) = rest.quotientAndRemainder(dividingBy: dimensions[axis])
          for k in 0..<operandCount { offsets[k] += index * strides[k][axis] }
          rest = quotient
        }
        let count = min(length - column, range.upperBound - start, Broadcasting.longestRun)
        body(Run(start: start, offsets: offsets, count: count))
        start += count
        column += count
        if column == length { (row, column) = (row + 1, 0) }
      }
    }
  }

  /// All runs, shared out over threads.
  func forEachRun(_ body: (Run) -> Void) {
    parallel(output.count, grain: 1 << 13) { forEachRun(in: $0, body) }
  }
}
