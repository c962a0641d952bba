// SPDX-License-Identifier: Apache-2.0
import LensKernelTable

// Which tiles exist: as many vectors as registers hold beside a row of weights and one broadcast.
// AVX-512: 28 of 32 zmm; one vector is one register. One-block tiles are bound by loads.
// AVX2: 12 of 16 ymm; one vector is two registers. SSE: the same 12 of 16, four to a vector.

#if CNNLENS_AVX512
  func blockedPixels(_ blocks: Int) -> Int {
    switch blocks {
    case 1: 14
    case 2: 14
    case 3: 9
    default: 0
    }
  }
  func planarPixels(_ blocks: Int) -> Int {
    switch blocks {
    case 1: 14
    case 2: 14
    default: 0
    }
  }
  func turnedVectors(_ channels: Int) -> Int {
    switch channels {
    case 1: 8
    case 2: 8
    case 3: 8
    case 4: 6
    default: 0
    }
  }
  func sparseGroups(_ blocks: Int) -> Int {
    switch blocks {
    case 1: 4
    case 2: 4
    case 3: 2
    default: 0
    }
  }
  let sparseCosts = SparseCosts(input: 1.5, tile: 1.7, block: 1.8)
  let depthwisePixels = 14
  let dotRows = 6, dotColumns = 4

  @inline(never) func blockedTile(_ blocks: Int, _ pixels: Int) -> TileFunction {
    switch (blocks, pixels) {
    case (1, 1): { blocked(Leaf1.self, $0, $1, $2, $3, $4) }
    case (1, 2): { blocked(X2<Leaf1>.self, $0, $1, $2, $3, $4) }
    case (1, 3): { blocked(X3<Leaf1>.self, $0, $1, $2, $3, $4) }
    case (1, 4): { blocked(X4<Leaf1>.self, $0, $1, $2, $3, $4) }
    case (1, 5): { blocked(X5<Leaf1>.self, $0, $1, $2, $3, $4) }
    case (1, 6): { blocked(X6<Leaf1>.self, $0, $1, $2, $3, $4) }
    case (1, 7): { blocked(X7<Leaf1>.self, $0, $1, $2, $3, $4) }
    case (1, 8): { blocked(X8<Leaf1>.self, $0, $1, $2, $3, $4) }
    case (1, 9): { blocked(X9<Leaf1>.self, $0, $1, $2, $3, $4) }
    case (1, 10): { blocked(X10<Leaf1>.self, $0, $1, $2, $3, $4) }
    case (1, 11): { blocked(X11<Leaf1>.self, $0, $1, $2, $3, $4) }
    case (1, 12): { blocked(X12<Leaf1>.self, $0, $1, $2, $3, $4) }
    case (1, 13): { blocked(X13<Leaf1>.self, $0, $1, $2, $3, $4) }
    case (1, 14): { blocked(X14<Leaf1>.self, $0, $1, $2, $3, $4) }
    case (2, 1): { blocked(Leaf2.self, $0, $1, $2, $3, $4) }
    case (2, 2): { blocked(X2<Leaf2>.self, $0, $1, $2, $3, $4) }
    case (2, 3): { blocked(X3<Leaf2>.self, $0, $1, $2, $3, $4) }
    case (2, 4): { blocked(X4<Leaf2>.self, $0, $1, $2, $3, $4) }
    case (2, 5): { blocked(X5<Leaf2>.self, $0, $1, $2, $3, $4) }
    case (2, 6): { blocked(X6<Leaf2>.self, $0, $1, $2, $3, $4) }
    case (2, 7): { blocked(X7<Leaf2>.self, $0, $1, $2, $3, $4) }
    case (2, 8): { blocked(X8<Leaf2>.self, $0, $1, $2, $3, $4) }
    case (2, 9): { blocked(X9<Leaf2>.self, $0, $1, $2, $3, $4) }
    case (2, 10): { blocked(X10<Leaf2>.self, $0, $1, $2, $3, $4) }
    case (2, 11): { blocked(X11<Leaf2>.self, $0, $1, $2, $3, $4) }
    case (2, 12): { blocked(X12<Leaf2>.self, $0, $1, $2, $3, $4) }
    case (2, 13): { blocked(X13<Leaf2>.self, $0, $1, $2, $3, $4) }
    case (2, 14): { blocked(X14<Leaf2>.self, $0, $1, $2, $3, $4) }
    case (3, 1): { blocked(Leaf3.self, $0, $1, $2, $3, $4) }
    case (3, 2): { blocked(X2<Leaf3>.self, $0, $1, $2, $3, $4) }
    case (3, 3): { blocked(X3<Leaf3>.self, $0, $1, $2, $3, $4) }
    case (3, 4): { blocked(X4<Leaf3>.self, $0, $1, $2, $3, $4) }
    case (3, 5): { blocked(X5<Leaf3>.self, $0, $1, $2, $3, $4) }
    case (3, 6): { blocked(X6<Leaf3>.self, $0, $1, $2, $3, $4) }
    case (3, 7): { blocked(X7<Leaf3>.self, $0, $1, $2, $3, $4) }
    case (3, 8): { blocked(X8<Leaf3>.self, $0, $1, $2, $3, $4) }
    default: { blocked(X9<Leaf3>.self, $0, $1, $2, $3, $4) }
    }
  }
  @inline(never) func planarTile(_ blocks: Int, _ pixels: Int) -> TileFunction {
    switch (blocks, pixels) {
    case (1, 1): { planar(Leaf1.self, $0, $1, $2, $3, $4) }
    case (1, 2): { planar(X2<Leaf1>.self, $0, $1, $2, $3, $4) }
    case (1, 3): { planar(X3<Leaf1>.self, $0, $1, $2, $3, $4) }
    case (1, 4): { planar(X4<Leaf1>.self, $0, $1, $2, $3, $4) }
    case (1, 5): { planar(X5<Leaf1>.self, $0, $1, $2, $3, $4) }
    case (1, 6): { planar(X6<Leaf1>.self, $0, $1, $2, $3, $4) }
    case (1, 7): { planar(X7<Leaf1>.self, $0, $1, $2, $3, $4) }
    case (1, 8): { planar(X8<Leaf1>.self, $0, $1, $2, $3, $4) }
    case (1, 9): { planar(X9<Leaf1>.self, $0, $1, $2, $3, $4) }
    case (1, 10): { planar(X10<Leaf1>.self, $0, $1, $2, $3, $4) }
    case (1, 11): { planar(X11<Leaf1>.self, $0, $1, $2, $3, $4) }
    case (1, 12): { planar(X12<Leaf1>.self, $0, $1, $2, $3, $4) }
    case (1, 13): { planar(X13<Leaf1>.self, $0, $1, $2, $3, $4) }
    case (1, 14): { planar(X14<Leaf1>.self, $0, $1, $2, $3, $4) }
    case (2, 1): { planar(Leaf2.self, $0, $1, $2, $3, $4) }
    case (2, 2): { planar(X2<Leaf2>.self, $0, $1, $2, $3, $4) }
    case (2, 3): { planar(X3<Leaf2>.self, $0, $1, $2, $3, $4) }
    case (2, 4): { planar(X4<Leaf2>.self, $0, $1, $2, $3, $4) }
    case (2, 5): { planar(X5<Leaf2>.self, $0, $1, $2, $3, $4) }
    case (2, 6): { planar(X6<Leaf2>.self, $0, $1, $2, $3, $4) }
    case (2, 7): { planar(X7<Leaf2>.self, $0, $1, $2, $3, $4) }
    case (2, 8): { planar(X8<Leaf2>.self, $0, $1, $2, $3, $4) }
    case (2, 9): { planar(X9<Leaf2>.self, $0, $1, $2, $3, $4) }
    case (2, 10): { planar(X10<Leaf2>.self, $0, $1, $2, $3, $4) }
    case (2, 11): { planar(X11<Leaf2>.self, $0, $1, $2, $3, $4) }
    case (2, 12): { planar(X12<Leaf2>.self, $0, $1, $2, $3, $4) }
    case (2, 13): { planar(X13<Leaf2>.self, $0, $1, $2, $3, $4) }
    default: { planar(X14<Leaf2>.self, $0, $1, $2, $3, $4) }
    }
  }
  @inline(never) func turnedTile(_ channels: Int) -> TileFunction {
    switch channels {
    case 1: { turned(X4<Leaf1>.self, $0, $1, $2, $3, $4) }
    case 2: { turned(X4<Leaf2>.self, $0, $1, $2, $3, $4) }
    case 3: { turned(X4<Leaf3>.self, $0, $1, $2, $3, $4) }
    default: { turned(X3<Leaf4>.self, $0, $1, $2, $3, $4) }
    }
  }
  @inline(never) func sparseTile(_ blocks: Int, _ groups: Int) -> SparseTileFunction {
    switch (blocks, groups) {
    case (1, 1): { sparse(Leaf1.self, $0, $1, $2, $3, $4) }
    case (1, 2): { sparse(Y2<Leaf1>.self, $0, $1, $2, $3, $4) }
    case (1, 3): { sparse(Y3<Leaf1>.self, $0, $1, $2, $3, $4) }
    case (1, 4): { sparse(Y4<Leaf1>.self, $0, $1, $2, $3, $4) }
    case (2, 1): { sparse(Leaf2.self, $0, $1, $2, $3, $4) }
    case (2, 2): { sparse(Y2<Leaf2>.self, $0, $1, $2, $3, $4) }
    case (2, 3): { sparse(Y3<Leaf2>.self, $0, $1, $2, $3, $4) }
    case (2, 4): { sparse(Y4<Leaf2>.self, $0, $1, $2, $3, $4) }
    case (3, 1): { sparse(Leaf3.self, $0, $1, $2, $3, $4) }
    default: { sparse(Y2<Leaf3>.self, $0, $1, $2, $3, $4) }
    }
  }
  @inline(never) func depthwiseTile(_ pixels: Int) -> TileFunction {
    switch pixels {
    case 1: { depthwise(Leaf1.self, $0, $1, $2, $3, $4) }
    case 2: { depthwise(X2<Leaf1>.self, $0, $1, $2, $3, $4) }
    case 3: { depthwise(X3<Leaf1>.self, $0, $1, $2, $3, $4) }
    case 4: { depthwise(X4<Leaf1>.self, $0, $1, $2, $3, $4) }
    case 5: { depthwise(X5<Leaf1>.self, $0, $1, $2, $3, $4) }
    case 6: { depthwise(X6<Leaf1>.self, $0, $1, $2, $3, $4) }
    case 7: { depthwise(X7<Leaf1>.self, $0, $1, $2, $3, $4) }
    case 8: { depthwise(X8<Leaf1>.self, $0, $1, $2, $3, $4) }
    case 9: { depthwise(X9<Leaf1>.self, $0, $1, $2, $3, $4) }
    case 10: { depthwise(X10<Leaf1>.self, $0, $1, $2, $3, $4) }
    case 11: { depthwise(X11<Leaf1>.self, $0, $1, $2, $3, $4) }
    case 12: { depthwise(X12<Leaf1>.self, $0, $1, $2, $3, $4) }
    case 13: { depthwise(X13<Leaf1>.self, $0, $1, $2, $3, $4) }
    default: { depthwise(X14<Leaf1>.self, $0, $1, $2, $3, $4) }
    }
  }
  @inline(never) func dotTile(_ rows: Int, _ columns: Int) -> TileFunction {
    switch (rows, columns) {
    case (1, 1): { x, a, b, y, _ in dot(Leaf1.self, x, a, b, y) }
    case (1, 2): { x, a, b, y, _ in dot(Leaf2.self, x, a, b, y) }
    case (1, 3): { x, a, b, y, _ in dot(Leaf3.self, x, a, b, y) }
    case (1, 4): { x, a, b, y, _ in dot(Leaf4.self, x, a, b, y) }
    case (2, 1): { x, a, b, y, _ in dot(X2<Leaf1>.self, x, a, b, y) }
    case (2, 2): { x, a, b, y, _ in dot(X2<Leaf2>.self, x, a, b, y) }
    case (2, 3): { x, a, b, y, _ in dot(X2<Leaf3>.self, x, a, b, y) }
    case (2, 4): { x, a, b, y, _ in dot(X2<Leaf4>.self, x, a, b, y) }
    case (3, 1): { x, a, b, y, _ in dot(X3<Leaf1>.self, x, a, b, y) }
    case (3, 2): { x, a, b, y, _ in dot(X3<Leaf2>.self, x, a, b, y) }
    case (3, 3): { x, a, b, y, _ in dot(X3<Leaf3>.self, x, a, b, y) }
    case (3, 4): { x, a, b, y, _ in dot(X3<Leaf4>.self, x, a, b, y) }
    case (4, 1): { x, a, b, y, _ in dot(X4<Leaf1>.self, x, a, b, y) }
    case (4, 2): { x, a, b, y, _ in dot(X4<Leaf2>.self, x, a, b, y) }
    case (4, 3): { x, a, b, y, _ in dot(X4<Leaf3>.self, x, a, b, y) }
    case (4, 4): { x, a, b, y, _ in dot(X4<Leaf4>.self, x, a, b, y) }
    case (5, 1): { x, a, b, y, _ in dot(X5<Leaf1>.self, x, a, b, y) }
    case (5, 2): { x, a, b, y, _ in dot(X5<Leaf2>.self, x, a, b, y) }
    case (5, 3): { x, a, b, y, _ in dot(X5<Leaf3>.self, x, a, b, y) }
    case (5, 4): { x, a, b, y, _ in dot(X5<Leaf4>.self, x, a, b, y) }
    case (6, 1): { x, a, b, y, _ in dot(X6<Leaf1>.self, x, a, b, y) }
    case (6, 2): { x, a, b, y, _ in dot(X6<Leaf2>.self, x, a, b, y) }
    case (6, 3): { x, a, b, y, _ in dot(X6<Leaf3>.self, x, a, b, y) }
    default: { x, a, b, y, _ in dot(X6<Leaf4>.self, x, a, b, y) }
    }
  }
