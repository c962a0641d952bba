// SPDX-License-Identifier: Apache-2.0
import CLensCPU
import LensKernelTable
import LensTensors

extension WinogradPlan {
  func run(_ operands: ConvolutionOperands) {
    switch share {
    case .tiles: shareTiles(operands)
    case .lanes: shareLanes(operands)
    }
  }

  private func shareTiles(_ operands: ConvolutionOperands) {
    let u = operands.scratch, own = u + WinogradPlan.positions * weightStep
    parallelParts(groups.count * inputBlocks, slots) { slot, jobs in
      for job in jobs {
        let (group, input) = (job / inputBlocks, job % inputBlocks), place = place(group, 0) + input * groups[group].count * 256
        transformWeights(operands, group..<(group + 1), input..<(input + 1), u + place, own + slot * slotCount)
      }
    }
    let bands = patches == nil ? (tiles + chunk - 1) / chunk : n * ((tilesDown + bandTiles - 1) / bandTiles)
    parallelParts(bands, slots) { slot, jobs in
      let window = own + slot * slotCount, patch = window + windowCount
      for job in jobs {
        if let patches {
          compute(job, patches, operands, window, u, patch)
        } else {
          compute((0..<tiles).part(job, of: bands), maps(operands), operands, u, patch)
        }
      }
    }
  }

  /// Blocked maps, and floats from one block of channels to the next.
  private struct Maps {
    var input: Floats
    var output: MutableFloats
    var inputStep, outputStep: Int
  }
  private func maps(_ operands: ConvolutionOperands) -> Maps {
    Maps(input: operands.input, output: operands.output, inputStep: input.h * input.w * 16, outputStep: grid.h * grid.w * 16)
  }

  /// A band of an image, through patches of it.
  private func compute(
    _ band: Int, _ patches: Patches, _ operands: ConvolutionOperands, _ window: MutableFloats, _ u: MutableFloats, _ patch: MutableFloats
  ) {
    let perImage = (tilesDown + bandTiles - 1) / bandTiles, image = band / perImage, first = band % perImage * bandTiles
    let tiles = (image * tilesDown + first) * tilesAcross..<(image * tilesDown + min(first + bandTiles, tilesDown)) * tilesAcross
    let rows = first * m..<min(first * m + bandRows, patches.rows), step = bandRows * patches.columns * 16
    // As if the image's first row were in the window, and all images before it.
    let origin = window - (image * (isTransposed ? blocks : inputBlocks) * step + first * m * patches.columns * 16)
    var maps = maps(operands)
    if isTransposed { (maps.output, maps.outputStep) = (origin, step) } else { (maps.input, maps.inputStep) = (Floats(origin), step) }
    if !isTransposed { patches.gather(operands.input, image, rows, to: window, blockStep: step) }
    var passing = operands
    if isTransposed { passing.accumulates = false }
    compute(tiles, maps, passing, u, patch)
    if isTransposed { patches.spread(0..<patches.lanes, Floats(window), blockStep: step, image, rows, operands) }
  }

  /// Some tiles, with V and M behind `patch`.
  private func compute(_ tiles: Range<Int>, _ maps: Maps, _ operands: ConvolutionOperands, _ u: MutableFloats, _ patch: MutableFloats) {
    let v = patch + patchCount, m = v + WinogradPlan.positions * inputStep, chunks = (tiles.count + chunk - 1) / chunk
    for index in 0..<chunks {
      let tiles = tiles.part(index, of: chunks)
      for block in 0..<inputBlocks { transformInput(maps, block, tiles, tiles.lowerBound, v, patch) }
      multiply(operands, lanes[0], 0..<inputBlocks, tiles.count, u, v, m) { _ in }
      for block in 0..<blocks { transformOutput(operands, maps, block, tiles, m + block * chunk * 16, patch) }
    }
  }

