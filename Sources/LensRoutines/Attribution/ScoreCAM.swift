// SPDX-License-Identifier: Apache-2.0
import Glibc
import LensEngine
import LensTensors

/// The maps weighted by what the network makes of the picture seen through each: A^k enlarged and scaled to 0...1 masks
/// the picture, w = softmax over k of S(x * H^k). One forward pass for each channel, no gradient.
///
/// Wang et al., "Score-CAM", 2020, definition 3 and algorithm 1. arXiv:1910.01279
func scoreCAM(
  _ evidence: CAMEvidence, _ session: Session, _ image: Tensor, _ objective: Objective, _ progress: Steps?
) throws -> Tensor {
  let maps = evidence.maps, (n, c) = (maps.shape.n, maps.shape.c), size = session.picturesPerPass(image.shape)
  let area = image.shape.h * image.shape.w
  var weights: [Float] = []
  for index in 0..<n {
    let picture = image.single(index), settled = try session.settle(objective, at: [picture], image: index)
    let planes = maps.single(index).reshaped(to: [c, maps.shape.h, maps.shape.w])
    var scores: [Double] = []
    for first in stride(from: 0, to: c, by: size) {
      let count = min(size, c - first)
      let part = Tensor(
        [count, maps.shape.h, maps.shape.w],
        Array(planes.values[first * maps.shape.h * maps.shape.w..<(first + count) * maps.shape.h * maps.shape.w]))
      let masks = try part.enlarged(to: image.shape, .bilinear)
      var masked = picture.repeated(count)
      masks.withPointer { mask in
        masked.withMutablePointer { p in
          for k in 0..<count {
            let mask = mask + k * area, pixels = p + k * picture.count
            let low = (0..<area).reduce(Float.infinity) { min($0, mask[$1]) },
              high = (0..<area).reduce(-Float.infinity) { max($0, mask[$1]) }
            let scale = high > low ? 1 / (high - low) : 0
            for i in 0..<picture.count { pixels[i] *= (mask[i % area] - low) * scale }
          }
        }
      }
      scores += try session.gradient(of: settled.objective, at: [masked], wrt: []).scores.map { Double($0) }
      guard progress?(index * c + first + count, n * c) ?? true else {
        throw LensError(.cancelled, "stopped after \(index * c + first + count) of \(n * c) channels")
      }
    }
    let highest = scores.max() ?? 0, exponentials = scores.map { exp($0 - highest) }, sum = exponentials.reduce(0, +)
    weights += exponentials.map { Float($0 / sum) }
  }
  return maps.weightedOverChannels(Tensor([n, c], weights))
}
