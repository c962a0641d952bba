// SPDX-License-Identifier: Apache-2.0
// Where the time of a network goes:  cnnlens-bench model.onnx [batch] [size] [rounds]
// How fast one convolution is:       cnnlens-bench conv channels size outputs kernel stride [groups] [batch] [percent of zeros]
import CNNLens
import Glibc
import LensEngine
import LensKernels
import LensTensors

func now() -> Double {
  var time = timespec()
  clock_gettime(CLOCK_MONOTONIC, &time)
  return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
}

func padded(_ text: String, _ width: Int) -> String { String(repeating: " ", count: max(0, width - text.count)) + text }
func fixed(_ x: Double, _ digits: Int, _ width: Int) -> String {
  var scale = 1
  for _ in 0..<digits { scale *= 10 }
  let rounded = Int((x * Double(scale)).rounded())
  let fraction = String(rounded % scale)
  return padded("\(rounded / scale)." + String(repeating: "0", count: digits - fraction.count) + fraction, width)
}

struct Row {
  var call: StepCall
  var seconds = Double.infinity
}

/// The least time of every step in both directions, all images at once, then the sums of each kind, then whole calls, at once and in turns.
func profile(_ network: Network, batch: Int, size: Int, rounds: Int) throws {
  let shape = Shape(n: batch, c: network.inputs[0].dimensions[1] ?? 3, h: size, w: size)
  var random = Random(seed: 1)
  let input = Tensor.normal(shape, using: &random)
  let session = Session(network)
  session.turns = .never
  var rows: [Row] = []
  var position = 0, last = 0.0
  session.observer = { call in
    let time = now()
    if position == rows.count { rows.append(Row(call: call)) }
    rows[position].seconds = min(rows[position].seconds, time - last)
    position += 1
    last = now()
  }
  for _ in 0..<rounds {
    position = 0
    last = now()
    _ = try session.gradient(of: .layer(.output), at: [input])
  }
  session.observer = nil
  let usual = Session(network)
  var least = [[Double]](repeating: [.infinity, .infinity], count: 2)
  for round in 0..<4 * rounds {
    let session = [session, usual][round % 2], isForward = round / 2 % 2
    let start = now()
    if isForward == 1 {
      _ = try session.activations(of: [input], at: [.output])
    } else {
      _ = try session.gradient(of: .layer(.output), at: [input])
    }
    least[isForward][round % 2] = min(least[isForward][round % 2], now() - start)
  }
  var sums: [String: (seconds: Double, products: Int)] = [:]
  for row in rows {
    let call = row.call, kind = call.kind + (call.isBackward ? " back" : "")
    let rate = 2e-9 * Double(call.multiplyAdds) / row.seconds
    print(
      fixed(row.seconds * 1e3, 3, 9), fixed(rate, 1, 8), padded(kind, 24), padded(call.shape.description, 18), call.name.suffix(48))
    sums[kind, default: (0, 0)].seconds += row.seconds
    sums[kind]!.products += call.multiplyAdds
  }
  print("\n\(network.name) \(shape), \(Threads.count) threads, \(Kernels.variant): ms, GFLOP/s")
  for (kind, sum) in sums.sorted(by: { $0.value.seconds > $1.value.seconds }) {
    print(fixed(sum.seconds * 1e3, 3, 9), fixed(2e-9 * Double(sum.products) / sum.seconds, 1, 8), padded(kind, 24))
  }
  print(fixed(rows.reduce(0) { $0 + $1.seconds } * 1e3, 3, 9), "sum of steps")
  for (name, least) in zip(["gradient", "forward"], least) {
    print(fixed(least[0] * 1e3, 3, 9), "\(name) at once,", fixed(least[1] * 1e3, 3, 0), "in turns")
  }
  for (name, session) in [("at once", session), ("in turns", usual)] {
    print(fixed(Double(session.arenaBytes) / 1e6, 1, 9), "MB of arena \(name)")
  }
}

/// Both directions of one convolution, GFLOP/s of the textbook's products, where so many percent of what goes in are zero.
func convolution(_ g: ConvolutionGeometry, zeros: Int) throws {
  var random = Random(seed: 1)
  let layout: Layout = g.inputChannels < 16 ? .plain : .blocked
  let filter = ConvolutionFilter(weights: .normal(g.filterShape, using: &random), groups: g.groups)
  let kernel = try ConvolutionKernel(g, filter, inputLayout: layout)
  try kernel.prepareInputGradient()
  func floats(_ count: Int, zeros: Int = 0) -> UnsafeMutablePointer<Float> {
    // At the beginning of a cache line, as in a session.
    let p = UnsafeMutableRawPointer.allocate(byteCount: 4 * count, alignment: 64).bindMemory(to: Float.self, capacity: count)
    for i in 0..<count { p[i] = Int(random.next() % 100) < zeros ? 0 : random.normal() }
    return p
  }
  let x = floats(layout.floatCount(of: g.inputShape), zeros: zeros), y = floats(Layout.blocked.floatCount(of: g.outputShape))
  let dy = floats(Layout.blocked.floatCount(of: g.outputShape), zeros: zeros), dx = floats(layout.floatCount(of: g.inputShape))
  let scratch = floats(kernel.scratchCount + 64)
  func rate(_ body: () -> Void) -> Double {
    var least = Double.infinity
    let end = now() + 0.4
    while now() < end {
      let start = now()
      body()
      least = min(least, now() - start)
    }
    return least
  }
  let forward = rate { kernel.forward(input: x, output: y, epilogue: .relu, scratch: scratch) }
  let back = rate { kernel.inputGradient(outputGradient: dy, inputGradient: dx, scratch: scratch) }
  let products = 2e-9 * Double(g.multiplyAdds)
  print(
    padded("\(g.inputChannels)>\(g.outputChannels) \(g.h) k\(g.kernel.h) s\(g.stride.h) g\(g.groups)", 28), fixed(forward * 1e3, 3, 9),
    fixed(products / forward, 1, 8), fixed(back * 1e3, 3, 9), fixed(products / back, 1, 8))
}

let arguments = CommandLine.arguments
guard arguments.count > 1 else {
  print("usage: cnnlens-bench model.onnx [batch] [size] [rounds] | conv channels size outputs kernel stride [groups] [batch] [zeros]")
  exit(2)
}
func number(_ position: Int, _ otherwise: Int) -> Int { arguments.count > position ? Int(arguments[position]) ?? otherwise : otherwise }
do {
  if arguments[1] == "conv" {
    let kernel = number(5, 1)
    try convolution(
      ConvolutionGeometry(
        n: number(8, 1), inputChannels: number(2, 64), h: number(3, 56), w: number(3, 56), outputChannels: number(4, 64),
        kernel: .init(kernel), stride: .init(number(6, 1)), padding: .init(kernel / 2), groups: number(7, 1)), zeros: number(9, 0))
    exit(0)
  }
  try profile(try Network.load(path: arguments[1]), batch: number(2, 1), size: number(3, 224), rounds: number(4, 9))
} catch {
  print(error)
  exit(1)
}
