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
    return ridgeRegression(values.map(Double.init), count: segments.count, kernelWidth, ridge) { isShown($0).map { $0 ? 1 : 0 } }
  }
}

/// The intercept is not shrunk: both sides are centred first.
/// - row: the segments of a trial, 1 where shown; made anew whenever it is wanted, so that memory does not grow with them.
private func ridgeRegression(
  _ values: [Double], count: Int, _ kernelWidth: Double, _ ridge: Double, _ row: (Int) -> [Double]
) -> LocalModel {
  var weights: [Double] = [], means = [Double](repeating: 0, count: count), mean = 0.0
  for (i, value) in values.enumerated() {
    let shown = row(i), distance = 1 - (shown.reduce(0, +) / Double(count)).squareRoot()
    let weight = exp(-distance * distance / (2 * kernelWidth * kernelWidth))
    for k in 0..<count { means[k] += weight * shown[k] }
    mean += weight * value
    weights.append(weight)
  }
  let total = weights.reduce(0, +)
  for k in 0..<count { means[k] /= total }
  mean /= total

  var matrix = NormalMatrix(count: count), right = [Double](repeating: 0, count: count)
  for (i, value) in values.enumerated() {
    let centred = zip(row(i), means).map { $0 - $1 }
    matrix.add(centred, weight: weights[i])
    for k in 0..<count { right[k] += weights[i] * centred[k] * (value - mean) }
  }
  matrix.addToDiagonal(ridge)
  matrix.factorize()
  let solution = matrix.solve(right)
  let intercept = mean - zip(solution, means).reduce(0) { $0 + $1.0 * $1.1 }
  let fitted = values.indices.map { i in intercept + zip(row(i), solution).reduce(0) { $0 + $1.0 * $1.1 } }
  return LocalModel(weights: solution, intercept: intercept, fit: fit(values, fitted, weights))
}
