// SPDX-License-Identifier: Apache-2.0
import LensTensors

/// What a network sees of a picture at the picture's own resolution: a part of it, resized.
///
/// Behind it a network's input is the picture itself, so that its gradients are those of the picture's own pixels.
public struct PictureView: Sendable {
  /// Of the picture: 3, or 1 for grey.
  public var channels: Int
  /// h × H and w × W: the network's rows and columns from the picture's; nil for all of them.
  public var rows, columns: Tensor?
  /// H × W: how much of white shines through.
  public var opacity: Tensor?
  /// What happens to the part before the network sees it.
  public var change: StraightThrough?

  public init(channels: Int = 3, rows: Tensor? = nil, columns: Tensor? = nil, opacity: Tensor? = nil, change: StraightThrough? = nil) {
    (self.channels, self.rows, self.columns) = (channels, rows, columns)
    (self.opacity, self.change) = (opacity, change)
  }

  /// ITU-R 601, as for grey photographs.
  private static let luma: [Float] = [0.299, 0.587, 0.114]

  /// The way of a picture of this shape to what the network's preprocessing takes, and the shape it then has.
  ///
  /// - channels: of the network.
  func chain(from shape: Shape, channels wanted: Int) throws -> (operators: [(name: String, op: any Operator)], shape: Shape) {
    guard shape.rank == 4, shape.c == channels, [1, 3].contains(channels), [1, 3].contains(wanted) else {
      throw LensError(.shapeMismatch, "the picture is \(shape); it must be N×\(channels)×H×W, and channels are 1 or 3")
    }
    var operators: [(name: String, op: any Operator)] = []
    if let opacity { operators.append(("picture/opacity", OverWhite(opacity: opacity))) }
    if channels > wanted {
      operators.append(("picture/grey", Convolution(weights: Tensor([1, 3, 1, 1], PictureView.luma), bias: nil)))
    }
    let rows = try rows ?? identity(shape.h), columns = try columns ?? identity(shape.w)
    guard rows.shape.rank == 2, columns.shape.rank == 2, rows.shape[1] == shape.h, columns.shape[1] == shape.w else {
      throw LensError(
        .shapeMismatch, "the picture is \(shape.h)×\(shape.w) but rows are \(rows.shape) and columns \(columns.shape): h×H and w×W")
    }
    if !rows.isIdentity || !columns.isIdentity {
      operators.append(("picture/view", Resample(rows: rows, columns: columns, range: 0...1)))
    }
    if channels < wanted {
      operators.append(("picture/colour", Convolution(weights: Tensor([3, 1, 1, 1], [1, 1, 1]), bias: nil)))
    }
    if let change { operators.append(("picture/change", change)) }
    return (operators, [shape.n, wanted, rows.shape[0], columns.shape[0]])
  }

  private func identity(_ count: Int) throws -> Tensor {
    var result = try Tensor(allocating: [count, count])
    result.withMutablePointer { for i in 0..<count { $0[i * count + i] = 1 } }
    return result
  }
}

extension Tensor {
  fileprivate var isIdentity: Bool {
    guard shape.rank == 2, shape[0] == shape[1] else { return false }
    let n = shape[0]
    return withPointer { p in (0..<count).allSatisfy { p[$0] == ($0 / n == $0 % n ? 1 : 0) } }
  }
}
