// SPDX-License-Identifier: Apache-2.0
import LensEngine
import LensTensors

/// Gets how many steps of all are done and the objective's value; false stops.
public typealias Progress = (_ step: Int, _ steps: Int, _ value: Float) -> Bool

/// Walks pictures uphill: decode, transform, look, step, regularise, project - until done or told to stop.
///
/// Same seed, same pictures, bit for bit, whatever the number of threads; and a picture of a batch is the one it would be
/// alone, unless the objective or `LBFGS` ties them together.
public struct Ascent: Sendable {
  public var objective: Objective
  /// Nil: pixels.
  public var parameterization: (any Parameterization)?
  public var transforms: [any ImageTransform] = []
  /// For pixels.
  public var regularizers: [any Regularizer] = []
  /// For pixels.
  public var constraints: [any Constraint] = []
  public var optimizer: any Optimizer
  public var steps: Int
  /// What rectifiers do on the way back.
  public var rules = RuleMap.gradient
  /// What they do during the first steps: units that are off pass nothing, and would never start to move.
  public var openingRules: (rules: RuleMap, steps: Int)?
  public var seed: UInt64
  /// The side, in pixels, of tiles whose gradients are computed one after the other, for large pictures; nil for the whole.
  /// The objective must look at one layer, whose units do not see the whole picture.
  public var tile: Int?

  public init(_ objective: Objective, optimizer: any Optimizer = Adam(rate: 0.05), steps: Int = 256, seed: UInt64 = 0) {
    (self.objective, self.optimizer, self.steps, self.seed) = (objective, optimizer, steps, seed)
  }

  public struct Result: Sendable {
    /// N×C×H×W.
    public var picture: Tensor
    /// The objective's value at each step, summed over the batch: where the step began, with `LBFGS` where it ended.
    public var history: [Float] = []
    /// False where it was stopped.
    public var isComplete = true
    /// From where to go on.
    public var checkpoint: Checkpoint

    public init(picture: Tensor, history: [Float] = [], isComplete: Bool = true, checkpoint: Checkpoint) {
      (self.picture, self.history, self.isComplete, self.checkpoint) = (picture, history, isComplete, checkpoint)
    }
  }

  /// Everything a walk needs to go on as if it had not been stopped.
  public struct Checkpoint: Sendable {
    public var step: Int
    public var parameters: Tensor
    public var optimizer: [Tensor]
    public var history: [Float]
    /// Which of a routine's walks it was.
    public var stage = 0

    public init(step: Int, parameters: Tensor, optimizer: [Tensor], history: [Float], stage: Int = 0) {
      (self.step, self.parameters, self.optimizer, self.history, self.stage) = (step, parameters, optimizer, history, stage)
    }
  }

  /// - start: N×C×H×W. With a parameterization its shape alone counts.
  /// - resuming: the checkpoint of a walk with the same options, which may have had fewer steps.
  /// - Throws: what the session and the parts throw; but not `.cancelled`, for the picture reached is the result then.
  public func run(
    _ session: Session, from start: Tensor, resuming checkpoint: Checkpoint? = nil, progress: Progress = { _, _, _ in true }
  ) throws -> Result {
    guard start.shape.rank == 4, start.count > 0 else {
      throw LensError(.shapeMismatch, "the picture is \(start.shape); it must be N×C×H×W")
    }
    guard 0...1_000_000_000 ~= steps else { throw LensError(.invalidArgument, "steps is \(steps); it must be 0...1,000,000,000") }
    guard !optimizer.comparesValues || transforms.isEmpty else {
      throw LensError(.invalidArgument, "L-BFGS compares values, which random transforms change; use Adam, or no transforms")
    }
    guard parameterization == nil || regularizers.isEmpty && constraints.isEmpty else {
      throw LensError(.invalidArgument, "regularisers and constraints are about pixels; a parameterisation has its own range")
    }
    let walk = try Walk(self, session, start.shape)
    var optimizer = optimizer
    var x = walk.decoder?.start(seed: seed) ?? start, history: [Float] = [], first = 0
    if let checkpoint {
      guard checkpoint.parameters.shape == x.shape else {
        throw LensError(.shapeMismatch, "the checkpoint is of \(checkpoint.parameters.shape) but the walk is over \(x.shape)")
      }
      (x, history, first) = (checkpoint.parameters, checkpoint.history, checkpoint.step)
      optimizer.state = checkpoint.optimizer
    }
    x.withMutablePointer { _ in }  // its own memory from here on

    var step = first
    do {
      while step < steps {
        walk.step = step
        let value = Float(try session.walking { try optimizer.step(&x) { try walk.evaluate($0, &$1) } })
        if !regularizers.isEmpty {
          for regularizer in regularizers { try regularizer.apply(&x, gradient: walk.pictureGradient, step: step) }
        }
        for constraint in constraints { constraint.project(&x) }
        step += 1
        history.append(value)
        if !progress(step, steps, value) { break }
      }
    } catch let error as LensError where error.code == .cancelled {}
    return Result(
      picture: try walk.decoder?.picture(x, shape: start.shape) ?? x, history: history, isComplete: step >= steps,
      checkpoint: Checkpoint(step: step, parameters: x, optimizer: optimizer.state, history: history))
  }
}

