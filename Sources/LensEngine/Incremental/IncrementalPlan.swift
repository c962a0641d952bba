// SPDX-License-Identifier: Apache-2.0
import LensKernels
import LensTensors

/// What a batch of changes computes: a plan whose steps are the base plan's calls on crops of pictures, or on whole
/// pictures where little would be left out, with patchwork between them where a call sees more than was computed.
final class IncrementalPlan {
  /// The batch as far as the plan depends on it. Plans for equal keys are the same.
  struct Key: Hashable {
    let images: Int
    /// For each picture the height and width of its crops.
    fileprivate(set) var sizes: [Int] = []
    /// For each picture the input in whose place its crops lie; -1 if there is none.
    fileprivate(set) var followed: [Int] = []
  }

  let key: Key
  let prepared: Prepared
  let placements: Placements
  /// The crops of the input, to be filled by the session.
  let input: FloatStorage
  let inputCrops: Patchwork.Rectangle
  let multiplyAdds: Int

  init(_ flow: Flow, _ base: BaseValues, _ key: Key, graph: Graph?) throws {
    var builder = IncrementalPlanBuilder(flow, base, key, graph)
    (prepared, inputCrops) = try builder.build()
    (self.key, placements, multiplyAdds) = (key, builder.placements, builder.multiplyAdds)
    placements.reserve()
    let shape = flow.plan.steps[flow.plan.inputs[0]].shape
    input = try FloatStorage(count: key.images * shape.c * inputCrops.height * inputCrops.width, uninitialized: true)
  }

  /// After a run, the layers' values.
  var values: [TensorView] {
    let plan = prepared.plan
    return plan.taps.map { TensorView(base: UnsafePointer(prepared.slots[plan.valueSlots[$0]]), shape: plan.steps[$0].shape) }
  }
}

extension IncrementalPlan.Key {
  /// - cones: for each image, those of its rows and of its columns.
  init(_ flow: Flow, _ cones: [(vertical: Cone, horizontal: Cone)]) {
    images = cones.count
    let input = flow.plan.inputs[0]
    append(flow, input, tile: 1, cones)
    followed.append(-1)
    for unit in flow.units {
      guard let locality = unit.locality else { continue }
      append(flow, unit.step, tile: locality.tile, cones)
      let candidate = unit.reads.indices.first { position in
        let read = unit.reads[position]
        return locality.tile == 1 && flow.isChanged[read] && !flow.looksThroughWindow(unit, position)
          && cones.allSatisfy {
            $0.vertical.ranges[read] == $0.vertical.ranges[unit.step] && $0.horizontal.ranges[read] == $0.horizontal.ranges[unit.step]
          }
      }
      followed.append(candidate ?? -1)
    }
  }

  private mutating func append(_ flow: Flow, _ step: Int, tile: Int, _ cones: [(vertical: Cone, horizontal: Cone)]) {
    func size(_ range: Range<Int>) -> Int { (range.upperBound + tile - 1) / tile * tile - range.lowerBound / tile * tile }
    sizes.append(cones.map { size($0.vertical.ranges[step]) }.max() ?? 1)
    sizes.append(cones.map { size($0.horizontal.ranges[step]) }.max() ?? 1)
  }
}
