// SPDX-License-Identifier: Apache-2.0
import CCNNLens
import CNNLens

@_cdecl("cnnlens_fgsm") @implementation
public func cnnlens_fgsm(
  _ out: UnsafeMutablePointer<cnnlens_array>!, _ handle: OpaquePointer!, _ image: UnsafePointer<cnnlens_array>!,
  _ labels: UnsafePointer<Int64>!, _ labelCount: Int64, _ given: UnsafePointer<cnnlens_fgsm_options>!
) -> cnnlens_status {
  status {
    let owner = try session(handle)
    let image = try block(image, "image").tensor("image")
    let output = try block(out.map { UnsafePointer($0) }, "out")
    _ = try output.destination(for: image.shape, "out")
    let labels = labels == nil ? nil : try classes(labels, labelCount, "labels")
    let options = try options(given, over: .defaults, "options")
    guard options.epsilon.isFinite, options.epsilon >= 0 else {
      throw invalid("options.epsilon is \(options.epsilon); it must be finite and not negative")
    }
    let range = try flag(options.is_clamped, "options.is_clamped") ? try range(options.low, options.high) : nil
    let isTargeted = try flag(options.is_targeted, "options.is_targeted")
    guard !isTargeted || labels != nil else { throw invalid("labels is NULL; a targeted attack needs a target") }
    let norm = try norm(options.norm)
    let result = try owner.use {
      try fgsm($0, image, labels, epsilon: options.epsilon, isTargeted: isTargeted, norm: norm, range: range)
    }
    try output.write(result, "out")
  }
}

private func range(_ low: Float, _ high: Float) throws -> ClosedRange<Float> {
  guard low.isFinite, high.isFinite, low <= high else { throw invalid("options.low is \(low) and options.high \(high)") }
  return low...high
}

private func norm(_ value: Int32) throws -> Norm {
  switch Int(value) {
  case Int(CNNLENS_NORM_MAXIMUM): return .maximum
  case Int(CNNLENS_NORM_EUCLIDEAN): return .euclidean
  case Int(CNNLENS_NORM_ABSOLUTE): return .absolute
  default: throw invalid("options.norm is \(value); it must be a CNNLENS_NORM_")
  }
}

extension cnnlens_fgsm_options {
  fileprivate static var defaults: Self {
    .init(
      struct_size: UInt32(MemoryLayout<Self>.size), norm: Int32(CNNLENS_NORM_MAXIMUM), epsilon: 8.0 / 255.0, is_targeted: 0,
      is_clamped: 1, low: 0, high: 1)
  }
}
