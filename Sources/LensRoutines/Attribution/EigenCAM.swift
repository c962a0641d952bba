// SPDX-License-Identifier: Apache-2.0
import LensTensors

/// What the maps have most in common: their first principal component over positions. It asks for no class.
///
/// Muhammad & Yeasin, "Eigen-CAM", 2020, section III. arXiv:2008.00299. Each channel is taken about its mean, as in PCA;
/// the sign is the one with which the component agrees with the sum of the maps.
func eigenCAM(_ evidence: CAMEvidence) -> Tensor {
  let maps = evidence.maps, (n, c, h, w) = (maps.shape.n, maps.shape.c, maps.shape.h, maps.shape.w)
  return Tensor([n, h, w], (0..<n).flatMap { firstComponent(maps.single($0).values, channels: c, area: h * w) })
}

/// Power iteration on X^T X for the channels × positions matrix X.
private func firstComponent(_ values: [Float], channels: Int, area: Int) -> [Float] {
  var x = values.map { Double($0) }
  var energy = [Double](repeating: 0, count: area)
  for k in 0..<channels {
    let row = k * area..<(k + 1) * area
    for (i, at) in row.enumerated() { energy[i] += x[at] }
    let mean = row.reduce(0) { $0 + x[$1] } / Double(area)
    for at in row { x[at] -= mean }
  }
  // The start is the positions' energy about its mean: never orthogonal to a component that shows.
  let center = energy.reduce(0, +) / Double(area)
  var v = energy.enumerated().map { $1 - center + 1e-3 * Double(($0 * 7919) % 101 - 50) / 50 }
  for _ in 0..<2000 {
    let norm = v.reduce(0) { $0 + $1 * $1 }.squareRoot()
    guard norm > 0 else { return [Float](repeating: 0, count: area) }
    for i in v.indices { v[i] /= norm }
    var next = [Double](repeating: 0, count: area)
    x.withUnsafeBufferPointer { x in
      for k in 0..<channels {
        let row = x.baseAddress! + k * area
        var dot = 0.0
        for i in 0..<area { dot += row[i] * v[i] }
        for i in 0..<area { next[i] += dot * row[i] }
      }
    }
    let change = zip(next, v).reduce(0) { $0 + ($1.0 - norm * $1.1) * ($1.0 - norm * $1.1) }.squareRoot()
    v = next
    if change <= 1e-12 * norm { break }
  }
  let norm = v.reduce(0) { $0 + $1 * $1 }.squareRoot()
  guard norm > 0 else { return [Float](repeating: 0, count: area) }
  // Its length is the component's share, the largest singular value.
  let scale = norm.squareRoot() / norm
  let agrees = zip(v, energy).reduce(0) { $0 + $1.0 * ($1.1 - center) } >= 0
  return v.map { Float((agrees ? scale : -scale) * $0) }
}
