// SPDX-License-Identifier: Apache-2.0
import CCNNLens
import CNNLens

@_cdecl("cnnlens_lrp") @implementation
public func cnnlens_lrp(
  _ out: UnsafeMutablePointer<cnnlens_array>!, _ handle: OpaquePointer!, _ image: UnsafePointer<cnnlens_array>!,
  _ goal: OpaquePointer!, _ given: UnsafePointer<cnnlens_lrp_options>!
) -> cnnlens_status {
  attribution(out, handle, image, goal) { _, session, image, objective in
    let defaults = cnnlens_lrp_options(
      struct_size: UInt32(MemoryLayout<cnnlens_lrp_options>.size), convolution: Int32(CNNLENS_LRP_Z_PLUS),
      dense: Int32(CNNLENS_LRP_EPSILON), first: Int32(CNNLENS_LRP_FLAT), epsilon: 1e-6, gamma: 0.25, alpha: 2, counts_biases: 1,
      low: nil, high: nil, reduction: Int32(CNNLENS_REDUCE_DEFAULT), reserved: 0)
    let options = try options(given, over: defaults, "options")
    guard options.reserved == 0 else { throw invalid("options.reserved is \(options.reserved); it must be 0") }
    let rules = RelevanceRules(
      convolution: try rule(options.convolution, "convolution", options), dense: try rule(options.dense, "dense", options),
      first: options.first == Int32(CNNLENS_LRP_SAME) ? nil : try rule(options.first, "first", options),
      countsBiases: try flag(options.counts_biases, "options.counts_biases"))
    return try layerwiseRelevance(
      session, image, objective, rules: rules, reduction: try reduction(options.reduction, otherwise: .sum))
  }
}

private func rule(_ number: Int32, _ name: String, _ options: cnnlens_lrp_options) throws -> RelevanceRule {
  switch Int(number) {
  case Int(CNNLENS_LRP_EPSILON): return .epsilon(options.epsilon)
  case Int(CNNLENS_LRP_GAMMA): return .gamma(options.gamma)
  case Int(CNNLENS_LRP_Z_PLUS): return .zPlus
  case Int(CNNLENS_LRP_ALPHA_BETA): return .alphaBeta(alpha: options.alpha)
  case Int(CNNLENS_LRP_FLAT): return .flat
  case Int(CNNLENS_LRP_W_SQUARE): return .wSquare
  case Int(CNNLENS_LRP_Z_BOX):
    return .zBox(low: try bound(options.low, "options.low") ?? [0], high: try bound(options.high, "options.high") ?? [1])
  default: throw invalid("options.\(name) is \(number); it must be a CNNLENS_LRP_")
  }
}

private func bound(_ array: UnsafePointer<cnnlens_array>?, _ name: String) throws -> [Float]? {
  guard let array else { return nil }
  return try block(array, name).tensor(name).values
}
