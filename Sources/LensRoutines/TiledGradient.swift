// SPDX-License-Identifier: Apache-2.0
import LensEngine
import LensTensors

/// The gradient of an objective at one layer, a tile of the picture at a time: memory for a tile instead of the picture,
/// and the numbers of the whole.
///
/// The layer is computed tile by tile, each with all the pixels that its units see; the objective is asked about the
/// whole layer; and its derivative goes back through one tile after the other. Tiles begin and end at places where
/// strides and padding fall as they do in the whole picture.
final class TiledGradient {
  private let session: Session
  private let objective: Objective
  private let layer: Layer
  private let tile: Int
  private var layout: (shape: Shape, units: Shape, rows: [Span], columns: [Span])?
  private var head: Session?

  /// - tile: side in pixels, without what its units see around it.
  init(_ session: Session, _ objective: Objective, tile: Int) throws {
    guard tile > 0 else { throw LensError(.invalidArgument, "the tile is \(tile) pixels; it must be above 0") }
    guard objective.layers.count == 1, let layer = objective.layers.first, layer != .input else {
      throw LensError(
        .invalidArgument, "'\(objective)' looks at \(objective.layers.count) layers; tiles need an objective of one, other than the input")
    }
    (self.session, self.objective, self.layer, self.tile) = (session, objective, layer, tile)
  }

  /// Units that a tile owns, and the pixels that it needs for them.
  private struct Span {
    let units, pixels: Range<Int>
    let stride: Int
    /// Where its units lie in what is computed from its pixels.
    var offset: Int { units.lowerBound - pixels.lowerBound / stride }
  }

  /// Writes the gradient and gives the objective's value for each image.
  /// - picture: N×C×H×W.
  func gradient(at picture: Tensor, rules: RuleMap, into result: UnsafeMutablePointer<Float>) throws -> [Float] {
    let (shape, units, rows, columns) = try prepare(picture.shape)
    let images = shape.n, single = units.with(0, 1)
    var values = try Tensor(allocating: units)
    for n in 0..<images {
      for row in rows {
        for column in columns {
          let part = try session.activations(of: [picture.window(n, row.pixels, column.pixels)], at: [layer])[0]
          try check(part.shape, row, column)
          values.withMutablePointer { all in
            part.withPointer { copy(from: $0, part.shape, to: all + n * single.count, single, row, column, reversed: false) }
          }
        }
      }
    }
    guard let head else { throw LensError(.internalError, "no head") }
    let asked = try head.gradient(of: objective, at: [values])
    result.update(repeating: 0, count: shape.count)
    for n in 0..<images {
      for row in rows {
        for column in columns {
          let window = picture.window(n, row.pixels, column.pixels)
          let there = try session.shapes(of: [layer], inputs: [window.shape])[0]
          var mask = try Tensor(allocating: there)
          asked.gradients[0].withPointer { all in
            mask.withMutablePointer { copy(from: all + n * single.count, single, to: $0, there, row, column, reversed: true) }
          }
          let back = try session.gradient(of: .group(layer, mask: mask), at: [window], rules: rules).gradients[0]
          back.withPointer { g in
            for plane in 0..<shape.c {
              for (y, source) in row.pixels.enumerated() {
                let to = result + ((n * shape.c + plane) * shape.h + source) * shape.w + column.pixels.lowerBound
                let from = g + (plane * row.pixels.count + y) * column.pixels.count
                for x in 0..<column.pixels.count { to[x] += from[x] }
              }
            }
          }
        }
      }
    }
    return asked.scores
  }

