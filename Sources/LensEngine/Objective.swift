// SPDX-License-Identifier: Apache-2.0
import LensTensors

/// Something about a network's activations that a picture can have more or less of.
///
/// It is one number for each image of a batch. Objectives add and scale: `.channel("conv5", 12) - 0.1 * .layer("conv1")`.
public struct Objective: Sendable, CustomStringConvertible {
  public struct Value: Sendable {
    /// One for each image.
    public var scores: [Float]
    /// The class meant, for each image; -1 where there is none.
    public var targets: [Int]

    public init(scores: [Float] = [], targets: [Int]? = nil) {
      self.scores = scores
      self.targets = targets ?? [Int](repeating: -1, count: scores.count)
    }
  }

  public let description: String
  /// The layers it looks at.
  public let layers: [Layer]
  /// Gives the value, and adds its derivative to the seeds.
  let evaluate: @Sendable (Activations, Seeds) throws -> Value
  private let settle: (@Sendable (Activations) throws -> Objective)?

  /// - settle: for objectives that choose, or that mean something else for each image of a batch: the same objective
  ///   for any picture, meaning what it means for the one image given.
  public init(
    _ description: String, at layers: [Layer], settle: (@Sendable (Activations) throws -> Objective)? = nil,
    _ evaluate: @escaping @Sendable (Activations, Seeds) throws -> Value
  ) {
    (self.description, self.layers, self.settle, self.evaluate) = (description, layers, settle, evaluate)
  }

  /// What it means for this one image, for all pictures: the class that has the highest score here, say.
  func settled(on activations: Activations) throws -> Objective { try settle?(activations) ?? self }

  public static func + (a: Objective, b: Objective) -> Objective {
    Objective(
      "\(a) + \(b)", at: a.layers + b.layers.filter { !a.layers.contains($0) },
      settle: { try a.settled(on: $0) + b.settled(on: $0) }
    ) { activations, seeds in
      let p = try a.evaluate(activations, seeds), q = try b.evaluate(activations, seeds)
      return Value(scores: zip(p.scores, q.scores).map(+), targets: zip(p.targets, q.targets).map { $0 >= 0 ? $0 : $1 })
    }
  }

  public static func * (factor: Float, a: Objective) -> Objective {
    Objective("\(factor) * (\(a))", at: a.layers, settle: { try factor * a.settled(on: $0) }) { activations, seeds in
      let value = try a.evaluate(activations, seeds.scaled(by: factor))
      return Value(scores: value.scores.map { factor * $0 }, targets: value.targets)
    }
  }

  public static func - (a: Objective, b: Objective) -> Objective { a + (-1) * b }
}

/// Floats of one layer, to read.
public struct TensorView {
  public let base: UnsafePointer<Float>
  public let shape: Shape
  /// Floats of one image.
  public var stride: Int { shape.rank == 0 || shape[0] == 0 ? shape.count : shape.count / shape[0] }
  public func image(_ n: Int) -> UnsafePointer<Float> { base + n * stride }
}

/// The layers an objective looks at.
public struct Activations {
  private let view: (Layer) -> TensorView
  public let imageCount: Int
  /// The place of this run's first image in the caller's batch.
  public let firstImage: Int

  init(_ prepared: Prepared, firstImage: Int) {
    let imageCount = prepared.plan.request.inputs.first.map { $0.rank == 0 ? 1 : $0.n } ?? 1
    self.init(imageCount: imageCount, firstImage: firstImage) { layer in
      let step = prepared.step(of: layer)
      return TensorView(base: UnsafePointer(prepared.slots[prepared.plan.valueSlots[step]]), shape: prepared.plan.steps[step].shape)
    }
  }

  init(imageCount: Int, firstImage: Int, _ view: @escaping (Layer) -> TensorView) {
    (self.imageCount, self.firstImage, self.view) = (imageCount, firstImage, view)
  }

  public subscript(_ layer: Layer) -> TensorView { view(layer) }
}

/// Where an objective adds its derivative.
public struct Seeds {
  private let prepared: Prepared?
  private let lane: Int
  private let weight: Float

  init(_ prepared: Prepared?, lane: Int = 0, weight: Float) { (self.prepared, self.lane, self.weight) = (prepared, lane, weight) }

  /// Where nobody asks for a derivative.
  static var none: Seeds { Seeds(nil, weight: 0) }

  /// `body` gets the gradient of `layer`, of the layer's shape, and the factor to multiply what it adds with.
  public func add(at layer: Layer, _ body: (UnsafeMutablePointer<Float>, Float) -> Void) {
    guard let prepared, let slot = prepared.plan.gradientSlots[prepared.step(of: layer)] else { return }
    body(prepared.slots(lane)[slot], weight)
  }

  func scaled(by factor: Float) -> Seeds { Seeds(prepared, lane: lane, weight: weight * factor) }
}

extension Prepared {
  /// The step of one of the objective's layers.
  fileprivate func step(of layer: Layer) -> Int {
    guard let position = plan.request.seeds.firstIndex(of: layer) else {
      preconditionFailure("an objective looks at '\(layer)', which is not among its layers")
    }
    return plan.seeds[position]
  }
}
