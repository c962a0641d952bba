// SPDX-License-Identifier: Apache-2.0
import LensEngine
import LensKernels
import LensTensors

/// By what a sum of squares is divided.
public enum DistanceScale: Sendable, CaseIterable {
  case none
  /// The number of values.
  case mean
  /// The sum of squares of the target: Mahendran & Vedaldi's normalisation.
  case relative
}

extension Objective {
  /// sum (a - target)^2, divided as `scale` says. Mahendran & Vedaldi, "Understanding Deep Image Representations by
  /// Inverting Them", 2015, equation 1, arXiv:1412.0035; Gatys, Ecker & Bethge 2016, equation 1.
  ///
  /// - target: the activations to come close to, for one image or for each of a batch.
  public static func distance(_ layer: Layer, to target: Tensor, scale: DistanceScale = .none) -> Objective {
    let squares = target.product(target)
    return Objective("distance in \(layer)", at: [layer]) { activations, seeds in
      let view = activations[layer], images = activations.imageCount, count = images == 0 ? 0 : view.shape.count / images
      guard count > 0, target.count == count || target.count % count == 0 && target.count / count >= activations.firstImage + images else {
        throw LensError(
          .shapeMismatch, "the code is \(target.shape) but '\(layer)' is \(view.shape); codes of the same picture size are wanted")
      }
      let each = target.count / count
      let factor: Double =
        switch scale {
        case .none: 1
        case .mean: 1 / Double(count)
        case .relative: squares > 0 ? Double(each) / squares : 1
        }
      let scores = target.withPointer { target in
        (0..<images).map { n -> Float in
          let a = view.base + n * count, t = each == 1 ? target : target + (activations.firstImage + n) * count
          var sums = SIMD8<Double>.zero, i = 0
          while i + 8 <= count {
            for lane in 0..<8 {
              let difference = Double(a[i &+ lane] - t[i &+ lane])
              sums[lane] += difference * difference
            }
            i &+= 8
          }
          var sum = sums.sum()
          for i in i..<count { sum += Double(a[i] - t[i]) * Double(a[i] - t[i]) }
          seeds.add(at: layer) { gradient, weight in
            let g = gradient + n * count, slope = Float(2 * factor) * weight
            for i in 0..<count { g[i] += slope * (a[i] - t[i]) }
          }
          return Float(factor * sum)
        }
      }
      return Value(scores: scores)
    }
  }

  /// The mean over C×C of (G - target)^2, where G = F F^T / (C P) is the Gram matrix of a layer's C maps of P pixels: what
  /// of a picture is left when nobody asks where. Gatys, Ecker & Bethge, "Image Style Transfer Using Convolutional Neural
  /// Networks", 2016, equations 3 and 4; divided as in neural-style.
  ///
  /// - mask: one weight a pixel of the layer, H×W; only there the style counts.
  public static func gramDistance(_ layer: Layer, to target: Tensor, mask: Tensor? = nil) -> Objective {
    let workspace = Workspace()
    return Objective("style of \(layer)", at: [layer]) { activations, seeds in
      let maps = try FeatureMaps(activations, layer)
      guard target.count == maps.c * maps.c else {
        throw LensError(.shapeMismatch, "the Gram matrix is \(target.shape) but '\(layer)' has \(maps.c) channels")
      }
      if let mask, mask.count != maps.area {
        throw LensError(.shapeMismatch, "the mask is \(mask.shape) but the maps of '\(layer)' are \(maps.h)×\(maps.w)")
      }
      let product = GramProduct(channels: maps.c, pixels: maps.area, mask: mask), c = maps.c
      return try workspace.use(product.scratchCount + c * c) { memory in
        let (difference, scratch) = (memory, memory + c * c)
        let scores = (0..<maps.n).map { n -> Float in
          product.gram(maps.image(n), into: difference, scratch: scratch)
          target.withPointer { t in for i in 0..<c * c { difference[i] -= t[i] } }
          seeds.add(at: layer) { gradient, weight in
            // dL/dF = 4 (G - T) F / (C^2 N), for G is symmetric.
            product.spread(
              difference, maps.image(n), factor: 4 * weight / (Float(c * c) * product.normalizer), into: gradient + n * maps.count,
              scratch: scratch)
          }
          return Float(dot(difference, difference, c * c) / Double(c * c))
        }
        return Value(scores: scores)
      }
    }
  }
}

