// SPDX-License-Identifier: Apache-2.0
import LensKernels
import LensTensors

/// Walks over what changes, deciding for each call between crops and whole pictures.
struct IncrementalPlanBuilder {
  private enum Value: Hashable {
    case unchanged
    case crops(Patchwork.Rectangle)
    /// All of every image's value.
    case whole
  }
  private struct Wish: Hashable {
    var step: Int
    /// Nil: all of it.
    var rectangle: Patchwork.Rectangle?
    var fill: UInt32
  }

  let flow: Flow
  let base: BaseValues
  let key: IncrementalPlan.Key
  /// The network's graph for as many images, if it is the base's graph otherwise.
  let graph: Graph?
  let placements: Placements

  private var plan: Plan
  private var constants: [Int: Tensor] = [:]
  /// For each step of the base plan what is known of its value, and by which step of this plan.
  private var values: [(value: Value, step: Int)]
  private var external: [Int: Int] = [:]
  private var gathered: [Wish: Int] = [:]
  private(set) var multiplyAdds = 0

  init(_ flow: Flow, _ base: BaseValues, _ key: IncrementalPlan.Key, _ graph: Graph?) {
    (self.flow, self.base, self.key, self.graph) = (flow, base, key, graph)
    placements = Placements(images: key.images)
    plan = Plan(request: flow.plan.request)
    values = [(Value, Int)](repeating: (.unchanged, -1), count: flow.plan.steps.count)
  }

  mutating func build() throws -> (Prepared, Patchwork.Rectangle) {
    let crops = addInput()
    var position = 1
    for unit in flow.units {
      guard let locality = unit.locality else {
        try addWhole(unit)
        continue
      }
      if let target = rectangle(unit, locality, height: key.sizes[2 * position], width: key.sizes[2 * position + 1], key.followed[position])
      {
        try addCrops(unit, locality, target)
      } else {
        try addWhole(unit)
      }
      position += 1
    }
    plan.taps = try flow.plan.taps.map { try whole($0) }
    plan.placeMemory(constants: constants)
    return (Prepared(plan), crops)
  }

  // MARK: Decisions

  /// The crops of a unit's output; nil where it is computed on whole pictures.
  private func rectangle(_ unit: Flow.Unit, _ locality: Locality, height: Int, width: Int, _ followed: Int) -> Patchwork.Rectangle? {
    let own = Patchwork.Rectangle(
      placement: placements.index(of: .around(step: unit.step, height: height, width: width, tile: locality.tile)),
      height: height, width: width)
    let area = flow.length(of: unit.step, .vertical) * flow.length(of: unit.step, .horizontal)
    let isCheap = flow.plan.steps[unit.producer].source.map { !($0.op is Convolution) } ?? true
    if followed >= 0 {
      switch values[unit.reads[followed]].value {
      // Without a copy as long as little more is computed than need be.
      case .crops(let rectangle) where isCheap || 10 * rectangle.height * rectangle.width <= 13 * height * width: return rectangle
      case .whole where isCheap || 10 * height * width >= 7 * area: return nil
      default: break
      }
    }
    return 10 * height * width >= 9 * area ? nil : own
  }

  // MARK: Steps

  private mutating func append(_ step: Int, _ stage: Stage, _ inputs: [Int], isPatchwork: Bool = false) -> Int {
    let original = flow.plan.steps[step]
    var stage = stage
    stage.backward = nil
    plan.steps.append(
      Plan.Step(
        name: original.name + (isPatchwork ? " (patchwork)" : ""), kind: isPatchwork ? "Patchwork" : original.kind, stage: stage,
        shape: stage.output, layout: original.layout, inputs: inputs))
    return plan.steps.count - 1
  }

  private mutating func addInput() -> Patchwork.Rectangle {
    let input = flow.plan.inputs[0], shape = flow.plan.steps[input].shape
    var crops = Patchwork.Rectangle(placement: 0, height: key.sizes[0], width: key.sizes[1])
    let isWhole = !flow.isPicture[input] || 10 * crops.height * crops.width >= 9 * shape.h * shape.w
    if isWhole { crops = Patchwork.Rectangle(placement: 0, height: shape.h, width: shape.w) }
    crops.placement = placements.index(of: isWhole ? .whole : .around(step: input, height: crops.height, width: crops.width, tile: 1))
    let step = appendExternal(input, Shape(n: key.images, c: shape.c, h: crops.height, w: crops.width))
    plan.inputs = [step]
    values[input] = (isWhole ? .whole : .crops(crops), step)
    return crops
  }

