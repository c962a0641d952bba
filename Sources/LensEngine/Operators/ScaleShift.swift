// SPDX-License-Identifier: Apache-2.0
import LensKernels
import LensTensors

/// scale * x + shift, one pair a channel (axis 1): batch normalisation outside training.
public struct ScaleShift: Operator {
  public let kind = "BatchNormalization"
  public let scale: [Float]
  public let shift: [Float]

  public init(scale: [Float], shift: [Float]) { (self.scale, self.shift) = (scale, shift) }

  public var parameterCount: Int { scale.count + shift.count }
  public func layouts(for shapes: [Shape], given: [Layout]) -> Layouts { .following(given) }
  public func multiplyAdds(for shapes: [Shape], output: Shape) -> Int { output.count }

  public func stage(for shapes: [Shape], in layouts: Layouts) throws -> Stage {
    let shape = shapes[0]
    guard shape.rank >= 2, shape.c == scale.count, shape.c == shift.count else {
      throw LensError(.shapeMismatch, "\(scale.count) scales and \(shift.count) shifts for a value of shape \(shape)")
    }
    var stage = layouts.output == .blocked ? blockedStage(shape) : shape.count(2..<shape.rank) == 1 ? rowStage(shape) : plainStage(shape)
    stage.addsOnce = true
    return stage
  }

  /// Sixteen pairs a block of channels.
  private func blockedStage(_ shape: Shape) -> Stage {
    let blocks = Layout.blocks(shape.c), pixels = shape.count(2..<shape.rank), loops = Kernels.selected.channels
    let padding = [Float](repeating: 0, count: blocks * Layout.block - shape.c)
    let scale = Table(scale + padding), shift = Table(shift + padding)
    let grain = max(8192 / max(pixels * Layout.block, 1), 1)
    @Sendable func forward(_ pass: ForwardPass, _ ending: Ending, _ gates: MutableGates?) {
      let x = pass.input(0), y = pass.output, addend = ending.adds ? pass.input(pass.inputCount - 1) : nil
      parallel(shape.n * blocks, grain: grain) {
        for plane in $0 {
          let at = plane * pixels * Layout.block, c = plane % blocks * Layout.block
          loops.affine(
            x + at, scale.base + c, shift.base + c, y + at, pixels, addend.map { $0 + at }, ending.lower, ending.upper,
            gates.map { $0 + plane * pixels })
        }
      }
    }
    var stage = Stage(output: shape, runsInPlace: true, overwrites: true) { pass in
      forward(pass, Ending(), nil)
    } backward: { pass in
      guard let dx = pass.inputGradient(0) else { return }
      let dy = pass.outputGradient, adds = pass.accumulates(0)
      parallel(shape.n * blocks, grain: grain) {
        for plane in $0 {
          let at = plane * pixels * Layout.block
          loops.scale(dy + at, scale.base + plane % blocks * Layout.block, dx + at, pixels, adds)
        }
      }
    }
    stage.ending = { ending in { pass in forward(pass, ending, pass.gates) } }
    return stage
  }

  /// One number a channel: the pairs lie as the numbers do.
  private func rowStage(_ shape: Shape) -> Stage {
    let channels = shape.c, scale = Table(scale), shift = Table(shift), grain = max(8192 / max(channels, 1), 1)
    return Stage(output: shape, runsInPlace: true, overwrites: true) { pass in
      parallel(shape.n, grain: grain) {
        for row in $0 {
          let x = pass.input(0) + row * channels, y = pass.output + row * channels
          for c in 0..<channels { y[c] = x[c] * scale.base[c] + shift.base[c] }
        }
      }
    } backward: { pass in
      guard let inputGradient = pass.inputGradient(0) else { return }
      let adds = pass.accumulates(0)
      parallel(shape.n, grain: grain) {
        for row in $0 {
          let dx = inputGradient + row * channels, dy = pass.outputGradient + row * channels
          for c in 0..<channels { dx[c] = dy[c] * scale.base[c] + (adds ? dx[c] : 0) }
        }
      }
    }
  }

  private func plainStage(_ shape: Shape) -> Stage {
    let count = shape.count(2..<shape.rank), channels = shape.c, scale = Table(scale), shift = Table(shift)
    let grain = max(8192 / max(count, 1), 1)
    return Stage(output: shape, runsInPlace: true, overwrites: true) { pass in
      let input = pass.input(0), output = pass.output
      parallel(shape.n * channels, grain: grain) {
        for row in $0 {
          let x = input + row * count, y = output + row * count, scale = scale.base[row % channels], shift = shift.base[row % channels]
          for i in 0..<count { y[i] = x[i] * scale + shift }
        }
      }
    } backward: { pass in
      guard let inputGradient = pass.inputGradient(0) else { return }
      let outputGradient = pass.outputGradient, adds = pass.accumulates(0)
      parallel(shape.n * channels, grain: grain) {
        for row in $0 {
          let dx = inputGradient + row * count, dy = outputGradient + row * count, scale = scale.base[row % channels]
          if adds { for i in 0..<count { dx[i] += dy[i] * scale } } else { for i in 0..<count { dx[i] = dy[i] * scale } }
        }
      }
    }
  }
}
