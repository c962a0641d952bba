// SPDX-License-Identifier: Apache-2.0

// A convolution that computes squares of outputs together takes a fraction of the multiplications, but hands a change on to
// whole squares: three such layers reach up to 36 pixels from 13, where their windows reach 19. Near the picture, where a change
// reaches little, every output by itself is less work.

extension Flow {
  /// The nodes that should compute every output by itself to make such changes cheap: the convolutions by squares up to
  /// some layer, or none.
  func direct(for regions: [Region]) -> Set<Int> {
    let nodes = units.filter { ($0.locality?.tile ?? 1) > 1 }.compactMap(node)
    // Changes of one kind, so a few speak for all; and a few layers more or less make little difference.
    let some = (0..<min(8, regions.count)).map { regions[$0 * regions.count / min(8, regions.count)] }
    let counts = Array(stride(from: 0, to: nodes.count, by: max(1, nodes.count / 16))) + [nodes.count]
    let candidates = counts.map { Set(nodes.prefix($0)) }
    return candidates.map { ($0, cost(of: some, direct: $0)) }.min { $0.1 < $1.1 }?.0 ?? []
  }

  private func cost(of regions: [Region], direct: Set<Int>) -> Double {
    regions.reduce(0) { sum, region in
      let vertical = Cone(self, .vertical, from: region.rows, direct: direct)
      let horizontal = Cone(self, .horizontal, from: region.columns, direct: direct)
      return sum
        + units.reduce(0) { sum, unit in
          let area = Double(vertical.ranges[unit.step].count * horizontal.ranges[unit.step].count)
          let isDirect = node(of: unit).map(direct.contains) == true
          return sum + unit.weight * area * (isDirect ? 1 : unit.locality?.share ?? 1)
        }
    }
  }
}

extension Locality {
  /// What an output of a square costs of what it would by itself: 36 multiplications for 4×4 outputs of 3×3 taps, or 2×2 of 5×5,
  /// but those at half the pace, with their transforms.
  fileprivate var share: Double { tile > 1 ? 2 * 36 / Double(tile * tile * vertical.extent * horizontal.extent) : 1 }
}
