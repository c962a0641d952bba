// SPDX-License-Identifier: Apache-2.0
import CLensCPU
import LensKernelTable

// Windows over pixels of 16 channels. One call covers outputs that are neighbours in a row and see windows of one size.

/// The largest value of each window and, where switches are wanted, the number of the tap that had it first. Something
/// that is not a number is larger than any number.
@inline(never) func largest(_ call: UnsafePointer<PoolCall>, _ x: Floats, _ y: MutableFloats, _ switches: UnsafeMutablePointer<UInt8>?) {
  let rows = call.pointee.rows, columns = call.pointee.columns
  #if CNNLENS_AVX512  // There are registers for the numbers of nine taps.
    if rows == 3, columns == 3 { return largest(call, x, y, switches, rows: 3, columns: 3) }
    if rows == 2, columns == 2 { return largest(call, x, y, switches, rows: 2, columns: 2) }
  #endif
  largest(call, x, y, switches, rows: rows, columns: columns)
}

/// - rows, columns: of a window; where the compiler knows them there is no loop over taps.
@inline(__always) private func largest(
  _ call: UnsafePointer<PoolCall>, _ x: Floats, _ y: MutableFloats, _ switches: UnsafeMutablePointer<UInt8>?, rows: Int, columns: Int
) {
  let rowStep = call.pointee.rowStep, columnStep = call.pointee.columnStep, step = call.pointee.step, count = call.pointee.count
  let firstTap = call.pointee.firstTap, tapStep = call.pointee.tapRowStep
  var i = 0
  while i < count {
    var row = 0, most = splat(-.infinity), tap = numbers(firstTap)
    while row < rows {
      var column = 0
      while column < columns {
        let v = load(x + (i &* step &+ row &* rowStep &+ column &* columnStep)), higher = (v .> most) .| (v .!= v)
        most.replace(with: v, where: higher)
        tap.replace(with: numbers(firstTap &+ row &* tapStep &+ column), where: higher)
        column &+= 1
      }
      row &+= 1
    }
    store(most, y + i &* 16)
    if let switches { UnsafeMutableRawPointer(switches + i &* 16).storeBytes(of: lens_low_bytes(tap), as: SIMD16<UInt8>.self) }
    i &+= 1
  }
}

private typealias Numbers = SIMD16<Int32>

@inline(__always) private func numbers(_ n: Int) -> Numbers { Numbers(repeating: Int32(truncatingIfNeeded: n)) }

/// What one row of outputs gives back to one row of inputs: each gradient to the tap that its switch names.
@inline(never) func largestGradient(
  _ call: UnsafePointer<PoolCall>, _ gradient: Floats, _ switches: UnsafePointer<UInt8>, _ dx: MutableFloats
) {
  let columns = call.pointee.columns, count = call.pointee.count, columnStep = call.pointee.columnStep, step = call.pointee.step
  let firstTap = call.pointee.firstTap, none = splat(0)
  var i = 0
  while i < count {
    let g = load(gradient + i &* 16), q = dx + i &* step
    let tap = Numbers(truncatingIfNeeded: UnsafeRawPointer(switches + i &* 16).loadUnaligned(as: SIMD16<UInt8>.self))
    var column = 0
    while column < columns {
      let place = q + column &* columnStep
      let mine = tap .== numbers(firstTap &+ column)
      store(load(place) + none.replacing(with: g, where: mine), place)
      column &+= 1
    }
    i &+= 1
  }
}

/// The sum of each window over `divisor`.
@inline(never) func mean(_ call: UnsafePointer<PoolCall>, _ x: Floats, _ y: MutableFloats) {
  let rows = call.pointee.rows, columns = call.pointee.columns, count = call.pointee.count
  let rowStep = call.pointee.rowStep, columnStep = call.pointee.columnStep, step = call.pointee.step
  let divisor = splat(call.pointee.divisor)
  var i = 0
  while i < count {
    var p = x + i &* step, row = 0
    var sum = splat(0)
    while row < rows {
      var column = 0
      while column < columns {
        sum += load(p + column &* columnStep)
        column &+= 1
      }
      p += rowStep
      row &+= 1
    }
    store(sum / divisor, y + i &* 16)
    i &+= 1
  }
}

/// What one row of outputs gives back to one row of inputs.
@inline(never) func meanGradient(_ call: UnsafePointer<PoolCall>, _ gradient: Floats, _ dx: MutableFloats) {
  let columns = call.pointee.columns, count = call.pointee.count, columnStep = call.pointee.columnStep, step = call.pointee.step
  let divisor = splat(call.pointee.divisor)
  var i = 0
  while i < count {
    let g = load(gradient + i &* 16) / divisor, q = dx + i &* step
    var column = 0
    while column < columns {
      let place = q + column &* columnStep
      store(load(place) + g, place)
      column &+= 1
    }
    i &+= 1
  }
}
