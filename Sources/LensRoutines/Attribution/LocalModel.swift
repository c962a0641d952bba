// SPDX-License-Identifier: Apache-2.0
import LensEngine
import LensTensors

/// A sum that stands for a network around one picture: g(z) = intercept + sum_k weights_k z_k, where z_k says whether
/// segment k is shown.
public struct LocalModel: Sendable {
  /// One for each segment, in ascending order of their labels; in units of the objective.
  public let weights: [Double]
  public let intercept: Double
  /// How much of the objective's (weighted) variance over the trials g explains: R^2, at most 1. Nil where the weights
  /// are no regression.
  public let fit: Double?
}

/// What the methods that hide segments share: the pictures one by one, their hidden versions, and what comes out.
///
/// - limit: the most segments that the method can take.
func localModels(
  _ session: Session, _ image: Tensor, _ objective: Objective, _ labels: Tensor, _ filling: Filling, limit: Int = .max,
  trials count: (_ segments: Int) throws -> Int, _ progress: ((Int, Int) -> Bool)?,
  _ method: (Trials, Segments, _ hidden: Tensor, _ base: Double, _ progress: (Int) -> Bool) throws -> LocalModel
) throws -> Attribution {
  let shape = image.shape, segments = try Segments.each(labels, of: shape)
  if let many = segments.first(where: { $0.count > limit }) {
    throw LensError(.invalidArgument, "there are \(many.count) segments; at most \(limit) are possible, so make them larger")
  }
  let counts = try segments.map { try count($0.count) }
  var maps = try Tensor(allocating: [shape.n, shape.h, shape.w]), scores: [Float] = [], targets: [Int] = [], models: [LocalModel] = []
  for n in 0..<shape.n {
    let picture = image.single(n), done = counts[..<n].reduce(0, +), total = counts.reduce(0, +)
    let hidden = try filling.picture(picture, n, of: shape.n, segments: segments[n])
    let base = try session.baseValue(of: objective, at: [picture], image: n)
    let trials = Trials(session: session, image: picture, objective: base.settled)
    let model = try method(trials, segments[n], hidden, Double(base.score)) { progress?(done + $0, total) ?? true }
    maps.withMutablePointer { segments[n].spread(model.weights, into: $0 + n * shape.h * shape.w) }
    scores.append(base.score)
    targets.append(base.target)
    models.append(model)
  }
  var result = Attribution(maps, scores: scores, targets: targets)
  result.models = models
  return result
}
