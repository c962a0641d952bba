// SPDX-License-Identifier: Apache-2.0
// Where does a network look? A runnable example of the Swift interface:
//
//   swift run -c release cnnlens-explain network.onnx picture.ppm map.pgm
//
// prints the five best classes and writes the Grad-CAM of the best one as a grey picture. The picture is used at its
// own size; the network's file says how colours become its input, or they go in as they are.
import CNNLens
import Glibc

func run(_ arguments: [String]) throws {
  guard arguments.count == 4 else {
    throw LensError(.invalidArgument, "usage: cnnlens-explain network.onnx picture.ppm map.pgm")
  }
  let file = try Network.load(path: arguments[1])
  let network = file.preprocessing.map(file.seeing) ?? file
  let session = Session(network)
  let picture = try readPPM(arguments[2])

  let logits = try session.activations(of: [picture], at: [.logits])[0].values
  let best = logits.indices.sorted { logits[$0] > logits[$1] }.prefix(5)
  let sum = logits.reduce(Float(0)) { $0 + exp($1 - logits[best[0]]) }
  for index in best {
    let label = network.labels.indices.contains(index) ? network.labels[index] : "class \(index)"
    print("\(Int((100 * exp(logits[index] - logits[best[0]]) / sum).rounded()))%  \(label)")
  }

  let map = try gradCAM(session, picture, .logit([best[0]]))
  try writePGM(map.map, to: arguments[3])
  print("Grad-CAM at '\(map.layer!)' -> \(arguments[3])")
}

/// A P6 picture as 1×3×H×W in 0...1.
func readPPM(_ path: String) throws -> Tensor {
  guard let file = fopen(path, "rb") else { throw LensError(.io, "\(path): \(String(cString: strerror(errno)))") }
  defer { fclose(file) }
  func number() -> Int {
    var byte = getc(file)
    while byte == 32 || byte == 10 || byte == 13 || byte == 9 || byte == 35 {
      if byte == 35 { while byte != 10 && byte != EOF { byte = getc(file) } }
      byte = getc(file)
    }
    var value = 0
    while (48...57).contains(byte), value < 1 << 20 { value = value * 10 + Int(byte - 48); byte = getc(file) }
    return value
  }
  guard getc(file) == 80, getc(file) == 54 else { throw LensError(.invalidArgument, "\(path) is no binary PPM (P6)") }
  let width = number(), height = number(), largest = number()
  guard width > 0, height > 0, largest == 255 else { throw LensError(.invalidArgument, "\(path) is no 8-bit PPM") }
  var bytes = [UInt8](repeating: 0, count: 3 * width * height)
  guard fread(&bytes, 1, bytes.count, file) == bytes.count else { throw LensError(.io, "\(path) ends too early") }
  return Tensor([1, 3, height, width], (0..<bytes.count).map { Float(bytes[$0 % (width * height) * 3 + $0 / (width * height)]) / 255 })
}

/// A map drawn from its smallest value, black, to its largest, white; black if it is flat.
func writePGM(_ map: Tensor, to path: String) throws {
  guard let file = fopen(path, "wb") else { throw LensError(.io, "\(path): \(String(cString: strerror(errno)))") }
  defer { fclose(file) }
  let values = map.values, low = values.min() ?? 0, range = (values.max() ?? 0) - low
  fputs("P5\n\(map.shape[2]) \(map.shape[1])\n255\n", file)
  let bytes = values.map { range > 0 ? UInt8(255 * ($0 - low) / range) : 0 }
  fwrite(bytes, 1, bytes.count, file)
}

do { try run(CommandLine.arguments) } catch {
  let line = "cnnlens-explain: \(error)\n"
  write(2, line, line.utf8.count)
  exit(1)
}
