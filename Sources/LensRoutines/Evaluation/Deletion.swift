// SPDX-License-Identifier: Apache-2.0
import LensEngine
import LensTensors

/// An objective as more and more pixels of a picture change.
public struct Curve: Sendable {
  /// The part of the pixels that has changed, S numbers from 0 to 1.
  public let fractions: [Double]
  /// N×S: the objective there.
  public let values: Tensor
  /// The objective of the pictures as they are.
  public let scores: [Float]
  /// As of `Attribution`.
  public let targets: [Int]

  /// Under each image's curve, by the trapezoid rule.
  public var areas: [Double] {
    let values = values.values, count = fractions.count
    return scores.indices.map { n in
      (1..<count).reduce(0) { area, i in
        let (left, right) = (Double(values[n * count + i - 1]), Double(values[n * count + i]))
        return area + (fractions[i] - fractions[i - 1]) * (left + right) / 2
      }
    }
  }
}

/// How the objective falls as pixels are hidden, those first where the map is largest. A small area speaks for the map.
///
/// Petsiuk, Das & Saenko, "RISE: Randomized Input Sampling for Explanation of Black-box Models", 2018, section 4.2 and
/// algorithm 1. arXiv:1806.07421. The paper's objective is the class's probability and its hidden pixels are 0.
/// - image: N×C×H×W.
/// - map: N×H×W. Only the order of its values counts; of equal ones the upper, then the left pixel is the first.
/// - steps: how many times pixels are hidden, as evenly as can be; no more than there are pixels.
/// - progress: gets how many pictures of all are done; false stops the call, which then throws `.cancelled`.
public func deletion(
  _ session: Session, _ image: Tensor, _ map: Tensor, _ objective: Objective = .top, steps: Int = 50, filling: Filling = .value(0),
  progress: ((Int, Int) -> Bool)? = nil
) throws -> Curve {
  try curve(session, image, map, objective, steps, filling, progress) { picture, hidden in (picture, hidden) }
}

/// How the objective rises as the pixels of a hidden picture are shown, in the order of `deletion`. A large area speaks for the map.
///
/// Petsiuk, Das & Saenko, 2018, section 4.2. The paper's hidden picture is out of focus.
public func insertion(
  _ session: Session, _ image: Tensor, _ map: Tensor, _ objective: Objective = .top, steps: Int = 50, filling: Filling = .blur,
  progress: ((Int, Int) -> Bool)? = nil
) throws -> Curve {
  try curve(session, image, map, objective, steps, filling, progress) { picture, hidden in (hidden, picture) }
}

/// - ends: the pictures before and after, from the picture and what hides it.
private func curve(
  _ session: Session, _ image: Tensor, _ map: Tensor, _ objective: Objective, _ steps: Int, _ filling: Filling,
  _ progress: ((Int, Int) -> Bool)?, ends: (Tensor, Tensor) -> (before: Tensor, after: Tensor)
) throws -> Curve {
  let shape = image.shape
  guard shape.rank == 4, shape.count > 0 else { throw LensError(.shapeMismatch, "the picture is \(shape); it must be N×C×H×W") }
  guard map.shape == [shape.n, shape.h, shape.w] else {
    throw LensError(.shapeMismatch, "the map is \(map.shape); for a picture of \(shape) it must be \(Shape([shape.n, shape.h, shape.w]))")
  }
  guard map.values.allSatisfy(\.isFinite) else { throw LensError(.invalidArgument, "the map has values that are not finite numbers") }
  guard steps >= 1 else { throw LensError(.invalidArgument, "steps is \(steps); it must be at least 1") }

  let area = shape.h * shape.w, stages = min(steps, area)
  let counts = (0...stages).map { Int((Double($0) * Double(area) / Double(stages)).rounded(.toNearestOrEven)) }
  let total = try Trials.checked(counts.count, shape.n, "\(counts.count) pictures for each of \(shape.n) images")
  var values: [Float] = [], scores: [Float] = [], targets: [Int] = []
  for n in 0..<shape.n {
    let picture = image.single(n), (before, after) = ends(picture, try filling.picture(picture, n, of: shape.n))
    let order = map.withPointer { pixels($0 + n * area, area) }
    let base = try session.baseValue(of: objective, at: [picture], image: n)
    values += try Trials(session: session, image: picture, objective: base.settled).scores(counts.count) {
      progress?(n * counts.count + $0, total) ?? true
    } _: { stage, painted in
      before.withPointer { painted.update(from: $0, count: picture.count) }
      after.withPointer { new in
        for channel in 0..<shape.c {
          for pixel in order[..<counts[stage]] { painted[channel * area + pixel] = new[channel * area + pixel] }
        }
      }
    }
    scores.append(base.score)
    targets.append(base.target)
  }
  return Curve(
    fractions: counts.map { Double($0) / Double(area) }, values: Tensor([shape.n, counts.count], values), scores: scores, targets: targets)
}

/// The places of a map, its largest value first.
private func pixels(_ map: UnsafePointer<Float>, _ count: Int) -> [Int] {
  (0..<count).sorted { map[$0] == map[$1] ? $0 < $1 : map[$0] > map[$1] }
}
