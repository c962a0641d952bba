// SPDX-License-Identifier: Apache-2.0
import CLensCPU
import LensKernelTable

@inline(__always) private func started<T: Tile>(_: T.Type, _ call: UnsafePointer<TileCall>, _ output: MutableFloats) -> T {
  if call.pointee.accumulates {
    // 0 + y: the sum goes on as if it had never left the registers (but for the sign of a zero).
    var tile = T(T.Row(call.pointee.bias, 16))
    tile.add(Floats(output), call.pointee.pixelStep, call.pointee.blockStep)
    return tile
  }
  return T(T.Row(call.pointee.bias, 16))
}

/// - distance: floats from the call's output to the tile.
@inline(__always) private func finish<T: Tile>(
  _ result: T, _ call: UnsafePointer<TileCall>, _ output: MutableFloats, _ addend: Floats?, _ distance: Int
) {
  var tile = result
  let pixelStep = call.pointee.pixelStep, blockStep = call.pointee.blockStep
  if let addend { tile.add(addend + distance, pixelStep, blockStep) }
  if call.pointee.clamps {
    let lower = splat(call.pointee.lower), upper = splat(call.pointee.upper)
    tile.clamp(lower, upper)
    if let gates = call.pointee.gates { tile.writeGates(gates + (distance >> 4), pixelStep >> 4, blockStep >> 4, lower, upper) }
  }
  if let gates = call.pointee.gatedBy { tile.gate(gates + (distance >> 4), pixelStep >> 4, blockStep >> 4) }
  tile.write(output + distance, pixelStep, blockStep)
}

/// Batch-reduce GEMM over pixels of 16 channels:
/// y[pixel] += Σ over taps, Σ over k < depth: x[offsets[tap] + 16·pixel + k] · w[tap][k][16·blocks].
///
/// `depth` is 16 but must not be written as a literal: LLVM would unroll the loop 16 times and spill.
@inline(__always) func blocked<T: Tile>(
  _: T.Type, _ call: UnsafePointer<TileCall>, _ x: Floats, _ w: Floats, _ y: MutableFloats, _ addend: Floats?
) {
  let offsets = call.pointee.offsets, taps = call.pointee.taps, depth = call.pointee.depth, tiles = call.pointee.tiles
  var x = x, next = call.pointee.next, distance = 0, done = 0
  repeat {
    lens_fetch_ahead(next, 4 &* call.pointee.nextCount)
    next += call.pointee.nextCount
    var tile = started(T.self, call, y + distance)
    var w = w, tap = 0
    while tap < taps {
      let p = x + offsets[tap]
      var k = 0
      repeat {
        tile.add(p + k, 16, T.Row(w, 16))
        w += 16 &* T.Row.blocks
        k &+= 1
      } while k < depth
      tap &+= 1
    }
    finish(tile, call, y, addend, distance)
    x += 16 &* T.pixels
    distance += T.pixels &* call.pointee.pixelStep
    done &+= 1
  } while done < tiles
}

/// One pixel after the other, of several groups of lanes, over the inputs that are not zero. The sums are those of
/// `blocked`: what is left out would add 0.
@inline(__always) func sparse<T: Tile>(
  _: T.Type, _ call: UnsafePointer<TileCall>, _ x: SparsePixels, _ w: Floats, _ y: MutableFloats, _ addend: Floats?
) {
  let width = 16 &* T.Row.blocks / T.Row.groups, weightStep = call.pointee.weightStep, tiles = call.pointee.tiles
  var value = Floats(x.values), place = UnsafePointer(x.places), count = UnsafePointer(x.counts)
  var next = call.pointee.next, row = 0
  repeat {
    var distance = row &* call.pointee.rowStep, done = 0
    repeat {
      let start = call.pointee.accumulates ? T.Row(Floats(y) + distance, call.pointee.blockStep) : T.Row(call.pointee.bias, 16)
      var tile = T(start)
      let end = value + Int(count.pointee)
      var group = 0
      while group < T.Row.groups {
        lens_fetch_ahead(next + group &* weightStep, 4 &* call.pointee.nextCount)
        group &+= 1
      }
      next += call.pointee.nextCount
      while value < end {
        tile.add(value, 0, T.Row(groups: w + Int(place.pointee) &* width, weightStep))
        value += 1
        place += 1
      }
      finish(tile, call, y, addend, distance)
      count += 1
      distance += call.pointee.pixelStep
      done &+= 1
    } while done < tiles
    row &+= 1
  } while row < call.pointee.rows
}