/// F F^T / (C P) of one image's maps, N×C×H×W of which the first image counts: C×C.
/// - mask: as for `gramDistance`.
public func gramMatrix(_ maps: Tensor, mask: Tensor? = nil) throws -> Tensor {
  let (c, area) = (maps.shape.c, maps.shape.h * maps.shape.w)
  guard maps.shape.rank == 4, maps.count > 0 else { throw LensError(.shapeMismatch, "the maps are \(maps.shape); they must be N×C×H×W") }
  if let mask, mask.count != area {
    throw LensError(.shapeMismatch, "the mask is \(mask.shape) but the maps are \(maps.shape.h)×\(maps.shape.w)")
  }
  let product = GramProduct(channels: c, pixels: area, mask: mask)
  var result = try Tensor(allocating: [c, c]), scratch = try Tensor(allocating: [product.scratchCount])
  maps.withPointer { f in result.withMutablePointer { g in scratch.withMutablePointer { product.gram(f, into: g, scratch: $0) } } }
  return result
}

/// Gram matrices in pieces of the picture that stay in the cache.
struct GramProduct {
  let channels, pixels: Int
  let mask: Tensor?
  /// C times the pixels that count.
  let normalizer: Float
  private let chunk: Int

  init(channels: Int, pixels: Int, mask: Tensor?) {
    (self.channels, self.pixels, self.mask) = (channels, pixels, mask)
    let weight = mask.map { $0.product($0) } ?? Double(pixels)
    normalizer = Float(Double(channels) * max(weight, 1e-6))
    chunk = min(pixels, max(256, (1 << 18) / channels / 64 * 64))
  }

  private func products(_ count: Int) -> (gram: MatrixProduct, spread: MatrixProduct) {
    (MatrixProduct(m: channels, n: channels, k: count, transposesB: true), MatrixProduct(m: channels, n: count, k: channels))
  }

  var scratchCount: Int {
    let counts = [chunk, pixels % chunk].filter { $0 > 0 }.map(products)
    return 2 * channels * chunk + (counts.map { max($0.gram.scratchCount, $0.spread.scratchCount) }.max() ?? 0)
  }

  func gram(_ maps: UnsafePointer<Float>, into result: UnsafeMutablePointer<Float>, scratch: UnsafeMutablePointer<Float>) {
    for first in stride(from: 0, to: pixels, by: chunk) {
      let count = min(chunk, pixels - first)
      pack(maps, first, count, to: scratch)
      products(count).gram.run(scratch, scratch, into: result, accumulates: first > 0, scratch: scratch + 2 * channels * chunk)
    }
    for i in 0..<(channels * channels) { result[i] /= normalizer }
  }

  /// result += factor * matrix * maps.
  func spread(
    _ matrix: UnsafePointer<Float>, _ maps: UnsafePointer<Float>, factor: Float, into result: UnsafeMutablePointer<Float>,
    scratch: UnsafeMutablePointer<Float>
  ) {
    let product = scratch + channels * chunk
    for first in stride(from: 0, to: pixels, by: chunk) {
      let count = min(chunk, pixels - first)
      pack(maps, first, count, to: scratch)
      products(count).spread.run(matrix, scratch, into: product, scratch: scratch + 2 * channels * chunk)
      let weights = mask?.pointer
      parallel(channels, grain: max(1, 16384 / count)) { rows in
        for c in rows {
          let from = product + c * count, to = result + (c * pixels + first)
          if let weights {
            for i in 0..<count { to[i] += factor * weights[first + i] * from[i] }
          } else {
            for i in 0..<count { to[i] += factor * from[i] }
          }
        }
      }
    }
  }

  private func pack(_ maps: UnsafePointer<Float>, _ first: Int, _ count: Int, to memory: UnsafeMutablePointer<Float>) {
    let weights = mask?.pointer
    parallel(channels, grain: max(1, 16384 / count)) { rows in
      for c in rows {
        let from = maps + (c * pixels + first), to = memory + c * count
        if let weights {
          for i in 0..<count { to[i] = weights[first + i] * from[i] }
        } else {
          to.update(from: from, count: count)
        }
      }
    }
  }
}
