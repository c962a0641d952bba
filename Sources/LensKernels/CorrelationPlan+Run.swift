// SPDX-License-Identifier: Apache-2.0
import Glibc
import LensKernelTable
import LensTensors

extension CorrelationPlan {
  func run(_ operands: ConvolutionOperands) {
    guard gridH > 0, gridW > 0 else { return }
    let perChunk = spec.n * bands, outputBlocks = spec.pack.blocks
    offsets.withUnsafeBufferPointer { offsets in
      let weightOffsets = (offsets.baseAddress ?? noTaps) + weightOffsets
      parallelParts(chunks.count * perChunk, slots) { slot, jobs in
        let window = operands.scratch + slot * slotCount, staging = window + windowCount, turned = staging + stagedCount
        var copied = (image: -1, band: -1, inputs: 0..<0)
        var call = TileCall(offsets: offsets.baseAddress ?? noTaps, bias: operands.zeros)
        call.weightOffsets = weightOffsets
        withUnsafeMutablePointer(to: &call) { call in
          for job in jobs {
            let (number, rest) = goesByBands ? (job % chunks.count, job / chunks.count) : (job / perChunk, job % perChunk)
            let chunk = chunks[number], inputs = chunkInputs[number], image = rest / bands, band = rest % bands
            let firstRow = band * bandRows, rows = min(bandRows, gridH - firstRow)
            if !readsInPlace && copied != (image, band, inputs) {
              copy(operands.input, image, firstRow, inputs, to: window)
              copied = (image, band, inputs)
            }
            let inPlace = operands.input + image * spec.inputs * spec.inputH * spec.inputW * 16 + firstRow * inputPitch
            for group in spec.pack.groups[chunk] {
              let input =
                readsInPlace ? inPlace + group.firstInput * inputStep : Floats(window) + (group.firstInput - inputs.lowerBound) * inputStep
              let place = place(image * outputBlocks + group.firstBlock, firstRow)
              compute(
                group, input, isStaged ? staging : operands.output + place, place, rows, operands, turned, call,
                offsets.baseAddress ?? noTaps)
              if isStaged {
                spec.spread(
                  group, Floats(staging), blockStep: bandRows * gridW * 16, image, firstRow..<(firstRow + rows), operands)
              }
            }
          }
        }
      }
    }
  }

  /// Where the first point of a row, of the grid as this plan walks over it, lies in the output.
  func place(_ plane: Int, _ row: Int) -> Int { isOneColumn ? (plane * gridH + row) * 16 : spec.place(plane, row) }

  /// A band of one group of lanes: pass after pass over the inputs, tile after tile over the pixels.
  private func compute(
    _ group: PackedShape.Group, _ input: Floats, _ output: MutableFloats, _ place: Int, _ rows: Int, _ operands: ConvolutionOperands,
    _ turned: MutableFloats, _ call: UnsafeMutablePointer<TileCall>, _ offsets: UnsafePointer<Int>
  ) {
    let taps = spec.rows.count * spec.columns.count
    let pixel = spec.kind == .planar ? 1 : 16
    let isFlat = inputPitch == gridW * pixel && !isStrided
    let runs = isFlat ? 1 : rows, width = isFlat ? rows * gridW : gridW
    var outputPitch = gridW * 16
    call.pointee.blockStep = (isStaged ? bandRows : gridH) * gridW * 16
    if isStrided, let to = spec.scatter {
      outputPitch = to.step.h * to.w * 16
      call.pointee.blockStep = to.h * to.w * 16
      call.pointee.pixelStep = to.step.w * 16
    }
    let most =
      spec.kind == .blocked
      ? spec.kernels.blockedPixels(group.blocks)
      : spec.kind == .planar ? spec.kernels.planarPixels(group.blocks) : spec.kernels.depthwisePixels
    // As even as can be: 14 = 5 + 5 + 4 rather than 6 + 6 + 2.
    let tiles = (width + most - 1) / most, narrow = width / tiles, wideTiles = width - tiles * narrow
    let narrowTile = tile(group.blocks, narrow), wideTile = wideTiles > 0 ? tile(group.blocks, narrow + 1) : narrowTile
    let weightsPerInput = taps * 16 * group.blocks * (spec.kind == .blocked ? 16 : 1)
    call.pointee.depth = spec.kind == .blocked ? 16 : 1
    call.pointee.depthStep = 0
    if spec.kind == .planar { call.pointee.inputStep = 1 }
    call.pointee.lower = operands.epilogue.lower
    call.pointee.upper = operands.epilogue.upper
    var first = 0
    repeat {
      let inputs = min(inputsPerPass, group.inputs - first), isLast = first + inputs >= group.inputs
      call.pointee.taps = spec.kind == .depthwise ? taps : inputs * taps
      call.pointee.offsets = offsets + first * taps
      call.pointee.accumulates = first > 0 || (operands.accumulates && !isStaged)
      call.pointee.bias = operands.zeros
      if let bias = operands.bias, !call.pointee.accumulates { call.pointee.bias = bias + group.firstBlock * 16 }
      let addend = isLast ? operands.epilogue.residual : nil
      let gates = isLast ? operands.epilogue.gates : nil, gatedBy = isLast && !isStaged ? operands.gatedBy : nil
      call.pointee.clamps = isLast && (operands.epilogue.lower > -.infinity || operands.epilogue.upper < .infinity || gates != nil)
      let weights: Floats
      if let forwardPack = spec.forwardPack {
        turn(operands.weights, of: forwardPack, group, first..<(first + inputs), to: turned)
        weights = Floats(turned)
      } else {
        weights = operands.weights + group.offset + first * weightsPerInput
        // While these are multiplied, the next pass's come nearer. Whole lines of 16.
        let next = group.offset + (first + inputs) * weightsPerInput, count = min(inputsPerPass * weightsPerInput, spec.pack.count - next)
        call.pointee.next = operands.weights + next
        call.pointee.nextCount = (count + 16 * runs * tiles - 1) / (16 * runs * tiles) * 16
      }
      var run = 0
      while run < runs {
        let at = place &+ run &* outputPitch, x = input + run &* inputPitch, y = output + run &* outputPitch
        let gatesHere = gates.map { $0 + (at >> 4) }, gatedHere = gatedBy.map { $0 + (at >> 4) }, addendHere = addend.map { $0 + at }
        (call.pointee.gates, call.pointee.gatedBy, call.pointee.tiles) = (gatesHere, gatedHere, wideTiles)
        let beyond = wideTiles &* (narrow &+ 1), step = call.pointee.pixelStep
        if wideTiles > 0 {
          wideTile(call, x, weights, y, addendHere)
          call.pointee.next += wideTiles &* call.pointee.nextCount
        }
        if wideTiles < tiles {
          call.pointee.gates = gatesHere.map { $0 + beyond }
          call.pointee.gatedBy = gatedHere.map { $0 + beyond &* (step >> 4) }
          call.pointee.tiles = tiles &- wideTiles
          narrowTile(call, x + beyond &* pixel, weights, y + beyond &* step, addendHere.map { $0 + beyond &* step })
          call.pointee.next += (tiles &- wideTiles) &* call.pointee.nextCount
        }
        run &+= 1
      }
      first += inputs
    } while first < group.inputs
  }

