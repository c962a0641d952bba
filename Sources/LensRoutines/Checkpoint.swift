// SPDX-License-Identifier: Apache-2.0
import LensTensors

extension Ascent.Checkpoint {
  private static let magic: UInt64 = 0x434E_4E4C_454E_5331  // "CNNLENS1"

  /// Of `bytes`.
  public var byteCount: Int {
    8 * 5 + 4 * history.count + ([parameters] + optimizer).reduce(0) { $0 + 8 * (1 + $1.shape.rank) + 4 * $1.count }
  }

  /// All of it, to be kept in a file.
  public var bytes: [UInt8] {
    let tensors = [parameters] + optimizer
    var result: [UInt8] = []
    func put(_ value: UInt64) { withUnsafeBytes(of: value.littleEndian) { result.append(contentsOf: $0) } }
    put(Self.magic)
    for value in [stage, step, history.count, tensors.count] { put(UInt64(value)) }
    history.withUnsafeBytes { result.append(contentsOf: $0) }
    for tensor in tensors {
      put(UInt64(tensor.shape.rank))
      for dimension in tensor.shape.dimensions { put(UInt64(dimension)) }
      tensor.withPointer { result.append(contentsOf: UnsafeRawBufferPointer(start: $0, count: tensor.count * MemoryLayout<Float>.stride)) }
    }
    return result
  }

  /// - Throws: `.invalidArgument` for bytes that are no checkpoint.
  public init(bytes: UnsafeRawBufferPointer) throws {
    var offset = 0
    func broken() -> LensError {
      LensError(.invalidArgument, "the checkpoint of \(bytes.count) bytes is broken; pass what a picture's checkpoint gave")
    }
    func take() throws -> Int {
      guard bytes.count - offset >= 8 else { throw broken() }
      let value = UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
      offset += 8
      guard value <= UInt64(Int.max) else { throw broken() }
      return Int(value)
    }
    func floats(_ count: Int) throws -> UnsafeRawBufferPointer {
      guard count <= (bytes.count - offset) / MemoryLayout<Float>.stride else { throw broken() }
      defer { offset += count * MemoryLayout<Float>.stride }
      return UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + count * MemoryLayout<Float>.stride])
    }
    guard try take() == Int(Self.magic) else { throw broken() }
    let (stage, step, historyCount, tensorCount) = (try take(), try take(), try take(), try take())
    guard stage <= 64, step <= 1_000_000_000, tensorCount >= 1, tensorCount <= 4096 else { throw broken() }
    let values = try floats(historyCount)
    let history = (0..<historyCount).map { values.loadUnaligned(fromByteOffset: 4 * $0, as: Float.self) }
    var tensors: [Tensor] = []
    for _ in 0..<tensorCount {
      let rank = try take()
      guard rank <= Shape.maximumRank else { throw broken() }
      var dimensions: [Int] = []
      for _ in 0..<rank { dimensions.append(try take()) }
      let shape = try Shape(checking: dimensions), source = try floats(shape.count)
      var tensor = try Tensor(allocating: shape)
      tensor.withMutablePointer { UnsafeMutableRawBufferPointer(start: $0, count: source.count).copyMemory(from: source) }
      tensors.append(tensor)
    }
    guard offset == bytes.count else { throw broken() }
    self.init(step: step, parameters: tensors[0], optimizer: Array(tensors.dropFirst()), history: history, stage: stage)
  }
}
