// SPDX-License-Identifier: Apache-2.0
import LensEngine
import LensTensors

/// How far the objective falls where a segment is hidden: S(I) - S(I without segment k) at each of its pixels.
///
/// Zeiler & Fergus' occlusion (2014, section 4.2, arXiv:1311.2901) over segments of any shape. Each is a forward pass of
/// what it changes.
/// - image: N×C×H×W.
/// - segments: H×W, or N×H×W, whole numbers; pixels with the same number are hidden together.
/// - exact: as for `occlusion`.
/// - progress: gets how many segments of all are done; false stops the call, which then throws `.cancelled`.
public func featureAblation(
  _ session: Session, _ image: Tensor, _ objective: Objective = .top, segments labels: Tensor, filling: Filling = .segmentMean,
  exact: Bool = false, progress: ((Int, Int) -> Bool)? = nil
) throws -> Attribution {
  let shape = image.shape, segments = try Segments.each(labels, of: shape), total = segments.reduce(0) { $0 + $1.count }
  var maps = try Tensor(allocating: [shape.n, shape.h, shape.w]), scores: [Float] = [], targets: [Int] = [], done = 0
  var incremental: IncrementalSession?
  for n in 0..<shape.n {
    let picture = image.single(n), regions = segments[n].regions, expected = exact ? [] : regions
    let hidden = try filling.picture(picture, n, of: shape.n, segments: segments[n])
    if let incremental {
      try incremental.rebase([picture], quickFor: expected)
    } else {
      incremental = try IncrementalSession(
        session.network, base: [picture], at: objective.layers, quickFor: expected, interrupt: session.interrupt)
      if let limit = session.memoryLimit { incremental!.memoryLimit = limit }
    }
    let base = try incremental!.baseValue(of: objective, image: n)
    var drops = [Double](repeating: 0, count: segments[n].count)
    for group in groups(regions, shape) {
      let pictures = group.map { picture.hiding($0, of: segments[n], by: hidden) }
      let members = group.enumerated().flatMap { place, members in members.map { (segment: $0, picture: pictures[place]) } }
      let perturbations = members.map { Perturbation(regions[$0.segment], of: $0.picture) }
      let values = try incremental!.values(of: base.settled, for: perturbations) { progress?(done + $0, total) ?? true }
      for (member, value) in zip(members, values) { drops[member.segment] = Double(base.score) - Double(value) }
      done += members.count
    }
    maps.withMutablePointer { segments[n].spread(drops, into: $0 + n * shape.h * shape.w) }
    scores.append(base.score)
    targets.append(base.target)
  }
  return Attribution(maps, scores: scores, targets: targets)
}

/// Segments by the pictures that show them hidden: those whose rectangles do not meet share one, and no more than
/// sixteen pictures are kept at once.
private func groups(_ regions: [Region], _ shape: Shape) -> [[[Int]]] {
  var groups: [[[Int]]] = [], isTaken: [[Bool]] = []
  for (k, region) in regions.enumerated() {
    func pixels(_ row: Int) -> Range<Int> { row * shape.w + region.columns.lowerBound..<row * shape.w + region.columns.upperBound }
    var place = isTaken.firstIndex { taken in !region.rows.contains { row in pixels(row).contains { taken[$0] } } }
    if place == nil {
      if isTaken.isEmpty || isTaken.count == 16 { (groups, isTaken) = (groups + [[]], []) }
      isTaken.append([Bool](repeating: false, count: shape.h * shape.w))
      groups[groups.count - 1].append([])
      place = isTaken.count - 1
    }
    groups[groups.count - 1][place!].append(k)
    for row in region.rows { for pixel in pixels(row) { isTaken[place!][pixel] = true } }
  }
  return groups
}

extension Tensor {
  /// The picture with some segments as in `hidden`.
  fileprivate func hiding(_ members: [Int], of segments: Segments, by hidden: Tensor) -> Tensor {
    var isShown = [Bool](repeating: true, count: segments.count)
    for k in members { isShown[k] = false }
    var result = Tensor(shape)
    result.withMutablePointer { segments.paint(self, hidden: hidden, isShown: isShown, into: $0) }
    return result
  }
}
