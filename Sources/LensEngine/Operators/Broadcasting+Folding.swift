// SPDX-License-Identifier: Apache-2.0
import LensKernels
import LensTensors

extension Broadcasting {
  enum Fold: Sendable { case sum, maximum, product }

  /// For each element of one operand, combines the terms of all output elements it is stretched over.
  ///
  /// Accumulates in Double, each element in one job and in one order: the result depends on neither the number of
  /// threads nor the size of the batch.
  /// - terms: writes the terms of one run to a buffer.
  /// - finish: takes an index into the operand and its total.
  func fold(
    _ operand: Int, _ fold: Fold, terms: (Run, UnsafeMutablePointer<Float>) -> Void, finish: (Int, Double) -> Void
  ) {
    switch fold {
    case .sum: self.fold(operand, identity: 0, terms, finish) { $0 + $1 }
    case .product: self.fold(operand, identity: 1, terms, finish) { $0 * $1 }
    case .maximum: self.fold(operand, identity: -.infinity, terms, finish) { $0.replacing(with: $1, where: $1 .> $0) }
    }
  }

  /// dx += the terms, summed over the axes along which the operand is stretched.
  func addGradient(
    of operand: Int, to dx: UnsafeMutablePointer<Float>, terms: (Run, UnsafeMutablePointer<Float>) -> Void
  ) {
    if isStretched(operand) {
      fold(operand, .sum, terms: terms) { dx[$0] += Float($1) }
    } else {
      parallel(output.count, grain: 1 << 13) { range in
        withUnsafeTemporaryAllocation(of: Float.self, capacity: Broadcasting.longestRun) { buffer in
          let buffer = buffer.baseAddress!
          forEachRun(in: range) { run in
            terms(run, buffer)
            let dx = dx + run.start
            for i in 0..<run.count { dx[i] += buffer[i] }
          }
        }
      }
    }
  }

  private typealias Lanes = SIMD8<Double>

  @inline(__always)
  private func fold(
    _ operand: Int, identity: Double, _ terms: (Run, UnsafeMutablePointer<Float>) -> Void, _ finish: (Int, Double) -> Void,
    _ combine: (Lanes, Lanes) -> Lanes
  ) {
    let paths = Paths(self, operand)
    // One accumulator for a whole run where the operand stands still, one for each element where it advances.
    let advances = step(operand) == 1, limit = Broadcasting.longestRun, length = dimensions.last!
    let pieces = advances ? (length + limit - 1) / limit : 1
    let work = max(output.count / max(paths.own.count * pieces, 1), 1)
    parallel(paths.own.count * pieces, grain: max((1 << 13) / work, 1)) { jobs in
      withUnsafeTemporaryAllocation(of: Float.self, capacity: limit) { buffer in
        withUnsafeTemporaryAllocation(of: Lanes.self, capacity: limit / 8) { sums in
          withUnsafeTemporaryAllocation(of: Int.self, capacity: operandCount) { offsets in
            let buffer = buffer.baseAddress!, sums = sums.baseAddress!, offsets = offsets.baseAddress!
            @inline(__always) func add(_ start: Int, _ count: Int, spread: Bool) {
              terms(Run(start: start, offsets: offsets, count: count), buffer)
              for i in count..<(count + 7) / 8 * 8 { buffer[i] = Float(identity) }
              for i in 0..<(count + 7) / 8 {
                let lanes = Lanes(UnsafeRawPointer(buffer + 8 * i).loadUnaligned(as: SIMD8<Float>.self))
                if spread { sums[i] = combine(sums[i], lanes) } else { sums[0] = combine(sums[0], lanes) }
              }
            }
            for job in jobs {
              let (row, piece) = job.quotientAndRemainder(dividingBy: pieces)
              let first = piece * limit, count = min(limit, length - first)
              for i in 0..<(advances ? limit / 8 : 1) { sums[i] = Lanes(repeating: identity) }
              for path in 0..<paths.stretched.count {
                let outer = paths.own.start(row, in: operandCount) + paths.stretched.start(path, in: operandCount)
                func place(_ column: Int) {
                  for k in 0..<operandCount {
                    offsets[k] = paths.own.start(row, in: k) + paths.stretched.start(path, in: k) + column * step(k)
                  }
                }
                if advances {
                  place(first)
                  add(outer + first, count, spread: true)
                } else {
                  for column in stride(from: 0, to: length, by: limit) {
                    place(column)
                    add(outer + column, min(limit, length - column), spread: false)
                  }
                }
              }
              let index = paths.own.start(row, in: operand) + first * step(operand)
              if advances {
                for i in 0..<count { finish(index + i, sums[i / 8][i % 8]) }
              } else {
                var total = sums[0]
                for lane in 1..<8 { total = combine(total, Lanes(repeating: sums[0][lane])) }
                finish(index, total[0])
              }
            }
          }
        }
      }
    }
  }
}

/// The outer axes (all but the last) of a `Broadcasting`, split into those an operand has and those it is stretched along.
private struct Paths {
  struct Odometer {
    var dimensions: [Int] = []
    /// For each operand, and for the output last.
    var strides: [[Int]]
    var count: Int { dimensions.reduce(1, *) }

    func start(_ index: Int, in operand: Int) -> Int {
      var rest = index, offset = 0
      for axis in stride(from: dimensions.count - 1, through: 0, by: -1) {
        offset += rest % dimensions[axis] * strides[operand][axis]
        rest /= dimensions[axis]
      }
      return offset
    }
  }
  var own: Odometer
  var stretched: Odometer

  init(_ broadcasting: Broadcasting, _ operand: Int) {
    let all = broadcasting.strides + [Shape(broadcasting.dimensions).strides]
    own = Odometer(strides: all.map { _ in [] })
    stretched = own
    for axis in 0..<broadcasting.dimensions.count - 1 {
      let isOwn = broadcasting.strides[operand][axis] != 0
      let here = all.map { $0[axis] }
      func append(_ odometer: inout Odometer) {
        odometer.dimensions.append(broadcasting.dimensions[axis])
        for k in here.indices { odometer.strides[k].append(here[k]) }
      }
      if isOwn { append(&own) } else { append(&stretched) }
    }
  }
}
