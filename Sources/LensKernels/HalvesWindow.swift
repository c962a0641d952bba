// SPDX-License-Identifier: Apache-2.0
import Glibc
import LensKernelTable

/// How a band of the input lies in scratch for an `AMXPlan`: 32 numbers of every tap of every grid point side by side, cut into
/// halves of 64 bytes each.
protocol HalvesWindow: Sendable {
  /// Floats' room from one grid point to the next, from one grid row to the next, and from highs to lows.
  var pointStep: Int { get }
  var rowStep: Int { get }
  var lowStep: Int { get }
  /// From 32 numbers of a tap to the next 32.
  var pairStep: Int { get }
  /// Of the taps, from a grid point's first number.
  var offsets: [Int] { get }
  /// Floats of an image's window with so many times 32 numbers a tap.
  func count(pairs: Int) -> Int
  /// - row: the band's first of the grid.
  func fill(_ input: Floats, _ image: Int, _ row: Int, _ pairs: Range<Int>, to window: MutableFloats)
}

/// Of blocked pictures: two blocks of channels a pixel, its highs and then its lows; rows and columns as in `Window`.
struct BlockedHalves: HalvesWindow {
  private let spec: CorrelationPlan.Spec
  private let loops: AMXLoops
  private let window: Window

  init(_ spec: CorrelationPlan.Spec, _ loops: AMXLoops, bandRows: Int) {
    (self.spec, self.loops, window) = (spec, loops, Window(spec, bandRows: bandRows))
  }
  private static let pixel = 32

  var pointStep: Int { BlockedHalves.pixel }
  var rowStep: Int { window.pitch * BlockedHalves.pixel }
  var lowStep: Int { 16 }
  var pairStep: Int { window.planeCount * BlockedHalves.pixel }
  var offsets: [Int] { window.offsets.map { $0 * BlockedHalves.pixel } }
  func count(pairs: Int) -> Int { pairs * pairStep }

  func fill(_ input: Floats, _ image: Int, _ row: Int, _ pairs: Range<Int>, to destination: MutableFloats) {
    let step = spec.step.w, pitch = window.pitch, plane = spec.inputH * spec.inputW * 16, pixel = BlockedHalves.pixel
    var q = destination
    for pair in pairs {
      let source = input + (image * spec.inputs + 2 * pair) * plane, isWhole = 2 * pair + 1 < spec.inputs
      for (first, inside) in zip(window.firstColumns, window.inside) {
        for slotRow in window.slotRows {
          let y = row * spec.step.h + slotRow
          if y < 0 || y >= spec.inputH || inside.isEmpty {
            memset(q, 0, pitch * pixel * 4)
          } else {
            let from = source + (y * spec.inputW + first + inside.lowerBound * step) * 16
            memset(q, 0, inside.lowerBound * pixel * 4)
            loops.split(from, isWhole ? from + plane : nil, step * 16, q + inside.lowerBound * pixel, inside.count)
            memset(q + inside.upperBound * pixel, 0, (pitch - inside.upperBound) * pixel * 4)
          }
          q += pitch * pixel
        }
      }
    }
  }
}

/// Of plain pictures of few channels: a row's numbers pixel by pixel, so that what a row of the kernel meets is a run of them, which
/// begins where the point's first column does.
///
///     row slot 0   highs  | 0 0 0 0  r g b 0  r g b 0 ... 0 |
///                  lows   | 0 0 0 0  r g b 0  r g b 0 ... 0 |
///                           [────────── 32 ──────────]              point 0
///                                    [────────── 32 ──────────]     point 1, with stride 1
struct PlainHalves: HalvesWindow {
  private let g: ConvolutionGeometry
  private let loops: AMXLoops
  private let slotRows: [Int]
  /// Floats' room of a pixel, and of a row's highs or lows.
  private let pixel, line: Int
  let offsets: [Int]

  init(_ g: ConvolutionGeometry, _ packing: RowPacking, _ loops: AMXLoops, bandRows: Int) {
    (self.g, self.loops) = (g, loops)
    let (slotRows, bases) = Window.slots((0..<g.kernel.h).map { $0 * g.dilation.h - g.padding.top }, g.stride.h, bandRows)
    self.slotRows = slotRows
    pixel = packing.pixel / 2
    // Up to the last number that a tile reads, or the picture's last.
    let last = max((g.outputW - 1) * g.stride.w * pixel + packing.numbers / 2, (g.padding.left + g.w) * pixel)
    let line = (last + 15) / 16 * 16
    self.line = line
    offsets = bases.map { 2 * $0 * line }
  }

  var pointStep: Int { g.stride.w * pixel }
  var rowStep: Int { 2 * line }
  var lowStep: Int { line }
  var pairStep: Int { 16 }
  func count(pairs: Int) -> Int { 2 * line * slotRows.count }

  func fill(_ input: Floats, _ image: Int, _ row: Int, _ pairs: Range<Int>, to window: MutableFloats) {
    let plane = g.h * g.w, source = input + image * g.inputChannels * plane
    let first = g.padding.left * pixel, end = first + g.w * pixel
    for (slot, slotRow) in slotRows.enumerated() {
      let y = row * g.stride.h + slotRow, high = window + 2 * slot * line
      guard y >= 0, y < g.h else {
        memset(high, 0, 2 * line * 4)
        continue
      }
      for q in [high, high + line] {
        memset(q, 0, first * 4)
        memset(q + end, 0, (line - end) * 4)
      }
      loops.splitPlanes(source + y * g.w, plane, g.inputChannels, high + first, line, g.w)
    }
  }
}
