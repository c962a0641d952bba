// SPDX-License-Identifier: Apache-2.0
import LensTensors

/// The maps weighted unit by unit instead of on average: L = sum_k g^k A^k. Where the network is linear behind the
/// layer it shows just what the score is made of.
///
/// Draelos & Carin, "Use HiResCAM instead of Grad-CAM for faithful explanations", 2020, equation 4. arXiv:2011.08891
func hiResCAM(_ evidence: CAMEvidence) -> Tensor { (evidence.gradients * evidence.maps).foldedOverChannels(0, +) }
