// SPDX-License-Identifier: Apache-2.0
import CLensCPU
public import LensKernelTable

/// Two runs of pixels × two blocks of lanes, in registers for the whole sum:
///
///                   6: lanes 0..<16    7: lanes 16..<32
///     4: run 0      0                  1
///     5: run 1      2                  3
///
/// For 32 channels of a tap low · high, high · high and high · low: so only one of the factors has to be loaded anew. What
/// low · low would add is less than what the halves leave out.
@inline(__always) private func multiply(
  _ runs: Int, _ blocks: Int, _ call: UnsafePointer<TileCall>, _ x: Floats, _ w: Floats, _ y: MutableFloats
) {
  let offsets = call.pointee.offsets, taps = call.pointee.taps, second = call.pointee.inputRowStep
  let inputStep = 4 &* call.pointee.inputStep, lowStep = call.pointee.depthStep
  let pixelStep = 4 &* call.pointee.pixelStep, blockStep = call.pointee.blockStep, rowStep = call.pointee.rowStep
  let isTall = runs == 2, isWide = blocks == 2
  if call.pointee.accumulates {
    lens_tile_load(0, y, pixelStep)
    if isWide { lens_tile_load(1, y + blockStep, pixelStep) }
    if isTall { lens_tile_load(2, y + rowStep, pixelStep) }
    if isTall && isWide { lens_tile_load(3, y + (rowStep &+ blockStep), pixelStep) }
  } else {
    lens_tile_zero(0)
    if isWide { lens_tile_zero(1) }
    if isTall { lens_tile_zero(2) }
    if isTall && isWide { lens_tile_zero(3) }
  }
  @inline(__always) func loadPixels(_ p: Floats) {
    lens_tile_load(4, p, inputStep)
    if isTall { lens_tile_load(5, p + second, inputStep) }
  }
  @inline(__always) func loadWeights(_ p: Floats) {
    lens_tile_load(6, p, 64)
    if isWide { lens_tile_load(7, p + 256, 64) }
  }
  @inline(__always) func multiply() {
    lens_tile_multiply(0)
    if isWide { lens_tile_multiply(1) }
    if isTall { lens_tile_multiply(2) }
    if isTall && isWide { lens_tile_multiply(3) }
  }
  let nextCount = call.pointee.nextCount
  var w = w, next = call.pointee.next, tap = 0
  while tap < taps {
    let p = x + offsets[tap]
    lens_fetch_ahead(next, 4 &* nextCount)
    next += nextCount
    loadPixels(p + lowStep)
    loadWeights(w)
    multiply()
    loadPixels(p)
    multiply()
    loadWeights(w + 256 &* blocks)
    multiply()
    w += 512 &* blocks
    tap &+= 1
  }
  lens_tile_store(0, y, pixelStep)
  if isWide { lens_tile_store(1, y + blockStep, pixelStep) }
  if isTall { lens_tile_store(2, y + rowStep, pixelStep) }
  if isTall && isWide { lens_tile_store(3, y + (rowStep &+ blockStep), pixelStep) }
}

@inline(never) func tile(_ runs: Int, _ blocks: Int) -> TileFunction {
  switch (runs, blocks) {
  case (1, 1): { call, x, w, y, _ in multiply(1, 1, call, x, w, y) }
  case (1, 2): { call, x, w, y, _ in multiply(1, 2, call, x, w, y) }
  case (2, 1): { call, x, w, y, _ in multiply(2, 1, call, x, w, y) }
  default: { call, x, w, y, _ in multiply(2, 2, call, x, w, y) }
  }
}

/// What this module has to offer.
public func amxLoops() -> AMXLoops {
  AMXLoops(
    split: { split($0, $1, $2, $3, $4) }, splitPlanes: { splitPlanes($0, $1, $2, $3, $4, $5) },
    configure: { lens_tiles_configure($0, $1) }, release: { lens_tiles_release() }, tile: { tile($0, $1) })
}
