// SPDX-License-Identifier: Apache-2.0
public import LensKernelTable

#if CNNLENS_AVX512
  private let name = "avx512"
#elseif CNNLENS_AVX2
  private let name = "avx2"
#else
  private let name = "portable"
#endif

/// What this module, compiled as it was, has to offer.
public func kernelTable() -> KernelTable {
  KernelTable(
    name: name,
    blockedPixels: { blockedPixels($0) }, planarPixels: { planarPixels($0) }, depthwisePixels: depthwisePixels,
    blockedTile: { blockedTile($0, $1) }, planarTile: { planarTile($0, $1) }, depthwiseTile: { depthwiseTile($0) },
    turnedVectors: { turnedVectors($0) }, turnedTile: { turnedTile($0) },
    sparse: SparseLoops(
      collect: { collect($0, $1, $2, $3, $4, $5) }, groups: { sparseGroups($0) }, tile: { sparseTile($0, $1) }, costs: sparseCosts),
    winograd: WinogradTransforms(
      input: { winogradInput($0, $1, $2, $3, $4) }, output: { winogradOutput($0, $1, $2, $3, $4, $5) },
      filter: { winogradFilter($0, $1, $2, $3, $4, $5) }),
    pooling: PoolingLoops(
      largest: { largest($0, $1, $2, $3) }, largestGradient: { largestGradient($0, $1, $2, $3) },
      mean: { mean($0, $1, $2) }, meanGradient: { meanGradient($0, $1, $2) }),
    channels: ChannelLoops(
      affine: { affine($0, $1, $2, $3, $4, $5, $6, $7, $8) }, scale: { scale($0, $1, $2, $3, $4) }, products: { products($0, $1, $2, $3) }),
    dotRows: dotRows, dotColumns: dotColumns, dotTile: { dotTile($0, $1) }, addRows: { addRows($0, $1, $2, $3, $4, $5) },
    gatherVectors: { gatherVectors($0, $1, $2, $3) }, scatterVectors: { scatterVectors($0, $1, $2, $3, $4, $5) },
    turn: { turn($0, $1, $2, $3) }, interleave: { interleave($0, $1, $2, $3, $4, $5) },
    deinterleave: { deinterleave($0, $1, $2, $3, $4, $5) },
    add: { add($0, $1, $2, $3) }, multiply: { multiply($0, $1, $2, $3) },
    clamp: { clamp($0, $1, $2, $3, $4, $5) }, gate: { gate($0, $1, $2, $3, $4) },
    curves: CurveLoops(value: { curve($0, $1, $2, $3) }, gradient: { curveGradient($0, $1, $2, $3, $4, $5) }))
}
