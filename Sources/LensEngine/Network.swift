// SPDX-License-Identifier: Apache-2.0
import LensTensors

/// A trained network: immutable, shared by any number of sessions and threads.
public final class Network: Sendable {
  public let name: String
  public let source: any GraphSource
  /// What turns a picture into the network's input, as its file says; nil if it says nothing.
  public let preprocessing: Preprocessing?
  /// Class names in the order of the logits; empty if the file has none.
  public let labels: [String]

  public init(_ source: any GraphSource, name: String) {
    self.source = source
    self.name = name
    preprocessing = Preprocessing(metadata: source.metadata)
    labels = source.metadata["cnnlens.labels"].map { $0.split(separator: "\n", omittingEmptySubsequences: false).map(String.init) } ?? []
  }

  public var inputs: [InputDescription] { source.inputs }
  public var outputs: [String] { source.outputs }
  public var metadata: [String: String] { source.metadata }

  /// Every layer by its canonical name, in topological order.
  public var layers: [Layer] { source.layerNames.map { Layer($0) } }

  /// The layer called `name`, by node name, tensor name, or one of `input`, `logits`, `output`.
  ///
  /// - Throws: `.notFound` with the nearest names.
  public func resolve(_ name: String) throws -> Layer {
    if source.layerNames.contains(name) { return Layer(name) }
    if let canonical = source.aliases[name] { return Layer(canonical) }
    if ["input", "logits", "output"].contains(name) { return Layer(name) }
    if inputs.contains(where: { $0.name == name }) { return Layer(name) }
    let near = nearest(to: name, among: source.layerNames + source.aliases.keys.sorted())
    let hint = near.isEmpty ? "" : "; did you mean \(near.map { "'\($0)'" }.joined(separator: ", "))?"
    throw LensError(.notFound, "no layer '\(name)'\(hint) (\(source.layerNames.count) layers: net.layers)")
  }

  /// The same network whose first input is an RGB picture in 0...1, so that gradients come out in picture units.
  public func seeing(_ preprocessing: Preprocessing) -> Network {
    Network(PreprocessedSource(base: source, preprocessing: preprocessing), name: name)
  }

  /// The same network whose first input is the picture that `view` shows a part of, at its own resolution.
  public func seeing(_ preprocessing: Preprocessing, through view: PictureView) -> Network {
    Network(PreprocessedSource(base: source, preprocessing: preprocessing, view: view), name: name)
  }

  /// Checks inputs against the declaration: their number, ranks and channels. Batch, height and width are tried, not checked.
  func validate(_ shapes: [Shape]) throws {
    guard shapes.count == inputs.count else {
      let names = inputs.map { "'\($0.name)'" }.joined(separator: ", ")
      throw LensError(.invalidArgument, "'\(name)' has \(inputs.count) inputs (\(names)) but \(shapes.count) came")
    }
    for (shape, input) in zip(shapes, inputs) {
      let isSpatial = input.dimensions.count == 4
      let fits =
        shape.rank == input.dimensions.count
        && zip(shape.dimensions, input.dimensions).enumerated().allSatisfy { axis, sizes in
          sizes.1 == nil || sizes.0 == sizes.1 || axis == 0 || (isSpatial && axis >= 2)
        }
      let isDeclared = !input.dimensions.isEmpty || shape.rank == 0
      guard fits || !isDeclared, shape.count > 0 else {
        throw LensError(.shapeMismatch, "\(input.name) is \(shape) but '\(name)' takes \(input.shapeDescription)")
      }
    }
  }
}

extension InputDescription {
  /// "N×3×224×224": letters where a size is free.
  public var shapeDescription: String {
    zip(dimensions, ["N", "C", "H", "W"] + [String](repeating: "?", count: max(0, dimensions.count - 4)))
      .map { size, letter in size.map(String.init) ?? letter }
      .joined(separator: "×")
  }
}

/// The candidates closest to `name`: those that contain it, else those within a few edits.
private func nearest(to name: String, among candidates: [String], count: Int = 3) -> [String] {
  let containing = candidates.filter { name.utf8.count > 2 && $0.contains(name) }
  if !containing.isEmpty { return Array(containing.prefix(count)) }
  let ranked = candidates.map { (distance: editDistance(name, $0), name: $0) }
    .filter { $0.distance <= max(2, name.utf8.count / 3) }
    .sorted { $0.distance < $1.distance }
  return ranked.prefix(count).map(\.name)
}

/// Levenshtein's distance.
private func editDistance(_ a: String, _ b: String) -> Int {
  let a = Array(a.utf8.prefix(256)), b = Array(b.utf8.prefix(256))
  var row = Array(0...b.count)
  for i in a.indices {
    var diagonal = row[0]
    row[0] = i + 1
    for j in b.indices {
      let above = row[j + 1]
      row[j + 1] = min(above + 1, row[j] + 1, diagonal + (a[i] == b[j] ? 0 : 1))
      diagonal = above
    }
  }
  return row[b.count]
}