/// The memory of a walk, and what the optimiser is told about a place.
private final class Walk {
  let ascent: Ascent
  let session: Session
  let decoder: (any Decoder)?
  var step = 0
  /// With respect to the picture, before decoding; filled where somebody reads it.
  private(set) var pictureGradient = Tensor.empty
  private var picture = Tensor.empty, seen = Tensor.empty, seenGradient = Tensor.empty, scratch = Tensor.empty
  private let shape: Shape
  private let tiled: TiledGradient?

  init(_ ascent: Ascent, _ session: Session, _ shape: Shape) throws {
    (self.ascent, self.session, self.shape) = (ascent, session, shape)
    tiled = try ascent.tile.map { try TiledGradient(session, ascent.objective, tile: $0) }
    decoder = try ascent.parameterization?.decoder(for: shape)
    if let decoder, decoder.parameters.count > Shape.maximumCount { throw LensError(.shapeMismatch, "pictures of \(shape) are too large") }
    if decoder != nil { try picture.fit(shape) }
    if decoder != nil || !ascent.regularizers.isEmpty { try pictureGradient.fit(shape) }
  }

  func evaluate(_ x: Tensor, _ gradient: inout Tensor) throws -> Double {
    guard let decoder else {
      let value = try look(at: x, &gradient)
      if !ascent.regularizers.isEmpty { pictureGradient.copy(gradient) }
      return value
    }
    x.withPointer { p in picture.withMutablePointer { decoder.decode(p, to: $0) } }
    let value = try look(at: picture, &pictureGradient)
    picture.withPointer { x in
      pictureGradient.withPointer { g in gradient.withMutablePointer { decoder.adjoint(g, at: x, to: $0) } }
    }
    return value
  }

  private func look(at picture: Tensor, _ gradient: inout Tensor) throws -> Double {
    guard !ascent.transforms.isEmpty else { return try ask(picture, &gradient) }
    var random = Random(seed: ascent.seed, stream: step)
    let map = try Composition.sample(ascent.transforms, for: shape, using: &random)
    try seen.fit(map.output)
    try seenGradient.fit(map.output)
    if scratch.count < map.scratchCount { scratch = try Tensor(allocating: [map.scratchCount]) }
    picture.withPointer { x in seen.withMutablePointer { y in scratch.withMutablePointer { map.apply(x, to: y, scratch: $0) } } }
    let value = try ask(seen, &seenGradient)
    seenGradient.withPointer { g in
      gradient.withMutablePointer { y in scratch.withMutablePointer { map.adjoint(g, to: y, scratch: $0) } }
    }
    return value
  }

  private func ask(_ picture: Tensor, _ gradient: inout Tensor) throws -> Double {
    var rules = ascent.rules
    if let opening = ascent.openingRules, step < opening.steps { rules = opening.rules }
    return try gradient.withMutablePointer { memory in
      if let tiled { return try tiled.gradient(at: picture, rules: rules, into: memory).reduce(0) { $0 + Double($1) } }
      return try session.gradient(of: ascent.objective, at: [picture], rules: rules, into: [memory]).scores
        .reduce(0) { $0 + Double($1) }
    }
  }
}
