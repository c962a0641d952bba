// SPDX-License-Identifier: Apache-2.0
import Glibc
import LensTensors

/// The limited-memory quasi-Newton method of Broyden, Fletcher, Goldfarb and Shanno, with a line search that ends where
/// the strong Wolfe conditions hold.
///
/// Nocedal & Wright, "Numerical Optimization", 2006: algorithms 7.4 (two-loop recursion), 3.5 and 3.6 (line search).
/// The value never falls. Where a line search finds nothing better, x stays where it is.
public struct LBFGS: Optimizer {
  /// How many pairs of steps and gradient changes are remembered.
  public var memory: Int
  /// The most evaluations of one line search.
  public var evaluations: Int
  /// The largest change of any entry of x that the very first step tries.
  public var firstMove: Float
  /// c_1 and c_2 of the Wolfe conditions.
  private let decrease = 1e-4, curvature = 0.9

  private var value: Double?
  private var last = Tensor.empty  // where it left x
  private var gradient = Tensor.empty, lowGradient = Tensor.empty, trialGradient = Tensor.empty
  private var direction = Tensor.empty, trial = Tensor.empty
  private var pairs: [Pair] = []

  private struct Pair {
    var step: Tensor
    /// g before minus g after: the other sign of what the books write, for the function is climbed.
    var change: Tensor
    var product: Double
  }

  public init(memory: Int = 10, evaluations: Int = 20, firstMove: Float = 0.1) {
    (self.memory, self.evaluations, self.firstMove) = (max(memory, 1), max(evaluations, 2), firstMove)
  }

  public var comparesValues: Bool { true }

  public var state: [Tensor] {
    get {
      guard let value else { return [] }
      return [Tensor([2], Tensor.bits(of: value)), last, gradient] + pairs.flatMap { [$0.step, $0.change] }
    }
    set {
      value = nil
      pairs = []
      guard newValue.count >= 3, newValue.count % 2 == 1, newValue[0].count == 2,
        newValue.dropFirst(2).allSatisfy({ $0.shape == newValue[1].shape })
      else { return }
      value = Tensor.double(newValue[0].values[0], newValue[0].values[1])
      (last, gradient) = (newValue[1], newValue[2])
      for i in stride(from: 3, to: newValue.count, by: 2) {
        pairs.append(Pair(step: newValue[i], change: newValue[i + 1], product: newValue[i].product(newValue[i + 1])))
      }
    }
  }

  public mutating func step(_ x: inout Tensor, _ evaluate: Evaluation) throws -> Double {
    try prepare(x.shape)
    var start: Double
    if let value, last.isIdentical(to: x) {
      start = value
    } else {
      // Somebody has moved x, or this is the beginning.
      start = try evaluate(x, &gradient)
    }
    guard start.isFinite else { throw LensError(.invalidArgument, "the value at the start is \(start); L-BFGS needs finite values") }

    chooseDirection()
    var slope = gradient.product(direction)
    if !(slope > 0), !pairs.isEmpty {
      pairs = []
      chooseDirection()
      slope = gradient.product(direction)
    }
    defer { last.copy(x) }
    guard slope > 0, slope.isFinite else {
      value = start
      return start
    }
    let largest = gradient.withPointer { largestMagnitude($0, x.count) }
    let length = pairs.isEmpty ? Double(firstMove / largest) : 1
    guard let found = try search(from: x, start, slope, length, evaluate) else {
      (value, pairs) = (start, [])
      return start
    }
    try remember(found.length)
    x.add(Float(found.length), direction)
    swap(&gradient, &trialGradient)
    value = found.value
    return found.value
  }

  private mutating func prepare(_ shape: Shape) throws {
    if last.shape != shape { (value, pairs) = (nil, []) }
    try last.fit(shape)
    try gradient.fit(shape)
    try lowGradient.fit(shape)
    try trialGradient.fit(shape)
    try direction.fit(shape)
    try trial.fit(shape)
  }

  // MARK: Direction

  /// H g, with H the inverse of the curvature that the pairs tell of.
  private mutating func chooseDirection() {
    direction.copy(gradient)
    var shares: [Double] = []
    for pair in pairs.reversed() {
      let share = pair.step.product(direction) / pair.product
      shares.append(share)
      direction.add(Float(-share), pair.change)
    }
    if let pair = pairs.last { direction.scale(by: Float(pair.product / pair.change.product(pair.change))) }
    for (pair, share) in zip(pairs, shares.reversed()) {
      direction.add(Float(share - pair.change.product(direction) / pair.product), pair.step)
    }
  }