  private mutating func appendExternal(_ step: Int, _ shape: Shape) -> Int {
    append(step, Input(shape: shape).stage(for: [], in: Layouts(inputs: [], output: .plain)), [])
  }

  /// The base's value of a step, as something that comes from outside.
  private mutating func unchanged(_ step: Int) -> Int {
    if let known = external[step] { return known }
    let shape = flow.plan.steps[step].shape
    let index = appendExternal(step, shape)
    constants[index] = Tensor(borrowing: base.pointer(of: step), shape: shape)
    external[step] = index
    return index
  }

  private mutating func addCrops(_ unit: Flow.Unit, _ locality: Locality, _ target: Patchwork.Rectangle) throws {
    var seen = target
    if !locality.isOwn {
      seen.placement = placements.index(of: .seen(from: target.placement, locality.vertical, locality.horizontal))
      seen.height = locality.vertical.needed(for: target.height)
      seen.width = locality.horizontal.needed(for: target.width)
    }
    var inputs: [Int] = [], shapes: [Shape] = []
    for (position, read) in unit.reads.enumerated() {
      if flow.isSpread(unit, position) {
        inputs.append(unchanged(read))
      } else if flow.looksThroughWindow(unit, position) {
        inputs.append(crops(of: read, seen, fill: locality.fill))
      } else {
        inputs.append(crops(of: read, target, fill: 0))
      }
      shapes.append(plan.steps[inputs[position]].shape)
    }
    let op = locality.crop(key.images, target.height, target.width)
    let stage = try stage(unit, op, Array(shapes.prefix(flow.plan.steps[unit.producer].inputs.count)))
    values[unit.step] = (.crops(target), append(unit.step, stage, inputs))
  }

  /// The unit's call for these shapes.
  private mutating func stage(_ unit: Flow.Unit, _ op: any Operator, _ shapes: [Shape]) throws -> Stage {
    let producer = flow.plan.steps[unit.producer]
    guard let source = producer.source else {
      let given = flow.plan.steps[producer.inputs[0]].layout
      return .rearranging(shapes[0], from: given, to: producer.layout)
    }
    var stage = try op.stage(for: shapes, in: source.layouts)
    multiplyAdds += op.multiplyAdds(for: shapes, output: stage.output)
    if let ending = unit.ending, let call = stage.ending?(ending) {
      stage.forward = call
      stage.runsInPlace = false
    }
    return stage
  }

  private mutating func crops(of step: Int, _ rectangle: Patchwork.Rectangle, fill: Float) -> Int {
    if values[step].value == .crops(rectangle) { return values[step].step }
    let wish = Wish(step: step, rectangle: rectangle, fill: fill.bitPattern)
    if let known = gathered[wish] { return known }
    let original = flow.plan.steps[step], rank = original.shape.rank
    let shape = Shape([key.images] + original.shape.dimensions[1..<rank - 2] + [rectangle.height, rectangle.width])
    let index = appendPatchwork(step, rectangle, shape, fill)
    gathered[wish] = index
    return index
  }

  private mutating func appendPatchwork(_ step: Int, _ target: Patchwork.Rectangle, _ shape: Shape, _ fill: Float) -> Int {
    let original = flow.plan.steps[step], isBlocked = original.layout == .blocked
    let height = flow.length(of: step, .vertical), width = flow.length(of: step, .horizontal)
    let planes = original.shape.dimensions[1..<original.shape.rank - 2].reduce(1, *)
    var source: Patchwork.Rectangle?
    switch values[step].value {
    case .unchanged: source = nil
    case .crops(let rectangle): source = rectangle
    case .whole: source = Patchwork.Rectangle(placement: placements.index(of: .whole), height: height, width: width)
    }
    let work = Patchwork(
      placements: placements, planes: isBlocked ? Layout.blocks(planes) : planes, unit: isBlocked ? Layout.block : 1, height: height,
      width: width, source: source, target: target, fill: fill, base: base.pointer(of: step))
    return append(step, work.stage(shape), [source == nil ? unchanged(step) : values[step].step], isPatchwork: true)
  }

