// SPDX-License-Identifier: Apache-2.0
import LensKernelTable
import LensTensors

@testable import LensKernels

/// Convolution and its transpose by the definition, in Double.
enum Reference {
  static func forward(_ g: ConvolutionGeometry, _ x: [Float], _ w: [Float], _ bias: [Float]?) -> [Double] {
    var y = [Double](repeating: 0, count: g.outputShape.count)
    visit(g) { input, weight, output in y[output] += Double(x[input]) * Double(w[weight]) }
    if let bias {
      let plane = g.outputH * g.outputW
      for i in y.indices { y[i] += Double(bias[i / plane % g.outputChannels]) }
    }
    return y
  }

  static func inputGradient(_ g: ConvolutionGeometry, _ dy: [Float], _ w: [Float]) -> [Double] {
    var dx = [Double](repeating: 0, count: g.inputShape.count)
    visit(g) { input, weight, output in dx[input] += Double(dy[output]) * Double(w[weight]) }
    return dx
  }

  /// 1 where a kernel that stands at a multiple of the stride, inside or outside of the picture, has a tap; else 0.
  static func pixelsThatMeetTaps(_ g: ConvolutionGeometry) -> [Float] {
    func meets(_ position: Int, _ kernel: Int, _ stride: Int, _ dilation: Int) -> Bool {
      (0..<kernel).contains { (position - $0 * dilation) % stride == 0 }
    }
    return (0..<g.inputShape.count).map {
      let y = $0 / g.w % g.h, x = $0 % g.w
      return meets(y + g.padding.top, g.kernel.h, g.stride.h, g.dilation.h)
        && meets(x + g.padding.left, g.kernel.w, g.stride.w, g.dilation.w)
        ? 1 : 0
    }
  }

  /// Every (input, weight, output) that meet.
  private static func visit(_ g: ConvolutionGeometry, _ body: (Int, Int, Int) -> Void) {
    let perGroup = g.inputChannels / g.groups, outputsPerGroup = g.outputChannels / g.groups
    for n in 0..<g.n {
      for o in 0..<g.outputChannels {
        for oy in 0..<g.outputH {
          for ox in 0..<g.outputW {
            for c in 0..<perGroup {
              let channel = o / outputsPerGroup * perGroup + c
              for ky in 0..<g.kernel.h {
                let y = oy * g.stride.h + ky * g.dilation.h - g.padding.top
                guard y >= 0, y < g.h else { continue }
                for kx in 0..<g.kernel.w {
                  let x = ox * g.stride.w + kx * g.dilation.w - g.padding.left
                  guard x >= 0, x < g.w else { continue }
                  body(
                    ((n * g.inputChannels + channel) * g.h + y) * g.w + x, ((o * perGroup + c) * g.kernel.h + ky) * g.kernel.w + kx,
                    ((n * g.outputChannels + o) * g.outputH + oy) * g.outputW + ox)
                }
              }
            }
          }
        }
      }
    }
  }
}

/// |a - b| / |b|, or |a| if b is 0.
func relativeError(_ a: [Float], _ b: [Double]) -> Double {
  var difference = 0.0, size = 0.0
  for (p, q) in zip(a, b) {
    difference += (Double(p) - q) * (Double(p) - q)
    size += q * q
  }
  guard difference.isFinite else { return .infinity }
  return size > 0 ? (difference / size).squareRoot() : difference.squareRoot()
}

/// Float32 sums of a few thousand products, in any order.
let tolerance = 1e-5

/// Those that multiply floats as they are, in more than one way.
let vectorKernels = Kernels.available.filter { $0.amx == nil }

/// - zeros: which part of it is zero, as behind a rectifier.
func noise(_ count: Int, zeros: Float = 0, _ random: inout Random) -> [Float] {
  (0..<count).map { _ in zeros > 0 && random.uniform() < zeros ? 0 : random.normal() }
}

/// Memory for a value, filled with NaN or rubbish first so that what is not written is seen.
final class Buffer {
  let base: UnsafeMutablePointer<Float>
  let count: Int
  init(_ count: Int, filledWith value: Float = .nan) {
    self.count = count
    base = .allocate(capacity: count + 64)
    base.initialize(repeating: value, count: count + 64)
  }
  deinit { base.deallocate() }
  /// Nothing was written behind the end.
  var isIntact: Bool { (count..<(count + 64)).allSatisfy { base[$0].bitPattern == Float.nan.bitPattern || base[$0] == 12345 } }
  var values: [Float] { Array(UnsafeBufferPointer(start: base, count: count)) }
}

/// A bit for each float.
final class Bits {
  let base: MutableGates
  let count: Int
  init(_ count: Int) {
    self.count = count
    base = .allocate(capacity: (count + 15) / 16)
    base.initialize(repeating: 0x5555, count: (count + 15) / 16)
  }
  convenience init(_ values: [Bool]) {
    self.init(values.count)
    for (i, value) in values.enumerated() { base[i / 16] = base[i / 16] & ~(1 << UInt16(i % 16)) | (value ? 1 << UInt16(i % 16) : 0) }
  }
  deinit { base.deallocate() }
  var values: [Bool] { (0..<count).map { base[$0 / 16] >> UInt16($0 % 16) & 1 == 1 } }
}

func laidOut(_ values: [Float], _ shape: Shape, _ layout: Layout, padding: Float = 0) -> Buffer {
  let buffer = Buffer(layout.floatCount(of: shape))
  for i in 0..<buffer.count { buffer.base[i] = padding }
  let plane = shape.h * shape.w
  for i in values.indices { buffer.base[place(i, shape, plane, layout)] = values[i] }
  return buffer
}

func plain(_ buffer: Buffer, _ shape: Shape, _ layout: Layout) -> [Float] {
  let plane = shape.h * shape.w
  return (0..<shape.count).map { buffer.base[place($0, shape, plane, layout)] }
}

private func place(_ i: Int, _ shape: Shape, _ plane: Int, _ layout: Layout) -> Int {
  if layout == .plain { return i }
  let n = i / plane / shape.c, c = i / plane % shape.c
  return ((n * Layout.blocks(shape.c) + c / 16) * plane + i % plane) * 16 + c % 16
}

extension ConvolutionKernel {
  func forward(_ input: Buffer, _ output: Buffer, _ scratch: Buffer) { forward(input, output, .none, scratch) }
  func forward(_ input: Buffer, _ output: Buffer, _ epilogue: Epilogue, _ scratch: Buffer) {
    withExtendedLifetime((input, output, scratch)) {
      forward(input: input.base, output: output.base, epilogue: epilogue, scratch: scratch.base)
    }
  }
  func inputGradient(_ outputGradient: Buffer, _ inputGradient: Buffer, accumulates: Bool = false, _ scratch: Buffer) {
    withExtendedLifetime((outputGradient, inputGradient, scratch)) {
      self.inputGradient(
        outputGradient: outputGradient.base, inputGradient: inputGradient.base, accumulates: accumulates, scratch: scratch.base)
    }
  }
}
