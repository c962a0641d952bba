// SPDX-License-Identifier: Apache-2.0
import LensTensors

/// Grad-CAM with each gradient weighted by its unit's share of the map: w_k = sum_ij (A_ij / sum_ab A_ab) g_ij. A map
/// that is zero counts nothing.
///
/// Fu, Hu, Dong, Guo, Gao & Li, "Axiom-based Grad-CAM", 2020, equation 8. arXiv:2008.02312
func xGradCAM(_ evidence: CAMEvidence) -> Tensor {
  let maps = evidence.maps
  let sums = maps.spatialSum(maps) { a, _ in Double(a) }
  let products = maps.spatialSum(evidence.gradients) { Double($0) * Double($1) }
  let weights = zip(products, sums).map { $1 == 0 ? 0 : Float($0 / $1) }
  return maps.weightedOverChannels(Tensor([maps.shape.n, maps.shape.c], weights))
}
