// SPDX-License-Identifier: Apache-2.0
// Where the time of a network goes: cnnlens-bench model.onnx [batch] [size] [rounds]
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

/// The least time of every step in both directions, then the sums of each kind.
func profile(_ network: Network, batch: Int, size: Int, rounds: Int) throws {
  let shape = Shape(n: batch, c: network.inputs[0].dimensions[1] ?? 3, h: size, w: size)
  var random = Random(seed: 1)
  let input = Tensor.normal(shape, using: &random)
  let session = Session(network)
  var rows: [Row] = []
  var position = 0, last = 0.0
  session.observer = { call in
    let time = now()
    if position == rows.count { rows.append(Row(call: call)) }
    rows[position].seconds = min(rows[position].seconds, time - last)
    position += 1
    last = now()
  }
  var total = Double.infinity
  for _ in 0..<rounds {
    position = 0
    let start = now()
    last = start
    _ = try session.gradient(of: .layer(.output), at: [input])
    total = min(total, now() - start)
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
  print(fixed(rows.reduce(0) { $0 + $1.seconds } * 1e3, 3, 9), "sum of steps;", fixed(total * 1e3, 3, 0), "least whole call")
}

let arguments = CommandLine.arguments
guard arguments.count > 1 else {
  print("usage: cnnlens-bench model.onnx [batch] [size] [rounds]")
  exit(2)
}
func number(_ position: Int, _ otherwise: Int) -> Int { arguments.count > position ? Int(arguments[position]) ?? otherwise : otherwise }
do {
  try profile(try Network.load(path: arguments[1]), batch: number(2, 1), size: number(3, 224), rounds: number(4, 9))
} catch {
  print(error)
  exit(1)
}
