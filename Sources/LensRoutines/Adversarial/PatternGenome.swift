// SPDX-License-Identifier: Apache-2.0
import Glibc
import LensTensors

/// A compositional pattern-producing network: from a pixel's place to its colour, by nodes and links that evolve.
///
/// Stanley, "Compositional Pattern Producing Networks: A Novel Abstraction of Development", 2007. Nodes and links are added
/// as in NEAT (Stanley & Miikkulainen, 2002); there are no loops and no crossover.
struct PatternGenome {
  /// Nguyen et al. 2015, section 2.3.
  enum Activation: Int, CaseIterable {
    case sine, sigmoid, gaussian, linear

    func callAsFunction(_ x: Float) -> Float {
      switch self {
      case .sine: sin(x)
      case .sigmoid: 1 / (1 + exp(-x))
      case .gaussian: exp(-x * x)
      case .linear: min(max(x, -1), 1)
      }
    }
  }

  private struct Node {
    /// 0 for inputs, 1 for outputs; links lead from smaller to larger.
    var depth: Double
    var activation: Activation
  }
  private struct Link {
    var from, to: Int
    var weight: Float
  }

  private static let inputs = 4  // x, y, distance from the middle, 1
  private let channels: Int
  /// Inputs, then outputs, then what came later.
  private var nodes: [Node]
  private var links: [Link] = []

  /// The simplest: every output linked to every input.
  init(channels: Int, _ random: inout Random) {
    self.channels = channels
    nodes = (0..<PatternGenome.inputs).map { _ in Node(depth: 0, activation: .linear) }
    for _ in 0..<channels { nodes.append(Node(depth: 1, activation: .any(&random))) }
    for output in PatternGenome.inputs..<nodes.count {
      for input in 0..<PatternGenome.inputs { links.append(Link(from: input, to: output, weight: 2 * random.normal())) }
    }
  }

  func mutated(_ random: inout Random) -> PatternGenome {
    var child = self
    for i in child.links.indices where random.uniform() < 0.3 { child.links[i].weight += 0.7 * random.normal() }
    if random.uniform() < 0.3 { child.addLink(&random) }
    if random.uniform() < 0.2 { child.addNode(&random) }
    if random.uniform() < 0.2 {
      let node = PatternGenome.inputs + random.index(nodes.count - PatternGenome.inputs)
      child.nodes[node].activation = .any(&random)
    }
    return child
  }

  private mutating func addLink(_ random: inout Random) {
    let from = random.index(nodes.count), to = random.index(nodes.count)
    guard nodes[from].depth < nodes[to].depth, !links.contains(where: { $0.from == from && $0.to == to }) else { return }
    links.append(Link(from: from, to: to, weight: random.normal()))
  }

  /// In the middle of a link.
  private mutating func addNode(_ random: inout Random) {
    let index = random.index(links.count), link = links[index]
    let depth = (nodes[link.from].depth + nodes[link.to].depth) / 2
    guard depth > nodes[link.from].depth, depth < nodes[link.to].depth else { return }
    nodes.append(Node(depth: depth, activation: .any(&random)))
    links[index] = Link(from: link.from, to: nodes.count - 1, weight: 1)
    links.append(Link(from: nodes.count - 1, to: link.to, weight: link.weight))
  }

  /// - shape: 1×C×H×W. Three outputs are hue, saturation and value.
  func picture(_ shape: Shape, _ range: ClosedRange<Float>) -> Tensor {
    let (h, w) = (shape.h, shape.w), area = h * w
    var values = [[Float]](repeating: [], count: nodes.count)
    let order = nodes.indices.sorted { (nodes[$0].depth, $0) < (nodes[$1].depth, $1) }
    func ramp(_ i: Int, _ count: Int) -> Float { count > 1 ? 4 * Float(i) / Float(count - 1) - 2 : 0 }
    values[0] = (0..<area).map { ramp($0 % w, w) }
    values[1] = (0..<area).map { ramp($0 / w, h) }
    values[2] = (0..<area).map { (values[0][$0] * values[0][$0] + values[1][$0] * values[1][$0]).squareRoot() }
    values[3] = [Float](repeating: 1, count: area)
    for node in order where node >= PatternGenome.inputs {
      var sum = [Float](repeating: 0, count: area)
      for link in links where link.to == node {
        let source = values[link.from]
        for i in 0..<area { sum[i] += link.weight * source[i] }
      }
      values[node] = sum.map(nodes[node].activation.callAsFunction)
    }
    let outputs = (0..<channels).map { values[PatternGenome.inputs + $0] }
    var result = Tensor(shape)
    let low = range.lowerBound, width = range.upperBound - range.lowerBound
    result.withMutablePointer { p in
      for i in 0..<area {
        let colour = channels == 3 ? rgb(outputs[0][i], abs(outputs[1][i]), abs(outputs[2][i])) : [abs(outputs[0][i])]
        for channel in 0..<channels { p[channel * area + i] = low + width * min(max(colour[channel], 0), 1) }
      }
    }
    return result
  }

  /// - hue: of any size; whole numbers are red.
  private func rgb(_ hue: Float, _ saturation: Float, _ value: Float) -> [Float] {
    let saturation = min(saturation, 1), value = min(value, 1)
    return [5, 3, 1].map { (offset: Float) in
      let k = (offset + 6 * (hue - hue.rounded(.down))).truncatingRemainder(dividingBy: 6)
      return value - value * saturation * max(0, min(k, min(4 - k, 1)))
    }
  }
}

extension PatternGenome.Activation {
  fileprivate static func any(_ random: inout Random) -> Self { allCases[random.index(allCases.count)] }
}
