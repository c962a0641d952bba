// SPDX-License-Identifier: Apache-2.0
import LensKernels
import LensTensors

/// N×C×H×W as [N][ceil(C / 16)][H][W][16], written down once more, independently of the kernels.
public enum Blocked {
  /// Whether the kernels know the layout already.
  public static var isThere: Bool { Layout.blocked.floatCount(of: [1, 17, 1, 1]) == 32 }

  private static func position(_ n: Int, _ c: Int, _ y: Int, _ x: Int, _ shape: Shape) -> Int {
    (((n * ((shape.c + 15) / 16) + c / 16) * shape.h + y) * shape.w + x) * 16 + c % 16
  }

  private static func forEach(_ shape: Shape, _ body: (_ plain: Int, _ blocked: Int) -> Void) {
    var plain = 0
    for n in 0..<shape.n {
      for c in 0..<shape.c {
        for y in 0..<shape.h {
          for x in 0..<shape.w {
            body(plain, position(n, c, y, x, shape))
            plain += 1
          }
        }
      }
    }
  }

  /// - padding: what the lanes hold that belong to no channel.
  public static func packed(_ tensor: Tensor, padding: Float) -> Tensor {
    let shape = tensor.shape, values = tensor.values
    var result = [Float](repeating: padding, count: shape.n * ((shape.c + 15) / 16) * 16 * shape.h * shape.w)
    forEach(shape) { result[$1] = values[$0] }
    return Tensor([result.count], result)
  }

  public static func unpacked(_ tensor: Tensor, _ shape: Shape) -> Tensor {
    let values = tensor.values
    var result = [Float](repeating: 0, count: shape.count)
    forEach(shape) { result[$0] = values[$1] }
    return Tensor(shape, result)
  }
}
