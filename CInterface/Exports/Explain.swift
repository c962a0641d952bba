// SPDX-License-Identifier: Apache-2.0
import CCNNLens
import CNNLens

@_cdecl("cnnlens_explain") @implementation
public func cnnlens_explain(
  _ out: UnsafeMutablePointer<cnnlens_array>!, _ handle: OpaquePointer!, _ image: UnsafePointer<cnnlens_array>!,
  _ goal: OpaquePointer!, _ numbers: UnsafePointer<Int32>!, _ count: Int64, _ name: UnsafePointer<CChar>!
) -> cnnlens_status {
  status {
    let owner = try session(handle), image = try block(image, "image").tensor("image")
    let numbers: [Int32] = try list(numbers, count, "methods", limit: 64)
    guard !numbers.isEmpty else { throw invalid("methods is empty") }
    let methods = try numbers.map(explanation)
    let outputs = try blocks(UnsafePointer(out), count, "out")
    for (index, output) in outputs.enumerated() { _ = try output.floats("out[\(index)]") }
    let objective = try objective(goal), layer = try layer(name, of: owner.model)
    let results = try owner.use { try explain($0, image, objective, methods: methods, at: layer) }
    for (index, (output, result)) in zip(outputs, results).enumerated() { try output.write(result.map, "out[\(index)]") }
    owner.remember(results)
  }
}

private func explanation(_ number: Int32) throws -> Explanation {
  switch Int(number) {
  case Int(CNNLENS_METHOD_SALIENCY): return .saliency
  case Int(CNNLENS_METHOD_GRAD_X_INPUT): return .gradientTimesInput
  case Int(CNNLENS_METHOD_GUIDED_BACKPROP): return .guidedBackprop
  case Int(CNNLENS_METHOD_DECONVNET): return .deconvNet
  case Int(CNNLENS_METHOD_GRAD_CAM): return .gradCAM
  case Int(CNNLENS_METHOD_GUIDED_GRAD_CAM): return .guidedGradCAM
  case Int(CNNLENS_METHOD_CAM): return .cam
  default: throw invalid("method \(number) does not share a forward pass; see cnnlens_explain")
  }
}
