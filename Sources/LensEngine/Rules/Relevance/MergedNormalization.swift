// SPDX-License-Identifier: Apache-2.0
import LensTensors

extension Graph {
  /// Batch normalisations become part of the layer with weights before them, or of the one behind them that pads nothing, so that rules see
  /// the weights that the two have together. Nodes keep their places and names: where a normalisation was stands
  /// the whole, which bypasses the layer before it. What normalises the picture itself stays.
  ///
  /// - keeping: nodes whose own relevance is asked for; they are not bypassed.
  func mergingNormalizations(keeping asked: Set<Int>) -> Graph {
    var merged = self
    var readers = [Int](repeating: 0, count: nodes.count), isBehindWeights = [Bool](repeating: false, count: nodes.count)
    for (index, node) in nodes.enumerated() {
      for input in node.inputs {
        readers[input] += 1
        if isBehindWeights[input] || nodes[input].op is any WeightedOperator { isBehindWeights[index] = true }
      }
    }
    func mayBypass(_ index: Int) -> Bool { readers[index] == 1 && !asked.contains(index) }

    for index in nodes.indices {
      let node = merged.nodes[index]
      guard let source = node.inputs.first, mayBypass(source) else { continue }
      let before = merged.nodes[source]
      if let affine = node.op as? ScaleShift, let op = before.op.followed(by: affine, shape: before.shape) {
        merged.replace(index, op: op, inputs: before.inputs)
      } else if let affine = before.op as? ScaleShift, isBehindWeights[source], let op = node.op.preceded(by: affine, shape: before.shape) {
        merged.replace(index, op: op, inputs: before.inputs)
      }
    }
    return merged
  }
}

extension Operator {
  /// This layer and the normalisation of its output as one; nil where they make none.
  /// - shape: between the two.
  fileprivate func followed(by affine: ScaleShift, shape: Shape) -> (any Operator)? {
    guard shape.rank >= 2, affine.scale.count == shape.c, affine.shift.count == shape.c else { return nil }
    func bias(_ own: [Float]?) -> [Float] { affine.shift.indices.map { (own?[$0] ?? 0) * affine.scale[$0] + affine.shift[$0] } }
    switch self {
    case let op as Convolution where op.weights.shape[0] == affine.scale.count:
      return op.with(op.weights.scaled { output, _ in affine.scale[output] }, bias: bias(op.bias))
    case let op as Linear where shape.rank == 2 && op.weights.shape[0] == affine.scale.count:
      return Linear(weights: op.weights.scaled { output, _ in affine.scale[output] }, bias: bias(op.bias), kind: op.kind)
    default: return nil
    }
  }

  /// The normalisation of its input and this layer as one: where the layer pads, only a pure scale is.
  fileprivate func preceded(by affine: ScaleShift, shape: Shape) -> (any Operator)? {
    guard shape.rank >= 2, affine.scale.count == shape.c, affine.shift.count == shape.c else { return nil }
    func bias(_ own: [Float]?, _ weights: Tensor, _ channel: (Int, Int) -> Int) -> [Float] {
      let (outputs, inputs) = (weights.shape[0], weights.shape[1]), area = weights.count / max(outputs * inputs, 1), w = weights.values
      return (0..<outputs).map { output in
        var sum = Double(own?[output] ?? 0)
        for input in 0..<inputs {
          let start = (output * inputs + input) * area, shift = Double(affine.shift[channel(output, input)])
          for i in start..<start + area { sum += shift * Double(w[i]) }
        }
        return Float(sum)
      }
    }
    switch self {
    case let op as Convolution where op.padding.allSatisfy { $0 == 0 } || affine.shift.allSatisfy { $0 == 0 }:
      let perGroup = op.weights.shape[1], outputsPerGroup = op.weights.shape[0] / op.groups
      guard perGroup * op.groups == affine.scale.count else { return nil }
      let channel = { (output: Int, input: Int) in output / outputsPerGroup * perGroup + input }
      return op.with(op.weights.scaled { affine.scale[channel($0, $1)] }, bias: bias(op.bias, op.weights, channel))
    case let op as Linear where shape.rank == 2 && op.weights.shape[1] == affine.scale.count:
      return Linear(
        weights: op.weights.scaled { affine.scale[$1] }, bias: bias(op.bias, op.weights) { $1 }, kind: op.kind)
    default: return nil
    }
  }
}

extension Convolution {
  fileprivate func with(_ weights: Tensor, bias: [Float]) -> Convolution {
    var changed = Convolution(
      weights: weights, bias: bias, strides: strides, dilations: dilations, padding: padding, groups: groups)
    changed.way = way
    return changed
  }
}

extension Tensor {
  /// Weights O × I × ... with a factor for each output and input.
  fileprivate func scaled(_ factor: (Int, Int) -> Float) -> Tensor {
    let inputs = shape[1], area = count / max(shape[0] * inputs, 1)
    var result = values
    for i in result.indices { result[i] *= factor(i / (area * inputs), i / area % inputs) }
    return Tensor(shape, result)
  }
}