  private func shareLanes(_ operands: ConvolutionOperands) {
    let v = operands.scratch, own = v + WinogradPlan.positions * inputStep, chunks = (tiles + chunk - 1) / chunk, maps = maps(operands)
    for index in 0..<chunks {
      let tiles = (0..<tiles).part(index, of: chunks), bands = min(tiles.count, 4 * slots)
      parallelParts(inputBlocks * bands, slots) { slot, jobs in
        let patch = own + slot * slotCount
        for job in jobs {
          transformInput(maps, job / bands, tiles.part(job % bands, of: bands), tiles.lowerBound, v, patch)
        }
        // The first lanes that this thread will come to, most likely.
        if jobs.lowerBound == inputBlocks * bands * slot / slots {
          for position in 0..<WinogradPlan.positions {
            fetchAhead(operands, lanes[lanes.count * slot / slots], 0..<inputsAtOnce, position)
          }
        }
      }
      // With few lanes for many threads, several share the tiles of some.
      let parts = max(1, min((2 * slots + lanes.count - 1) / lanes.count, tiles.count / 12))
      parallelParts(lanes.count * parts, slots) { slot, jobs in
        let patch = own + slot * slotCount, u = patch + patchCount, m = u + WinogradPlan.positions * weightStep
        for job in jobs {
          let groups = lanes[job / parts], some = tiles.part(job % parts, of: parts), x = v + (some.lowerBound - tiles.lowerBound) * 16
          var inputs = 0..<inputsAtOnce
          while !inputs.isEmpty {
            let next = inputs.upperBound..<min(inputs.upperBound + inputsAtOnce, inputBlocks)
            transformWeights(operands, groups, inputs, u, patch)
            multiply(operands, groups, inputs, some.count, u, x, m) { position in
              if next.isEmpty {
                fetchAhead(operands, lanes[(job + 1) / parts % lanes.count], 0..<inputsAtOnce, position)
              } else {
                fetchAhead(operands, groups, next, position)
              }
            }
            inputs = next
          }
          let first = self.groups[groups.lowerBound].lowerBound
          for block in first..<self.groups[groups.upperBound - 1].upperBound {
            transformOutput(operands, maps, block, some, m + (block - first) * chunk * 16, patch)
          }
        }
      }
    }
  }

  /// Where a group's lanes begin in a position of U that begins with those of `first`.
  private func place(_ group: Int, _ first: Int) -> Int {
    (groups[group].lowerBound - groups[first].lowerBound) * inputsAtOnce * 256
  }

  /// Some blocks of inputs of some groups of lanes to U.
  private func transformWeights(
    _ operands: ConvolutionOperands, _ groups: Range<Int>, _ inputs: Range<Int>, _ u: MutableFloats, _ scratch: MutableFloats
  ) {
    let area = k * k, turned = scratch + 576
    for index in groups {
      let group = self.groups[index], width = 16 * group.count
      for input in inputs {
        for block in group {
          let squares = isTransposed ? pack.squares(input: block, output: input) : pack.squares(input: input, output: block)
          var (taps, tapStep, inputStep) = (operands.weights + squares.place, squares.tapStep, squares.rowStep)
          if isTransposed {
            for tap in 0..<area { kernels.turn(taps + (area - 1 - tap) * tapStep, inputStep, turned + tap * 256, 16) }
            (taps, tapStep, inputStep) = (Floats(turned), 256, 16)
          }
          let q = u + (self.place(index, groups.lowerBound) + (input - inputs.lowerBound) * 16 * width + (block - group.lowerBound) * 16)
          for i in 0..<16 { kernels.winograd.filter(k, taps + i * inputStep, tapStep, q + i * width, weightStep, scratch) }
        }
      }
    }
  }

  /// Brings one 36th of what `transformWeights` will read nearer, while other things are computed.
  private func fetchAhead(_ operands: ConvolutionOperands, _ groups: Range<Int>, _ inputs: Range<Int>, _ position: Int) {
    let lanes = self.groups[groups.lowerBound].lowerBound..<self.groups[groups.upperBound - 1].upperBound
    let (inputs, outputs) = isTransposed ? (lanes, inputs) : (inputs, lanes)
    var output = outputs.lowerBound
    while output < outputs.upperBound {
      let squares = pack.squares(input: inputs.lowerBound, output: output)
      let size = inputs.count * 16 * squares.rowStep * 4 / WinogradPlan.positions
      lens_fetch_ahead(UnsafeRawPointer(operands.weights + squares.place) + position * size, size)
      output += squares.tapStep / 16
    }
  }

