// SPDX-License-Identifier: Apache-2.0

/// The one error type. The raw values of its codes are the C statuses.
public struct LensError: Error, CustomStringConvertible, Sendable {
  public enum Code: Int32, Sendable, CaseIterable {
    case invalidArgument = -1
    case notFound = -2
    case io = -3
    case malformedModel = -4
    case unsupportedOperator = -5
    case shapeMismatch = -6
    case outOfMemory = -7
    case cancelled = -8
    case internalError = -99
  }

  public let code: Code
  public let message: String

  public init(_ code: Code, _ message: String) { (self.code, self.message) = (code, message) }

  public var description: String { message }

  /// The same error with the place it happened in put before its message.
  public func within(_ place: String) -> LensError { LensError(code, "\(place): \(message)") }
}
