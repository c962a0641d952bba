// SPDX-License-Identifier: Apache-2.0
import LensEngine
import LensTensors

/// The objective's value for many pictures made from one, a batch at a time through the whole network.
///
/// For pictures that are hidden in many places at once: their smallest rectangle is nearly the picture, so that an
/// `IncrementalSession` would compute everything anew as well, and keep more.
struct Trials {
  let session: Session
  /// 1×C×H×W.
  let image: Tensor
  let objective: Objective

  static let batch = 16
  static let limit = 100_000_000

  /// The most one method may try; checked before anything is computed.
  static func checked(_ a: Int, _ b: Int, _ words: String) throws -> Int {
    let (count, overflows) = a.multipliedReportingOverflow(by: b)
    guard !overflows, count <= limit else { throw LensError(.invalidArgument, "\(words) are too many; at most \(limit) are possible") }
    return count
  }

  /// - paint: writes the picture of a trial, C×H×W; may be called twice for one.
  /// - progress: gets how many trials are done; false stops the call, which then throws `.cancelled`.
  func scores(_ count: Int, _ progress: (Int) -> Bool, _ paint: (Int, UnsafeMutablePointer<Float>) -> Void) throws -> [Float] {
    var results: [Float] = [], size = min(Trials.batch, max(count, 1))
    results.reserveCapacity(count)
    while results.count < count {
      let first = results.count, now = min(size, count - first)
      var pictures = try Tensor(allocating: image.shape.with(0, now))
      pictures.withMutablePointer { for i in 0..<now { paint(first + i, $0 + i * image.count) } }
      do {
        results += try session.values(of: objective, at: [pictures])
      } catch let error as LensError where error.code == .outOfMemory && now > 1 {
        size = now / 2
        continue
      }
      if !progress(results.count) { throw LensError(.cancelled, "stopped after \(results.count) of \(count) trials") }
    }
    return results
  }
}

extension Random {
  /// The generator of the `index`-th of many draws, which need not be made in order: the seed's sequence has its seed.
  static func draw(_ index: Int, of seed: UInt64) -> Random {
    // SplitMix64 counts in steps of its constant.
    var sequence = Random(seed: seed &+ UInt64(truncatingIfNeeded: index) &* 0x9E37_79B9_7F4A_7C15)
    return Random(seed: sequence.next())
  }

  /// 0..<bound, as the high word of a product: no number is favoured by more than 2^-64.
  mutating func below(_ bound: Int) -> Int { Int(next().multipliedFullWidth(by: UInt64(bound)).high) }

  /// 0..<count in random order (Durstenfeld, Algorithm 235, 1964).
  mutating func order(_ count: Int) -> [Int] {
    var order = Array(0..<count)
    for i in stride(from: count - 1, to: 0, by: -1) { order.swapAt(i, below(i + 1)) }
    return order
  }
}
