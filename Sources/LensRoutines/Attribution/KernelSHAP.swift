// SPDX-License-Identifier: Apache-2.0
import LensEngine
import LensTensors

/// Shapley values as a regression: the weights that explain trials best under the kernel
/// (M - 1) / (C(M, |z|) |z| (M - |z|)) and add up to f(picture) - f(all hidden).
///
/// Where the trials allow all 2^M - 2 subsets of M segments, each is tried once and the values are exact. Otherwise sizes
/// are drawn by the kernel, and each subset comes with its complement (Covert & Lee, "Improving KernelSHAP", 2021,
/// section 4.1, arXiv:2012.01536).
///
/// Lundberg & Lee, "A Unified Approach to Interpreting Model Predictions", 2017, theorem 2. arXiv:1705.07874
/// - image: N×C×H×W.
/// - segments: H×W, or N×H×W, whole numbers.
/// - samples: trials at most, at least 2; as many as there are segments at the very least say something of each.
/// - progress: gets how many trials of all are done; false stops the call, which then throws `.cancelled`.
public func kernelSHAP(
  _ session: Session, _ image: Tensor, _ objective: Objective = .top, segments: Tensor, samples: Int = 1000,
  filling: Filling = .segmentMean, seed: UInt64 = 0, progress: ((Int, Int) -> Bool)? = nil
) throws -> Attribution {
  guard samples >= 2 else { throw LensError(.invalidArgument, "samples is \(samples); it must be at least 2") }
  _ = try Trials.checked(samples, max(image.shape.n, 1), "\(samples) samples for \(image.shape.n) images")
  return try localModels(
    session, image, objective, segments, filling, limit: 2048, trials: { ShapleyKernel($0, samples, seed).count + 1 }, progress
  ) { trials, segments, hidden, base, progress in
    let kernel = ShapleyKernel(segments.count, samples, seed)
    // The last trial hides everything.
    let values = try trials.scores(kernel.count + 1, progress) {
      let isShown = $0 < kernel.count ? kernel.isShown($0) : [Bool](repeating: false, count: segments.count)
      segments.paint(trials.image, hidden: hidden, isShown: isShown, into: $1)
    }.map(Double.init)
    return kernel.regression(values, from: values[kernel.count], to: base)
  }
}

/// The subsets that are tried, and their weights.
private struct ShapleyKernel {
  let segments: Int
  /// How many are tried.
  let count: Int
  private let isExhaustive: Bool
  private let seed: UInt64
  /// The probability that a subset has at most so many members, from 1 on.
  private let cumulative: [Double]

  init(_ segments: Int, _ samples: Int, _ seed: UInt64) {
    (self.segments, self.seed) = (segments, seed)
    isExhaustive = segments < 30 && (1 << segments) - 2 <= samples
    count = isExhaustive ? (1 << segments) - 2 : samples
    var sum = 0.0
    let sums = (1..<max(segments, 1)).map { size -> Double in
      sum += 1 / (Double(size) * Double(segments - size))
      return sum
    }
    cumulative = sums.map { $0 / sum }
  }

  func isShown(_ index: Int) -> [Bool] {
    if isExhaustive { return (0..<segments).map { (index + 1) >> $0 & 1 == 1 } }
    var random = Random.draw(index / 2, of: seed)
    let draw = Double(random.next() >> 11) * 0x1p-53
    let size = (cumulative.firstIndex { draw < $0 } ?? segments - 2) + 1
    var isShown = [Bool](repeating: index % 2 == 1, count: segments)
    for k in random.order(segments).prefix(size) { isShown[k].toggle() }
    return isShown
  }

  /// What is drawn by the kernel has one weight.
  private func weight(_ size: Int) -> Double {
    guard isExhaustive else { return 1 }
    let subsets = (0..<size).reduce(1.0) { $0 * Double(segments - $1) / Double($1 + 1) }
    return Double(segments - 1) / (subsets * Double(size) * Double(segments - size))
  }

  /// - values: of the trials. empty, full: the objective with all segments hidden and with all shown.
  func regression(_ values: [Double], from empty: Double, to full: Double) -> LocalModel {
    guard segments > 1 else { return LocalModel(weights: [full - empty], intercept: empty, fit: 1) }
    var matrix = NormalMatrix(count: segments), right = [Double](repeating: 0, count: segments)
    var weights: [Double] = []
    func row(_ index: Int) -> [Double] { isShown(index).map { $0 ? 1 : 0 } }
    for i in 0..<count {
      let shown = row(i), factor = weight(Int(shown.reduce(0, +)))
      matrix.add(shown, weight: factor)
      for k in 0..<segments { right[k] += factor * shown[k] * (values[i] - empty) }
      weights.append(factor)
    }
    // Where there are fewer trials than segments, the smallest of the weights that explain them.
    matrix.addToDiagonal(1e-10 * matrix.trace / Double(segments))
    matrix.factorize()
    // Lagrange: A w = right - lambda 1, sum w = full - empty.
    let free = matrix.solve(right), ones = matrix.solve([Double](repeating: 1, count: segments))
    let lambda = (free.reduce(0, +) - (full - empty)) / ones.reduce(0, +)
    let solution = zip(free, ones).map { $0 - lambda * $1 }
    let fitted = (0..<count).map { i in empty + zip(row(i), solution).reduce(0) { $0 + $1.0 * $1.1 } }
    return LocalModel(weights: solution, intercept: empty, fit: fit(Array(values[..<count]), fitted, weights))
  }
}
