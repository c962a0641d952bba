// SPDX-License-Identifier: Apache-2.0
import CNNLens
import Glibc
import LensTestSupport
import Testing

/// Weights whose values do not matter, in memory that is never touched.
private func weights(_ shape: Shape) -> Tensor {
  let zeros = mmap(nil, 4 * shape.count, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)!
  return Tensor(borrowing: UnsafePointer(zeros.bindMemory(to: Float.self, capacity: shape.count)), shape: shape)
}

private func conv(_ inputs: Int, _ outputs: Int, kernel: Int = 3, stride: Int = 1, padding: Int = 1, groups: Int = 1) -> any Operator {
  Convolution(
    weights: weights([outputs, inputs / groups, kernel, kernel]), bias: [Float](repeating: 0, count: outputs),
    strides: [stride, stride], padding: [padding, padding, padding, padding], groups: groups)
}

private func pool(_ kernel: Int, _ stride: Int) -> any Operator { MaxPool(PoolWindow(kernel, stride: stride)) }

/// Simonyan & Zisserman's configuration D (16 weight layers) or, with four convolutions in the last blocks, E.
private func vgg(_ blocks: [Int]) throws -> Network {
  var layers: [(String, any Operator)] = []
  var channels = 3
  for (block, (count, outputs)) in zip(blocks, [64, 128, 256, 512, 512]).enumerated() {
    for i in 1...count {
      layers += [("conv\(block + 1)_\(i)", conv(channels, outputs)), ("relu\(block + 1)_\(i)", ReLU())]
      channels = outputs
    }
    layers.append(("pool\(block + 1)", pool(2, 2)))
  }
  layers.append(("flatten", Reshape(to: [1, 25088], kind: "Flatten")))
  for (i, (inputs, outputs)) in [(25088, 4096), (4096, 4096), (4096, 1000)].enumerated() {
    layers.append(("fc\(i + 6)", Linear(weights: weights([outputs, inputs]), bias: [Float](repeating: 0, count: outputs))))
    if i < 2 { layers.append(("relu\(i + 6)", ReLU())) }
  }
  return try Network.chain([1, 3, 224, 224], layers)
}

@Suite struct LayerChoiceTests {
  /// Four axes behind a transposition are not maps, nor is what comes after the pooling.
  @Test func theLayerToExplainHasMaps() throws {
    func network(_ middle: [(String, any Operator)]) throws -> Session {
      let normalization = LayerNormalization(axis: 3, scale: nil, bias: nil, epsilon: 1e-6)
      let layers: [(String, any Operator)] =
        [("conv", conv(3, 16))] + middle + [
          ("pool", GlobalPool(.average)), ("last", Transpose(permutation: [0, 2, 3, 1])), ("norm", normalization),
          ("first", Transpose(permutation: [0, 3, 1, 2])), ("flat", Reshape(to: [1, 16])),
          ("dense", Linear(weights: weights([5, 16]), bias: nil)),
        ]
      return Session(try Network.chain([1, 3, 8, 10], layers))
    }
    let apart: [(String, any Operator)] = [
      ("channels last", Transpose(permutation: [0, 2, 3, 1])), ("mixed", Linear(weights: weights([16, 16]), bias: nil)),
    ]
    #expect(try network([]).lastSpatialLayer(inputs: [[1, 3, 8, 10]]) == "conv")
    #expect(try network([("relu", ReLU())]).lastSpatialLayer(inputs: [[1, 3, 8, 10]]) == "relu")
    #expect(try network(apart + [("back", Transpose(permutation: [0, 3, 1, 2]))]).lastSpatialLayer(inputs: [[1, 3, 8, 10]]) == "back")
    let tokens = Session(
      try Network.chain(
        [1, 3, 8, 10],
        apart.map { $0 == "mixed" ? ($0, Linear(weights: weights([4, 3]), bias: nil)) : ($0, $1) } + [("flat", Reshape(to: [1, 320]))]))
    #expect { try tokens.lastSpatialLayer(inputs: [[1, 3, 8, 10]]) } throws: { "\($0)".contains("layer=") }
  }
}

@Suite struct SummaryTests {
  /// The table of CS231n's notes, row by row. (Its total of 24 M values is not the sum of its rows: that is 15.2 M.)
  @Test func vgg16IsTheTableOfTheLecture() throws {
    let summary = try vgg([2, 2, 3, 3, 3]).summary(inputs: [[1, 3, 224, 224]])
    let rows = summary.rows.filter { !["Relu", "Flatten"].contains($0.kind) }
    let memory = [
      3_211_264, 3_211_264, 802_816, 1_605_632, 1_605_632, 401_408, 802_816, 802_816, 802_816, 200_704, 401_408, 401_408, 401_408,
      100_352, 100_352, 100_352, 100_352, 25_088, 4096, 4096, 1000,
    ]
    let parameters = [
      1728, 36_864, 0, 73_728, 147_456, 0, 294_912, 589_824, 589_824, 0, 1_179_648, 2_359_296, 2_359_296, 0, 2_359_296, 2_359_296,
      2_359_296, 0, 102_760_448, 16_777_216, 4_096_000,
    ]
    #expect(rows.map { $0.activationBytes / 4 } == memory)
    let biases = rows.map { $0.kind == "Conv" || $0.kind == "Gemm" ? $0.shape[1] : 0 }
    #expect(zip(rows, biases).map { $0.parameters - $1 } == parameters)
    #expect(summary.activationBytes == 4 * 15_237_608)
    #expect(summary.parameters == 138_357_544)
    #expect(summary.multiplyAdds == 15_470_264_320)
  }