/// The same where pixels and products lie any distance apart: planar pictures, whose pixels are neighbours; rows of a matrix.
@inline(__always) func planar<T: Tile>(
  _: T.Type, _ call: UnsafePointer<TileCall>, _ x: Floats, _ w: Floats, _ y: MutableFloats, _ addend: Floats?
) {
  // Known to the compiler, the distance of neighbours costs no registers.
  if call.pointee.inputStep == 1 {
    planar(T.self, 1, call, x, w, y, addend)
  } else {
    planar(T.self, call.pointee.inputStep, call, x, w, y, addend)
  }
}

@inline(__always) private func planar<T: Tile>(
  _: T.Type, _ pixelStep: Int, _ call: UnsafePointer<TileCall>, _ x: Floats, _ w: Floats, _ y: MutableFloats, _ addend: Floats?
) {
  let offsets = call.pointee.offsets, taps = call.pointee.taps, depth = call.pointee.depth, step = call.pointee.depthStep
  let tiles = call.pointee.tiles
  var x = x, distance = 0, done = 0
  repeat {
    var tile = started(T.self, call, y + distance)
    var w = w, tap = 0
    while tap < taps {
      var p = x + offsets[tap], k = 0
      repeat {
        tile.add(p, pixelStep, T.Row(w, 16))
        w += 16 &* T.Row.blocks
        p += step
        k &+= 1
      } while k < depth
      tap &+= 1
    }
    finish(tile, call, y, addend, distance)
    x += T.pixels &* pixelStep
    distance += T.pixels &* call.pointee.pixelStep
    done &+= 1
  } while done < tiles
}

/// Vectors of neighbouring pixels times one weight for each block, which is a channel:
/// y[block][16·vector + lane] += Σ over taps, Σ over k < depth: x[offsets[tap] + k·depthStep + 16·vector + lane] · w[tap][k][block].
///
/// Two tiles next to each other, each with its own loads: more sums would leave no registers to load weights only once.
@inline(__always) func turned<T: Tile>(
  _: T.Type, _ call: UnsafePointer<TileCall>, _ x: Floats, _ w: Floats, _ y: MutableFloats, _ addend: Floats?
) {
  let offsets = call.pointee.offsets, taps = call.pointee.taps, depth = call.pointee.depth, step = call.pointee.depthStep
  let tiles = call.pointee.tiles
  let half = 16 &* T.pixels
  var x = x, distance = 0, done = 0
  repeat {
    var first = started(T.self, call, y + distance), second = started(T.self, call, y + distance + half)
    var w = w, tap = 0
    while tap < taps {
      var p = x + offsets[tap], k = 0
      repeat {
        first.addLanes(p, 16, T.Row(each: w))
        lens_in_order()
        second.addLanes(p + half, 16, T.Row(each: w))
        w += T.Row.blocks
        p += step
        k &+= 1
      } while k < depth
      tap &+= 1
    }
    finish(first, call, y, addend, distance)
    finish(second, call, y, addend, distance + half)
    x += 2 &* half
    distance += 2 &* half
    done &+= 1
  } while done < tiles
}

