// SPDX-License-Identifier: Apache-2.0
import LensKernels
import LensTensors

/// Axes in another order: axis i of the output is axis `permutation[i]` of the input.
public struct Transpose: Operator {
  public let kind = "Transpose"
  public let permutation: [Int]

  public init(permutation: [Int]) { self.permutation = permutation }

  /// Blocked maps of channels and pixels with their channels behind them are 16 floats by 16 floats the same.
  public func layouts(for shapes: [Shape], given: [Layout]) -> Layouts {
    let plain = Layouts(inputs: [.plain], output: .plain)
    switch permutation {
    case [0, 2, 3, 1] where given == [.blocked]: return Layouts(inputs: [.blocked], output: .plain)
    case [0, 3, 1, 2] where shapes[0].rank == 4 && shapes[0][3] >= Layout.block:
      return Layouts(inputs: [.plain], output: .blocked)
    default: return plain
    }
  }

  public func stage(for shapes: [Shape], in layouts: Layouts) throws -> Stage {
    let shape = shapes[0]
    guard permutation.sorted() == Array(0..<shape.rank) else {
      throw LensError(.shapeMismatch, "permutation \(permutation) of a value of shape \(shape)")
    }
    let output = Shape(permutation.map { shape[$0] })
    if layouts.inputs == [.blocked] { return ChannelsLast(shape).stage(output, isBack: false) }
    if layouts.output == .blocked { return ChannelsLast(output).stage(output, isBack: true) }
    let staying = permutation.filter { shape[$0] != 1 }
    if staying == staying.sorted() { return .view(output) }
    return Rearrangement(transposing: shape.dimensions, by: permutation).stage(output)
  }
}

/// Between blocked N×C×H×W and plain N×H×W×C.
private struct ChannelsLast: Sendable {
  let n, c, pixels: Int

  init(_ maps: Shape) { (n, c, pixels) = (maps.n, maps.c, maps.h * maps.w) }

  /// - isBack: from plain to blocked
  func stage(_ output: Shape, isBack: Bool) -> Stage {
    let move = isBack ? toBlocked : toPlain, moveBack = isBack ? toPlain : toBlocked
    var stage = Stage(output: output, overwrites: true) { pass in
      move(pass.input(0), pass.output, false)
    } backward: { pass in
      if let gradient = pass.inputGradient(0) { moveBack(pass.outputGradient, gradient, pass.accumulates(0)) }
    }
    stage.addsOnce = true
    return stage
  }

  @Sendable private func toPlain(_ blocked: UnsafePointer<Float>, _ plain: UnsafeMutablePointer<Float>, _ adds: Bool) {
    eachBlock { place, at, lanes, pixels in
      let x = blocked + place, y = plain + at
      if lanes == Layout.block { return moveVectors(x, Layout.block, y, c, pixels, adds) }
      for i in 0..<pixels {
        for lane in 0..<lanes { y[i * c + lane] = x[i * Layout.block + lane] + (adds ? y[i * c + lane] : 0) }
      }
    }
  }

  @Sendable private func toBlocked(_ plain: UnsafePointer<Float>, _ blocked: UnsafeMutablePointer<Float>, _ adds: Bool) {
    eachBlock { place, at, lanes, pixels in
      let x = plain + at, y = blocked + place
      if lanes == Layout.block { return moveVectors(x, c, y, Layout.block, pixels, adds) }
      for i in 0..<pixels {
        for lane in 0..<Layout.block {
          y[i * Layout.block + lane] = (lane < lanes ? x[i * c + lane] : 0) + (adds ? y[i * Layout.block + lane] : 0)
        }
      }
    }
  }

  /// Where a stretch of a block's pixels begins on either side, how many of its lanes are channels, and how many pixels there are.
  private func eachBlock(_ body: (_ blocked: Int, _ plain: Int, _ lanes: Int, _ pixels: Int) -> Void) {
    let blocks = Layout.blocks(c)
    // Pixels outside, so that what is written next to each other is written soon after each other.
    parallel(n * pixels, grain: max(1, 8192 / c)) { range in
      var first = range.lowerBound
      while first < range.upperBound {
        let (image, pixel) = first.quotientAndRemainder(dividingBy: pixels)
        let count = min(64, pixels - pixel, range.upperBound - first)
        for block in 0..<blocks {
          body(
            ((image * blocks + block) * pixels + pixel) * Layout.block, first * c + block * Layout.block,
            min(Layout.block, c - block * Layout.block), count)
        }
        first += count
      }
    }
  }

  private func moveVectors(
    _ x: UnsafePointer<Float>, _ xStep: Int, _ y: UnsafeMutablePointer<Float>, _ yStep: Int, _ count: Int, _ adds: Bool
  ) {
    for i in 0..<count {
      var v: SIMD16<Float> = .load(x + i &* xStep)
      if adds { v = v + .load(y + i &* yStep) }
      v.store(y + i &* yStep)
    }
  }
}
