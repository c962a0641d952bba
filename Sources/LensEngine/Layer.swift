// SPDX-License-Identifier: Apache-2.0

/// A place in a network whose activations can be looked at: a node's name, a tensor's name, or one of
/// `input`, `logits` (before a trailing softmax) and `output`.
public struct Layer: Hashable, Sendable, ExpressibleByStringLiteral, CustomStringConvertible {
  public let name: String

  public init(_ name: String) { self.name = name }
  public init(stringLiteral name: String) { self.name = name }

  public var description: String { name }

  public static let input: Layer = "input"
  public static let logits: Layer = "logits"
  public static let output: Layer = "output"
}