  @Test func vgg19HasItsTotals() throws {
    let summary = try vgg([2, 2, 4, 4, 4]).summary(inputs: [[1, 3, 224, 224]])
    #expect(summary.parameters == 143_667_240)
    #expect(summary.multiplyAdds == 19_632_062_464)
    #expect(summary.activationBytes == 4 * 16_542_184)
  }

  @Test func theTableAligns() throws {
    let lines = try vgg([1, 1, 1, 1, 1]).summary(inputs: [[1, 3, 224, 224]]).description.split(separator: "\n")
    #expect(Set(lines.map(\.count)).count == 1)
  }
}

@Suite struct ReceptiveFieldTests {
  private func fields(_ network: Network, _ input: Shape) throws -> [String: ReceptiveField] {
    let summary = try network.summary(inputs: [input])
    return Dictionary(uniqueKeysWithValues: summary.rows.compactMap { row in row.vertical.map { (row.name, $0) } })
  }

  @Test func alexNetSeesWhatTheTableSays() throws {
    let network = try Network.chain(
      [1, 3, 227, 227],
      [
        ("conv1", conv(3, 96, kernel: 11, stride: 4, padding: 0)), ("pool1", pool(3, 2)),
        ("conv2", conv(96, 256, kernel: 5, padding: 2, groups: 2)), ("pool2", pool(3, 2)), ("conv3", conv(256, 384)),
        ("conv4", conv(384, 384, groups: 2)), ("conv5", conv(384, 256, groups: 2)), ("pool5", pool(3, 2)),
      ])
    let known = [
      "conv1": (11, 4, 0), "pool1": (19, 8, 0), "conv2": (51, 8, 16), "pool2": (67, 16, 16), "conv3": (99, 16, 32),
      "conv4": (131, 16, 48), "conv5": (163, 16, 64), "pool5": (195, 32, 64),
    ]
    let fields = try fields(network, [1, 3, 227, 227])
    for (layer, (size, stride, padding)) in known {
      #expect(fields[layer] == ReceptiveField(size: Double(size), stride: Double(stride), padding: Double(padding)), "\(layer)")
    }
  }

  @Test func vgg16SeesWhatTheTableSays() throws {
    let fields = try fields(vgg([2, 2, 3, 3, 3]), [1, 3, 224, 224])
    let sizes = [
      "conv1_1": 3, "conv1_2": 5, "pool1": 6, "conv2_1": 10, "conv2_2": 14, "pool2": 16, "conv3_1": 24, "conv3_2": 32,
      "conv3_3": 40, "pool3": 44, "conv4_1": 60, "conv4_2": 76, "conv4_3": 92, "pool4": 100, "conv5_1": 132, "conv5_2": 164,
      "conv5_3": 196, "pool5": 212,
    ]
    for (layer, size) in sizes { #expect(fields[layer]?.size == Double(size), "\(layer)") }
    #expect(fields["pool5"] == ReceptiveField(size: 212, stride: 32, padding: 90))
    #expect(fields["fc6"] == nil)
  }

  /// With positive weights, the gradient of one unit is non-zero on exactly the pixels it sees.
  @Test func aMeasuredFieldIsThePredictedOne() throws {
    func ones(_ outputs: Int, _ inputs: Int, _ kernel: Int) -> Tensor { Tensor([outputs, inputs, kernel, kernel], repeating: 1) }
    let network = try Network.chain(
      [1, 1, 40, 40],
      [
        ("conv1", Convolution(weights: ones(2, 1, 5), bias: nil, strides: [2, 2], padding: [2, 2, 2, 2])),
        ("pool", AveragePool(PoolWindow(2), countsPadding: true)),
        ("conv2", Convolution(weights: ones(1, 2, 3), bias: nil, dilations: [2, 2], padding: [2, 2, 2, 2])),
      ])
    let field = try #require(try fields(network, [1, 1, 40, 40])["conv2"])
    let gradient = try Session(network).gradient(of: .unit("conv2", channel: 0, y: 5, x: 4), at: [Tensor([1, 1, 40, 40], repeating: 1)])
      .gradients[0]
    func seen(_ i: Int) -> ClosedRange<Int> {
      let start = i * Int(field.stride) - Int(field.padding)
      return start...start + Int(field.size) - 1
    }
    for y in 0..<40 { for x in 0..<40 where gradient[0, 0, y, x] != 0 { #expect(seen(5).contains(y) && seen(4).contains(x)) } }
    let rows = (0..<40).filter { y in (0..<40).contains { gradient[0, 0, y, $0] != 0 } }
    let columns = (0..<40).filter { x in (0..<40).contains { gradient[0, 0, $0, x] != 0 } }
    #expect(rows.first == max(seen(5).lowerBound, 0) && rows.last == min(seen(5).upperBound, 39))
    #expect(columns.first == max(seen(4).lowerBound, 0) && columns.last == min(seen(4).upperBound, 39))
  }
}
