// SPDX-License-Identifier: Apache-2.0
import LensEngine
import LensKernels
import LensTensors

extension Objective {
  /// The sum over positions p of max_q <a_p, g_q>: each place of the picture becomes more like the place of the guide that
  /// it resembles most. Mordvintsev, Olah & Tyka's notebook, "Controlling dreams", 2015.
  /// - guide: the layer's activations for the guide picture, 1×C×H×W of any H and W.
  public static func guide(_ layer: Layer, _ guide: Tensor) -> Objective {
    let workspace = Workspace()
    return Objective("likeness in \(layer) to a guide", at: [layer]) { activations, seeds in
      let maps = try FeatureMaps(activations, layer)
      guard guide.shape.rank == 4, guide.shape.n == 1, guide.count > 0, activations[layer].shape.rank == 4 else {
        throw LensError(
          .invalidArgument, "a guide needs a layer with maps: its code is \(guide.shape) and '\(layer)' is \(activations[layer].shape)")
      }
      guard guide.shape.c == maps.c else {
        throw LensError(.shapeMismatch, "the guide has \(guide.shape.c) channels but '\(layer)' has \(maps.c)")
      }
      let places = guide.shape.h * guide.shape.w
      let product = MatrixProduct(m: maps.area, n: places, k: maps.c, transposesA: true)
      return try workspace.use(maps.area * places + product.scratchCount) { memory in
        guide.withPointer { g in
          Value(
            scores: (0..<maps.n).map { n in
              product.run(maps.image(n), g, into: memory, scratch: memory + maps.area * places)
              var sum = 0.0
              let best = (0..<maps.area).map { place -> Int in
                let row = memory + place * places
                var best = 0
                for q in 1..<max(places, 1) where row[q] > row[best] { best = q }
                sum += Double(row[best])
                return best
              }
              seeds.add(at: layer) { gradient, weight in
                for c in 0..<maps.c {
                  let to = gradient + (n * maps.c + c) * maps.area, from = g + c * places
                  for place in 0..<maps.area { to[place] += weight * from[best[place]] }
                }
              }
              return Float(sum)
            })
        }
      }
    }
  }
}
