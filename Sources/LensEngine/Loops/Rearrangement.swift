// SPDX-License-Identifier: Apache-2.0
import LensKernels
import LensTensors

/// One axis of a rearrangement: which index of the source each index of the target shows.
struct AxisMap {
  /// -1 where the target shows the fill value. Nil: both have the same indices.
  var indices: [Int]?
  var sourceLength: Int
  var sourceStride: Int
  var targetStride: Int
}

/// Everything that only moves floats: target[j0, j1, ...] = source[m0[j0], m1[j1], ...], a table for each axis.
///
/// The derivative's transpose is the same walk over the source with the tables turned round: an index that was
/// shown several times has several entries. Each float is therefore written by one job, in a fixed order.
struct Rearrangement: Sendable {
  private let shown: Walk
  private let gathered: Walk

  /// - axes: outermost of the target first. Together they cover source and target without gaps.
  init(_ axes: [AxisMap], fill: Float = 0) {
    let axes = Rearrangement.merged(axes)
    shown = Walk(
      axes.map { axis in
        let count = axis.indices?.count ?? axis.sourceLength
        let lists = axis.indices.map { Lists(count: count, pairs($0).map { ($0.target, $0.source * axis.sourceStride) }) }
        return Walk.Axis(count: count, stride: axis.targetStride, sourceStride: axis.sourceStride, lists: lists)
      }, fill: fill)
    gathered = Walk(
      axes.map { axis in
        let count = axis.sourceLength
        let lists = axis.indices.map { Lists(count: count, pairs($0).map { ($0.source, $0.target * axis.targetStride) }) }
        return Walk.Axis(count: count, stride: axis.sourceStride, sourceStride: axis.targetStride, lists: lists)
      }, fill: 0)

    func pairs(_ indices: [Int]) -> [(target: Int, source: Int)] {
      indices.enumerated().filter { $1 >= 0 }.map { (target: $0, source: $1) }
    }
  }

  /// - indices: for each axis the source's index at each of the target's; nil where the axis stays as it is.
  init(from source: [Int], indices: [[Int]?], fill: Float = 0) {
    let target = zip(source, indices).map { $1?.count ?? $0 }
    let sourceStrides = Shape(source).strides, targetStrides = Shape(target).strides
    self.init(
      source.indices.map { axis in
        AxisMap(
          indices: indices[axis], sourceLength: source[axis], sourceStride: sourceStrides[axis], targetStride: targetStrides[axis])
      }, fill: fill)
  }

  init(transposing source: [Int], by permutation: [Int]) {
    let sourceStrides = Shape(source).strides, targetStrides = Shape(permutation.map { source[$0] }).strides
    self.init(
      permutation.enumerated().map { axis, from in
        AxisMap(indices: nil, sourceLength: source[from], sourceStride: sourceStrides[from], targetStride: targetStrides[axis])
      })
  }

  /// Neighbours that lie the same way in source and target become one longer axis.
  private static func merged(_ axes: [AxisMap]) -> [AxisMap] {
    var result: [AxisMap] = []
    for axis in axes where axis.sourceLength != 1 || axis.indices != nil {
      if let outer = result.last, outer.indices == nil, axis.indices == nil,
        outer.sourceStride == axis.sourceStride * axis.sourceLength, outer.targetStride == axis.targetStride * axis.sourceLength
      {
        let length = outer.sourceLength * axis.sourceLength
        result[result.count - 1] = AxisMap(
          indices: nil, sourceLength: length, sourceStride: axis.sourceStride, targetStride: axis.targetStride)
      } else {
        result.append(axis)
      }
    }
    return result
  }

  func forward(from source: UnsafePointer<Float>, to target: UnsafeMutablePointer<Float>) {
    shown.run(from: source, to: target, adds: false)
  }

  func backward(from targetGradient: UnsafePointer<Float>, to sourceGradient: UnsafeMutablePointer<Float>, adds: Bool) {
    gathered.run(from: targetGradient, to: sourceGradient, adds: adds)
  }

  /// A stage that does this and nothing else.
  func stage(_ output: Shape) -> Stage {
    Stage(output: output, overwrites: true) { pass in
      forward(from: pass.input(0), to: pass.output)
    } backward: { pass in
      guard let gradient = pass.inputGradient(0) else { return }
      backward(from: pass.outputGradient, to: gradient, adds: pass.accumulates(0))
    }
  }
}
