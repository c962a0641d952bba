// SPDX-License-Identifier: Apache-2.0
import LensKernels
import LensTensors

/// x where it is positive, slope * x elsewhere; the slope is a second input that broadcasts to the shape of x.
public struct PReLU: Operator {
  public let kind = "PRelu"
  public init() {}

  public func stage(for shapes: [Shape], in layouts: Layouts) throws -> Stage {
    let lanes = try Broadcasting(shapes)
    guard lanes.output == shapes[0] else {
      throw LensError(.shapeMismatch, "a slope of shape \(shapes[1]) does not broadcast to \(shapes[0])")
    }
    let step = lanes.step(1)
    return Stage(output: shapes[0], keeps: .inputs, runsInPlace: true) { pass in
      let x = pass.input(0), slope = pass.input(1), y = pass.output
      lanes.forEachRun { run in
        let x = x + run.start, y = y + run.start, slope = slope + run.offsets[1]
        if step == 0 {
          let slope = slope[0]
          for i in 0..<run.count { y[i] = x[i] > 0 ? x[i] : slope * x[i] }
        } else {
          for i in 0..<run.count { y[i] = x[i] > 0 ? x[i] : slope[i] * x[i] }
        }
      }
    } backward: { pass in
      let x = pass.input(0), slope = pass.input(1), dy = pass.outputGradient
      if let dx = pass.inputGradient(0) {
        lanes.forEachRun { run in
          let x = x + run.start, dx = dx + run.start, dy = dy + run.start, slope = slope + run.offsets[1]
          for i in 0..<run.count { dx[i] += x[i] > 0 ? dy[i] : slope[i * step] * dy[i] }
        }
      }
      if let dSlope = pass.inputGradient(1) {
        lanes.addGradient(of: 1, to: dSlope) { run, terms in
          let x = x + run.start, dy = dy + run.start
          for i in 0..<run.count { terms[i] = x[i] > 0 ? 0 : x[i] * dy[i] }
        }
      }
    }
  }
}
