// SPDX-License-Identifier: Apache-2.0
import LensKernels
import LensTensors

/// The largest value in each window. Backward: the gradient goes to the first place that had it.
///
/// As in PyTorch a window with something that is not a number gives that.
public struct MaxPool: Operator {
  public let kind = "MaxPool"
  public let poolWindow: PoolWindow

  public init(_ window: PoolWindow) { poolWindow = window }

  public var window: Window? { poolWindow.window }
  public func layouts(for shapes: [Shape], given: [Layout]) -> Layouts { Layout.perChannel(shapes[0], given) }

  public func stage(for shapes: [Shape], in layouts: Layouts) throws -> Stage {
    let output = try poolWindow.output(for: shapes[0])
    let sweep = Sweep(poolWindow, from: shapes[0], to: output, in: layouts.output)
    guard !sweep.hasEmptyWindows else {
      throw LensError(.shapeMismatch, "\(poolWindow.description) lies wholly in the padding of \(shapes[0]) somewhere")
    }
    let count = layouts.output.floatCount(of: output)
    switch (layouts.output, sweep.tapCount <= 256) {
    case (.plain, true): return MaxPool.stage(Float.self, UInt8.self, sweep, output, (count + 3) / 4)
    case (.plain, false): return MaxPool.stage(Float.self, Int32.self, sweep, output, count)
    case (.blocked, true): return MaxPool.blockedStage(sweep, output, (count + 3) / 4)
    case (.blocked, false): return MaxPool.stage(SIMD16<Float>.self, Int32.self, sweep, output, count)
    }
  }

  private static func blockedStage(_ sweep: Sweep, _ output: Shape, _ auxiliaryCount: Int) -> Stage {
    let runs = Table(sweep.columnRuns()), loops = Kernels.selected.pooling
    @Sendable func switches(_ auxiliary: UnsafeMutablePointer<Float>) -> UnsafeMutablePointer<UInt8> {
      UnsafeMutableRawPointer(auxiliary).assumingMemoryBound(to: UInt8.self)
    }
    var stage = Stage(output: output, auxiliaryCount: auxiliaryCount, overwrites: true) { pass in
      let x = pass.input(0), y = pass.output, taps = pass.auxiliary.map(switches)
      sweep.forEachRun(runs) { call, at, place in loops.largest(call, x + at, y + place, taps.map { $0 + place }) }
    } backward: { pass in
      guard let dx = pass.inputGradient(0) else { return }
      let dy = pass.outputGradient, taps = switches(pass.auxiliary)
      sweep.forEachRunBack(runs, pass, dx) { loops.largestGradient($0, dy + $2, taps + $2, dx + $1) }
    }
    stage.closesInputGates = true
    return stage
  }

  /// Forward without switches.
  private static func largest<V: Lanes>(_: V.Type, _ sweep: Sweep, _ input: UnsafePointer<Float>, to output: UnsafeMutablePointer<Float>) {
    let d = sweep.d, h = sweep.h, w = sweep.w, lanes = V.count
    sweep.forEachOutputRow { plane, od, oh in
      let y = output + (plane * sweep.outputPlane + (od * h.outputLength + oh) * w.outputLength) * lanes
      let x = input + plane * sweep.inputPlane * lanes
      let rd = d.reaches[od], rh = h.reaches[oh]
      for ow in 0..<w.outputLength {
        let rw = w.reaches[ow]
        var largest = V.all(-.infinity)
        for kd in 0..<rd.count {
          for kh in 0..<rh.count {
            let row = (rd.start + kd * d.dilation) * h.inputLength + rh.start + kh * h.dilation
            let x = x + (row * w.inputLength + rw.start) * lanes
            for kw in 0..<rw.count { largest.raise(to: V.load(x + kw * w.dilation * lanes)) }
          }
        }
        largest.store(y + ow * lanes)
      }
    }
  }

  /// - auxiliaryCount: floats that hold the switches: for each output the number of its tap (the index in the window).
  private static func stage<V: Lanes, Switch: FixedWidthInteger & SIMDScalar & BitwiseCopyable & Sendable>(
    _: V.Type, _: Switch.Type, _ sweep: Sweep, _ output: Shape, _ auxiliaryCount: Int
  ) -> Stage {
    let d = sweep.d, h = sweep.h, w = sweep.w, lanes = V.count
    return Stage(output: output, auxiliaryCount: auxiliaryCount, overwrites: true) { pass in
      let input = pass.input(0), output = pass.output
      guard let auxiliary = pass.auxiliary else { return MaxPool.largest(V.self, sweep, input, to: output) }
      let switches = UnsafeMutableRawPointer(auxiliary).assumingMemoryBound(to: Switch.self)
      sweep.forEachOutputRow { plane, od, oh in
        let start = (plane * sweep.outputPlane + (od * h.outputLength + oh) * w.outputLength) * lanes
        let y = output + start, s = switches + start, x = input + plane * sweep.inputPlane * lanes
        let rd = d.reaches[od], rh = h.reaches[oh]
        for ow in 0..<w.outputLength {
          let rw = w.reaches[ow]
          var largest = V.all(-.infinity), tap = V.tap(Int32((rd.tap * h.kernel + rh.tap) * w.kernel + rw.tap))
          for kd in 0..<rd.count {
            for kh in 0..<rh.count {
              let number = Int32(((rd.tap + kd) * h.kernel + rh.tap + kh) * w.kernel + rw.tap)
              let row = (rd.start + kd * d.dilation) * h.inputLength + rh.start + kh * h.dilation
              let x = x + (row * w.inputLength + rw.start) * lanes
              for kw in 0..<rw.count {
                largest.raise(to: V.load(x + kw * w.dilation * lanes), number &+ Int32(truncatingIfNeeded: kw), &tap)
              }
            }
          }
          largest.store(y + ow * lanes)
          V.store(tap, s + ow * lanes)
        }
      }
    } backward: { pass in
      guard let inputGradient = pass.inputGradient(0) else { return }
      let outputGradient = pass.outputGradient, adds = pass.accumulates(0)
      let switches = UnsafePointer(UnsafeMutableRawPointer(pass.auxiliary).assumingMemoryBound(to: Switch.self))
      sweep.forEachInputRow { plane, id, ih in
        let dx = inputGradient + (plane * sweep.inputPlane + (id * h.inputLength + ih) * w.inputLength) * lanes
        if !adds { dx.update(repeating: 0, count: w.inputLength * lanes) }
        sweep.forEachUse(id, ih) { od, oh, firstTap in
          let start = (plane * sweep.outputPlane + (od * h.outputLength + oh) * w.outputLength) * lanes
          let dy = outputGradient + start, s = switches + start
          for ow in 0..<w.outputLength {
            let rw = w.reaches[ow], g = V.load(dy + ow * lanes), tap: V.Tap = V.load(s + ow * lanes)
            let dx = dx + rw.start * lanes, number = Int32(firstTap + rw.tap)
            for kw in 0..<rw.count {
              let place = dx + kw * w.dilation * lanes
              (V.load(place) + g.where(tap, is: number &+ Int32(truncatingIfNeeded: kw))).store(place)
            }
          }
        }
      }
    }
  }
}
