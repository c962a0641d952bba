// SPDX-License-Identifier: Apache-2.0
import CLensCPU
import LensKernelTable

// The transforms of Winograd's minimal filtering with the points 0, 1, -1, 2, -2 and infinity, after Lavin & Gray,
// "Fast Algorithms for Convolutional Neural Networks", 2016, section 4: y = Aᵀ ((G g Gᵀ) ⊙ (Bᵀ d B)) A.
// Bᵀ depends on the points alone, so 3×3 kernels (4×4 outputs), 4×4 kernels (3×3) and 5×5 kernels (2×2) share it.

// As many channels at once as leave room in the registers for the dozen vectors of a transform.
#if CNNLENS_AVX512
  private typealias Lanes = SIMD16<Float>
#elseif CNNLENS_AVX2
  private typealias Lanes = SIMD8<Float>
#else
  private typealias Lanes = SIMD4<Float>
#endif

@inline(__always) private func get(_ p: Floats) -> Lanes { UnsafeRawPointer(p).loadUnaligned(as: Lanes.self) }
@inline(__always) private func get(_ p: MutableFloats) -> Lanes { UnsafeRawPointer(p).loadUnaligned(as: Lanes.self) }
@inline(__always) private func put(_ v: Lanes, _ p: MutableFloats) { UnsafeMutableRawPointer(p).storeBytes(of: v, as: Lanes.self) }
@inline(__always) private func all(_ x: Float) -> Lanes { Lanes(repeating: x) }
#if CNNLENS_AVX512
  @inline(__always) private func sum(_ v: Lanes, _ factor: Float, _ w: Lanes) -> Lanes { lens_fused(v, w, all(factor)) }
#elseif CNNLENS_AVX2
  @inline(__always) private func sum(_ v: Lanes, _ factor: Float, _ w: Lanes) -> Lanes { lens_fused_half(v, w, all(factor)) }
#elseif arch(arm64)
  @inline(__always) private func sum(_ v: Lanes, _ factor: Float, _ w: Lanes) -> Lanes { v.addingProduct(w, all(factor)) }
#else
  @inline(__always) private func sum(_ v: Lanes, _ factor: Float, _ w: Lanes) -> Lanes { v + w * all(factor) }
#endif

/// Bᵀ: six samples to six points.
@inline(__always) private func toPoints(_ s: Floats, _ step: Int, _ q: MutableFloats, _ qStep: Int) {
  let a = get(s), b = get(s + step), c = get(s + 2 &* step), d = get(s + 3 &* step), e = get(s + 4 &* step), f = get(s + 5 &* step)
  let p = sum(e, -4, c), r = sum(d, -4, b), u = e - c, v = d - b
  put(sum(sum(e, -5, c), 4, a), q)
  put(p + r, q + qStep)
  put(p - r, q + 2 &* qStep)
  put(sum(u, 2, v), q + 3 &* qStep)
  put(sum(u, -2, v), q + 4 &* qStep)
  put(sum(sum(f, -5, d), 4, b), q + 5 &* qStep)
}

/// Aᵀ: six points, with the factors that G leaves out, to so many samples.
@inline(__always) private func toSamples(_ s: Floats, _ step: Int, _ q: MutableFloats, _ qStep: Int, _ count: Int) {
  let a = get(s), b = get(s + step), c = get(s + 2 &* step), d = get(s + 3 &* step), e = get(s + 4 &* step), f = get(s + 5 &* step)
  let p = (b + c) * all(-1 / 6), r = (b - c) * all(-1 / 6), u = d + e, v = d - e
  put(sum(sum(p, 1 / 4, a), 1 / 24, u), q)
  if count == 4 {
    put(sum(r, 1 / 12, v), q + qStep)
    put(sum(p, 1 / 6, u), q + 2 &* qStep)
    put(sum(r + f, 1 / 3, v), q + 3 &* qStep)
  } else if count == 3 {
    put(sum(r, 1 / 12, v), q + qStep)
    put(sum(p + f, 1 / 6, u), q + 2 &* qStep)
  } else {
    put(sum(r + f, 1 / 12, v), q + qStep)
  }
}

@inline(never) func winogradInput(
  _ source: Floats, _ rowStep: Int, _ destination: MutableFloats, _ positionStep: Int, _ scratch: MutableFloats
) {
  var lane = 0
  while lane < 16 {
    var i = 0
    while i < 6 {
      toPoints(source + (i &* rowStep &+ lane), 16, scratch + i &* 96, 16)
      i &+= 1
    }
    var j = 0
    while j < 6 {
      toPoints(Floats(scratch) + j &* 16, 96, destination + (j &* positionStep &+ lane), 6 &* positionStep)
      j &+= 1
    }
    lane &+= Lanes.scalarCount
  }
}

