// SPDX-License-Identifier: Apache-2.0
import LensEngine
import LensTensors

/// How the objective answers to random masks, at each pixel on average over how much of it they show:
/// S = 1/(p N) sum_i f(I * M_i + (1 - M_i) * hidden) M_i.
///
/// A mask is a grid of cells, each 1 with probability p, enlarged smoothly to a grid one cell larger than the picture and
/// shifted by less than a cell. The paper's f is the class's probability and its hidden pixels are 0.
///
/// Petsiuk, Das & Saenko, "RISE: Randomized Input Sampling for Explanation of Black-box Models", 2018, equation 6 and
/// section 3.3. arXiv:1806.07421
/// - image: N×C×H×W.
/// - masks: N above. The error falls with its square root.
/// - cells: of the grid along each axis.
/// - probability: p, above 0 and at most 1.
/// - progress: gets how many masks of all are done; false stops the call, which then throws `.cancelled`.
public func rise(
  _ session: Session, _ image: Tensor, _ objective: Objective = .top, masks: Int = 4000, cells: Int = 7, probability: Double = 0.5,
  filling: Filling = .value(0), seed: UInt64 = 0, progress: ((Int, Int) -> Bool)? = nil
) throws -> Attribution {
  let shape = image.shape
  guard shape.rank == 4, shape.count > 0 else { throw LensError(.shapeMismatch, "the picture is \(shape); it must be N×C×H×W") }
  guard masks >= 1 else { throw LensError(.invalidArgument, "masks is \(masks); it must be at least 1") }
  let most = min(shape.h, shape.w)
  guard 1...most ~= cells else { throw LensError(.invalidArgument, "cells is \(cells); on this picture it must be 1...\(most)") }
  guard probability > 0, probability <= 1 else {
    throw LensError(.invalidArgument, "the probability is \(probability); it must be above 0 and at most 1")
  }
  let total = try Trials.checked(masks, shape.n, "\(masks) masks for \(shape.n) images")

  let grid = MaskGrid(cells: cells, height: shape.h, width: shape.w, probability: probability, seed: seed)
  let area = shape.h * shape.w
  var maps = try Tensor(allocating: [shape.n, shape.h, shape.w]), scores: [Float] = [], targets: [Int] = []
  var mask = [Float](repeating: 0, count: area)
  for n in 0..<shape.n {
    let picture = image.single(n), hidden = try filling.picture(picture, n, of: shape.n)
    let base = try session.baseValue(of: objective, at: [picture], image: n)
    let trials = Trials(session: session, image: picture, objective: base.settled)
    let values = try trials.scores(masks) {
      progress?(n * masks + $0, total) ?? true
    } _: { index, target in
      grid.mask(index, into: &mask)
      for channel in 0..<shape.c {
        let at = channel * area
        for i in 0..<area { target[at + i] = hidden.pointer[at + i] + mask[i] * (picture.pointer[at + i] - hidden.pointer[at + i]) }
      }
    }
    var sums = [Double](repeating: 0, count: area)
    for (index, value) in values.enumerated() {
      grid.mask(index, into: &mask)
      for i in 0..<area { sums[i] += Double(value) * Double(mask[i]) }
    }
    maps.withMutablePointer { for i in 0..<area { $0[n * area + i] = Float(sums[i] / (Double(masks) * probability)) } }
    scores.append(base.score)
    targets.append(base.target)
    withExtendedLifetime((picture, hidden)) {}
  }
  return Attribution(maps, scores: scores, targets: targets)
}

/// Section 3.3: s×s cells become (s+1)·ceil(H/s) × (s+1)·ceil(W/s) pixels, of which H×W are taken at a random offset.
private struct MaskGrid {
  let cells: Int
  let height: Int
  let width: Int
  let probability: Double
  let seed: UInt64

  func mask(_ index: Int, into mask: inout [Float]) {
    var random = Random.draw(index, of: seed)
    let isOn = (0..<cells * cells).map { _ -> Float in Double(random.uniform()) < probability ? 1 : 0 }
    let rows = taps(height, offset: &random), columns = taps(width, offset: &random)
    for y in 0..<height {
      let (upper, lower, below) = rows[y]
      for x in 0..<width {
        let (left, right, beside) = columns[x]
        let a = isOn[upper * cells + left] * (1 - beside) + isOn[upper * cells + right] * beside
        let b = isOn[lower * cells + left] * (1 - beside) + isOn[lower * cells + right] * beside
        mask[y * width + x] = a * (1 - below) + b * below
      }
    }
  }

  /// For each pixel the two cells between whose centres it lies, and how far it is from the first.
  private func taps(_ length: Int, offset random: inout Random) -> [(Int, Int, Float)] {
    let cell = (length + cells - 1) / cells, offset = random.below(cell)
    let scale = Double(cells) / Double((cells + 1) * cell)
    return (0..<length).map { i in
      let place = min(max((Double(i + offset) + 0.5) * scale - 0.5, 0), Double(cells - 1))
      let first = Int(place)
      return (first, min(first + 1, cells - 1), Float(place - Double(first)))
    }
  }
}
