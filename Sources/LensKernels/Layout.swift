// SPDX-License-Identifier: Apache-2.0
public import LensKernelTable
public import LensTensors

/// How the floats of an N×C×H×W value lie in memory.
public enum Layout: Hashable, Sendable {
  /// N×C×H×W, as everywhere outside the engine.
  case plain
  /// N × ceil(C/16) × H × W × 16: the channels of a pixel in blocks of 16, the last one padded.
  ///
  /// Convolution and `reorder` write finite values into the padding lanes, and everything that reads them must
  /// tolerate any finite value there.
  case blocked

  /// Channels in a block.
  public static let block = 16

  public static func blocks(_ channels: Int) -> Int { (channels + block - 1) / block }

  /// The floats that a value of this shape takes.
  public func floatCount(of shape: Shape) -> Int {
    self == .plain ? shape.count : shape.n * Layout.blocks(shape.c) * Layout.block * shape.h * shape.w
  }
}

/// Copies a value from one layout to another, or adds it to what is there (the padding lanes keep what they had).
public func reorder(
  _ source: Floats, _ sourceLayout: Layout, to destination: MutableFloats, _ destinationLayout: Layout, shape: Shape,
  accumulates: Bool = false, kernels: KernelTable = Kernels.selected
) {
  let plane = shape.h * shape.w, channels = shape.c, blocks = Layout.blocks(channels)
  guard shape.n > 0, channels > 0, plane > 0 else { return }
  if sourceLayout == destinationLayout {
    let count = sourceLayout.floatCount(of: shape)
    if accumulates {
      Elementwise.add(destination, source, to: destination, count, kernels: kernels)
    } else {
      parallel(count, grain: 1 << 15) { (destination + $0.lowerBound).update(from: source + $0.lowerBound, count: $0.count) }
    }
    return
  }
  let pieces = (plane + 1023) / 1024
  parallel(shape.n * blocks * pieces, grain: max(1, 16384 / (16 * min(plane, 1024)))) { jobs in
    for job in jobs {
      let piece = job % pieces, block = job / pieces % blocks, image = job / pieces / blocks
      let start = piece * 1024, count = min(1024, plane - start), lanes = min(16, channels - block * 16)
      let plain = (image * channels + block * 16) * plane + start
      let blocked = ((image * blocks + block) * plane + start) * 16
      if destinationLayout == .blocked {
        kernels.interleave(source + plain, plane, lanes, destination + blocked, count, accumulates)
      } else {
        kernels.deinterleave(source + blocked, destination + plain, plane, lanes, count, accumulates)
      }
    }
  }
}
