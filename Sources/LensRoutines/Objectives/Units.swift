// SPDX-License-Identifier: Apache-2.0
import LensEngine
import LensTensors

extension Objective {
  /// One unit of a layer: a channel at a row and a column; at the centre of the map if none are given.
  public static func unit(_ layer: Layer, channel: Int, y: Int? = nil, x: Int? = nil) -> Objective {
    let place = y.flatMap { y in x.map { "@\(y),\($0)" } } ?? ""
    return Objective("\(layer):\(channel)\(place)", at: [layer]) { activations, seeds in
      let maps = try FeatureMaps(activations, layer)
      try maps.check(channel: channel)
      let row = y ?? maps.h / 2, column = x ?? maps.w / 2
      guard (0..<maps.h).contains(row), (0..<maps.w).contains(column) else {
        throw LensError(.invalidArgument, "position (\(row), \(column)) of '\(layer)' does not exist; its maps are \(maps.h)×\(maps.w)")
      }
      let unit = (channel * maps.h + row) * maps.w + column
      return maps.weighted(at: layer, seeds, units: unit..<unit + 1) { _ in 1 }
    }
  }

  /// The mean activation of one channel.
  public static func channel(_ layer: Layer, _ channel: Int) -> Objective {
    Objective("\(layer):\(channel)", at: [layer]) { activations, seeds in
      let maps = try FeatureMaps(activations, layer)
      try maps.check(channel: channel)
      let share = 1 / Float(maps.area)
      return maps.weighted(at: layer, seeds, units: channel * maps.area..<(channel + 1) * maps.area) { _ in share }
    }
  }

  /// The mean activation in a rectangle of a layer, of one channel or (nil) of all.
  public static func region(_ layer: Layer, channel: Int? = nil, rows: Range<Int>, columns: Range<Int>) -> Objective {
    let place = "@\(rows.lowerBound)-\(rows.upperBound - 1),\(columns.lowerBound)-\(columns.upperBound - 1)"
    return Objective("\(layer)\(channel.map { ":\($0)" } ?? "")\(place)", at: [layer]) { activations, seeds in
      let maps = try FeatureMaps(activations, layer)
      if let channel { try maps.check(channel: channel) }
      guard !rows.isEmpty, !columns.isEmpty, rows.clamped(to: 0..<maps.h) == rows, columns.clamped(to: 0..<maps.w) == columns else {
        throw LensError(
          .invalidArgument, "rows \(rows) and columns \(columns) are not inside the maps of '\(layer)', which are \(maps.h)×\(maps.w)")
      }
      let channels = channel.map { $0..<$0 + 1 } ?? 0..<maps.c
      let share = 1 / Float(channels.count * rows.count * columns.count)
      return maps.weighted(at: layer, seeds, units: channels.lowerBound * maps.area..<channels.upperBound * maps.area) { unit in
        rows.contains(unit % maps.area / maps.w) && columns.contains(unit % maps.w) ? share : 0
      }
    }
  }

  /// Half the sum of squares of a layer: DeepDream's energy, whose derivative is the activation itself.
  public static func layer(_ layer: Layer) -> Objective {
    Objective("energy of \(layer)", at: [layer]) { activations, seeds in
      let maps = try FeatureMaps(activations, layer)
      let scores = (0..<maps.n).map { n in
        let a = maps.image(n)
        seeds.add(at: layer) { gradient, weight in
          for i in 0..<maps.count { gradient[n * maps.count + i] += weight * a[i] }
        }
        var sum = 0.0
        for i in 0..<maps.count { sum += Double(a[i]) * Double(a[i]) }
        return Float(sum / 2)
      }
      return Value(scores: scores)
    }
  }

