// SPDX-License-Identifier: Apache-2.0
import LensKernels
import LensTensors

/// One node's function, and the transpose of its derivative.
///
/// An operator is a value that knows no shape. Given the shapes of its inputs it makes a `Stage`: everything
/// that can fail or be prepared is done there, once, so that running is loops over floats and nothing else.
public protocol Operator: Sendable {
  /// The word used in errors, plans and tables: "Conv", "Relu".
  var kind: String { get }

  /// Learnt floats, as a summary counts them.
  var parameterCount: Int { get }

  /// How far it looks along height and width; nil where each output pixel sees one input pixel.
  var window: Window? { get }

  /// The layouts it reads and writes, given those its inputs have. All plain unless overridden.
  func layouts(for shapes: [Shape], given: [Layout]) -> Layouts

  /// How it is computed on part of a picture; nil where an output pixel may depend on the whole of it.
  func locality(for shapes: [Shape]) -> Locality?

  /// Multiplications with an addition behind them, as a summary counts them.
  func multiplyAdds(for shapes: [Shape], output: Shape) -> Int

  /// The same with weights of the same scale drawn at random; nil where there are none to draw.
  func redrawn(using random: inout Random) -> (any Operator)?

  /// - Throws: `LensError` when the shapes do not fit; the only place an operator may fail.
  func stage(for shapes: [Shape], in layouts: Layouts) throws -> Stage
}

extension Operator {
  public var parameterCount: Int { 0 }
  public var window: Window? { nil }
  public func locality(for shapes: [Shape]) -> Locality? { nil }
  public func redrawn(using random: inout Random) -> (any Operator)? { nil }
  public func multiplyAdds(for shapes: [Shape], output: Shape) -> Int { 0 }
  public func layouts(for shapes: [Shape], given: [Layout]) -> Layouts {
    Layouts(inputs: given.map { _ in .plain }, output: .plain)
  }
}

/// In which order the floats of a node's inputs and output lie.
public struct Layouts: Sendable, Equatable {
  public var inputs: [Layout]
  public var output: Layout

  public init(inputs: [Layout], output: Layout) { (self.inputs, self.output) = (inputs, output) }

  /// For element-wise operators: everything blocked if every input is blocked already, else everything plain.
  public static func following(_ given: [Layout]) -> Layouts {
    let layout: Layout = given.allSatisfy { $0 == .blocked } ? .blocked : .plain
    return Layouts(inputs: given.map { _ in layout }, output: layout)
  }
}

/// A sliding window over height and width: kernel size, step, and rows or columns added before the first.
public struct Window: Sendable, Equatable {
  public enum Reach: Sendable, Equatable {
    /// Taps at a fixed distance: extent = (kernel - 1) * dilation + 1.
    case local(extent: Int, stride: Int, padding: Int)
    /// Every output sees the whole axis.
    case everything
    /// Upsampling: `factor` outputs an input pixel (an approximation for fractional factors).
    case enlarged(factor: Double)
  }
  public var vertical: Reach
  public var horizontal: Reach

  public init(vertical: Reach, horizontal: Reach) { (self.vertical, self.horizontal) = (vertical, horizontal) }
  public static let everything = Window(vertical: .everything, horizontal: .everything)
}

/// What `backward` reads again, so that the plan keeps it.
public struct Kept: OptionSet, Sendable {
  public let rawValue: Int
  public init(rawValue: Int) { self.rawValue = rawValue }
  public static let inputs = Kept(rawValue: 1)
  public static let output = Kept(rawValue: 2)
}

/// An operator at given shapes: what memory it wants, and its two loops. Nothing in it can fail.
public struct Stage: Sendable {
  public var output: Shape
  public var keeps: Kept
  /// Floats written by forward that backward reads: switches, bits, statistics. Absent where nothing goes back.
  public var auxiliaryCount: Int
  /// Floats that hold nothing between calls.
  public var scratchCount: Int
  /// Forward may write its output over its first input (same shape and layout).
  public var runsInPlace: Bool
  /// The output is the first input's floats under another shape; forward and backward are never called.
  public var isView: Bool
  /// Backward respects `BackwardPass.accumulates`; otherwise it always adds, to memory the session has zeroed.
  public var overwrites: Bool
  /// Where in the output each input lies as it is, in floats, each at the beginning of a cache line: forward copies only those that are
  /// not there already. Empty: nowhere.
  public var parts: [Int] = []
  /// Inputs whose gradient is the output's as it is, or their part of that, so that both may have one memory.
  public var passes: [Int] = []
  /// Backward that accumulates adds to each number, once, what it would otherwise have written.
  public var addsOnce = false
  /// Backward is `BackwardPass.gates` applied to the output's gradient, and forward writes them: a clamp.
  public var isGate = false
  /// Backward respects `BackwardPass.inputGates`.
  public var closesInputGates = false
  /// Backward that accumulates leaves alone, gates or not, what it has nothing to add to.
  public var leavesGaps = false

  public var forward: @Sendable (ForwardPass) -> Void
  /// Forward with a sum or a clamp at its end, for stages that can: the addend is the last input.
  public var ending: (@Sendable (Ending) -> @Sendable (ForwardPass) -> Void)?
  /// What another stage's ending could do instead of this stage's forward; nil where nothing could. The auxiliary
  /// floats are then gates.
  public var joins: Ending?
  /// Adds J^T outputGradient to each wanted input gradient. Nil: piecewise constant, the gradient is zero.
  public var backward: (@Sendable (BackwardPass) -> Void)?