#elseif CNNLENS_AVX2
  func blockedPixels(_ blocks: Int) -> Int {
    switch blocks {
    case 1: 6
    case 2: 3
    default: 0
    }
  }
  func planarPixels(_ blocks: Int) -> Int {
    blocks == 1 ? 6 : 0
  }
  func turnedVectors(_ channels: Int) -> Int {
    switch channels {
    case 1: 6
    case 2: 2
    case 3: 2
    default: 0
    }
  }
  func sparseGroups(_ blocks: Int) -> Int {
    blocks == 1 ? 4 : 0
  }
  let sparseCosts = SparseCosts(input: 1, tile: 1.7, block: 1)
  let depthwisePixels = 7
  let dotRows = 2, dotColumns = 3

  @inline(never) func blockedTile(_ blocks: Int, _ pixels: Int) -> TileFunction {
    switch (blocks, pixels) {
    case (1, 1): { blocked(Leaf1.self, $0, $1, $2, $3, $4) }
    case (1, 2): { blocked(X2<Leaf1>.self, $0, $1, $2, $3, $4) }
    case (1, 3): { blocked(X3<Leaf1>.self, $0, $1, $2, $3, $4) }
    case (1, 4): { blocked(X4<Leaf1>.self, $0, $1, $2, $3, $4) }
    case (1, 5): { blocked(X5<Leaf1>.self, $0, $1, $2, $3, $4) }
    case (1, 6): { blocked(X6<Leaf1>.self, $0, $1, $2, $3, $4) }
    case (2, 1): { blocked(Leaf2.self, $0, $1, $2, $3, $4) }
    case (2, 2): { blocked(X2<Leaf2>.self, $0, $1, $2, $3, $4) }
    default: { blocked(X3<Leaf2>.self, $0, $1, $2, $3, $4) }
    }
  }
  @inline(never) func planarTile(_ blocks: Int, _ pixels: Int) -> TileFunction {
    switch (blocks, pixels) {
    case (1, 1): { planar(Leaf1.self, $0, $1, $2, $3, $4) }
    case (1, 2): { planar(X2<Leaf1>.self, $0, $1, $2, $3, $4) }
    case (1, 3): { planar(X3<Leaf1>.self, $0, $1, $2, $3, $4) }
    case (1, 4): { planar(X4<Leaf1>.self, $0, $1, $2, $3, $4) }
    case (1, 5): { planar(X5<Leaf1>.self, $0, $1, $2, $3, $4) }
    default: { planar(X6<Leaf1>.self, $0, $1, $2, $3, $4) }
    }
  }
  @inline(never) func turnedTile(_ channels: Int) -> TileFunction {
    switch channels {
    case 1: { turned(X3<Leaf1>.self, $0, $1, $2, $3, $4) }
    case 2: { turned(Leaf2.self, $0, $1, $2, $3, $4) }
    default: { turned(Leaf3.self, $0, $1, $2, $3, $4) }
    }
  }
  @inline(never) func sparseTile(_ blocks: Int, _ groups: Int) -> SparseTileFunction {
    switch groups {
    case 1: { sparse(Leaf1.self, $0, $1, $2, $3, $4) }
    case 2: { sparse(Y2<Leaf1>.self, $0, $1, $2, $3, $4) }
    case 3: { sparse(Y3<Leaf1>.self, $0, $1, $2, $3, $4) }
    default: { sparse(Y4<Leaf1>.self, $0, $1, $2, $3, $4) }
    }
  }
  @inline(never) func depthwiseTile(_ pixels: Int) -> TileFunction {
    switch pixels {
    case 1: { depthwise(Leaf1.self, $0, $1, $2, $3, $4) }
    case 2: { depthwise(X2<Leaf1>.self, $0, $1, $2, $3, $4) }
    case 3: { depthwise(X3<Leaf1>.self, $0, $1, $2, $3, $4) }
    case 4: { depthwise(X4<Leaf1>.self, $0, $1, $2, $3, $4) }
    case 5: { depthwise(X5<Leaf1>.self, $0, $1, $2, $3, $4) }
    case 6: { depthwise(X6<Leaf1>.self, $0, $1, $2, $3, $4) }
    default: { depthwise(X7<Leaf1>.self, $0, $1, $2, $3, $4) }
    }
  }
  @inline(never) func dotTile(_ rows: Int, _ columns: Int) -> TileFunction {
    switch (rows, columns) {
    case (1, 1): { x, a, b, y, _ in dot(Leaf1.self, x, a, b, y) }
    case (1, 2): { x, a, b, y, _ in dot(Leaf2.self, x, a, b, y) }
    case (1, 3): { x, a, b, y, _ in dot(Leaf3.self, x, a, b, y) }
    case (2, 1): { x, a, b, y, _ in dot(X2<Leaf1>.self, x, a, b, y) }
    case (2, 2): { x, a, b, y, _ in dot(X2<Leaf2>.self, x, a, b, y) }
    default: { x, a, b, y, _ in dot(X2<Leaf3>.self, x, a, b, y) }
    }
  }
