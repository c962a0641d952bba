// SPDX-License-Identifier: Apache-2.0
import LensTensors

/// How an RGB picture in 0...1 becomes a network's input: x = (scale * picture - mean) / deviation, channel by channel.
public struct Preprocessing: Sendable, Equatable {
  public enum Order: String, Sendable { case rgb = "RGB", bgr = "BGR" }

  public var order: Order
  public var scale: Float
  /// In the units and the channel order of the network.
  public var mean: [Float]
  public var deviation: [Float]

  public init(order: Order = .rgb, scale: Float = 1, mean: [Float], deviation: [Float]) {
    (self.order, self.scale, self.mean, self.deviation) = (order, scale, mean, deviation)
  }

  /// From the keys `cnnlens.preprocess.*` of a model file.
  init?(metadata: [String: String]) {
    func numbers(_ key: String) -> [Float]? {
      let values = metadata["cnnlens.preprocess.\(key)"]?.split(separator: ",").map { Float(String($0.drop { $0 == " " })) }
      guard let values, !values.isEmpty, values.allSatisfy({ $0?.isFinite == true }) else { return nil }
      return values.compactMap { $0 }
    }
    guard let mean = numbers("mean"), let deviation = numbers("std"), mean.count == deviation.count,
      !deviation.contains(0)
    else { return nil }
    let order = metadata["cnnlens.preprocess.order"].flatMap(Order.init(rawValue:)) ?? .rgb
    self.init(order: order, scale: numbers("scale")?.first ?? 1, mean: mean, deviation: deviation)
  }

  var operators: [(name: String, op: any Operator)] {
    let shift = zip(mean, deviation).map { -$0 / $1 }
    let normalize = ScaleShift(scale: deviation.map { scale / $0 }, shift: shift)
    let reverse = Gather(axis: 1, indices: Array((0..<mean.count).reversed()), indexShape: [mean.count])
    return (order == .bgr ? [("preprocess/order", reverse)] : []) + [("preprocess/normalize", normalize)]
  }
}

/// A network behind its preprocessing, and behind a view of pictures if there is one.
struct PreprocessedSource: GraphSource {
  let base: any GraphSource
  let preprocessing: Preprocessing
  var view: PictureView?

  var inputs: [InputDescription] {
    guard let view, let first = base.inputs.first, first.dimensions.count == 4 else { return base.inputs }
    return [InputDescription(name: first.name, dimensions: [first.dimensions[0], view.channels, nil, nil])] + base.inputs.dropFirst()
  }
  var outputs: [String] { base.outputs }
  var layerNames: [String] { base.layerNames }
  var aliases: [String: String] { base.aliases }
  var metadata: [String: String] { base.metadata }

  func graph(for inputs: [Shape], reaching layers: Set<Layer>?) throws -> Graph {
    let (picture, seen) = try view?.chain(from: inputs[0], channels: preprocessing.mean.count) ?? ([], inputs[0])
    let chain = picture + preprocessing.operators, own = Set(chain.map { Layer($0.name) })
    let graph = try base.graph(for: [seen] + inputs.dropFirst(), reaching: layers?.subtracting(own))
    return try Graph(graph, behind: chain, input: inputs[0])
  }
}
