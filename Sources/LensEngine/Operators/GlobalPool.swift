// SPDX-License-Identifier: Apache-2.0
import LensKernels
import LensTensors

/// One number for each channel: the mean, the maximum or the p-norm over all axes behind it, which keep length 1.
public struct GlobalPool: Operator {
  public enum Function: Sendable, Equatable {
    case average
    case maximum
    case lp(Int)
  }
  public let function: Function

  public init(_ function: Function) { self.function = function }

  public var kind: String {
    switch function {
    case .average: "GlobalAveragePool"
    case .maximum: "GlobalMaxPool"
    case .lp: "GlobalLpPool"
    }
  }
  public var window: Window? { .everything }

  public func layouts(for shapes: [Shape], given: [Layout]) -> Layouts {
    if case .lp = function { return Layouts(inputs: [.plain], output: .plain) }
    return Layout.perChannel(shapes[0], given)
  }

  public func stage(for shapes: [Shape], in layouts: Layouts) throws -> Stage {
    let shape = shapes[0]
    guard shape.rank >= 2, shape.count(2..<shape.rank) > 0 else {
      throw LensError(.shapeMismatch, "a value of shape \(shape) has nothing to pool over")
    }
    let output = Shape([shape.n, shape.c] + shape.dimensions.dropFirst(2).map { _ in 1 })
    let planes = layouts.output.planeCount(of: shape), length = shape.count(2..<shape.rank)
    switch (function, layouts.output) {
    case (.average, .plain): return GlobalPool.average(Float.self, output, planes, length)
    case (.average, .blocked): return GlobalPool.average(SIMD16<Float>.self, output, planes, length)
    case (.maximum, .plain): return GlobalPool.maximum(Float.self, output, planes, length)
    case (.maximum, .blocked): return GlobalPool.maximum(SIMD16<Float>.self, output, planes, length)
    case (.lp(let p), _):
      guard p >= 1 else { throw LensError(.invalidArgument, "p is \(p); it must be at least 1") }
      return GlobalPool.norm(LpNorm(p: p), output, planes, length)
    }
  }

  private static func average<V: Lanes>(_: V.Type, _ output: Shape, _ planes: Int, _ length: Int) -> Stage {
    let lanes = V.count, divisor = V.all(Float(length)), grain = max(1, 4096 / length)
    return Stage(output: output, overwrites: true) { pass in
      let input = pass.input(0), y = pass.output
      parallel(planes, grain: grain) {
        for plane in $0 {
          let x = input + plane * length * lanes
          // Four sums: shorter chains of additions, for speed and for precision.
          var (a, b, c, d) = (V.all(0), V.all(0), V.all(0), V.all(0))
          var i = 0
          while i + 4 <= length {
            a = a + V.load(x + i * lanes)
            b = b + V.load(x + (i + 1) * lanes)
            c = c + V.load(x + (i + 2) * lanes)
            d = d + V.load(x + (i + 3) * lanes)
            i += 4
          }
          while i < length {
            a = a + V.load(x + i * lanes)
            i += 1
          }
          (((a + b) + (c + d)) / divisor).store(y + plane * lanes)
        }
      }
    } backward: { pass in
      guard let inputGradient = pass.inputGradient(0) else { return }
      let dy = pass.outputGradient, adds = pass.accumulates(0)
      parallel(planes, grain: grain) {
        for plane in $0 {
          let dx = inputGradient + plane * length * lanes, g = V.load(dy + plane * lanes) / divisor
          if adds {
            for i in 0..<length { (V.load(dx + i * lanes) + g).store(dx + i * lanes) }
          } else {
            for i in 0..<length { g.store(dx + i * lanes) }
          }
        }
      }
    }
  }

  private static func maximum<V: Lanes>(_: V.Type, _ output: Shape, _ planes: Int, _ length: Int) -> Stage {
    let lanes = V.count, grain = max(1, 4096 / length)
    return Stage(output: output, auxiliaryCount: planes * lanes) { pass in
      let input = pass.input(0), y = pass.output
      let switches = pass.auxiliary.map { UnsafeMutableRawPointer($0).assumingMemoryBound(to: Int32.self) }
      parallel(planes, grain: grain) {
        for plane in $0 {
          let x = input + plane * length * lanes
          var largest = V.all(-.infinity), place = V.tap(0)
          for i in 0..<length { largest.raise(to: V.load(x + i * lanes), Int32(truncatingIfNeeded: i), &place) }
          largest.store(y + plane * lanes)
          if let switches { V.store(place, switches + plane * lanes) }
        }
      }
    } backward: { pass in
      guard let dx = pass.inputGradient(0) else { return }
      let dy = pass.outputGradient
      let switches = UnsafeMutableRawPointer(pass.auxiliary).assumingMemoryBound(to: UInt32.self)
      for plane in 0..<planes {
        for lane in 0..<lanes {
          dx[(plane * length + Int(switches[plane * lanes + lane])) * lanes + lane] += dy[plane * lanes + lane]
        }
      }
    }
  }

  private static func norm(_ norm: LpNorm, _ output: Shape, _ planes: Int, _ length: Int) -> Stage {
    let grain = max(1, 1024 / length)
    return Stage(output: output, keeps: [.inputs, .output]) { pass in
      let input = pass.input(0), y = pass.output
      parallel(planes, grain: grain) {
        for plane in $0 {
          let x = input + plane * length
          var sum: Float = 0
          for i in 0..<length { sum += norm.power(x[i]) }
          y[plane] = norm.root(sum)
        }
      }
    } backward: { pass in
      guard let inputGradient = pass.inputGradient(0) else { return }
      let input = pass.input(0), y = pass.output, dy = pass.outputGradient
      parallel(planes, grain: grain) {
        for plane in $0 {
          let x = input + plane * length, dx = inputGradient + plane * length
          for i in 0..<length { dx[i] += dy[plane] * norm.derivative(x[i], y[plane]) }
        }
      }
    }
  }
}
