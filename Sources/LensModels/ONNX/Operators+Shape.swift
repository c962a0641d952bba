// SPDX-License-Identifier: Apache-2.0
import LensEngine
import LensTensors

extension ONNXOperators {
  static let shapes: [String: ONNXLowering] = [
    "Reshape": unary { Reshape(to: try $0.reshaped()) },
    "Flatten": unary { call in
      let shape = try call.shape(0), axis = try call.node.attributes.int("axis") ?? 1
      let split = axis == shape.rank ? axis : try ONNXCall.resolved(axis, rank: shape.rank)
      return Reshape(to: [shape.count(0..<split), shape.count(split..<shape.rank)], kind: "Flatten")
    },
    "Squeeze": unary { Reshape(to: try $0.squeezed(), kind: "Squeeze") },
    "Unsqueeze": unary { Reshape(to: try $0.unsqueezed(), kind: "Unsqueeze") },
    "Transpose": unary { call in
      let rank = try call.shape(0).rank
      let permutation = try call.ints("perm") ?? Array((0..<rank).reversed())
      guard permutation.sorted() == Array(0..<rank) else {
        throw LensError(.malformedModel, "perm is \(permutation) for a value with \(rank) axes")
      }
      return Transpose(permutation: permutation)
    },
    "Expand": unary { call in
      let target = try Shape(checking: call.adaptedToBatch(try call.integers(1, "the dimensions")))
      return Expand(to: try call.shape(0).broadcast(with: target))
    },
    "Tile": unary { call in
      let shape = try call.shape(0), repeats = try call.integers(1, "repeats")
      guard repeats.count == shape.rank, repeats.allSatisfy((0...Limits.attribute).contains) else {
        throw LensError(.malformedModel, "repeats are \(repeats) for a value of shape \(shape)")
      }
      return Tile(repeats: repeats)
    },
    "Concat": variadic { Concat(axis: try $0.axis("axis", 0, rank: try $0.shape(0).rank)) },
    "Split": split,
    "Slice": unary { try $0.slice() },
    "Gather": unary { call in
      let axis = try call.axis("axis", 0, rank: try call.shape(0).rank)
      return Gather(axis: axis, indices: try call.integers(1, "the indices"), indexShape: try call.shape(1))
    },
    "GatherND": unary {
      GatherND(
        indices: try $0.integers(1, "the indices"), indexShape: try $0.shape(1),
        batchDimensions: try $0.int("batch_dims", 0, in: 0...Shape.maximumRank))
    },
    "GatherElements": unary { call in
      let axis = try call.axis("axis", 0, rank: try call.shape(0).rank)
      return GatherElements(axis: axis, indices: try call.integers(1, "the indices"), indexShape: try call.shape(1))
    },
    "Pad": unary { try $0.pad() },
    "DepthToSpace": unary {
      DepthToSpace(blockSize: try $0.int("blocksize", 0, in: 1...Limits.attribute), isColumnRowDepth: try $0.string("mode", "DCR") == "CRD")
    },
    "SpaceToDepth": unary {
      SpaceToDepth(blockSize: try $0.int("blocksize", 0, in: 1...Limits.attribute), isColumnRowDepth: try $0.string("mode", "DCR") == "CRD")
    },
  ]

  /// One slice for each output that is read.
  private static let split: ONNXLowering = { call in
    let shape = try call.shape(0), axis = try call.axis("axis", 0, rank: shape.rank), count = call.node.outputs.count
    let length = shape[axis]
    let sizes: [Int]
    if let given = try call.integers(attribute: "split", orInput: 1, since: 13) {
      sizes = given
    } else {
      let parts = try call.int("num_outputs", count, in: 1...Limits.attribute)
      let size = (length + parts - 1) / parts
      sizes = (0..<parts).map { max(0, min(size, length - $0 * size)) }
    }
    guard sizes.count == count, sizes.allSatisfy((0...length).contains), sizes.reduce(0, +) == length else {
      throw LensError(.malformedModel, "\(count) outputs of sizes \(sizes) for an axis of \(length)")
    }
    try call.checkListable([length])
    var start = 0
    return try sizes.indices.map { index in
      defer { start += sizes[index] }
      let input = try call.operand(0)
      guard call.layers[index] != nil else { return input }
      var starts = [Int](repeating: 0, count: shape.rank)
      starts[axis] = sizes[index] == 0 ? 0 : start
      let steps = [Int](repeating: 1, count: shape.rank)
      return try call.add(
        Slice(starts: starts, steps: steps, counts: shape.with(axis, sizes[index]).dimensions, kind: "Split"), [input], output: index)
    }
  }
}

extension ONNXCall {
  /// A file written for a batch of b has b in its target shapes; a call with another batch means that one.
  func adaptedToBatch(_ target: [Int]) throws -> [Int] {
    guard let batch, target.first == batch.declared, try shape(0).dimensions.first == batch.actual else { return target }
    return [batch.actual] + target.dropFirst()
  }