  /// One block of 16 channels of some tiles to V.
  private func transformInput(
    _ maps: Maps, _ block: Int, _ tiles: Range<Int>, _ first: Int, _ v: MutableFloats, _ patch: MutableFloats
  ) {
    let scratch = patch + 576, perImage = tilesDown * tilesAcross, step = inputStep
    for tile in tiles {
      let image = tile / perImage, row = tile % perImage / tilesAcross * m - top, column = tile % tilesAcross * m - left
      let plane = maps.input + (image * inputBlocks + block) * maps.inputStep
      let place = v + (block * chunk + tile - first) * 16
      if row >= 0 && column >= 0 && row + 6 <= input.h && column + 6 <= input.w {
        kernels.winograd.input(plane + (row * input.w + column) * 16, input.w * 16, place, step, scratch)
      } else {
        let columns = max(0, -column)..<max(max(0, -column), min(6, input.w - column))
        for i in 0..<6 {
          let q = patch + i * 96
          if row + i < 0 || row + i >= input.h || columns.isEmpty {
            q.update(repeating: 0, count: 96)
          } else {
            if columns.lowerBound > 0 { q.update(repeating: 0, count: columns.lowerBound * 16) }
            if columns.upperBound < 6 { (q + columns.upperBound * 16).update(repeating: 0, count: (6 - columns.upperBound) * 16) }
            let p = plane + ((row + i) * input.w + column + columns.lowerBound) * 16
            (q + columns.lowerBound * 16).update(from: p, count: columns.count * 16)
          }
        }
        kernels.winograd.input(patch, 96, place, step, scratch)
      }
    }
  }

  /// M += U V, or M = U V with the first of the inputs, for some groups of lanes.
  private func multiply(
    _ operands: ConvolutionOperands, _ groups: Range<Int>, _ inputs: Range<Int>, _ tiles: Int, _ u: MutableFloats, _ v: MutableFloats,
    _ m: MutableFloats, _ meanwhile: (_ position: Int) -> Void
  ) {
    withUnsafeTemporaryAllocation(of: Int.self, capacity: inputs.count) { offsets in
      for i in inputs.indices { offsets[i - inputs.lowerBound] = (i - inputs.lowerBound) * chunk * 16 }
      var call = TileCall(offsets: UnsafePointer(offsets.baseAddress!), bias: operands.zeros)
      call.blockStep = chunk * 16
      if inputBlocks == 1 { call.depth = channels }
      withUnsafeMutablePointer(to: &call) { call in
        for position in 0..<WinogradPlan.positions {
          meanwhile(position)
          var m = m + position * outputStep
          for index in groups {
            let group = self.groups[index], most = kernels.blockedPixels(group.count), parts = (tiles + most - 1) / most
            let narrow = tiles / parts, wide = tiles - parts * narrow
            let narrowTile = kernels.blockedTile(group.count, narrow)
            let wideTile = wide > 0 ? kernels.blockedTile(group.count, narrow + 1) : narrowTile
            let weights = Floats(u) + (position * weightStep + place(index, groups.lowerBound))
            // 20 KB of weights stay in the nearest cache while the tiles pass by.
            let pass = max(1, 20 / group.count), beyond = wide * (narrow + 1) * 16
            var first = inputs.lowerBound
            while first < inputs.upperBound {
              call.pointee.taps = min(pass, inputs.upperBound - first)
              call.pointee.accumulates = first > 0
              let x = Floats(v) + (position * inputStep + first * chunk * 16)
              let weights = weights + (first - inputs.lowerBound) * 256 * group.count
              call.pointee.tiles = wide
              if wide > 0 { wideTile(call, x, weights, m, nil) }
              call.pointee.tiles = parts - wide
              if wide < parts { narrowTile(call, x + beyond, weights, m + beyond, nil) }
              first += pass
            }
            m += group.count * chunk * 16
          }
        }
      }
    }
  }

  /// M to one block of 16 output channels of some tiles.
  private func transformOutput(
    _ operands: ConvolutionOperands, _ maps: Maps, _ block: Int, _ tiles: Range<Int>, _ source: MutableFloats, _ scratch: MutableFloats
  ) {
    let perImage = tilesDown * tilesAcross, epilogue = operands.epilogue
    var call = WinogradOutput(
      positionStep: outputStep, rowStep: grid.w * 16, bias: operands.bias.map { $0 + block * 16 } ?? operands.zeros)
    call.accumulates = operands.accumulates
    (call.clamps, call.lower, call.upper) =
      (epilogue.lower > -.infinity || epilogue.upper < .infinity, epilogue.lower, epilogue.upper)
    for tile in tiles {
      let image = tile / perImage, row = tile % perImage / tilesAcross * m, column = tile % tilesAcross * m
      (call.rows, call.columns) = (min(m, grid.h - row), min(m, grid.w - column))
      let place = (image * blocks + block) * maps.outputStep + (row * grid.w + column) * 16
      call.gates = epilogue.gates.map { $0 + place / 16 }
      call.gatedBy = operands.gatedBy.map { $0 + place / 16 }
      kernels.winograd.output(
        &call, k, source + (tile - tiles.lowerBound) * 16, maps.output + place, epilogue.residual.map { $0 + place }, scratch)
    }
  }
}
