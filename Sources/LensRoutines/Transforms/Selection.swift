// SPDX-License-Identifier: Apache-2.0
import LensKernels
import LensTensors

/// Rows and columns of a picture picked out: padding, cropping, shifting and flipping.
struct Selection: ImageMap {
  let input: Shape
  let output: Shape
  /// For each row and column of the result the one it shows; -1 for `fill`.
  let rows, columns: [Int]
  let fill: Float
  /// Columns that lie side by side in both.
  private let runs: [Run]
  /// The rows that show each row of the input, in their order: from its start to the next one's.
  private let showing, starts: [Int]

  private struct Run {
    var from, to, count: Int
  }

  init(of input: Shape, rows: [Int], columns: [Int], fill: Float = 0) {
    (self.input, self.rows, self.columns, self.fill) = (input, rows, columns, fill)
    output = input.with(2, rows.count).with(3, columns.count)
    var runs: [Run] = [], starts = [Int](repeating: 0, count: input.h + 1)
    for (to, from) in columns.enumerated() where from >= 0 {
      if let last = runs.last, last.to + last.count == to, last.from + last.count == from {
        runs[runs.count - 1].count += 1
      } else {
        runs.append(Run(from: from, to: to, count: 1))
      }
    }
    for origin in rows where origin >= 0 { starts[origin + 1] += 1 }
    for origin in 0..<input.h { starts[origin + 1] += starts[origin] }
    var showing = [Int](repeating: 0, count: starts[input.h]), next = starts
    for (row, origin) in rows.enumerated() where origin >= 0 {
      showing[next[origin]] = row
      next[origin] += 1
    }
    (self.runs, self.showing, self.starts) = (runs, showing, starts)
  }

  func apply(_ x: UnsafePointer<Float>, to y: UnsafeMutablePointer<Float>, scratch: UnsafeMutablePointer<Float>) {
    let (h, w, width) = (input.h, input.w, columns.count), hasGaps = columns.contains { $0 < 0 }
    parallel(input.n * input.c * rows.count, grain: max(1, 4096 / max(width, 1))) { range in
      for index in range {
        let (plane, row) = index.quotientAndRemainder(dividingBy: rows.count), to = y + index * width, origin = rows[row]
        if origin < 0 || hasGaps { to.update(repeating: fill, count: width) }
        guard origin >= 0 else { continue }
        let from = x + (plane * h + origin) * w
        for run in runs { (to + run.to).update(from: from + run.from, count: run.count) }
      }
    }
  }

  func adjoint(_ gradient: UnsafePointer<Float>, to result: UnsafeMutablePointer<Float>, scratch: UnsafeMutablePointer<Float>) {
    let (h, w, width) = (input.h, input.w, columns.count)
    parallel(input.n * input.c * h, grain: max(1, 4096 / max(w, 1))) { range in
      for index in range {
        let (plane, origin) = index.quotientAndRemainder(dividingBy: h), to = result + index * w
        to.update(repeating: 0, count: w)
        for row in showing[starts[origin]..<starts[origin + 1]] {
          let from = gradient + (plane * rows.count + row) * width
          for run in runs { for i in 0..<run.count { to[run.from &+ i] += from[run.to &+ i] } }
        }
      }
    }
  }
}

/// What lies beyond the edge of a picture.
public enum Border: Sendable, Equatable {
  /// One number.
  case value(Float)
  /// The picture mirrored, its edge pixels not repeated.
  case reflected
  /// The edge pixels.
  case edge
  /// The other side of the picture.
  case wrapped

  /// Indices `first..<last` of an axis of `count` pixels.
  func indices(_ range: Range<Int>, _ count: Int) -> [Int] {
    range.map { index in
      if (0..<count).contains(index) { return index }
      switch self {
      case .value: return -1
      case .edge: return min(max(index, 0), count - 1)
      case .wrapped: return (index % count + count) % count
      case .reflected:
        guard count > 1 else { return 0 }
        let period = 2 * (count - 1), place = (index % period + period) % period
        return place < count ? place : period - place
      }
    }
  }

  var fill: Float {
    if case .value(let value) = self { return value }
    return 0
  }
}

/// `amount` pixels more on every side.
public struct Padding: ImageTransform {
  public let amount: Int
  public let border: Border
  public init(_ amount: Int, border: Border = .value(0.5)) { (self.amount, self.border) = (amount, border) }

  public func sample(for shape: Shape, using random: inout Random) throws -> any ImageMap {
    guard 0...4096 ~= amount else { throw LensError(.invalidArgument, "the padding is \(amount) pixels; it must be 0...4096") }
    return Selection(
      of: shape, rows: border.indices(-amount..<shape.h + amount, shape.h), columns: border.indices(-amount..<shape.w + amount, shape.w),
      fill: border.fill)
  }
}

/// Moved by a few pixels up or down and left or right.
public struct Jitter: ImageTransform {
  public let amount: Int
  /// What leaves on one side comes in on the other, by up to `amount` each way, as in DeepDream. Otherwise a window that
  /// is `amount` pixels smaller than the picture is cut out somewhere, as in Lucid.
  public let wraps: Bool
  public init(_ amount: Int, wraps: Bool = false) { (self.amount, self.wraps) = (amount, wraps) }

  public func sample(for shape: Shape, using random: inout Random) throws -> any ImageMap {
    guard amount >= 0, wraps || amount < min(shape.h, shape.w) else {
      throw LensError(.invalidArgument, "the jitter is \(amount) pixels on a picture of \(shape.h)×\(shape.w); it must be smaller")
    }
    if wraps {
      let amount = min(amount, max(shape.h, shape.w))
      let (y, x) = (random.whole(in: -amount...amount), random.whole(in: -amount...amount))
      return Selection(
        of: shape, rows: Border.wrapped.indices(y..<shape.h + y, shape.h), columns: Border.wrapped.indices(x..<shape.w + x, shape.w))
    }
    let (y, x) = (random.whole(in: 0...amount), random.whole(in: 0...amount))
    return Selection(of: shape, rows: Array(y..<y + shape.h - amount), columns: Array(x..<x + shape.w - amount))
  }
}

/// A window of a size, in the middle or anywhere.
public struct Crop: ImageTransform {
  public let height, width: Int
  public let isRandom: Bool
  public init(height: Int, width: Int, isRandom: Bool = false) { (self.height, self.width, self.isRandom) = (height, width, isRandom) }

  public func sample(for shape: Shape, using random: inout Random) throws -> any ImageMap {
    guard 1...shape.h ~= height, 1...shape.w ~= width else {
      throw LensError(.invalidArgument, "a crop of \(height)×\(width) from a picture of \(shape.h)×\(shape.w); it must fit")
    }
    let y = isRandom ? random.whole(in: 0...shape.h - height) : (shape.h - height) / 2
    let x = isRandom ? random.whole(in: 0...shape.w - width) : (shape.w - width) / 2
    return Selection(of: shape, rows: Array(y..<y + height), columns: Array(x..<x + width))
  }
}

/// Left and right exchanged, half of the time.
public struct RandomFlip: ImageTransform {
  public init() {}

  public func sample(for shape: Shape, using random: inout Random) throws -> any ImageMap {
    let columns = Array(0..<shape.w)
    return Selection(of: shape, rows: Array(0..<shape.h), columns: random.uniform() < 0.5 ? columns.reversed() : columns)
  }
}