  fileprivate func reshaped() throws -> Shape {
    let shape = try shape(0), keepsZeros = try flag("allowzero")
    var target = try adaptedToBatch(try integers(1, "the dimensions"))
    for (axis, size) in target.enumerated() where size == 0 && !keepsZeros {
      guard axis < shape.rank else { throw LensError(.shapeMismatch, "takes dimension \(axis) of the shape \(shape)") }
      target[axis] = shape[axis]
    }
    guard target.allSatisfy({ $0 >= -1 }), target.filter({ $0 == -1 }).count <= 1 else {
      throw LensError(.malformedModel, "its target shape is \(target); one -1 is possible, and nothing below")
    }
    if let free = target.firstIndex(of: -1) {
      target[free] = 1
      let known = try Shape(checking: target).count
      guard known > 0 ? shape.count % known == 0 : shape.count == 0 else {
        throw LensError(.shapeMismatch, "\(shape) does not divide into \(Shape(target)) and one dimension more")
      }
      target[free] = known > 0 ? shape.count / known : 0
    }
    return try Shape(checking: target)
  }

  fileprivate func squeezed() throws -> Shape {
    let shape = try shape(0)
    guard let given = try integers(attribute: "axes", orInput: 1, since: 13) else { return Shape(shape.dimensions.filter { $0 != 1 }) }
    let axes = try ONNXCall.resolved(given, rank: shape.rank)
    guard axes.allSatisfy({ shape[$0] == 1 }) else { throw LensError(.shapeMismatch, "axes \(given) of the shape \(shape) are not all 1") }
    return Shape(shape.dimensions.indices.filter { !axes.contains($0) }.map { shape[$0] })
  }

  fileprivate func unsqueezed() throws -> Shape {
    let shape = try shape(0)
    guard let given = try integers(attribute: "axes", orInput: 1, since: 13) else { throw missing(1) }
    var dimensions = shape.dimensions
    for axis in try ONNXCall.resolved(given, rank: shape.rank + given.count) { dimensions.insert(1, at: axis) }
    return try Shape(checking: dimensions)
  }

  fileprivate func slice() throws -> Slice {
    let shape = try shape(0), rank = shape.rank
    guard let starts = try integers(attribute: "starts", orInput: 1, since: 10),
      let ends = try integers(attribute: "ends", orInput: 2, since: 10)
    else {
      throw LensError(.malformedModel, "its starts or ends are missing")
    }
    let axes = try (integers(attribute: "axes", orInput: 3, since: 10) ?? Array(starts.indices)).map {
      try ONNXCall.resolved($0, rank: rank)
    }
    let steps = try opset < 10 ? nil : optionalIntegers(4, "steps")
    guard ends.count == starts.count, axes.count == starts.count, steps.map({ $0.count == starts.count }) ?? true,
      Set(axes).count == axes.count
    else {
      throw LensError(.malformedModel, "starts \(starts), ends \(ends), axes \(axes) and steps \(steps ?? []) do not go together")
    }
    var allStarts = [Int](repeating: 0, count: rank), allSteps = [Int](repeating: 1, count: rank), counts = shape.dimensions
    for (index, axis) in axes.enumerated() {
      let size = shape[axis], bound = Limits.listedIndices
      let step = min(max(steps?[index] ?? 1, -bound), bound)
      guard step != 0 else { throw LensError(.malformedModel, "a step is 0") }
      func clamped(_ position: Int) -> Int {
        let position = position < 0 ? position + size : position
        return step > 0 ? min(max(position, 0), size) : min(max(position, -1), size - 1)
      }
      let start = clamped(starts[index]), end = clamped(ends[index])
      counts[axis] = max(0, step > 0 ? (end - start + step - 1) / step : (start - end - step - 1) / -step)
      (allStarts[axis], allSteps[axis]) = counts[axis] == 0 ? (0, 1) : (start, step)
      if counts[axis] != size { try checkListable([counts[axis]]) }
    }
    return Slice(starts: allStarts, steps: allSteps, counts: counts)
  }

  fileprivate func pad() throws -> Pad {
    let shape = try shape(0), rank = shape.rank
    guard let pads = try integers(attribute: "pads", orInput: 1, since: 11) else {
      throw LensError(.malformedModel, "its pads are missing")
    }
    let axes = try opset < 18 ? nil : optionalIntegers(3, "axes")
    let resolved = try axes?.map { try ONNXCall.resolved($0, rank: rank) } ?? Array(0..<rank)
    guard pads.count == 2 * resolved.count, pads.allSatisfy((-Limits.attribute...Limits.attribute).contains),
      Set(resolved).count == resolved.count
    else {
      throw LensError(.malformedModel, "pads are \(pads) for a value of shape \(shape)")
    }
    var before = [Int](repeating: 0, count: rank), after = before
    for (index, axis) in resolved.enumerated() { (before[axis], after[axis]) = (pads[index], pads[index + resolved.count]) }
    try checkListable((0..<rank).filter { before[$0] != 0 || after[$0] != 0 }.map { shape[$0] })
    let value = try opset < 11 ? node.attributes.float("value") : optionalScalar(2, "the value")
    let mode = try string("mode", "constant")
    let modes: [String: Pad.Mode] = ["constant": .constant(value ?? 0), "reflect": .reflect, "edge": .edge, "wrap": .wrap]
    guard let chosen = modes[mode] else {
      throw LensError(.malformedModel, "mode is '\(mode)'; it must be constant, reflect, edge or wrap")
    }
    return Pad(mode: chosen, before: before, after: after)
  }
}