/// y[pixel][lane] += Σ over taps: x[offsets[tap] + pixel·inputStep + lane] · w[weightOffsets[tap] + lane], row after row.
@inline(__always) func depthwise<T: Tile>(
  _: T.Type, _ call: UnsafePointer<TileCall>, _ x: Floats, _ w: Floats, _ y: MutableFloats, _ addend: Floats?
) {
  let offsets = call.pointee.offsets, weightOffsets = call.pointee.weightOffsets, taps = call.pointee.taps
  let tiles = call.pointee.tiles, rows = call.pointee.rows, step = call.pointee.inputStep
  var row = 0
  repeat {
    var x = x + row &* call.pointee.inputRowStep, distance = row &* call.pointee.rowStep, done = 0
    repeat {
      var tile = started(T.self, call, y + distance), tap = 0
      while tap < taps {
        tile.addLanes(x + offsets[tap], step, T.Row(w + weightOffsets[tap], 16))
        tap &+= 1
      }
      finish(tile, call, y, addend, distance)
      x += T.pixels &* step
      distance += T.pixels &* call.pointee.pixelStep
      done &+= 1
    } while done < tiles
    row &+= 1
  } while row < rows
}

/// Rows of `x` times rows of `w`, both contiguous along the sum: whole vectors lane by lane, then the lanes,
/// then the rest one by one; so in the same order whatever the tile.
@inline(__always) func dot<T: Tile>(_: T.Type, _ call: UnsafePointer<TileCall>, _ x: Floats, _ w: Floats, _ y: MutableFloats) {
  let depth = call.pointee.depth, xStep = call.pointee.depthStep, wStep = call.pointee.weightStep
  let accumulates = call.pointee.accumulates, yStep = call.pointee.pixelStep
  let next = call.pointee.next, nextCount = call.pointee.nextCount
  var tile = T(T.Row(call.pointee.bias, 0))
  let whole = depth & ~15
  var k = 0
  while k < whole {
    var row = 0
    while row < nextCount {
      lens_fetch_ahead(next + (row &* wStep &+ k), 64)
      row &+= 1
    }
    tile.addLanes(x + k, xStep, T.Row(w + k, wStep))
    k &+= 16
  }
  tile.writeTotals(
    y, yStep,
    { sum, i, j in
      var sum = sum, k = whole
      while k < depth {
        sum = fused(sum, x[i &* xStep &+ k], w[j &* wStep &+ k])
        k &+= 1
      }
      return accumulates ? y[i &* yStep &+ j] + sum : sum
    }, 0)
}

/// y[0..<n] += Σ a[k] · b[k·step ..< n], k ascending, so bit for bit what a tile makes of it. Rows that would be multiplied by 0
/// are not read.
@inline(never) func addRows(_ a: Floats, _ b: Floats, _ y: MutableFloats, _ n: Int, _ depth: Int, _ step: Int) {
  var k = nonzero(a, 0, depth)
  while k < depth {
    let k1 = nonzero(a, k &+ 1, depth), k2 = nonzero(a, k1 &+ 1, depth), k3 = nonzero(a, k2 &+ 1, depth)
    var i = 0
    if k3 < depth {
      let b0 = b + k &* step, b1 = b + k1 &* step, b2 = b + k2 &* step, b3 = b + k3 &* step
      let a0 = splat(a[k]), a1 = splat(a[k1]), a2 = splat(a[k2]), a3 = splat(a[k3])
      while i &+ 16 <= n {
        store(fused(fused(fused(fused(load(y + i), a0, load(b0 + i)), a1, load(b1 + i)), a2, load(b2 + i)), a3, load(b3 + i)), y + i)
        i &+= 16
      }
      while i < n {
        y[i] = fused(fused(fused(fused(y[i], a[k], b0[i]), a[k1], b1[i]), a[k2], b2[i]), a[k3], b3[i])
        i &+= 1
      }
      k = nonzero(a, k3 &+ 1, depth)
    } else {
      let row = b + k &* step, factor = splat(a[k])
      while i &+ 16 <= n {
        store(fused(load(y + i), factor, load(row + i)), y + i)
        i &+= 16
      }
      while i < n {
        y[i] = fused(y[i], a[k], row[i])
        i &+= 1
      }
      k = k1
    }
  }
}

/// The first number from `start` on that is not 0; `count` or more where there is none.
@inline(__always) private func nonzero(_ a: Floats, _ start: Int, _ count: Int) -> Int {
  var i = start
  while i < count && a[i] == 0 { i &+= 1 }
  return i
}