  private mutating func remember(_ length: Double) throws {
    var pair: Pair
    if pairs.count < memory {
      pair = Pair(step: try Tensor(allocating: direction.shape), change: try Tensor(allocating: direction.shape), product: 0)
    } else {
      pair = pairs.removeFirst()
    }
    pair.step.copy(direction)
    pair.step.scale(by: Float(length))
    pair.change.copy(gradient)
    pair.change.add(-1, trialGradient)
    pair.product = pair.step.product(pair.change)
    // Where the curvature is not positive the pair would spoil H.
    if pair.product > 1e-10 * pair.change.product(pair.change).squareRoot() * pair.step.product(pair.step).squareRoot() {
      pairs.append(pair)
    }
  }

  // MARK: Line search

  /// A place on the line: how far, how high, how steep upwards.
  private struct Place { var length, value, slope: Double }

  /// The place to go to, whose gradient is then in `trialGradient`; nil where nothing is higher than the start.
  private mutating func search(
    from x: Tensor, _ start: Double, _ slope: Double, _ first: Double, _ evaluate: Evaluation
  ) throws -> Place? {
    let origin = Place(length: 0, value: start, slope: slope)
    var low = origin, high: Place?, length = first
    for _ in 0..<evaluations {
      trial.copy(x)
      trial.add(Float(length), direction)
      let value = try evaluate(trial, &trialGradient)
      let place = Place(length: length, value: value.isFinite ? value : -.infinity, slope: trialGradient.product(direction))
      let rises = place.value >= start + decrease * length * slope && place.slope.isFinite
      if !rises || place.value <= low.value && low.length > 0 {
        high = place
      } else if abs(place.slope) <= curvature * slope {
        return place
      } else {
        // Beyond the top, or still below it: either way the new place is the better end.
        if place.slope < 0, high.map({ $0.length > low.length }) ?? true {
          high = low
        } else if place.slope > 0, let end = high, end.length < place.length {
          high = low
        }
        low = place
        swap(&lowGradient, &trialGradient)
      }
      if let high {
        if abs(high.length - low.length) <= 1e-9 * max(high.length, low.length) { break }
        length = between(low, high)
      } else {
        length = 4 * length
      }
    }
    guard low.length > 0 else { return nil }
    swap(&lowGradient, &trialGradient)
    return low
  }

  /// The top of the cubic through two places, kept away from both ends.
  private func between(_ a: Place, _ b: Place) -> Double {
    let middle = (a.length + b.length) / 2
    guard b.value.isFinite, b.slope.isFinite else { return a.length + (b.length - a.length) / 10 }
    let bend = -(a.slope + b.slope) + 3 * (a.value - b.value) / (a.length - b.length)
    let square = bend * bend - a.slope * b.slope
    guard square >= 0 else { return middle }
    let root = square.squareRoot() * (b.length > a.length ? 1 : -1)
    let top = b.length - (b.length - a.length) * ((-b.slope + root - bend) / (-b.slope + a.slope + 2 * root))
    let margin = 0.1 * abs(b.length - a.length), range = (min(a.length, b.length) + margin)...(max(a.length, b.length) - margin)
    return top.isFinite ? min(max(top, range.lowerBound), range.upperBound) : middle
  }
}

// MARK: Vectors

extension Tensor {
  func product(_ other: Tensor) -> Double { withPointer { a in other.withPointer { b in dot(a, b, count) } } }

  mutating func copy(_ other: Tensor) {
    let count = count
    other.withPointer { source in withMutablePointer { $0.update(from: source, count: count) } }
  }

  mutating func add(_ factor: Float, _ other: Tensor) {
    let count = count
    other.withPointer { y in withMutablePointer { x in for i in 0..<count { x[i] += factor * y[i] } } }
  }

  mutating func scale(by factor: Float) {
    let count = count
    withMutablePointer { x in for i in 0..<count { x[i] *= factor } }
  }

  func isIdentical(to other: Tensor) -> Bool {
    shape == other.shape && withPointer { a in other.withPointer { memcmp(a, $0, count * MemoryLayout<Float>.stride) == 0 } }
  }
}
