// SPDX-License-Identifier: Apache-2.0
import LensKernels
import LensTensors

/// (x - mean) / (deviation + 1e-9) over any axes.
public struct MeanVarianceNormalization: Operator {
  public let kind = "MeanVarianceNormalization"
  public let axes: [Int]

  public init(axes: [Int]) { self.axes = axes }

  private static let epsilon = 1e-9

  public func stage(for shapes: [Shape], in layouts: Layouts) throws -> Stage {
    let shape = shapes[0]
    guard axes.allSatisfy({ (0..<shape.rank).contains($0) }), shape.count > 0 else {
      throw LensError(.shapeMismatch, "axes \(axes) of a value of shape \(shape)")
    }
    let kept = Shape((0..<shape.rank).map { axes.contains($0) ? 1 : shape[$0] })
    // The statistics are an operand stretched over what is normalised together.
    let lanes = try Broadcasting([shape, kept])
    let rows = kept.count, length = Double(shape.count / rows), step = lanes.step(1)
    return Stage(output: shape, keeps: .output, auxiliaryCount: rows, scratchCount: 2 * rows) { pass in
      let x = pass.input(0), y = pass.output, means = pass.scratch
      let deviations = pass.auxiliary ?? pass.scratch + rows
      lanes.fold(1, .sum, terms: { run, terms in terms.update(from: x + run.start, count: run.count) }) {
        means[$0] = Float($1 / length)
      }
      lanes.fold(
        1, .sum,
        terms: { run, terms in
          for i in 0..<run.count {
            let difference = x[run.start + i] - means[run.offsets[1] + i * step]
            terms[i] = difference * difference
          }
        }
      ) { deviations[$0] = Float(($1 / length).squareRoot()) }
      lanes.forEachRun { run in
        for i in 0..<run.count {
          let o = run.offsets[1] + i * step
          y[run.start + i] = (x[run.start + i] - means[o]) / (deviations[o] + Float(Self.epsilon))
        }
      }
    } backward: { pass in
      guard let dx = pass.inputGradient(0) else { return }
      let y = pass.output, dy = pass.outputGradient, deviations = pass.auxiliary
      let offsets = pass.scratch, alongs = pass.scratch + rows
      lanes.fold(1, .sum, terms: { run, terms in terms.update(from: dy + run.start, count: run.count) }) {
        offsets[$0] = Float($1 / length)
      }
      lanes.fold(
        1, .sum,
        terms: { run, terms in
          for i in 0..<run.count { terms[i] = dy[run.start + i] * y[run.start + i] }
        }
      ) { alongs[$0] = Float($1 / length) }
      lanes.forEachRun { run in
        for i in 0..<run.count {
          let o = run.offsets[1] + i * step, at = run.start + i
          let deviation = deviations[o], divisor = deviation + Float(Self.epsilon)
          // The deviation's own derivative, (x - mean) / (n deviation), is 0 where nothing deviates.
          let along = deviation == 0 ? 0 : alongs[o] * divisor / deviation
          dx[at] += (dy[at] - offsets[o] - y[at] * along) / divisor
        }
      }
    }
  }
}
