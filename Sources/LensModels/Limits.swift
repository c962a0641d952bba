// SPDX-License-Identifier: Apache-2.0

/// What a file may ask for. Far above any real network, far below what hurts a machine.
enum Limits {
  /// Protocol buffers themselves stop at 2 GB.
  static let fileBytes = 1 << 31
  /// Files that hold weights only.
  static let externalFileBytes = 1 << 36
  /// Nested messages: types, attributes, subgraphs.
  static let messageDepth = 100
  /// Functions that call functions, and subgraphs in subgraphs.
  static let nestingDepth = 32
  /// Nodes after functions are inlined.
  static let nodeCount = 1 << 17
  /// Characters of the names that inlining makes.
  static let nameBytes = 1 << 27
  /// Kernels, strides, paddings, groups, repeats.
  static let attribute = 1 << 20
  /// One dimension of a value that is sliced, padded or split: its indices are listed.
  static let listedIndices = 1 << 22
  /// One dimension of a picture that is resized: its indices are listed with their weights.
  static let resizedDimension = 1 << 16
  /// Characters of an error.
  static let messageLength = 4000
  /// Floats of an input at which a model is tried out when it is loaded.
  static let triedInput = 1 << 28
  /// Positions are carried as floats while integers are moved about.
  static let movedIntegers = 1 << 24
  /// Numbers that folding may produce for each number the file contains, and for a file with none.
  static let foldedPerStored = 8
  static let foldedAtLeast = 1 << 24
  /// The oldest operator set read.
  static let oldestOpset = 7
}