#else
  func blockedPixels(_ blocks: Int) -> Int {
    blocks == 1 ? 3 : 0
  }
  func planarPixels(_ blocks: Int) -> Int {
    blocks == 1 ? 3 : 0
  }
  func turnedVectors(_ channels: Int) -> Int {
    channels == 1 ? 2 : 0
  }
  func sparseGroups(_ blocks: Int) -> Int {
    blocks == 1 ? 3 : 0
  }
  let sparseCosts = SparseCosts(input: 1, tile: 1.7, block: 1)
  let depthwisePixels = 3
  let dotRows = 1, dotColumns = 2

  @inline(never) func blockedTile(_ blocks: Int, _ pixels: Int) -> TileFunction {
    switch (blocks, pixels) {
    case (1, 1): { blocked(Leaf1.self, $0, $1, $2, $3, $4) }
    case (1, 2): { blocked(X2<Leaf1>.self, $0, $1, $2, $3, $4) }
    default: { blocked(X3<Leaf1>.self, $0, $1, $2, $3, $4) }
    }
  }
  @inline(never) func planarTile(_ blocks: Int, _ pixels: Int) -> TileFunction {
    switch (blocks, pixels) {
    case (1, 1): { planar(Leaf1.self, $0, $1, $2, $3, $4) }
    case (1, 2): { planar(X2<Leaf1>.self, $0, $1, $2, $3, $4) }
    default: { planar(X3<Leaf1>.self, $0, $1, $2, $3, $4) }
    }
  }
  @inline(never) func turnedTile(_ channels: Int) -> TileFunction {
    { turned(Leaf1.self, $0, $1, $2, $3, $4) }
  }
  @inline(never) func sparseTile(_ blocks: Int, _ groups: Int) -> SparseTileFunction {
    switch groups {
    case 1: { sparse(Leaf1.self, $0, $1, $2, $3, $4) }
    case 2: { sparse(Y2<Leaf1>.self, $0, $1, $2, $3, $4) }
    default: { sparse(Y3<Leaf1>.self, $0, $1, $2, $3, $4) }
    }
  }
  @inline(never) func depthwiseTile(_ pixels: Int) -> TileFunction {
    switch pixels {
    case 1: { depthwise(Leaf1.self, $0, $1, $2, $3, $4) }
    case 2: { depthwise(X2<Leaf1>.self, $0, $1, $2, $3, $4) }
    default: { depthwise(X3<Leaf1>.self, $0, $1, $2, $3, $4) }
    }
  }
  @inline(never) func dotTile(_ rows: Int, _ columns: Int) -> TileFunction {
    switch (rows, columns) {
    case (1, 1): { x, a, b, y, _ in dot(Leaf1.self, x, a, b, y) }
    default: { x, a, b, y, _ in dot(Leaf2.self, x, a, b, y) }
    }
  }
#endif
