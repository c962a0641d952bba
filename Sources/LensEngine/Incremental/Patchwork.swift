// SPDX-License-Identifier: Apache-2.0
import LensKernels
import LensTensors

/// Where the crops of a batch lie: for each placement and each image, the row and column of the crop's first pixel.
final class Placements: @unchecked Sendable {
  enum Kind: Hashable {
    /// At the picture's own origin.
    case whole
    /// Around what changes in a step's value, `height` × `width` in whole squares of `tile`, moved inside where it would leave the picture.
    case around(step: Int, height: Int, width: Int, tile: Int)
    /// What another placement's outputs see: origin · stride - padding.
    case seen(from: Int, Locality.Taps, Locality.Taps)
  }

  let images: Int
  private(set) var kinds: [Kind] = []
  private var known: [Kind: Int] = [:]
  private(set) var origins: UnsafeMutablePointer<Int>

  init(images: Int) {
    self.images = images
    origins = .allocate(capacity: 0)
  }

  deinit { origins.deallocate() }

  func index(of kind: Kind) -> Int {
    if let index = known[kind] { return index }
    kinds.append(kind)
    known[kind] = kinds.count - 1
    return kinds.count - 1
  }

  /// After the last `index(of:)`, before the first `place`.
  func reserve() {
    origins.deallocate()
    origins = .allocate(capacity: 2 * kinds.count * images)
  }

  @inline(__always) func row(_ placement: Int, _ image: Int) -> Int { origins[2 * (placement * images + image)] }
  @inline(__always) func column(_ placement: Int, _ image: Int) -> Int { origins[2 * (placement * images + image) + 1] }

  /// Computes all origins for one image's cones.
  func place(_ image: Int, _ flow: Flow, _ vertical: Cone, _ horizontal: Cone) {
    for (index, kind) in kinds.enumerated() {
      let origin = origins + 2 * (index * images + image)
      switch kind {
      case .whole: (origin[0], origin[1]) = (0, 0)
      case .around(let step, let height, let width, let tile):
        origin[0] = placed(vertical.ranges[step], height, in: flow.length(of: step, .vertical), tile)
        origin[1] = placed(horizontal.ranges[step], width, in: flow.length(of: step, .horizontal), tile)
      case .seen(let from, let rows, let columns):
        origin[0] = row(from, image) * rows.stride - rows.padding
        origin[1] = column(from, image) * columns.stride - columns.padding
      }
    }
  }

  private func placed(_ range: Range<Int>, _ size: Int, in length: Int, _ tile: Int) -> Int {
    min(range.lowerBound / tile * tile, max(0, (length + tile - 1) / tile * tile - size))
  }
}

/// Crops of pictures, put together from what was computed anew, the base elsewhere in the picture, and a number outside.
struct Patchwork: @unchecked Sendable {
  /// Where pixels come from or go to: a placement in the picture, and a size.
  struct Rectangle: Hashable {
    var placement: Int
    var height: Int
    var width: Int
  }

  let placements: Placements
  /// Planes of one image, and floats of one pixel of a plane.
  let planes: Int
  let unit: Int
  let height: Int
  let width: Int
  /// What was computed anew; nil where nothing was.
  let source: Rectangle?
  let target: Rectangle
  let fill: Float
  /// One image of the picture as it was.
  let base: UnsafePointer<Float>

  /// A stage whose input is the computed crops, or anything where there are none.
  func stage(_ output: Shape) -> Stage {
    let work = self, images = placements.images
    let rowFloats = work.target.width * work.unit
    return Stage(output: output) { pass in
      let from = pass.input(0), to = pass.output
      parallel(images * work.planes, grain: max(1, (1 << 13) / max(1, work.target.height * rowFloats))) { jobs in
        for job in jobs { work.copy(image: job / work.planes, plane: job % work.planes, job, from, to) }
      }
    } backward: { _ in
    }
  }

  private func copy(image: Int, plane: Int, _ job: Int, _ from: UnsafePointer<Float>, _ to: UnsafeMutablePointer<Float>) {
    let top = placements.row(target.placement, image), left = placements.column(target.placement, image)
    // Columns of the picture that the target shows, and those of them that were computed.
    let inner = max(left, 0)..<max(max(left, 0), min(left + target.width, width))
    var fresh = inner.lowerBound..<inner.lowerBound, freshRows = 0..<0, sourceTop = 0, sourceLeft = 0
    if let source {
      sourceTop = placements.row(source.placement, image)
      sourceLeft = placements.column(source.placement, image)
      freshRows = (sourceTop..<sourceTop + source.height).clamped(to: 0..<height)
      fresh = inner.clamped(to: sourceLeft..<sourceLeft + source.width)
      if fresh.isEmpty { fresh = inner.lowerBound..<inner.lowerBound }
    }
    let base = base + plane * height * width * unit
    let crop = from + job * (source.map { $0.height * $0.width } ?? 0) * unit
    var y = to + job * target.height * target.width * unit
    for row in top..<top + target.height {
      if row < 0 || row >= height || inner.isEmpty {
        y.update(repeating: fill, count: target.width * unit)
      } else {
        let line = base + row * width * unit
        let isFresh = freshRows.contains(row)
        let changed = isFresh ? fresh : inner.lowerBound..<inner.lowerBound
        if inner.lowerBound > left { y.update(repeating: fill, count: (inner.lowerBound - left) * unit) }
        if changed.lowerBound > inner.lowerBound {
          (y + (inner.lowerBound - left) * unit).update(
            from: line + inner.lowerBound * unit, count: (changed.lowerBound - inner.lowerBound) * unit)
        }
        if !changed.isEmpty, let source {
          (y + (changed.lowerBound - left) * unit).update(
            from: crop + ((row - sourceTop) * source.width + changed.lowerBound - sourceLeft) * unit, count: changed.count * unit)
        }
        if inner.upperBound > changed.upperBound {
          (y + (changed.upperBound - left) * unit).update(
            from: line + changed.upperBound * unit, count: (inner.upperBound - changed.upperBound) * unit)
        }
        if left + target.width > inner.upperBound {
          (y + (inner.upperBound - left) * unit).update(repeating: fill, count: (left + target.width - inner.upperBound) * unit)
        }
      }
      y += target.width * unit
    }
  }
}
