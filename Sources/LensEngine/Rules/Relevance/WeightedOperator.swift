// SPDX-License-Identifier: Apache-2.0
import LensTensors

/// An operator that is linear in its one input but for a bias, and whose weights a rule may change.
protocol WeightedOperator: Operator {
  /// - bias: nil for none.
  func reweighted(_ weights: (Float) -> Float, bias: ((Float) -> Float)?) -> Self
}

extension Convolution: WeightedOperator {
  func reweighted(_ change: (Float) -> Float, bias changeBias: ((Float) -> Float)?) -> Convolution {
    var changed = Convolution(
      weights: weights.map(change), bias: changeBias.flatMap { bias?.map($0) }, strides: strides, dilations: dilations, padding: padding,
      groups: groups)
    changed.way = way
    return changed
  }
}

extension TransposedConvolution: WeightedOperator {
  func reweighted(_ change: (Float) -> Float, bias changeBias: ((Float) -> Float)?) -> TransposedConvolution {
    TransposedConvolution(
      weights: weights.map(change), bias: changeBias.flatMap { bias?.map($0) }, strides: strides, dilations: dilations, padding: padding,
      outputPadding: outputPadding, groups: groups)
  }
}

extension Linear: WeightedOperator {
  func reweighted(_ change: (Float) -> Float, bias changeBias: ((Float) -> Float)?) -> Linear {
    Linear(weights: weights.map(change), bias: changeBias.flatMap { bias?.map($0) }, kind: kind)
  }
}
