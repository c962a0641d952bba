// SPDX-License-Identifier: Apache-2.0
import Glibc
import LensKernels
import LensTensors

/// (sum |x|^p)^(1/p) of each window. dx = dy sign(x) (|x| / y)^(p - 1), and 0 where y is 0.
public struct LpPool: Operator {
  public let kind = "LpPool"
  public let poolWindow: PoolWindow
  public let p: Int

  public init(_ window: PoolWindow, p: Int) { (poolWindow, self.p) = (window, p) }

  public var window: Window? { poolWindow.window }

  public func stage(for shapes: [Shape], in layouts: Layouts) throws -> Stage {
    guard p >= 1 else { throw LensError(.invalidArgument, "p is \(p); it must be at least 1") }
    let output = try poolWindow.output(for: shapes[0])
    let sweep = Sweep(poolWindow, from: shapes[0], to: output, in: .plain), norm = LpNorm(p: p)
    let d = sweep.d, h = sweep.h, w = sweep.w
    return Stage(output: output, keeps: [.inputs, .output], overwrites: true) { pass in
      let input = pass.input(0), output = pass.output
      sweep.forEachOutputRow { plane, od, oh in
        let y = output + plane * sweep.outputPlane + (od * h.outputLength + oh) * w.outputLength
        let x = input + plane * sweep.inputPlane
        let rd = d.reaches[od], rh = h.reaches[oh]
        for ow in 0..<w.outputLength {
          let rw = w.reaches[ow]
          var sum: Float = 0
          for kd in 0..<rd.count {
            for kh in 0..<rh.count {
              let row = (rd.start + kd * d.dilation) * h.inputLength + rh.start + kh * h.dilation
              for kw in 0..<rw.count { sum += norm.power(x[row * w.inputLength + rw.start + kw * w.dilation]) }
            }
          }
          y[ow] = norm.root(sum)
        }
      }
    } backward: { pass in
      guard let inputGradient = pass.inputGradient(0) else { return }
      let outputGradient = pass.outputGradient, input = pass.input(0), output = pass.output, adds = pass.accumulates(0)
      sweep.forEachInputRow { plane, id, ih in
        let start = plane * sweep.inputPlane + (id * h.inputLength + ih) * w.inputLength
        let dx = inputGradient + start, x = input + start
        if !adds { dx.update(repeating: 0, count: w.inputLength) }
        sweep.forEachUse(id, ih) { od, oh, _ in
          let start = plane * sweep.outputPlane + (od * h.outputLength + oh) * w.outputLength
          let dy = outputGradient + start, y = output + start
          for ow in 0..<w.outputLength {
            let rw = w.reaches[ow]
            for kw in 0..<rw.count {
              let i = rw.start + kw * w.dilation
              dx[i] += dy[ow] * norm.derivative(x[i], y[ow])
            }
          }
        }
      }
    }
  }
}

struct LpNorm: Sendable {
  let p: Int

  @inline(__always) func power(_ x: Float) -> Float {
    switch p {
    case 1: abs(x)
    case 2: x * x
    default: pow(abs(x), Float(p))
    }
  }

  @inline(__always) func root(_ sum: Float) -> Float {
    switch p {
    case 1: sum
    case 2: sum.squareRoot()
    default: pow(sum, 1 / Float(p))
    }
  }

  /// d norm / d x where the norm is y.
  @inline(__always) func derivative(_ x: Float, _ y: Float) -> Float {
    if y == 0 || x == 0 { return 0 }
    switch p {
    case 1: return x > 0 ? 1 : -1
    case 2: return x / y
    default: return (x > 0 ? 1 : -1) * pow(abs(x) / y, Float(p - 1))
    }
  }
}