  // MARK: Whole values

  private func wholeShape(_ step: Int) -> Shape {
    if let graph, let node = node(of: step) { return graph.nodes[node].shape }
    let shape = flow.plan.steps[step].shape
    return shape.rank == 0 ? [key.images] : shape.with(0, shape[0] * key.images)
  }

  /// The graph's node with the same value; changes of layout have none of their own.
  private func node(of step: Int) -> Int? {
    flow.plan.steps[step].source?.node ?? flow.plan.steps[step].inputs.first.flatMap { node(of: $0) }
  }

  /// A step with the whole value of every image.
  private mutating func whole(_ step: Int) throws -> Int {
    let shape = wholeShape(step), original = flow.plan.steps[step]
    switch values[step].value {
    case .whole: return values[step].step
    case .unchanged where shape == original.shape: return unchanged(step)
    default: break
    }
    let wish = Wish(step: step, rectangle: nil, fill: 0)
    if let known = gathered[wish] { return known }
    let index: Int
    if values[step].value == .unchanged {
      let count = original.layout.floatCount(of: original.shape), images = key.images
      index = append(
        step,
        Stage(output: shape) { pass in
          for image in 0..<images { (pass.output + image * count).update(from: pass.input(0), count: count) }
        } backward: { _ in
        }, [unchanged(step)], isPatchwork: true)
    } else {
      let rectangle = Patchwork.Rectangle(
        placement: placements.index(of: .whole), height: flow.length(of: step, .vertical), width: flow.length(of: step, .horizontal))
      index = appendPatchwork(step, rectangle, shape, 0)
    }
    gathered[wish] = index
    return index
  }

  private mutating func addWhole(_ unit: Flow.Unit) throws {
    let producer = flow.plan.steps[unit.producer]
    if let graph {
      let inputs = try unit.reads.map { try whole($0) }
      // Convolutions, and what does the work of several nodes, know no shape; the plan may compute the former in a way of its own.
      let op: any Operator = producer.source.map { $0.isFolded || $0.op is Convolution ? $0.op : graph.nodes[$0.node].op } ?? Identity()
      let shapes = producer.inputs.map { wholeShape($0) }
      let stage = try stage(unit, op, shapes)
      values[unit.step] = (.whole, append(unit.step, stage, inputs))
    } else {
      let inputs = try unit.reads.map { flow.isChanged[$0] ? try whole($0) : unchanged($0) }
      values[unit.step] = (.whole, append(unit.step, repeated(unit), inputs))
    }
  }

  /// The base's call once for every image: for networks that are made for one.
  private mutating func repeated(_ unit: Flow.Unit) -> Stage {
    let images = key.images, steps = flow.plan.steps
    let strides = unit.reads.map { flow.isChanged[$0] ? steps[$0].layout.floatCount(of: steps[$0].shape) : 0 }
    let outputStride = steps[unit.step].layout.floatCount(of: steps[unit.step].shape)
    let single = steps[unit.producer].stage
    multiplyAdds += images * steps[unit.producer].multiplyAdds
    let call = unit.ending.flatMap { single.ending?($0) } ?? single.forward
    let isView = single.isView && unit.ending == nil
    var stage = Stage(
      output: wholeShape(unit.step), scratchCount: single.scratchCount, isView: isView
    ) { pass in
      withUnsafeTemporaryAllocation(of: UnsafeMutablePointer<Float>.self, capacity: strides.count + 2) { slots in
        let count = strides.count
        let ports = Ports(inputs: Array(0..<count), output: count, auxiliary: -1, scratch: count + 1)
        for image in 0..<images {
          for k in 0..<count { slots[k] = UnsafeMutablePointer(mutating: pass.input(k) + image * strides[k]) }
          slots[count] = pass.output + image * outputStride
          slots[count + 1] = pass.scratch
          call(ForwardPass(slots: UnsafePointer(slots.baseAddress!), ports: ports))
        }
      }
    } backward: { _ in
    }
    stage.backward = nil
    return stage
  }
}
