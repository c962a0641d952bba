// SPDX-License-Identifier: Apache-2.0
import LensTensors

/// Doubles with n indices and nothing clever: what the engine's operators are compared with.
public struct ReferenceTensor: Sendable {
  public var dimensions: [Int]
  public var values: [Double]

  public init(_ dimensions: [Int], _ values: [Double]) {
    precondition(dimensions.reduce(1, *) == values.count)
    (self.dimensions, self.values) = (dimensions, values)
  }

  public init(_ dimensions: [Int], repeating value: Double = 0) {
    self.init(dimensions, Array(repeating: value, count: dimensions.reduce(1, *)))
  }

  /// Element by element from its indices.
  public init(_ dimensions: [Int], _ element: ([Int]) -> Double) {
    self.init(dimensions, ReferenceTensor.indices(dimensions).map(element))
  }

  public init(_ tensor: Tensor) { self.init(tensor.shape.dimensions, tensor.values.map(Double.init)) }

  /// All index lists, last index fastest.
  public static func indices(_ dimensions: [Int]) -> [[Int]] {
    var result: [[Int]] = [[]]
    for dimension in dimensions { result = result.flatMap { head in (0..<dimension).map { head + [$0] } } }
    return result
  }

  public func position(_ indices: [Int]) -> Int {
    precondition(indices.count == dimensions.count)
    return zip(indices, dimensions).reduce(0) { $0 * $1.1 + $1.0 }
  }

  public subscript(_ indices: [Int]) -> Double {
    get { values[position(indices)] }
    set { values[position(indices)] = newValue }
  }
  public subscript(_ indices: Int...) -> Double {
    get { self[indices] }
    set { self[indices] = newValue }
  }

  /// The element that stands at these indices after broadcasting (aligned at the end, 1 stretches).
  public func broadcast(_ indices: [Int]) -> Double {
    let own = indices.suffix(dimensions.count)
    return self[zip(own, dimensions).map { $1 == 1 ? 0 : $0 }]
  }

  public func map(_ f: (Double) -> Double) -> ReferenceTensor { ReferenceTensor(dimensions, values.map(f)) }

  /// f of the elements of several tensors that broadcast.
  public static func broadcasting(_ tensors: [ReferenceTensor], _ f: ([Double]) -> Double) -> ReferenceTensor {
    let rank = tensors.map(\.dimensions.count).max() ?? 0
    var dimensions = [Int](repeating: 1, count: rank)
    for tensor in tensors {
      for (i, dimension) in tensor.dimensions.enumerated() where dimension != 1 {
        dimensions[rank - tensor.dimensions.count + i] = dimension
      }
    }
    return ReferenceTensor(dimensions) { at in f(tensors.map { $0.broadcast(at) }) }
  }
}
