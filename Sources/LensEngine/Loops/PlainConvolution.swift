// SPDX-License-Identifier: Apache-2.0
import LensKernels
import LensTensors

/// Convolution by its definition, over plain values: what operators outside a plan run, where no weights are packed.
struct PlainConvolution: Sendable {
  private let weights: Tensor
  private let n: Int
  private let groups: Int
  private let input: (c: Int, h: Int, w: Int)
  private let output: (c: Int, h: Int, w: Int)
  private let stride: ConvolutionGeometry.Extent
  private let dilation: ConvolutionGeometry.Extent
  private let before: (h: Int, w: Int)

  /// - outputH, outputW: fewer rows and columns than the geometry has, where those are not wanted.
  init(_ weights: Tensor, _ geometry: ConvolutionGeometry, outputH: Int? = nil, outputW: Int? = nil) {
    (self.weights, n, groups) = (weights, geometry.n, geometry.groups)
    input = (geometry.inputChannels, geometry.h, geometry.w)
    output = (geometry.outputChannels, outputH ?? geometry.outputH, outputW ?? geometry.outputW)
    (stride, dilation, before) = (geometry.stride, geometry.dilation, (geometry.padding.top, geometry.padding.left))
  }

  func forward(_ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>, bias: [Float]?, adds: Bool) {
    let perGroup = input.c / groups, kh = weights.shape[2], kw = weights.shape[3], w = weights.pointer
    parallel(n * output.c) {
      for plane in $0 {
        let o = plane % output.c, y = y + plane * output.h * output.w
        if !adds { y.update(repeating: bias?[o] ?? 0, count: output.h * output.w) }
        for i in 0..<perGroup {
          let x = x + (plane / output.c * input.c + o / (output.c / groups) * perGroup + i) * input.h * input.w
          for a in 0..<kh {
            for b in 0..<kw {
              let weight = w[((o * perGroup + i) * kh + a) * kw + b]
              each(a, b) { p, q in y[q] += weight * x[p] }
            }
          }
        }
      }
    }
  }

  func inputGradient(_ dy: UnsafePointer<Float>, _ dx: UnsafeMutablePointer<Float>, bias: [Float]?, adds: Bool) {
    let perGroup = input.c / groups, outputs = output.c / groups, kh = weights.shape[2], kw = weights.shape[3], w = weights.pointer
    parallel(n * input.c) {
      for plane in $0 {
        let c = plane % input.c, dx = dx + plane * input.h * input.w
        if !adds { dx.update(repeating: bias?[c] ?? 0, count: input.h * input.w) }
        for j in 0..<outputs {
          let o = c / perGroup * outputs + j, dy = dy + (plane / input.c * output.c + o) * output.h * output.w
          for a in 0..<kh {
            for b in 0..<kw {
              let weight = w[((o * perGroup + c % perGroup) * kh + a) * kw + b]
              each(a, b) { p, q in dx[p] += weight * dy[q] }
            }
          }
        }
      }
    }
  }

  /// Pairs of input and output pixels that meet through one tap.
  @inline(__always)
  private func each(_ a: Int, _ b: Int, _ body: (Int, Int) -> Void) {
    let shift = b * dilation.w - before.w
    let first = shift < 0 ? (-shift + stride.w - 1) / stride.w : 0
    let end = shift < input.w ? min(output.w, (input.w - 1 - shift) / stride.w + 1) : 0
    guard first < end else { return }
    for oy in 0..<output.h {
      let iy = oy * stride.h - before.h + a * dilation.h
      guard 0..<input.h ~= iy else { continue }
      let p = iy * input.w + shift, q = oy * output.w
      if stride.w == 1 {
        for ox in first..<end { body(p + ox, q + ox) }
      } else {
        for ox in first..<end { body(p + ox * stride.w, q + ox) }
      }
    }
  }
}
