// SPDX-License-Identifier: Apache-2.0
import LensTensors

/// The maps weighted unit by unit with the positive part of the gradient: L = sum_k ReLU(g^k) A^k. Good at earlier
/// layers, where the mean of a gradient says little.
///
/// Jiang, Zhang, Hou, Cheng & Wei, "LayerCAM", 2021, equations 5 and 6. doi:10.1109/TIP.2021.3089943
func layerCAM(_ evidence: CAMEvidence) -> Tensor {
  Tensor.zip(evidence.gradients, evidence.maps) { max($0, 0) * $1 }.foldedOverChannels(0, +)
}
