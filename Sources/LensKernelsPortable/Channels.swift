// SPDX-License-Identifier: Apache-2.0
import LensKernelTable

@inline(never) func affine(
  _ x: Floats, _ scale: Floats, _ shift: Floats, _ y: MutableFloats, _ pixels: Int, _ addend: Floats?, _ lower: Float, _ upper: Float,
  _ bits: MutableGates?
) {
  let a = load(scale), b = load(shift), lower = splat(lower), upper = splat(upper)
  var i = 0
  while i < pixels {
    // Not fused, so that it is the same on every CPU.
    var v = load(x + i &* 16) * a + b
    if let addend { v += load(addend + i &* 16) }
    v = bound(v, lower, upper)
    if let bits { bits[i] = gates(of: v, lower, upper) }
    store(v, y + i &* 16)
    i &+= 1
  }
}

@inline(never) func scale(_ x: Floats, _ scale: Floats, _ y: MutableFloats, _ pixels: Int, _ adds: Bool) {
  let a = load(scale)
  var i = 0
  if adds {
    while i < pixels {
      store(load(y + i &* 16) + load(x + i &* 16) * a, y + i &* 16)
      i &+= 1
    }
  } else {
    while i < pixels {
      store(load(x + i &* 16) * a, y + i &* 16)
      i &+= 1
    }
  }
}

/// Four sums: shorter chains of additions, for speed and for precision.
@inline(never) func products(_ x: Floats, _ y: Floats, _ sums: MutableFloats, _ pixels: Int) {
  var a = splat(0), b = splat(0), c = splat(0), d = splat(0), i = 0
  while i &+ 4 <= pixels {
    let p = x + i &* 16, q = y + i &* 16
    a = fused(a, load(p), load(q))
    b = fused(b, load(p + 16), load(q + 16))
    c = fused(c, load(p + 32), load(q + 32))
    d = fused(d, load(p + 48), load(q + 48))
    i &+= 4
  }
  while i < pixels {
    a = fused(a, load(x + i &* 16), load(y + i &* 16))
    i &+= 1
  }
  store(load(sums) + ((a + b) + (c + d)), sums)
}
