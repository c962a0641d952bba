// SPDX-License-Identifier: Apache-2.0
import Glibc
import LensEngine
import LensTensors

// What the pictures of a batch have to do with each other. Each picture's score is its share, so that they add up to
// the whole; a network whose file fixes the batch size sees its pictures in groups, and only within them.

extension Objective {
  /// Minus the mean cosine between the Gram matrix of each picture and those of the others: maximised, the pictures show
  /// the different things a unit reacts to. Olah, Mordvintsev & Schubert 2017, "The Enemy of Feature Visualization" and
  /// "Diversity"; Lucid's objective of the same name sums where this takes the mean.
  public static func diversity(_ layer: Layer) -> Objective {
    Objective("diversity of \(layer)", at: [layer]) { activations, seeds in
      let maps = try FeatureMaps(activations, layer), (n, c) = (maps.n, maps.c)
      try several(n, "diversity")
      let product = GramProduct(channels: c, pixels: maps.area, mask: nil)
      var scratch = try Tensor(allocating: [product.scratchCount]), grams = try Tensor(allocating: [n, c * c])
      var slope = try Tensor(allocating: [c * c])
      scratch.withMutablePointer { s in
        grams.withMutablePointer { g in for image in 0..<n { product.gram(maps.image(image), into: g + image * c * c, scratch: s) } }
      }
      let pairs = Double(n * (n - 1))
      let scores = grams.withPointer { g -> [Float] in
        let lengths = (0..<n).map { max(dot(g + $0 * c * c, g + $0 * c * c, c * c).squareRoot(), 1e-30) }
        return (0..<n).map { image in
          let own = g + image * c * c
          var total = 0.0
          slope.withMutablePointer { d in
            d.update(repeating: 0, count: c * c)
            for other in 0..<n where other != image {
              let theirs = g + other * c * c, cosine = dot(own, theirs, c * c) / (lengths[image] * lengths[other])
              total += cosine
              let (share, pull) = (Float(1 / (lengths[image] * lengths[other])), Float(cosine / (lengths[image] * lengths[image])))
              for i in 0..<c * c { d[i] += share * theirs[i] - pull * own[i] }
            }
            // Each pair is met twice, G is symmetric, and F enters it twice.
            scratch.withMutablePointer { s in
              seeds.add(at: layer) { gradient, weight in
                product.spread(
                  d, maps.image(image), factor: -4 * weight / (Float(pairs) * product.normalizer), into: gradient + image * maps.count,
                  scratch: s)
              }
            }
          }
          return Float(-total / pairs)
        }
      }
      return Value(scores: scores)
    }
  }

  /// Minus the squared distances between the pictures' activations, less for pictures further apart in the batch:
  /// -1/2 sum over m != n of |a_m - a_n|^2 / decay^|m - n|. Maximised, neighbours show the same thing at the same place,
  /// as in a film. Lucid's objective of the same name.
  public static func alignment(_ layer: Layer, decay: Float = 2) -> Objective {
    Objective("alignment of \(layer)", at: [layer]) { activations, seeds in
      let maps = try FeatureMaps(activations, layer), n = maps.n
      try several(n, "alignment")
      guard decay > 0, decay.isFinite else { throw LensError(.invalidArgument, "the decay is \(decay); it must be above 0") }
      let scores = (0..<n).map { image -> Float in
        var total = 0.0
        for other in 0..<n where other != image {
          let weight = pow(decay, -Float(abs(image - other))), (a, b) = (maps.image(image), maps.image(other))
          var sum = 0.0
          for i in 0..<maps.count { sum += Double(a[i] - b[i]) * Double(a[i] - b[i]) }
          total += Double(weight) * sum
          seeds.add(at: layer) { gradient, factor in
            let g = gradient + image * maps.count
            for i in 0..<maps.count { g[i] -= 2 * factor * weight * (a[i] - b[i]) }
          }
        }
        return Float(-total / 2)
      }
      return Value(scores: scores)
    }
  }

  private static func several(_ images: Int, _ what: String) throws {
    guard images > 1 else {
      throw LensError(
        .invalidArgument, "\(what) is about the pictures of a batch, and the network sees one at a time; two or more are needed")
    }
  }
}
