// SPDX-License-Identifier: Apache-2.0
import LensTensors

/// What pictures must be while something is optimised over them: a set onto which they are brought back after each step.
public protocol Constraint: Sendable {
  /// Moves each image of `image`, N×C×H×W, to the nearest one that is allowed.
  func project(_ image: inout Tensor)
}
