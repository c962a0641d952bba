// SPDX-License-Identifier: Apache-2.0
import CCNNLens
import CNNLens

/// What a `cnnlens_summary *` points to: rows with their names as C strings, and the printed table.
final class LensSummary: @unchecked Sendable {
  let rows: [cnnlens_summary_row]
  let total: cnnlens_summary_row
  let text: ConstantString
  private var names: [ConstantString] = []

  init(_ summary: Summary) {
    var names: [ConstantString] = []
    func name(_ text: String) -> UnsafePointer<CChar> {
      names.append(ConstantString(text))
      return names[names.count - 1].pointer
    }
    rows = summary.rows.map { row in
      var result = cnnlens_summary_row()
      (result.name, result.kind) = (name(row.name), name(row.kind))
      result.setShape(row.shape)
      result.parameters = Int64(row.parameters)
      result.multiply_adds = Int64(row.multiplyAdds)
      result.activation_bytes = Int64(row.activationBytes)
      let fields = (row.vertical, row.horizontal)
      result.receptive_field = (fields.0?.size ?? -1, fields.1?.size ?? -1)
      result.stride = (fields.0?.stride ?? 0, fields.1?.stride ?? 0)
      result.padding = (fields.0?.padding ?? 0, fields.1?.padding ?? 0)
      return result
    }
    var total = cnnlens_summary_row()
    (total.name, total.kind) = (name("total"), name(""))
    total.parameters = Int64(summary.parameters)
    total.multiply_adds = Int64(summary.multiplyAdds)
    total.activation_bytes = Int64(summary.activationBytes)
    total.receptive_field = (-1, -1)
    self.total = total
    text = ConstantString(summary.description)
    self.names = names
  }
}

extension cnnlens_summary_row {
  fileprivate mutating func setShape(_ shape: Shape) {
    rank = Int32(min(shape.rank, Shape.maximumRank))
    withUnsafeMutableBytes(of: &self.shape) { bytes in
      for axis in 0..<min(shape.rank, Shape.maximumRank) {
        bytes.storeBytes(of: Int64(shape[axis]), toByteOffset: axis * 8, as: Int64.self)
      }
    }
  }
}

private func summary(_ handle: OpaquePointer?) throws -> LensSummary { try object(handle, "summary") }

@_cdecl("cnnlens_summary_new") @implementation
public func cnnlens_summary_new(
  _ out: UnsafeMutablePointer<OpaquePointer?>!, _ model: OpaquePointer!, _ inputs: UnsafePointer<cnnlens_array>!, _ inputCount: Int64
) -> cnnlens_status {
  status {
    let network = try object(model, "model", as: Model.self).network
    var shapes = try blocks(inputs, inputCount, "inputs").map(\.shape)
    if shapes.isEmpty { shapes = try network.inputs.map { try defaultShape($0.dimensions) } }
    try give(out) { LensSummary(try network.summary(inputs: shapes)) }
  }
}

/// A batch of one; 224 pixels where any size will do.
private func defaultShape(_ dimensions: [Int?]) throws -> Shape {
  try Shape(checking: dimensions.enumerated().map { axis, dimension in dimension ?? (axis >= 2 ? 224 : 1) })
}

@_cdecl("cnnlens_summary_free") @implementation
public func cnnlens_summary_free(_ handle: OpaquePointer!) { release(handle, as: LensSummary.self) }

@_cdecl("cnnlens_summary_row_count") @implementation
public func cnnlens_summary_row_count(_ handle: OpaquePointer!) -> Int64 { count { try summary(handle).rows.count } }

@_cdecl("cnnlens_summary_get_row") @implementation
public func cnnlens_summary_get_row(
  _ out: UnsafeMutablePointer<cnnlens_summary_row>!, _ handle: OpaquePointer!, _ index: Int64
) -> cnnlens_status {
  status {
    let summary = try summary(handle)
    let out = try required(out, "row")
    guard index >= -1, index < Int64(summary.rows.count) else {
      throw invalid("row \(index) does not exist; there are \(summary.rows.count), and -1 for the totals")
    }
    let size = Int(out.loadUnaligned(as: UInt32.self))
    guard size >= 4, size <= 1 << 16 else { throw invalid("row.struct_size is \(size); start from the _INIT macro") }
    var row = index < 0 ? summary.total : summary.rows[Int(index)]
    row.struct_size = UInt32(size)
    let known = min(size, MemoryLayout<cnnlens_summary_row>.size)
    withUnsafeBytes(of: row) { bytes in
      if let base = bytes.baseAddress { out.copyMemory(from: base, byteCount: known) }
    }
    (out + known).initializeMemory(as: UInt8.self, repeating: 0, count: size - known)
  }
}

@_cdecl("cnnlens_summary_text") @implementation
public func cnnlens_summary_text(_ handle: OpaquePointer!) -> UnsafePointer<CChar>! {
  string { try summary(handle).text.pointer }
}
