// SPDX-License-Identifier: Apache-2.0
import LensEngine
import LensTensors

/// The maps weighted by the share of the score that goes when one of them is set to zero: w_k = (S - S_k) / S. Only the
/// network behind the layer runs again.
///
/// Desai & Ramaswamy, "Ablation-CAM", 2020, equation 4. doi:10.1109/WACV45572.2020.9093360
func ablationCAM(
  _ evidence: CAMEvidence, _ session: Session, _ image: Tensor, _ objective: Objective, _ progress: Steps?
) throws -> Tensor {
  let maps = evidence.maps, (n, c) = (maps.shape.n, maps.shape.c), area = maps.shape.h * maps.shape.w
  let rest = try session.behind(evidence.layer, inputs: [image.shape.with(0, 1)])
  var weights: [Float] = []
  for index in 0..<n {
    let picture = image.single(index), settled = try session.settle(objective, at: [picture], image: index)
    guard settled.score != 0 else { throw LensError(.invalidArgument, "the score is 0, and shares of it say nothing") }
    let values = try session.activations(of: [picture], at: rest.layers)
    let size = max(1, min(64, (1 << 22) / max(1, values.reduce(0) { $0 + $1.count })))
    for first in stride(from: 0, to: c, by: size) {
      let count = min(size, c - first)
      var inputs = values.map { $0.repeated(count) }
      inputs[0].withMutablePointer { p in
        for k in 0..<count { (p + (k * c + first + k) * area).update(repeating: 0, count: area) }
      }
      let scores = try rest.session.gradient(of: settled.objective, at: inputs, wrt: []).scores
      weights += scores.map { (settled.score - $0) / settled.score }
      guard progress?(index * c + first + count, n * c) ?? true else {
        throw LensError(.cancelled, "stopped after \(index * c + first + count) of \(n * c) channels")
      }
    }
  }
  return maps.weightedOverChannels(Tensor([n, c], weights))
}
