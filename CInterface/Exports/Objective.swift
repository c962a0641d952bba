// SPDX-License-Identifier: Apache-2.0
import CCNNLens
import CNNLens

/// What a `cnnlens_objective *` points to.
final class Goal: Sendable {
  let objective: Objective
  init(_ objective: Objective) { self.objective = objective }
}

/// NULL means the highest class score.
func objective(_ handle: OpaquePointer?) throws -> Objective {
  guard handle != nil else { return .top }
  return try object(handle, "objective", as: Goal.self).objective
}

private func layer(_ name: UnsafePointer<CChar>?) throws -> Layer { Layer(try text(name, "layer")) }

private func channel(_ channel: Int64) throws -> Int {
  guard channel >= 0 else { throw invalid("channel \(channel) does not exist; channels count from 0") }
  return Int(channel)
}

@_cdecl("cnnlens_objective_logit") @implementation
public func cnnlens_objective_logit(
  _ out: UnsafeMutablePointer<OpaquePointer?>!, _ numbers: UnsafePointer<Int64>!, _ count: Int64
) -> cnnlens_status {
  status { try give(out) { Goal(.logit(try classes(numbers, count, "classes"))) } }
}

@_cdecl("cnnlens_objective_top") @implementation
public func cnnlens_objective_top(_ out: UnsafeMutablePointer<OpaquePointer?>!) -> cnnlens_status {
  status { try give(out) { Goal(.top) } }
}

@_cdecl("cnnlens_objective_probability") @implementation
public func cnnlens_objective_probability(
  _ out: UnsafeMutablePointer<OpaquePointer?>!, _ numbers: UnsafePointer<Int64>!, _ count: Int64
) -> cnnlens_status {
  status { try give(out) { Goal(.probability(try classes(numbers, count, "classes"))) } }
}

@_cdecl("cnnlens_objective_cross_entropy") @implementation
public func cnnlens_objective_cross_entropy(
  _ out: UnsafeMutablePointer<OpaquePointer?>!, _ numbers: UnsafePointer<Int64>!, _ count: Int64
) -> cnnlens_status {
  status { try give(out) { Goal(.crossEntropy(try classes(numbers, count, "classes"))) } }
}

@_cdecl("cnnlens_objective_unit") @implementation
public func cnnlens_objective_unit(
  _ out: UnsafeMutablePointer<OpaquePointer?>!, _ name: UnsafePointer<CChar>!, _ number: Int64, _ y: Int64, _ x: Int64
) -> cnnlens_status {
  status {
    let (y, x) = (y < 0 ? nil : Int(y), x < 0 ? nil : Int(x))
    try give(out) { Goal(.unit(try layer(name), channel: try channel(number), y: y, x: x)) }
  }
}

@_cdecl("cnnlens_objective_channel") @implementation
public func cnnlens_objective_channel(
  _ out: UnsafeMutablePointer<OpaquePointer?>!, _ name: UnsafePointer<CChar>!, _ number: Int64
) -> cnnlens_status {
  status { try give(out) { Goal(.channel(try layer(name), try channel(number))) } }
}

@_cdecl("cnnlens_objective_layer") @implementation
public func cnnlens_objective_layer(_ out: UnsafeMutablePointer<OpaquePointer?>!, _ name: UnsafePointer<CChar>!) -> cnnlens_status {
  status { try give(out) { Goal(.layer(try layer(name))) } }
}

@_cdecl("cnnlens_objective_direction") @implementation
public func cnnlens_objective_direction(
  _ out: UnsafeMutablePointer<OpaquePointer?>!, _ name: UnsafePointer<CChar>!, _ vector: UnsafePointer<Float>!, _ count: Int64
) -> cnnlens_status {
  status {
    let vector: [Float] = try list(vector, count, "vector")
    guard !vector.isEmpty else { throw invalid("vector is empty; it needs one number per channel") }
    try give(out) { Goal(.direction(try layer(name), vector)) }
  }
}

@_cdecl("cnnlens_objective_group") @implementation
public func cnnlens_objective_group(
  _ out: UnsafeMutablePointer<OpaquePointer?>!, _ name: UnsafePointer<CChar>!, _ mask: UnsafePointer<cnnlens_array>!
) -> cnnlens_status {
  status {
    let borrowed = try block(mask, "mask").tensor("mask")
    // The objective outlives the call, the caller's array need not.
    try give(out) { Goal(.group(try layer(name), mask: Tensor(borrowed.shape, borrowed.values))) }
  }
}

@_cdecl("cnnlens_objective_region") @implementation
public func cnnlens_objective_region(
  _ out: UnsafeMutablePointer<OpaquePointer?>!, _ name: UnsafePointer<CChar>!, _ number: Int64, _ top: Int64, _ left: Int64,
  _ height: Int64, _ width: Int64
) -> cnnlens_status {
  status {
    let limit: Int64 = 1 << 31
    for (value, word) in [(top, "top"), (left, "left"), (height - 1, "height - 1"), (width - 1, "width - 1")] {
      guard 0..<limit ~= value else { throw invalid("\(word) is \(value); it must be 0...\(limit - 1)") }
    }
    let channel = number < 0 ? nil : Int(number)
    try give(out) {
      Goal(.region(try layer(name), channel: channel, rows: Int(top)..<Int(top + height), columns: Int(left)..<Int(left + width)))
    }
  }
}

