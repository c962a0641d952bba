// SPDX-License-Identifier: Apache-2.0
import Glibc
import LensKernels
import LensTensors

/// The half spectrum of each plane, divided by the frequency to a power, so that all frequencies are equally easy to
/// change; then colours, then a sigmoid.
///
/// x = irfft2(s * S) / 4 with s = sqrt(H W) / max(f, 1 / max(H, W))^decay, f the frequency in cycles per pixel; as in
/// Lucid. The inverse transform is two matrix products, its adjoint their transposes.
public struct Fourier: Parameterization {
  public var decay: Double
  public var decorrelates: Bool
  /// Of the noise at the start.
  public var deviation: Float

  public init(decay: Double = 1, decorrelates: Bool = true, deviation: Float = 0.01) {
    (self.decay, self.decorrelates, self.deviation) = (decay, decorrelates, deviation)
  }

  public func decoder(for shape: Shape) throws -> any Decoder { try SpectrumDecoder(self, shape) }
}

private final class SpectrumDecoder: Decoder {
  let parameters: Shape
  private let shape: Shape
  private let deviation: Float
  private let colours: ColourSpace
  private let scale: [Float]
  /// 2H×2H: the complex exponentials of the rows as real matrices.
  private let rows: [Float]
  /// K×W each: what the real and the imaginary part of a coefficient add to a row.
  private let real, imaginary: [Float]
  private let alongRows, alongRowsBack, alongColumns, alongColumnsBack: MatrixProduct
  private let spectrum, between, planes, scratch: Buffer

  init(_ options: Fourier, _ shape: Shape) throws {
    guard options.decay.isFinite, options.deviation.isFinite else {
      throw LensError(.invalidArgument, "the decay is \(options.decay) and the noise \(options.deviation); both must be finite")
    }
    let (h, w) = (shape.h, shape.w), k = w / 2 + 1
    // The matrices grow with the squares of the sides.
    guard h <= 8192, w <= 8192 else {
      throw LensError(.invalidArgument, "the picture is \(h)×\(w); by its spectrum it may have sides of 8192 at most")
    }
    (self.shape, deviation) = (shape, options.deviation)
    parameters = [shape.n, shape.c * 2 * h * k]
    colours = try ColourSpace(shape, decorrelates: options.decorrelates)

    var scale = [Float](repeating: 0, count: h * k)
    for y in 0..<h {
      for x in 0..<k {
        let vertical = Double(min(y, h - y)) / Double(h), horizontal = Double(x) / Double(w)
        let frequency = max((vertical * vertical + horizontal * horizontal).squareRoot(), 1 / Double(max(h, w)))
        scale[y * k + x] = Float(Double(h * w).squareRoot() / pow(frequency, options.decay) / 4)
      }
    }
    self.scale = scale

    var rows = [Float](repeating: 0, count: 4 * h * h)
    for y in 0..<h {
      for frequency in 0..<h {
        let angle = 2 * Double.pi * Double(y * frequency % h) / Double(h)
        let (c, s) = (Float(cos(angle)), Float(sin(angle)))
        rows[y * 2 * h + frequency] = c
        rows[y * 2 * h + h + frequency] = -s
        rows[(h + y) * 2 * h + frequency] = s
        rows[(h + y) * 2 * h + h + frequency] = c
      }
    }
    self.rows = rows

    var real = [Float](repeating: 0, count: k * w), imaginary = real
    for frequency in 0..<k {
      // Coefficients that stand for two, themselves and their conjugates, count twice.
      let share = (frequency == 0 || 2 * frequency == w ? 1 : 2) / Double(h * w)
      for x in 0..<w {
        let angle = 2 * Double.pi * Double(frequency * x % w) / Double(w)
        real[frequency * w + x] = Float(share * cos(angle))
        imaginary[frequency * w + x] = Float(-share * sin(angle))
      }
    }
    (self.real, self.imaginary) = (real, imaginary)

    alongRows = MatrixProduct(m: 2 * h, n: k, k: 2 * h)
    alongRowsBack = MatrixProduct(m: 2 * h, n: k, k: 2 * h, transposesA: true)
    alongColumns = MatrixProduct(m: h, n: w, k: k)
    alongColumnsBack = MatrixProduct(m: h, n: k, k: w, transposesB: true)
    let largest = [alongRows, alongRowsBack, alongColumns, alongColumnsBack].map(\.scratchCount).max() ?? 0
    (spectrum, between) = (try Buffer(2 * h * k), try Buffer(2 * h * k))
    (planes, scratch) = (try Buffer(shape.count), try Buffer(largest))
  }

  func start(seed: UInt64) -> Tensor { noise(deviation, seed: seed) }

  func decode(_ parameters: UnsafePointer<Float>, to picture: UnsafeMutablePointer<Float>) {
    let (h, w) = (shape.h, shape.w), half = h * (w / 2 + 1)
    for plane in 0..<shape.n * shape.c {
      let p = parameters + plane * 2 * half, s = spectrum.base
      for part in 0..<2 { for i in 0..<half { s[part * half + i] = scale[i] * p[part * half + i] } }
      alongRows.run(rows, s, into: between.base, scratch: scratch.base)
      alongColumns.run(between.base, real, into: picture + plane * h * w, scratch: scratch.base)
      alongColumns.run(between.base + half, imaginary, into: picture + plane * h * w, accumulates: true, scratch: scratch.base)
    }
    colours.decode(picture)
  }

  func adjoint(_ gradient: UnsafePointer<Float>, at picture: UnsafePointer<Float>, to result: UnsafeMutablePointer<Float>) {
    let (h, w) = (shape.h, shape.w), half = h * (w / 2 + 1)
    colours.adjoint(gradient, at: picture, to: planes.base)
    for plane in 0..<shape.n * shape.c {
      let g = planes.base + plane * h * w, p = result + plane * 2 * half
      alongColumnsBack.run(g, real, into: between.base, scratch: scratch.base)
      alongColumnsBack.run(g, imaginary, into: between.base + half, scratch: scratch.base)
      alongRowsBack.run(rows, between.base, into: p, scratch: scratch.base)
      for part in 0..<2 { for i in 0..<half { p[part * half + i] *= scale[i] } }
    }
  }
}