  private func prepare(_ shape: Shape) throws -> (shape: Shape, units: Shape, rows: [Span], columns: [Span]) {
    if let layout, layout.shape == shape { return layout }
    let graph = try session.network.source.graph(for: [shape], reaching: [layer])
    guard let index = graph.index(of: layer) else { throw LensError(.notFound, "there is no layer '\(layer)' at \(shape)") }
    let units = graph.nodes[index].shape, field = graph.receptiveFields()[index]
    guard units.rank == 4, units.n == shape.n, let vertical = field.vertical, let horizontal = field.horizontal else {
      throw LensError(.invalidArgument, "a unit of '\(layer)' sees the whole picture, so there are no tiles; choose an earlier layer")
    }
    let made = (shape, units, try spans(shape.h, units.h, vertical), try spans(shape.w, units.w, horizontal))
    head = Session(Network(Head(layer: layer, shape: units), name: "head"))
    layout = made
    return made
  }

  private func spans(_ length: Int, _ units: Int, _ field: ReceptiveField) throws -> [Span] {
    guard field.stride >= 1, field.stride == field.stride.rounded() else {
      throw LensError(.invalidArgument, "'\(layer)' has a stride of \(field.stride); tiles need whole pixels")
    }
    let step = Int(field.stride), each = max(1, tile / step)
    return stride(from: 0, to: units, by: each).map { first in
      let last = min(first + each, units)
      let low = Int((Double(first * step) - field.padding).rounded(.down))
      let high = Int((Double((last - 1) * step) - field.padding + field.size).rounded(.up))
      let start = max(0, low) / step * step
      // Ends where the rest is whole strides: padding that depends on the size is then the whole picture's.
      let end = high >= length ? length : length - (length - max(high, start + 1)) / step * step
      return Span(units: first..<last, pixels: start..<max(end, start + 1), stride: step)
    }
  }

  private func check(_ part: Shape, _ row: Span, _ column: Span) throws {
    guard part.rank == 4, row.offset >= 0, column.offset >= 0, row.offset + row.units.count <= part.h,
      column.offset + column.units.count <= part.w
    else { throw LensError(.invalidArgument, "'\(layer)' does not come apart in tiles of \(tile) pixels; a larger tile may do") }
  }

  /// The tile's own units, from what was computed to the whole layer or back.
  private func copy(
    from: UnsafePointer<Float>, _ source: Shape, to: UnsafeMutablePointer<Float>, _ target: Shape, _ row: Span, _ column: Span,
    reversed: Bool
  ) {
    let inPart = (row.offset, column.offset), inWhole = (row.units.lowerBound, column.units.lowerBound)
    let (a, b) = reversed ? (inWhole, inPart) : (inPart, inWhole)
    for plane in 0..<source.c {
      for y in 0..<row.units.count {
        let p = from + (plane * source.h + a.0 + y) * source.w + a.1, q = to + (plane * target.h + b.0 + y) * target.w + b.1
        q.update(from: p, count: column.units.count)
      }
    }
  }
}

/// A network whose input is a layer of another, under that layer's name.
private struct Head: GraphSource {
  let layer: Layer
  let shape: Shape
  var inputs: [InputDescription] { [InputDescription(name: "units", dimensions: shape.dimensions.map { $0 })] }
  var outputs: [String] { [layer.name] }
  var layerNames: [String] { [layer.name] }
  var aliases: [String: String] { [:] }
  var metadata: [String: String] { [:] }

  func graph(for inputs: [Shape], reaching layers: Set<Layer>?) throws -> Graph {
    var graph = Graph()
    let input = graph.addInput("units", inputs[0])
    graph.outputs = [try graph.add(Identity(), [input], named: layer.name)]
    return graph
  }
}

extension Tensor {
  /// One image's rectangle, 1×C×h×w.
  fileprivate func window(_ n: Int, _ rows: Range<Int>, _ columns: Range<Int>) -> Tensor {
    var result = Tensor(Shape(c: shape.c, h: rows.count, w: columns.count))
    let shape = shape
    withPointer { x in
      result.withMutablePointer { y in
        for plane in 0..<shape.c {
          for (i, row) in rows.enumerated() {
            (y + (plane * rows.count + i) * columns.count)
              .update(from: x + ((n * shape.c + plane) * shape.h + row) * shape.w + columns.lowerBound, count: columns.count)
          }
        }
      }
    }
    return result
  }
}
