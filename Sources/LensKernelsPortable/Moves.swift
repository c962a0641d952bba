// SPDX-License-Identifier: Apache-2.0
import CLensCPU
import LensKernelTable

@inline(never) func gatherVectors(_ source: Floats, _ step: Int, _ destination: MutableFloats, _ count: Int) {
  var p = source, q = destination, i = 0
  while i < count {
    store(load(p), q)
    p += step
    q += 16
    i &+= 1
  }
}

@inline(never) func scatterVectors(
  _ source: Floats, _ destination: MutableFloats, _ step: Int, _ count: Int, _ accumulates: Bool, _ gates: Gates?
) {
  var p = source, q = destination, i = 0
  while i < count {
    var v = load(p)
    if accumulates { v += load(q) }
    if let gates { v = gated(v, gates[i &* step >> 4]) }
    store(v, q)
    p += 16
    q += step
    i &+= 1
  }
}

/// Pixels whose 16 × 16 squares stay in the nearest cache on both sides.
@inline(never) func interleave(
  _ source: Floats, _ planeStep: Int, _ planes: Int, _ destination: MutableFloats, _ pixels: Int, _ accumulate: Bool
) {
  var start = 0
  while start < pixels {
    let end = min(start &+ 64, pixels), whole = start &+ (end &- start) & ~7
    var lane = 0
    while lane &+ 4 <= planes {
      var i = start
      while i < whole {
        lens_transpose_back(source + (lane &* planeStep &+ i), planeStep, destination + (i &* 16 &+ lane), 16, accumulate)
        i &+= 8
      }
      lane &+= 4
    }
    let transposed = lane
    lane = 0
    while lane < planes {
      let p = source + lane &* planeStep
      var i = lane < transposed ? whole : start
      while i < end {
        let q = destination + (i &* 16 &+ lane)
        q[0] = accumulate ? q[0] + p[i] : p[i]
        i &+= 1
      }
      lane &+= 1
    }
    while lane < 16 && !accumulate {
      var i = start
      while i < end {
        destination[i &* 16 &+ lane] = 0
        i &+= 1
      }
      lane &+= 1
    }
    start = end
  }
}

/// The columns of a 16 × 16 square as rows.
@inline(never) func turn(_ source: Floats, _ step: Int, _ destination: MutableFloats, _ destinationStep: Int) {
  var row = 0
  while row < 16 {
    lens_transpose_back(source + row &* step, step, destination + row, destinationStep, false)
    lens_transpose_back(source + (row &* step &+ 8), step, destination + (8 &* destinationStep &+ row), destinationStep, false)
    row &+= 4
  }
}

@inline(never) func deinterleave(
  _ source: Floats, _ destination: MutableFloats, _ planeStep: Int, _ planes: Int, _ pixels: Int, _ accumulate: Bool
) {
  var start = 0
  while start < pixels {
    let end = min(start &+ 64, pixels), whole = accumulate ? start : start &+ (end &- start) & ~7
    var lane = 0
    while lane &+ 4 <= planes {
      var i = start
      while i < whole {
        lens_transpose(source + (i &* 16 &+ lane), destination + (lane &* planeStep &+ i), planeStep)
        i &+= 8
      }
      lane &+= 4
    }
    let transposed = lane
    lane = 0
    while lane < planes {
      let start = lane < transposed ? whole : start
      let q = destination + lane &* planeStep
      var i = start
      if accumulate {
        while i < end {
          q[i] += source[i &* 16 &+ lane]
          i &+= 1
        }
      } else {
        while i < end {
          q[i] = source[i &* 16 &+ lane]
          i &+= 1
        }
      }
      lane &+= 1
    }
    start = end
  }
}

/// What is not zero in `count` pixels of some blocks.
///
/// - Returns: how many numbers that is
@inline(never) func collect(
  _ source: Floats, _ pixelStep: Int, _ blockStep: Int, _ blocks: Int, _ pixels: SparsePixels, _ count: Int
) -> Int {
  var found = 0, pixel = 0
  while pixel < count {
    let before = found
    var block = 0
    while block < blocks {
      let x = load(source + (block &* blockStep &+ pixel &* pixelStep))
      found &+= lens_collect(x, UInt8(truncatingIfNeeded: 16 &* block), pixels.values + found, pixels.places + found)
      block &+= 1
    }
    pixels.counts[pixel] = UInt8(truncatingIfNeeded: found &- before)
    pixel &+= 1
  }
  return found
}