  /// The mean over positions of <a, v>: how far a layer points along `vector`, one number a channel.
  public static func direction(_ layer: Layer, _ vector: [Float]) -> Objective {
    Objective("direction in \(layer)", at: [layer]) { activations, seeds in
      let maps = try FeatureMaps(activations, layer)
      guard vector.count == maps.c else {
        throw LensError(.invalidArgument, "the direction has \(vector.count) numbers but '\(layer)' has \(maps.c) channels")
      }
      let area = maps.area
      return maps.weighted(at: layer, seeds, units: 0..<maps.count) { vector[$0 / area] / Float(area) }
    }
  }

  /// <a, v> at one position of a layer; in the middle if none is given.
  public static func direction(_ layer: Layer, _ vector: [Float], y: Int?, x: Int?) -> Objective {
    Objective("direction in \(layer) at a position", at: [layer]) { activations, seeds in
      let maps = try FeatureMaps(activations, layer)
      guard vector.count == maps.c else {
        throw LensError(.invalidArgument, "the direction has \(vector.count) numbers but '\(layer)' has \(maps.c) channels")
      }
      let row = y ?? maps.h / 2, column = x ?? maps.w / 2
      guard (0..<maps.h).contains(row), (0..<maps.w).contains(column) else {
        throw LensError(.invalidArgument, "position (\(row), \(column)) of '\(layer)' does not exist; its maps are \(maps.h)×\(maps.w)")
      }
      let place = row * maps.w + column
      seeds.add(at: layer) { gradient, weight in
        for n in 0..<maps.n { for c in 0..<maps.c { gradient[n * maps.count + c * maps.area + place] += weight * vector[c] } }
      }
      return Value(
        scores: (0..<maps.n).map { n in
          let a = maps.image(n)
          return Float((0..<maps.c).reduce(0.0) { $0 + Double(a[$1 * maps.area + place]) * Double(vector[$1]) })
        })
    }
  }

  /// <a, mask>: any weighted group of units. The mask has the layer's shape for one image, C×H×W.
  public static func group(_ layer: Layer, mask: Tensor) -> Objective {
    Objective("group in \(layer)", at: [layer]) { activations, seeds in
      let maps = try FeatureMaps(activations, layer)
      guard mask.count == maps.count else {
        throw LensError(.shapeMismatch, "the mask is \(mask.shape) but one image of '\(layer)' is \(maps.c)×\(maps.h)×\(maps.w)")
      }
      return mask.withPointer { mask in maps.weighted(at: layer, seeds, units: 0..<maps.count) { mask[$0] } }
    }
  }
}

/// A layer's activations as N images of C maps, H by W; one by one for a layer of class scores.
struct FeatureMaps {
  private let view: TensorView
  let layer: Layer
  let n, c, h, w: Int
  var area: Int { h * w }
  var count: Int { c * area }

  init(_ activations: Activations, _ layer: Layer) throws {
    view = activations[layer]
    self.layer = layer
    let shape = view.shape
    guard shape.rank >= 1, shape[0] == activations.imageCount, (1...4).contains(shape.rank) else {
      throw LensError(.shapeMismatch, "'\(layer)' is \(shape), not N×C×H×W with one entry for each of \(activations.imageCount) images")
    }
    (n, c, h, w) = (shape.n, shape.c, shape.h, shape.w)
  }

  func image(_ n: Int) -> UnsafePointer<Float> { view.image(n) }

  func check(channel: Int) throws {
    guard (0..<c).contains(channel) else {
      throw LensError(.invalidArgument, "channel \(channel) of '\(layer)' does not exist; it has \(c) channels (0...\(c - 1))")
    }
  }

  /// The sum of units times weights, and those weights as the seeds.
  func weighted(at layer: Layer, _ seeds: Seeds, units: Range<Int>, _ share: (Int) -> Float) -> Objective.Value {
    let scores = (0..<n).map { n in
      let a = image(n)
      var sum = 0.0
      for i in units { sum += Double(a[i] * share(i)) }
      return Float(sum)
    }
    seeds.add(at: layer) { gradient, weight in
      for n in 0..<n { for i in units { gradient[n * count + i] += weight * share(i) } }
    }
    return Objective.Value(scores: scores)
  }
}
