// SPDX-License-Identifier: Apache-2.0
import LensKernels
import LensTensors

extension Binary {
  /// A product of a picture and one number a channel, N×C×1×1 or 1×C×1×1, both blocked: what squeeze-and-excitation does.
  /// Nil for everything else.
  func channelProduct(_ shapes: [Shape], _ layouts: Layouts) -> Stage? {
    guard case .multiply = function, layouts == Layouts(inputs: [.blocked, .blocked], output: .blocked), shapes[0] != shapes[1]
    else { return nil }
    let full = shapes[0].h * shapes[0].w >= shapes[1].h * shapes[1].w ? 0 : 1, other = 1 - full
    let shape = shapes[full], factors = shapes[other]
    guard factors.h == 1, factors.w == 1, factors.c == shape.c, factors.n == shape.n || factors.n == 1 else { return nil }
    let blocks = Layout.blocks(shape.c), pixels = shape.h * shape.w, images = shape.n, isShared = factors.n == 1
    let loops = Kernels.selected.channels, grain = max(8192 / (pixels * Layout.block), 1)
    @Sendable func place(_ plane: Int) -> Int { (isShared ? plane % blocks : plane) * Layout.block }

    return Stage(output: shape, keeps: .inputs, runsInPlace: full == 0, overwrites: true) { pass in
      let x = pass.input(full), factor = pass.input(other), y = pass.output
      parallel(images * blocks, grain: grain) {
        for plane in $0 {
          let at = plane * pixels * Layout.block
          loops.scale(x + at, factor + place(plane), y + at, pixels, false)
        }
      }
    } backward: { pass in
      let x = pass.input(full), factor = pass.input(other), dy = pass.outputGradient
      if let dx = pass.inputGradient(full) {
        let adds = pass.accumulates(full)
        parallel(images * blocks, grain: grain) {
          for plane in $0 {
            let at = plane * pixels * Layout.block
            loops.scale(dy + at, factor + place(plane), dx + at, pixels, adds)
          }
        }
      }
      if let dx = pass.inputGradient(other) {
        if !pass.accumulates(other) { dx.update(repeating: 0, count: (isShared ? 1 : images) * blocks * Layout.block) }
        // All images of a block by one thread: they may share a sum.
        parallel(blocks, grain: max(1, grain / images)) {
          for block in $0 {
            for image in 0..<images {
              let plane = image * blocks + block, at = plane * pixels * Layout.block
              loops.products(dy + at, x + at, dx + place(plane), pixels)
            }
          }
        }
      }
    }
  }
}
