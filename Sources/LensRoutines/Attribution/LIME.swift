// SPDX-License-Identifier: Apache-2.0
import Glibc
import LensEngine
import LensTensors

/// The weights of a linear model of the network around the picture, one for each segment: ridge regression of the
/// objective on which segments are shown, in random trials that count more the nearer they are to the whole picture.
///
/// minimise sum_i pi_i (f(z_i) - b - w z_i)^2 + ridge |w|^2, pi_i = exp(-d_i^2 / (2 width^2)), d the cosine distance of
/// z_i to (1, ..., 1). The first trial is the picture itself; in the others each segment is shown with probability 1/2.
///
/// Ribeiro, Singh & Guestrin, "Why Should I Trust You?", 2016, section 3.4. arXiv:1602.04938. Numbers as in the authors'
/// `lime_image`, of which all features are kept.
/// - image: N×C×H×W.
/// - segments: H×W, or N×H×W, whole numbers.
/// - samples: trials, at least 2.
/// - kernelWidth: `width` above, 0.25 in the authors' program.
/// - ridge: from 0 on; at 0 a network that is linear in its segments is found exactly.
/// - progress: gets how many trials of all are done; false stops the call, which then throws `.cancelled`.
public func lime(
  _ session: Session, _ image: Tensor, _ objective: Objective = .top, segments: Tensor, samples: Int = 1000,
  filling: Filling = .segmentMean, kernelWidth: Double = 0.25, ridge: Double = 1, seed: UInt64 = 0,
  progress: ((Int, Int) -> Bool)? = nil
) throws -> Attribution {
  guard samples >= 2 else { throw LensError(.invalidArgument, "samples is \(samples); it must be at least 2") }
  guard kernelWidth.isFinite, kernelWidth > 0 else {
    throw LensError(.invalidArgument, "the kernel width is \(kernelWidth); it must be finite and above 0")
  }
  guard ridge.isFinite, ridge >= 0 else { throw LensError(.invalidArgument, "ridge is \(ridge); it must be finite and not negative") }
  _ = try Trials.checked(samples, max(image.shape.n, 1), "\(samples) samples for \(image.shape.n) images")
  return try localModels(session, image, objective, segments, filling, limit: 2048, trials: { _ in samples }, progress) {
    trials, segments, hidden, base, progress in
    func isShown(_ index: Int) -> [Bool] {
      var random = Random.draw(index, of: seed)
      return (0..<segments.count).map { _ in index == 0 || random.uniform() < 0.5 }
    }
    let values = try trials.scores(samples, progress) {
      segments.paint(trials.image, hidden: hidden, isShown: isShown($0), into: $1)
    }
    let rows = (0..<samples).map { isShown($0).map { $0 ? 1.0 : 0.0 } }
    let weights = rows.map { row in
      let shown = row.reduce(0, +), distance = 1 - (shown / Double(row.count)).squareRoot()
      return exp(-distance * distance / (2 * kernelWidth * kernelWidth))
    }
    return ridgeRegression(rows, values.map(Double.init), weights, ridge)
  }
}

/// The intercept is not shrunk: both sides are centred first.
private func ridgeRegression(_ rows: [[Double]], _ values: [Double], _ weights: [Double], _ ridge: Double) -> LocalModel {
  let count = rows[0].count, total = weights.reduce(0, +)
  var means = [Double](repeating: 0, count: count), mean = 0.0
  for (i, row) in rows.enumerated() {
    for k in 0..<count { means[k] += weights[i] * row[k] / total }
    mean += weights[i] * values[i] / total
  }
  var matrix = NormalMatrix(count: count), right = [Double](repeating: 0, count: count)
  for (i, row) in rows.enumerated() {
    let centred = zip(row, means).map { $0 - $1 }
    matrix.add(centred, weight: weights[i])
    for k in 0..<count { right[k] += weights[i] * centred[k] * (values[i] - mean) }
  }
  matrix.addToDiagonal(ridge)
  matrix.factorize()
  let solution = matrix.solve(right)
  let intercept = mean - zip(solution, means).reduce(0) { $0 + $1.0 * $1.1 }
  let fitted = rows.map { row in intercept + zip(row, solution).reduce(0) { $0 + $1.0 * $1.1 } }
  return LocalModel(weights: solution, intercept: intercept, fit: fit(values, fitted, weights))
}
