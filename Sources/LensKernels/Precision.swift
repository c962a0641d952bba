// SPDX-License-Identifier: Apache-2.0

/// How exactly convolutions multiply, where the processor leaves a choice.
public enum Precision: Int, Sendable {
  /// `high` for what walks along gradients, pictures and attacks; `highest` for whatever is measured.
  case automatic
  /// Floats, or what differs from them by their rounding: 1e-7 to 2e-5 of a network's output.
  case highest
  /// Floats as sums of two numbers of bfloat16, 16 of 24 digits, on a processor with AMX: 5e-6 to 2e-4. Elsewhere as `highest`.
  case high

  /// What this means to a call.
  public func settled(walks: Bool) -> Precision { self == .automatic ? (walks ? .high : .highest) : self }
}
