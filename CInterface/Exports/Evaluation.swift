// SPDX-License-Identifier: Apache-2.0
import CCNNLens
import CNNLens

@_cdecl("cnnlens_deletion") @implementation
public func cnnlens_deletion(
  _ out: UnsafeMutablePointer<cnnlens_array>!, _ handle: OpaquePointer!, _ image: UnsafePointer<cnnlens_array>!,
  _ goal: OpaquePointer!, _ given: UnsafePointer<cnnlens_curve_options>!
) -> cnnlens_status {
  curve(out, handle, image, goal, given, fill: CNNLENS_FILL_VALUE) {
    try deletion($0, $1, $2, $3, steps: $4, filling: $5, progress: $6)
  }
}

@_cdecl("cnnlens_insertion") @implementation
public func cnnlens_insertion(
  _ out: UnsafeMutablePointer<cnnlens_array>!, _ handle: OpaquePointer!, _ image: UnsafePointer<cnnlens_array>!,
  _ goal: OpaquePointer!, _ given: UnsafePointer<cnnlens_curve_options>!
) -> cnnlens_status {
  curve(out, handle, image, goal, given, fill: CNNLENS_FILL_BLUR) {
    try insertion($0, $1, $2, $3, steps: $4, filling: $5, progress: $6)
  }
}

private typealias CurveMethod = (Session, Tensor, Tensor, Objective, Int, Filling, Steps?) throws -> Curve

private func curve(
  _ out: UnsafeMutablePointer<cnnlens_array>?, _ handle: OpaquePointer?, _ image: UnsafePointer<cnnlens_array>?,
  _ goal: OpaquePointer?, _ given: UnsafePointer<cnnlens_curve_options>?, fill: Int, _ method: CurveMethod
) -> cnnlens_status {
  attribution(out, handle, image, goal) { _, session, image, objective in
    let defaults = cnnlens_curve_options(
      struct_size: UInt32(MemoryLayout<cnnlens_curve_options>.size), fill: Int32(fill), map: nil, steps: 50, picture: nil, fractions: nil,
      areas: nil, value: 0, reserved: 0, progress: nil, payload: nil)
    let options = try options(given, over: defaults, "options")
    guard options.reserved == 0 else { throw invalid("options.reserved is \(options.reserved); it must be 0") }
    let result = try method(
      session, image, try block(options.map, "options.map").tensor("options.map"), objective, Int(options.steps),
      try filling(options.fill, options.value, options.picture), steps(options.progress, options.payload))
    try write(result.fractions, options.fractions, "options.fractions")
    try write(result.areas, options.areas, "options.areas")
    return Attribution(result.values, scores: result.scores, targets: result.targets)
  }
}

private func write(_ numbers: [Double], _ array: UnsafeMutablePointer<cnnlens_array>?, _ name: String) throws {
  guard let array else { return }
  try block(UnsafePointer(array), name).write(Tensor([numbers.count], numbers.map(Float.init)), name)
}