  /// Makes the weights that some inputs have for a group of lanes out of those of the forward pass.
  func turn(
    _ weights: Floats, of forward: PackedShape, _ group: PackedShape.Group, _ inputs: Range<Int>, to turned: MutableFloats
  ) {
    var destination = turned
    for input in inputs {
      for row in spec.pack.rows {
        for column in spec.pack.columns {
          let tap = row * forward.columns.count + column
          for block in 0..<group.blocks {
            let squares = forward.squares(input: group.firstBlock + block, output: input)
            spec.kernels.turn(
              weights + squares.place + tap * squares.tapStep, squares.rowStep, destination + block * 16, 16 * group.blocks)
          }
          destination += 256 * group.blocks
        }
      }
    }
  }

  private func tile(_ blocks: Int, _ pixels: Int) -> TileFunction {
    switch spec.kind {
    case .blocked: spec.kernels.blockedTile(blocks, pixels)
    case .planar: spec.kernels.planarTile(blocks, pixels)
    case .depthwise: spec.kernels.depthwiseTile(pixels)
    case .halves: fatalError("weights cut into halves are for AMXPlan")
    }
  }

  /// Fills the window of a band.
  private func copy(_ input: Floats, _ image: Int, _ firstRow: Int, _ inputs: Range<Int>, to destination: MutableFloats) {
    let unit = spec.kind == .planar ? 1 : 16, step = spec.step.w, pitch = window.pitch
    let plane = spec.inputH * spec.inputW * unit
    var q = destination
    for index in inputs {
      let source = input + (image * spec.inputs + index) * plane
      for p in window.firstColumns.indices {
        let inside = window.inside[p], first = window.firstColumns[p]
        for slotRow in window.slotRows {
          let row = firstRow * spec.step.h + slotRow
          if row < 0 || row >= spec.inputH || inside.isEmpty {
            memset(q, 0, pitch * unit * 4)
          } else {
            if inside.lowerBound > 0 { memset(q, 0, inside.lowerBound * unit * 4) }
            if inside.upperBound < pitch { memset(q + inside.upperBound * unit, 0, (pitch - inside.upperBound) * unit * 4) }
            let from = source + (row * spec.inputW + first + inside.lowerBound * step) * unit
            let to = q + inside.lowerBound * unit
            if step == 1 {
              memcpy(to, from, inside.count * unit * 4)
            } else if unit == 16 {
              spec.kernels.gatherVectors(from, step * 16, to, inside.count)
            } else {
              for i in 0..<inside.count { to[i] = from[i &* step] }
            }
          }
          q += pitch * unit
        }
      }
    }
  }
}

extension CorrelationPlan.Spec {
  /// Where the first point of a grid row lies in the output.
  func place(_ plane: Int, _ row: Int) -> Int {
    guard let to = scatter else { return (plane * gridH + row) * gridW * 16 }
    return ((plane * to.h + row * to.step.h + to.first.h) * to.w + to.first.w) * 16
  }

  /// Takes rows of a group of lanes from scratch to where they belong.
  ///
  /// - blockStep: floats from one block to the next in scratch
  func spread(
    _ group: PackedShape.Group, _ staging: Floats, blockStep: Int, _ image: Int, _ rows: Range<Int>, _ operands: ConvolutionOperands
  ) {
    if let patches {
      let lanes = group.firstBlock * 16..<(group.firstBlock + group.blocks) * 16
      return patches.spread(lanes, staging, blockStep: blockStep, image, rows, operands)
    }
    guard let to = scatter else { return }
    let first = image * pack.blocks + group.firstBlock
    for block in 0..<group.blocks {
      for row in rows {
        let q = place(first + block, row)
        kernels.scatterVectors(
          staging + (block * blockStep + (row - rows.lowerBound) * gridW * 16), operands.output + q, to.step.w * 16, gridW,
          operands.accumulates, operands.gatedBy?.advanced(by: q / 16))
      }
    }
  }
}