  public init(
    output: Shape, keeps: Kept = [], auxiliaryCount: Int = 0, scratchCount: Int = 0, runsInPlace: Bool = false,
    isView: Bool = false, overwrites: Bool = false,
    forward: @escaping @Sendable (ForwardPass) -> Void,
    backward: (@Sendable (BackwardPass) -> Void)?
  ) {
    self.output = output
    self.keeps = keeps
    self.auxiliaryCount = auxiliaryCount
    self.scratchCount = scratchCount
    self.runsInPlace = runsInPlace
    self.isView = isView
    self.overwrites = overwrites
    self.forward = forward
    self.backward = backward
  }

  /// A stage that only renames the shape of its input.
  public static func view(_ shape: Shape) -> Stage {
    Stage(output: shape, isView: true, forward: { _ in }, backward: { _ in })
  }

  /// The same with another backward, of which nothing is known.
  func withBackward(replacedBy rule: (Stage) throws -> Stage) rethrows -> Stage {
    var stage = try rule(self)
    (stage.passes, stage.addsOnce, stage.isGate, stage.closesInputGates, stage.leavesGaps) = ([], false, false, false, false)
    return stage
  }
}

/// The memory of one forward call.
public struct ForwardPass {
  let slots: UnsafePointer<UnsafeMutablePointer<Float>>
  let ports: Ports

  public var inputCount: Int { ports.inputs.count }
  public func input(_ index: Int) -> UnsafePointer<Float> { UnsafePointer(slots[ports.inputs[index]]) }
  public var output: UnsafeMutablePointer<Float> { slots[ports.output] }
  /// Nil where the plan does not go back through this node.
  public var auxiliary: UnsafeMutablePointer<Float>? { ports.auxiliary < 0 ? nil : slots[ports.auxiliary] }
  public var scratch: UnsafeMutablePointer<Float> { slots[ports.scratch] }

  /// The auxiliary floats as a bit for each output.
  public var gates: UnsafeMutablePointer<UInt16>? { auxiliary.map { UnsafeMutablePointer(OpaquePointer($0)) } }
}

/// The memory of one backward call. `input` and `output` hold their values only where the stage keeps them.
public struct BackwardPass {
  let slots: UnsafePointer<UnsafeMutablePointer<Float>>
  let ports: Ports
  /// Which of several objectives goes back.
  let lane: Int
  private let replacement: UnsafePointer<Float>?
  private let isOnlyFirst: Bool

  init(
    slots: UnsafePointer<UnsafeMutablePointer<Float>>, ports: Ports, lane: Int = 0, outputGradient: UnsafePointer<Float>? = nil,
    isOnlyFirst: Bool = false
  ) {
    (self.slots, self.ports, self.lane, replacement, self.isOnlyFirst) = (slots, ports, lane, outputGradient, isOnlyFirst)
  }

  public var inputCount: Int { ports.inputs.count }
  public func input(_ index: Int) -> UnsafePointer<Float> { UnsafePointer(slots[ports.inputs[index]]) }
  public var output: UnsafePointer<Float> { UnsafePointer(slots[ports.output]) }
  public var outputGradient: UnsafePointer<Float> { replacement ?? UnsafePointer(slots[ports.outputGradient]) }
  /// Nil where nobody wants it.
  public func inputGradient(_ index: Int) -> UnsafeMutablePointer<Float>? {
    ports.inputGradients[index] < 0 || (isOnlyFirst && index > 0) ? nil : slots[ports.inputGradients[index]]
  }
  /// False: this call is the first to write that gradient, whatever its memory holds.
  /// Stages that do not declare `overwrites` find it zeroed and need not ask.
  public func accumulates(_ index: Int) -> Bool { ports.accumulates[index] }
  public var auxiliary: UnsafeMutablePointer<Float> { slots[max(ports.auxiliary, 0)] }
  public var scratch: UnsafeMutablePointer<Float> { slots[ports.scratch] }

  /// The auxiliary floats as a bit for each output.
  public var gates: UnsafePointer<UInt16> { UnsafePointer(OpaquePointer(auxiliary)) }
  /// Where the first input is a clamp's output and this call completes its gradient: what then becomes 0, so that it is
  /// the gradient of the clamp's input as well.
  public var inputGates: UnsafePointer<UInt16>? { ports.inputGates < 0 ? nil : UnsafePointer(OpaquePointer(slots[ports.inputGates])) }

  /// The same call with other numbers arriving from above: how a rule changes what a node receives.
  /// - onlyFirst: no input but the first gets a gradient.
  public func receiving(_ outputGradient: UnsafePointer<Float>, onlyFirst: Bool = false) -> BackwardPass {
    BackwardPass(slots: slots, ports: ports, lane: lane, outputGradient: outputGradient, isOnlyFirst: onlyFirst || isOnlyFirst)
  }
}

/// Which slots a node's calls read and write: indices into the session's table of addresses.
/// -1: an input gradient that is not wanted, auxiliary floats that nothing reads, no gates.
struct Ports: Sendable {
  var inputs: [Int] = []
  var output = 0
  var auxiliary = -1
  var scratch = 0
  var inputGates = -1
  var outputGradient = 0
  var inputGradients: [Int] = []
  var accumulates: [Bool] = []
}
