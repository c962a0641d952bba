// SPDX-License-Identifier: Apache-2.0
import LensTensors

/// Grad-CAM with weights that let each position of a class count: alpha_ij = g^2 / (2 g^2 + g^3 sum_ab A_ab),
/// w_k = sum_ij alpha_ij ReLU(g_ij), with g = dS/dA^k_ij.
///
/// Chattopadhay, Sarkar, Howlader & Balasubramanian, "Grad-CAM++", 2018, equations 10 and 19 (the derivative is of the
/// score's exponential; it drops out of alpha). arXiv:1710.11063
func gradCAMPlusPlus(_ evidence: CAMEvidence) -> Tensor {
  let (maps, gradients) = (evidence.maps, evidence.gradients), area = maps.shape.h * maps.shape.w
  let sums = maps.spatialSum(maps) { a, _ in Double(a) }
  let weights = gradients.withPointer { g in
    sums.enumerated().map { plane, sum in
      Float(
        (plane * area..<(plane + 1) * area).reduce(0.0) { weight, i in
          let g = Double(g[i])
          guard g > 0 else { return weight }
          let denominator = 2 * g * g + sum * g * g * g
          return denominator == 0 ? weight : weight + g * g / denominator * g
        })
    }
  }
  return maps.weightedOverChannels(Tensor([maps.shape.n, maps.shape.c], weights))
}
