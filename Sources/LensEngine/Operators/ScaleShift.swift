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
    // Rows share a pair; in blocked layout a row is sixteen pairs wide.
    let isBlocked = layouts.output == .blocked
    let width = isBlocked ? 16 : 1
    let channels = (shape.c + width - 1) / width * width, count = shape.count(2..<shape.rank)
    let scale = scale + [Float](repeating: 0, count: channels - scale.count)
    let shift = shift + [Float](repeating: 0, count: channels - shift.count)
    let rows = shape.n * channels / width, grain = max(8192 / max(count * width, 1), 1)
    return Stage(output: shape, runsInPlace: true) { pass in
      let input = pass.input(0), output = pass.output
      parallel(rows, grain: grain) { rows in
        for row in rows {
          let x = input + row * count * width, y = output + row * count * width
          let c = row * width % channels
          if isBlocked {
            let scale = SIMD16(scale[c..<c + 16]), shift = SIMD16(shift[c..<c + 16])
            for i in 0..<count { y.store(x.lanes(i) * scale + shift, i) }
          } else {
            let scale = scale[c], shift = shift[c]
            for i in 0..<count { y[i] = x[i] * scale + shift }
          }
        }
      }
    } backward: { pass in
      guard let inputGradient = pass.inputGradient(0) else { return }
      let outputGradient = pass.outputGradient
      parallel(rows, grain: grain) { rows in
        for row in rows {
          let dx = inputGradient + row * count * width, dy = outputGradient + row * count * width
          let c = row * width % channels
          if isBlocked {
            let scale = SIMD16(scale[c..<c + 16])
            for i in 0..<count { dx.store(UnsafePointer(dx).lanes(i) + dy.lanes(i) * scale, i) }
          } else {
            let scale = scale[c]
            for i in 0..<count { dx[i] += dy[i] * scale }
          }
        }
      }
    }
  }
}

extension UnsafePointer<Float> {
  /// The sixteen channels of pixel `i`.
  @inline(__always)
  func lanes(_ i: Int) -> SIMD16<Float> { UnsafeRawPointer(self + 16 * i).loadUnaligned(as: SIMD16<Float>.self) }
}

extension UnsafeMutablePointer<Float> {
  @inline(__always)
  func store(_ lanes: SIMD16<Float>, _ i: Int) {
    UnsafeMutableRawPointer(self + 16 * i).storeBytes(of: lanes, as: SIMD16<Float>.self)
  }
}
