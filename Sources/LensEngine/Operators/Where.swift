// SPDX-License-Identifier: Apache-2.0
import LensKernels
import LensTensors

/// condition != 0 ? a : b, the three broadcasting. The condition has no gradient.
public struct Where: Operator {
  public let kind = "Where"
  public init() {}

  public func stage(for shapes: [Shape], in layouts: Layouts) throws -> Stage {
    let lanes = try Broadcasting(shapes)
    let step = (0..<3).map(lanes.step)
    return Stage(output: lanes.output, keeps: .inputs) { pass in
      let condition = pass.input(0), a = pass.input(1), b = pass.input(2), y = pass.output
      lanes.forEachRun { run in
        let (o0, o1, o2) = (run.offsets[0], run.offsets[1], run.offsets[2])
        for i in 0..<run.count {
          y[run.start + i] = condition[o0 + i * step[0]] != 0 ? a[o1 + i * step[1]] : b[o2 + i * step[2]]
        }
      }
    } backward: { pass in
      let condition = pass.input(0), dy = pass.outputGradient
      for k in 1...2 {
        guard let dx = pass.inputGradient(k) else { continue }
        lanes.addGradient(of: k, to: dx) { run, terms in
          for i in 0..<run.count {
            let isTrue = condition[run.offsets[0] + i * step[0]] != 0
            terms[i] = isTrue == (k == 1) ? dy[run.start + i] : 0
          }
        }
      }
    }
  }
}
