// SPDX-License-Identifier: Apache-2.0
import LensTensors

extension Session {
  /// The objective's value for one picture, and the objective with what it chose there, for other pictures.
  ///
  /// - image: the picture's place in the caller's batch, for objectives that mean something else for each image.
  public func baseValue(
    of objective: Objective, at inputs: [Tensor], image: Int = 0
  ) throws -> (score: Float, target: Int, settled: Objective) {
    let tensors = try activations(of: inputs, at: objective.layers)
    return try withExtendedLifetime(tensors) {
      let settled = try objective.settled(on: Activations(tensors, of: objective, imageCount: 1, firstImage: image))
      let value = try settled.evaluate(Activations(tensors, of: objective, imageCount: 1, firstImage: 0), .none)
      return (value.scores.first ?? 0, value.targets.first ?? -1, settled)
    }
  }

  /// The objective's value for each image of a batch. Nothing goes back, so nothing is kept for it.
  public func values(of objective: Objective, at inputs: [Tensor]) throws -> [Float] {
    let tensors = try activations(of: inputs, at: objective.layers)
    let count = inputs.first.map { $0.shape.rank == 0 ? 1 : $0.shape.n } ?? 1
    return try withExtendedLifetime(tensors) {
      try objective.evaluate(Activations(tensors, of: objective, imageCount: count, firstImage: 0), .none).scores
    }
  }
}

extension Activations {
  /// - tensors: one for each of the objective's layers; they must outlive this.
  fileprivate init(_ tensors: [Tensor], of objective: Objective, imageCount: Int, firstImage: Int) {
    let views = tensors.map { TensorView(base: $0.pointer, shape: $0.shape) }
    self.init(imageCount: imageCount, firstImage: firstImage) { layer in
      guard let position = objective.layers.firstIndex(of: layer) else {
        preconditionFailure("an objective looks at '\(layer)', which is not among its layers")
      }
      return views[position]
    }
  }
}