@inline(never) func winogradOutput(
  _ call: UnsafePointer<WinogradOutput>, _ k: Int, _ source: Floats, _ output: MutableFloats, _ addend: Floats?, _ scratch: MutableFloats
) {
  let m = 7 &- k, step = call.pointee.positionStep
  let rows = call.pointee.rows, columns = call.pointee.columns, rowStep = call.pointee.rowStep
  let accumulates = call.pointee.accumulates, clamps = call.pointee.clamps
  let samples = scratch + 384
  var lane = 0
  while lane < 16 {
    var j = 0
    while j < 6 {
      toSamples(source + (j &* step &+ lane), 6 &* step, scratch + j &* 16, 96, m)
      j &+= 1
    }
    let bias = get(call.pointee.bias + lane), lower = all(call.pointee.lower), upper = all(call.pointee.upper)
    var i = 0
    while i < rows {
      toSamples(Floats(scratch) + i &* 96, 16, samples, 16, m)
      let at = i &* rowStep &+ lane
      var j = 0
      while j < columns {
        let place = output + (at &+ j &* 16)
        var v = get(samples + j &* 16) + bias
        if accumulates { v += get(place) }
        if let addend { v += get(addend + (at &+ j &* 16)) }
        if clamps {
          v = v.replacing(with: lower, where: v .< lower)
          v = v.replacing(with: upper, where: v .> upper)
        }
        put(v, place)
        j &+= 1
      }
      i &+= 1
    }
    lane &+= Lanes.scalarCount
  }
  if call.pointee.gates != nil || call.pointee.gatedBy != nil { gateTile(call, output) }
}

/// Notes or applies the gates of a tile that is in its place, where it is in the nearest cache still.
@inline(__always) private func gateTile(_ call: UnsafePointer<WinogradOutput>, _ output: MutableFloats) {
  let lower = splat(call.pointee.lower), upper = splat(call.pointee.upper)
  var i = 0
  while i < call.pointee.rows {
    let row = i &* call.pointee.rowStep
    var j = 0
    while j < call.pointee.columns {
      let at = row &+ j &* 16
      if let bits = call.pointee.gates { bits[at >> 4] = gates(of: load(output + at), lower, upper) }
      if let bits = call.pointee.gatedBy { store(gated(load(output + at), bits[at >> 4]), output + at) }
      j &+= 1
    }
    i &+= 1
  }
}

// G has a factor in each of its rows: 1/4, -1/6, -1/6, 1/24, 1/24, 1. They wait until Aᵀ, where there is less to multiply.

/// The even and odd parts of a polynomial at 1 and at 2, its first and last coefficient: its values at six points.
@inline(__always) private func putPoints(
  _ first: Lanes, _ even: Lanes, _ odd: Lanes, _ even2: Lanes, _ odd2: Lanes, _ last: Lanes, _ q: MutableFloats, _ qStep: Int
) {
  put(first, q)
  put(even + odd, q + qStep)
  put(even - odd, q + 2 &* qStep)
  put(sum(even2, 2, odd2), q + 3 &* qStep)
  put(sum(even2, -2, odd2), q + 4 &* qStep)
  put(last, q + 5 &* qStep)
}

/// Three taps to six points.
@inline(__always) private func putPoints(_ a: Lanes, _ b: Lanes, _ c: Lanes, _ q: MutableFloats, _ qStep: Int) {
  putPoints(a, a + c, b, sum(a, 4, c), b, c, q, qStep)
}

/// Four or five taps to six points.
@inline(__always) private func putPoints(_ s: Floats, _ step: Int, _ q: MutableFloats, _ qStep: Int, _ count: Int) {
  let a = get(s), b = get(s + step), c = get(s + 2 &* step), d = get(s + 3 &* step)
  if count == 4 {
    putPoints(a, a + c, b + d, sum(a, 4, c), sum(b, 4, d), d, q, qStep)
  } else {
    let e = get(s + 4 &* step)
    putPoints(a, a + c + e, b + d, sum(sum(a, 4, c), 16, e), sum(b, 4, d), e, q, qStep)
  }
}

@inline(never) func winogradFilter(
  _ k: Int, _ taps: Floats, _ tapStep: Int, _ destination: MutableFloats, _ positionStep: Int, _ scratch: MutableFloats
) {
  let rowStep = 6 &* positionStep
  var lane = 0
  while lane < 16 {
    let s = taps + lane, q = destination + lane
    if k == 3 {
      // Points of the columns as they are needed, a row of 36 positions at a time, rather than a pass over memory for each way.
      let a = (get(s), get(s + tapStep), get(s + 2 &* tapStep))
      let b = (get(s + 3 &* tapStep), get(s + 4 &* tapStep), get(s + 5 &* tapStep))
      let c = (get(s + 6 &* tapStep), get(s + 7 &* tapStep), get(s + 8 &* tapStep))
      putPoints(a.0, a.1, a.2, q, positionStep)
      let even = (a.0 + c.0, a.1 + c.1, a.2 + c.2)
      putPoints(even.0 + b.0, even.1 + b.1, even.2 + b.2, q + rowStep, positionStep)
      putPoints(even.0 - b.0, even.1 - b.1, even.2 - b.2, q + 2 &* rowStep, positionStep)
      let even2 = (sum(a.0, 4, c.0), sum(a.1, 4, c.1), sum(a.2, 4, c.2))
      putPoints(sum(even2.0, 2, b.0), sum(even2.1, 2, b.1), sum(even2.2, 2, b.2), q + 3 &* rowStep, positionStep)
      putPoints(sum(even2.0, -2, b.0), sum(even2.1, -2, b.1), sum(even2.2, -2, b.2), q + 4 &* rowStep, positionStep)
      putPoints(c.0, c.1, c.2, q + 5 &* rowStep, positionStep)
    } else {
      var j = 0
      while j < k {
        putPoints(s + j &* tapStep, k &* tapStep, scratch + j &* 96, 16, k)
        j &+= 1
      }
      var i = 0
      while i < 6 {
        putPoints(Floats(scratch) + i &* 16, 96, q + i &* rowStep, positionStep, k)
        i &+= 1
      }
    }
    lane &+= Lanes.scalarCount
  }
}
