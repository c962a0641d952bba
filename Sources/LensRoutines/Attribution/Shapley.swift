// SPDX-License-Identifier: Apache-2.0
import LensEngine
import LensTensors

/// What each segment adds to the objective, on average over random orders in which the segments appear: Shapley values.
///
/// phi_k = mean over orders of f(those before k, and k) - f(those before k). In each order, so on average too, they add
/// up to f(picture) - f(all hidden). The error falls with the square root of the number of orders.
///
/// Castro, Gómez & Tejada, "Polynomial Calculation of the Shapley Value Based on Sampling", 2009.
/// doi:10.1016/j.cor.2008.04.004. Štrumbelj & Kononenko, "An Efficient Explanation of Individual Classifications using
/// Game Theory", 2010, algorithm 1.
/// - image: N×C×H×W.
/// - segments: H×W, or N×H×W, whole numbers.
/// - samples: orders, at least 1; each takes as many trials as there are segments, less one.
/// - progress: gets how many trials of all are done; false stops the call, which then throws `.cancelled`.
public func shapley(
  _ session: Session, _ image: Tensor, _ objective: Objective = .top, segments: Tensor, samples: Int = 25,
  filling: Filling = .segmentMean, seed: UInt64 = 0, progress: ((Int, Int) -> Bool)? = nil
) throws -> Attribution {
  guard samples >= 1 else { throw LensError(.invalidArgument, "samples is \(samples); it must be at least 1") }
  return try localModels(
    session, image, objective, segments, filling,
    trials: { try Trials.checked(samples, $0 - 1, "\(samples) orders of \($0) segments") + 1 }, progress
  ) { trials, segments, hidden, base, progress in
    let count = segments.count, steps = count - 1
    var known: (index: Int, order: [Int])?
    func order(_ index: Int) -> [Int] {
      if let known, known.index == index { return known.order }
      var random = Random.draw(index, of: seed)
      let order = random.order(count)
      known = (index, order)
      return order
    }
    // Trial 0 hides everything; then, order by order, one more segment is shown each time, the last left out.
    let values = try trials.scores(1 + samples * steps, progress) { trial, target in
      var isShown = [Bool](repeating: false, count: count)
      if trial > 0 { for k in order((trial - 1) / steps).prefix((trial - 1) % steps + 1) { isShown[k] = true } }
      segments.paint(trials.image, hidden: hidden, isShown: isShown, into: target)
    }.map(Double.init)

    var sums = [Double](repeating: 0, count: count)
    for sample in 0..<samples {
      let path = [values[0]] + values[1 + sample * steps..<1 + (sample + 1) * steps] + [base]
      for (place, k) in order(sample).enumerated() { sums[k] += path[place + 1] - path[place] }
    }
    return LocalModel(weights: sums.map { $0 / Double(samples) }, intercept: values[0], fit: nil)
  }
}
