// SPDX-License-Identifier: Apache-2.0

extension Tensor {
  public func map(_ f: (Float) -> Float) -> Tensor {
    var result = Tensor(shape)
    let count = count
    withPointer { x in result.withMutablePointer { y in for i in 0..<count { y[i] = f(x[i]) } } }
    return result
  }

  public static func zip(_ a: Tensor, _ b: Tensor, _ f: (Float, Float) -> Float) -> Tensor {
    precondition(a.shape == b.shape, "\(a.shape) against \(b.shape)")
    var result = Tensor(a.shape)
    let count = a.count
    a.withPointer { a in b.withPointer { b in result.withMutablePointer { y in for i in 0..<count { y[i] = f(a[i], b[i]) } } } }
    return result
  }

  /// What `map` gives, in the memory that is there; the shapes must be equal.
  public mutating func set(_ a: Tensor, _ f: (Float) -> Float) {
    precondition(a.shape == shape, "\(a.shape) into \(shape)")
    let count = count
    a.withPointer { a in withMutablePointer { y in for i in 0..<count { y[i] = f(a[i]) } } }
  }

  /// What `zip` gives, likewise.
  public mutating func set(_ a: Tensor, _ b: Tensor, _ f: (Float, Float) -> Float) {
    precondition(a.shape == shape && b.shape == shape, "\(a.shape) and \(b.shape) into \(shape)")
    let count = count
    a.withPointer { a in b.withPointer { b in withMutablePointer { y in for i in 0..<count { y[i] = f(a[i], b[i]) } } } }
  }

  public static func + (a: Tensor, b: Tensor) -> Tensor { zip(a, b, +) }
  public static func - (a: Tensor, b: Tensor) -> Tensor { zip(a, b, -) }
  public static func * (a: Tensor, b: Tensor) -> Tensor { zip(a, b, *) }
  public static func * (factor: Float, a: Tensor) -> Tensor { a.map { factor * $0 } }

  /// N×C×H×W folded over its channels to N×H×W, from `start`.
  public func foldedOverChannels(_ start: Float, _ combine: (Float, Float) -> Float) -> Tensor {
    let (n, c, area) = (shape.n, shape.c, shape.h * shape.w)
    var result = Tensor([n, shape.h, shape.w], repeating: start)
    withPointer { x in
      result.withMutablePointer { y in
        for image in 0..<n {
          for channel in 0..<c {
            let plane = x + (image * c + channel) * area, sum = y + image * area
            for i in 0..<area { sum[i] = combine(sum[i], plane[i]) }
          }
        }
      }
    }
    return result
  }

  /// The mean over rows and columns of each channel, N×C.
  public func spatialMean() -> Tensor {
    let area = shape.h * shape.w
    var result = Tensor([shape.n, shape.c])
    let count = result.count
    withPointer { x in
      result.withMutablePointer { y in
        for plane in 0..<count {
          var sum = 0.0
          for i in 0..<area { sum += Double(x[plane * area + i]) }
          y[plane] = Float(sum / Double(area))
        }
      }
    }
    return result
  }

  /// sum_k weights[n, k] * self[n, k]: N×C×H×W with N×C weights to N×H×W.
  public func weightedOverChannels(_ weights: Tensor) -> Tensor {
    let (n, c, area) = (shape.n, shape.c, shape.h * shape.w)
    precondition(weights.count == n * c, "\(weights.shape) weights for \(shape)")
    var result = Tensor([n, shape.h, shape.w])
    withPointer { x in
      weights.withPointer { w in
        result.withMutablePointer { y in
          for image in 0..<n {
            for channel in 0..<c {
              let plane = x + (image * c + channel) * area, sum = y + image * area, weight = w[image * c + channel]
              for i in 0..<area { sum[i] += weight * plane[i] }
            }
          }
        }
      }
    }
    return result
  }
}