@_cdecl("cnnlens_objective_direction_at") @implementation
public func cnnlens_objective_direction_at(
  _ out: UnsafeMutablePointer<OpaquePointer?>!, _ name: UnsafePointer<CChar>!, _ vector: UnsafePointer<Float>!, _ count: Int64,
  _ y: Int64, _ x: Int64
) -> cnnlens_status {
  status {
    let vector: [Float] = try list(vector, count, "vector")
    guard !vector.isEmpty else { throw invalid("vector is empty; it needs one number per channel") }
    let place = (y < 0 ? nil : Int(y), x < 0 ? nil : Int(x))
    try give(out) { Goal(.direction(try layer(name), vector, y: place.0, x: place.1)) }
  }
}

// MARK: Distances and priors

@_cdecl("cnnlens_objective_distance") @implementation
public func cnnlens_objective_distance(
  _ out: UnsafeMutablePointer<OpaquePointer?>!, _ name: UnsafePointer<CChar>!, _ target: UnsafePointer<cnnlens_array>!, _ scale: Int32
) -> cnnlens_status {
  status {
    let scales: [Int32: DistanceScale] = [
      Int32(CNNLENS_DISTANCE_SUM): .none, Int32(CNNLENS_DISTANCE_MEAN): .mean, Int32(CNNLENS_DISTANCE_RELATIVE): .relative,
    ]
    guard let scale = scales[scale] else { throw invalid("scale is \(scale); it must be a CNNLENS_DISTANCE_") }
    let target = try owned(target, "target")
    try give(out) { Goal(.distance(try layer(name), to: target, scale: scale)) }
  }
}

@_cdecl("cnnlens_objective_gram_distance") @implementation
public func cnnlens_objective_gram_distance(
  _ out: UnsafeMutablePointer<OpaquePointer?>!, _ name: UnsafePointer<CChar>!, _ target: UnsafePointer<cnnlens_array>!,
  _ mask: UnsafePointer<cnnlens_array>!
) -> cnnlens_status {
  status {
    let target = try owned(target, "target"), mask = mask == nil ? nil : try owned(mask, "mask")
    try give(out) { Goal(.gramDistance(try layer(name), to: target, mask: mask)) }
  }
}

@_cdecl("cnnlens_objective_total_variation") @implementation
public func cnnlens_objective_total_variation(
  _ out: UnsafeMutablePointer<OpaquePointer?>!, _ name: UnsafePointer<CChar>!, _ beta: Float
) -> cnnlens_status {
  status { try give(out) { Goal(.totalVariation(beta: beta, at: name == nil ? .input : try layer(name))) } }
}

@_cdecl("cnnlens_objective_norm") @implementation
public func cnnlens_objective_norm(
  _ out: UnsafeMutablePointer<OpaquePointer?>!, _ name: UnsafePointer<CChar>!, _ p: Float, _ center: UnsafePointer<Float>!, _ count: Int64
) -> cnnlens_status {
  status {
    let center: [Float] = center == nil ? [0] : try list(center, count, "center")
    try give(out) { Goal(.norm(p, around: center, at: name == nil ? .input : try layer(name))) }
  }
}

@_cdecl("cnnlens_objective_diversity") @implementation
public func cnnlens_objective_diversity(_ out: UnsafeMutablePointer<OpaquePointer?>!, _ name: UnsafePointer<CChar>!) -> cnnlens_status {
  status { try give(out) { Goal(.diversity(try layer(name))) } }
}

@_cdecl("cnnlens_objective_alignment") @implementation
public func cnnlens_objective_alignment(
  _ out: UnsafeMutablePointer<OpaquePointer?>!, _ name: UnsafePointer<CChar>!, _ decay: Float
) -> cnnlens_status {
  status { try give(out) { Goal(.alignment(try layer(name), decay: decay)) } }
}

@_cdecl("cnnlens_objective_guide") @implementation
public func cnnlens_objective_guide(
  _ out: UnsafeMutablePointer<OpaquePointer?>!, _ name: UnsafePointer<CChar>!, _ guide: UnsafePointer<cnnlens_array>!
) -> cnnlens_status {
  status {
    let guide = try owned(guide, "guide")
    try give(out) { Goal(.guide(try layer(name), guide)) }
  }
}

/// The caller's array copied: the objective outlives the call, the array need not.
private func owned(_ array: UnsafePointer<cnnlens_array>?, _ name: String) throws -> Tensor {
  let borrowed = try block(array, name).tensor(name)
  return Tensor(borrowed.shape, borrowed.values)
}

@_cdecl("cnnlens_objective_sum") @implementation
public func cnnlens_objective_sum(
  _ out: UnsafeMutablePointer<OpaquePointer?>!, _ terms: UnsafePointer<OpaquePointer?>!, _ weights: UnsafePointer<Float>!, _ count: Int64
) -> cnnlens_status {
  status {
    let handles: [OpaquePointer?] = try list(terms, count, "terms", limit: 1 << 16)
    let weights: [Float] = weights == nil ? handles.map { _ in 1 } : try list(weights, count, "weights")
    let goals = try handles.enumerated().map { try object($1, "terms[\($0)]", as: Goal.self).objective }
    guard var sum = goals.first.map({ weights[0] * $0 }) else { throw invalid("terms is empty") }
    for (weight, goal) in zip(weights, goals).dropFirst() { sum = sum + weight * goal }
    let objective = sum
    try give(out) { Goal(objective) }
  }
}

@_cdecl("cnnlens_objective_free") @implementation
public func cnnlens_objective_free(_ objective: OpaquePointer!) { release(objective, as: Goal.self) }
