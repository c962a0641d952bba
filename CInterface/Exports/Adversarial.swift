// SPDX-License-Identifier: Apache-2.0
import CCNNLens
import CNNLens

/// One attack: checks what all have in common, runs it, and writes its pictures.
private func attack(
  _ out: UnsafeMutablePointer<cnnlens_array>?, _ handle: OpaquePointer?, _ image: UnsafePointer<cnnlens_array>?,
  _ goal: UnsafePointer<cnnlens_attack_goal>?, _ method: (Session, Tensor, AttackGoal) throws -> Adversarial
) -> cnnlens_status {
  attacks(out, handle, image, goal, count: { 1 }) { [try method($0, $1, $2)] }
}

/// The same with several results.
private func attacks(
  _ out: UnsafeMutablePointer<cnnlens_array>?, _ handle: OpaquePointer?, _ image: UnsafePointer<cnnlens_array>?,
  _ goal: UnsafePointer<cnnlens_attack_goal>?, count: () throws -> Int,
  _ method: (Session, Tensor, AttackGoal) throws -> [Adversarial]
) -> cnnlens_status {
  status {
    let owner = try session(handle)
    let image = try block(image, "image").tensor("image")
    let outputs = try blocks(out.map { UnsafePointer($0) }, Int64(try count()), "out")
    for (index, output) in outputs.enumerated() { _ = try output.destination(for: image.shape, "out[\(index)]") }
    guard !outputs.isEmpty else { throw invalid("out is NULL") }
    let goal = try AttackGoal(goal)
    let results = try owner.use { try method($0, image, goal) }
    for (index, result) in results.enumerated() { try outputs[index].write(result.images, "out[\(index)]") }
    guard let last = results.last else { return }
    owner.remember(scores: last.queries.map(Float.init), targets: last.classes)
  }
}

extension AttackGoal {
  fileprivate init(_ given: UnsafePointer<cnnlens_attack_goal>?) throws {
    let defaults = cnnlens_attack_goal(
      struct_size: UInt32(MemoryLayout<cnnlens_attack_goal>.size), is_targeted: 0, labels: nil, label_count: 0, is_clamped: 1, levels: 0,
      low: 0, high: 1, seed: 0, progress: nil, payload: nil)
    let goal = try options(given, over: defaults, "goal")
    self.init(
      try labels(of: goal),
      isTargeted: try flag(goal.is_targeted, "goal.is_targeted"),
      range: try flag(goal.is_clamped, "goal.is_clamped") ? try values(goal.low, goal.high) : nil, levels: Int(goal.levels),
      seed: UInt64(bitPattern: goal.seed),
      progress: goal.progress.map { progress in { progress(Int64($0), Int64($1), Float($2), goal.payload) == 0 } })
  }
}

private func labels(of goal: cnnlens_attack_goal) throws -> [Int]? {
  goal.labels == nil ? nil : try classes(goal.labels, goal.label_count, "goal.labels")
}

private func values(_ low: Float, _ high: Float) throws -> ClosedRange<Float> {
  guard low.isFinite, high.isFinite, low <= high else { throw invalid("goal.low is \(low) and goal.high \(high)") }
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

private func zero(_ reserved: Int32) throws {
  guard reserved == 0 else { throw invalid("options.reserved is \(reserved); it must be 0") }
}

/// Pictures to start from, of the shape of the image.
private func start(_ array: UnsafePointer<cnnlens_array>?) throws -> Tensor? {
  try array.map { try block($0, "options.start").tensor("options.start") }
}

private func size<Options>(_ type: Options.Type) -> UInt32 { UInt32(MemoryLayout<Options>.size) }

@_cdecl("cnnlens_fgsm") @implementation
public func cnnlens_fgsm(
  _ out: UnsafeMutablePointer<cnnlens_array>!, _ handle: OpaquePointer!, _ image: UnsafePointer<cnnlens_array>!,
  _ goal: UnsafePointer<cnnlens_attack_goal>!, _ given: UnsafePointer<cnnlens_fgsm_options>!
) -> cnnlens_status {
  func read() throws -> (norm: Norm, epsilons: [Double]) {
    let defaults = cnnlens_fgsm_options(
      struct_size: size(cnnlens_fgsm_options.self), norm: Int32(CNNLENS_NORM_MAXIMUM), epsilon: 8.0 / 255, epsilons: nil, epsilon_count: 0)
    let options = try options(given, over: defaults, "options")
    let epsilons =
      options.epsilons == nil
      ? [options.epsilon] : try list(options.epsilons, options.epsilon_count, "options.epsilons", limit: 1 << 16)
    guard !epsilons.isEmpty else { throw invalid("options.epsilons has no entries") }
    return (try norm(options.norm), epsilons)
  }
  return attacks(out, handle, image, goal, count: { try read().epsilons.count }) { session, image, goal in
    let options = try read()
    return try fgsm(session, image, goal, epsilons: options.epsilons, norm: options.norm)
  }
}

@_cdecl("cnnlens_pgd") @implementation
public func cnnlens_pgd(
  _ out: UnsafeMutablePointer<cnnlens_array>!, _ handle: OpaquePointer!, _ image: UnsafePointer<cnnlens_array>!,
  _ goal: UnsafePointer<cnnlens_attack_goal>!, _ given: UnsafePointer<cnnlens_pgd_options>!
) -> cnnlens_status {
  attack(out, handle, image, goal) { session, image, goal in
    let defaults = cnnlens_pgd_options(
      struct_size: size(cnnlens_pgd_options.self), norm: Int32(CNNLENS_NORM_MAXIMUM), epsilon: 8.0 / 255, step: 2.0 / 255, momentum: 0,
      steps: 10, random_start: 1, reserved: 0)
    let options = try options(given, over: defaults, "options")
    try zero(options.reserved)
    return try pgd(
      session, image, goal, norm: try norm(options.norm), epsilon: options.epsilon, step: options.step, steps: Int(options.steps),
      momentum: options.momentum, startsRandomly: try flag(options.random_start, "options.random_start"))
  }
}

@_cdecl("cnnlens_lbfgs_attack") @implementation
public func cnnlens_lbfgs_attack(
  _ out: UnsafeMutablePointer<cnnlens_array>!, _ handle: OpaquePointer!, _ image: UnsafePointer<cnnlens_array>!,
  _ goal: UnsafePointer<cnnlens_attack_goal>!, _ given: UnsafePointer<cnnlens_lbfgs_attack_options>!
) -> cnnlens_status {
  attack(out, handle, image, goal) { session, image, goal in
    let defaults = cnnlens_lbfgs_attack_options(
      struct_size: size(cnnlens_lbfgs_attack_options.self), reserved: 0, weight: 0.1, steps: 20, searches: 6)
    let options = try options(given, over: defaults, "options")
    try zero(options.reserved)
    return try lbfgsAttack(
      session, image, goal, steps: Int(options.steps), searches: Int(options.searches), weight: options.weight)
  }
}

@_cdecl("cnnlens_deepfool") @implementation
public func cnnlens_deepfool(
  _ out: UnsafeMutablePointer<cnnlens_array>!, _ handle: OpaquePointer!, _ image: UnsafePointer<cnnlens_array>!,
  _ goal: UnsafePointer<cnnlens_attack_goal>!, _ given: UnsafePointer<cnnlens_deepfool_options>!
) -> cnnlens_status {
  attack(out, handle, image, goal) { session, image, goal in
    let defaults = cnnlens_deepfool_options(
      struct_size: size(cnnlens_deepfool_options.self), norm: Int32(CNNLENS_NORM_EUCLIDEAN), overshoot: 0.02, candidates: 10, steps: 50)
    let options = try options(given, over: defaults, "options")
    return try deepFool(
      session, image, goal, norm: try norm(options.norm), candidates: Int(options.candidates), overshoot: options.overshoot,
      steps: Int(options.steps))
  }
}

@_cdecl("cnnlens_cw") @implementation
public func cnnlens_cw(
  _ out: UnsafeMutablePointer<cnnlens_array>!, _ handle: OpaquePointer!, _ image: UnsafePointer<cnnlens_array>!,
  _ goal: UnsafePointer<cnnlens_attack_goal>!, _ given: UnsafePointer<cnnlens_cw_options>!
) -> cnnlens_status {
  attack(out, handle, image, goal) { session, image, goal in
    let defaults = cnnlens_cw_options(
      struct_size: size(cnnlens_cw_options.self), reserved: 0, confidence: 0, rate: 0.01, weight: 1, steps: 100, searches: 5)
    let options = try options(given, over: defaults, "options")
    try zero(options.reserved)
    return try carliniWagner(
      session, image, goal, confidence: options.confidence, rate: options.rate, steps: Int(options.steps),
      searches: Int(options.searches), weight: options.weight)
  }
}

@_cdecl("cnnlens_fool") @implementation
public func cnnlens_fool(
  _ out: UnsafeMutablePointer<cnnlens_array>!, _ handle: OpaquePointer!, _ image: UnsafePointer<cnnlens_array>!,
  _ goal: UnsafePointer<cnnlens_attack_goal>!, _ given: UnsafePointer<cnnlens_fool_options>!
) -> cnnlens_status {
  attack(out, handle, image, goal) { session, image, goal in
    let defaults = cnnlens_fool_options(struct_size: size(cnnlens_fool_options.self), reserved: 0, confidence: 0.99, step: 0.5, steps: 500)
    let options = try options(given, over: defaults, "options")
    try zero(options.reserved)
    return try fool(session, image, goal, confidence: options.confidence, step: options.step, steps: Int(options.steps))
  }
}

@_cdecl("cnnlens_evolve_fool") @implementation
public func cnnlens_evolve_fool(
  _ out: UnsafeMutablePointer<cnnlens_array>!, _ handle: OpaquePointer!, _ goal: UnsafePointer<cnnlens_attack_goal>!,
  _ given: UnsafePointer<cnnlens_evolve_fool_options>!
) -> cnnlens_status {
  // Of the picture only the shape counts, and that is the result's.
  attack(out, handle, out.map { UnsafePointer($0) }, goal) { session, image, goal in
    let defaults = cnnlens_evolve_fool_options(
      struct_size: size(cnnlens_evolve_fool_options.self), encoding: Int32(CNNLENS_ENCODING_PATTERN), confidence: 0.99, population: 16,
      generations: 500)
    let options = try options(given, over: defaults, "options")
    let encoding: ImageEncoding
    switch Int(options.encoding) {
    case Int(CNNLENS_ENCODING_DIRECT): encoding = .direct
    case Int(CNNLENS_ENCODING_PATTERN): encoding = .pattern
    default: throw invalid("options.encoding is \(options.encoding); it must be a CNNLENS_ENCODING_")
    }
    return try evolveFool(
      session, shape: image.shape, goal, encoding: encoding, confidence: options.confidence, population: Int(options.population),
      generations: Int(options.generations))
  }
}

@_cdecl("cnnlens_one_pixel") @implementation
public func cnnlens_one_pixel(
  _ out: UnsafeMutablePointer<cnnlens_array>!, _ handle: OpaquePointer!, _ image: UnsafePointer<cnnlens_array>!,
  _ goal: UnsafePointer<cnnlens_attack_goal>!, _ given: UnsafePointer<cnnlens_one_pixel_options>!
) -> cnnlens_status {
  attack(out, handle, image, goal) { session, image, goal in
    let defaults = cnnlens_one_pixel_options(
      struct_size: size(cnnlens_one_pixel_options.self), reserved: 0, difference: 0.5, pixels: 1, population: 400, generations: 100)
    let options = try options(given, over: defaults, "options")
    try zero(options.reserved)
    return try onePixel(
      session, image, goal, pixels: Int(options.pixels), population: Int(options.population), generations: Int(options.generations),
      difference: options.difference)
  }
}

@_cdecl("cnnlens_square") @implementation
public func cnnlens_square(
  _ out: UnsafeMutablePointer<cnnlens_array>!, _ handle: OpaquePointer!, _ image: UnsafePointer<cnnlens_array>!,
  _ goal: UnsafePointer<cnnlens_attack_goal>!, _ given: UnsafePointer<cnnlens_square_options>!
) -> cnnlens_status {
  attack(out, handle, image, goal) { session, image, goal in
    let defaults = cnnlens_square_options(
      struct_size: size(cnnlens_square_options.self), reserved: 0, epsilon: 8.0 / 255, share: 0.05, steps: 1000)
    let options = try options(given, over: defaults, "options")
    try zero(options.reserved)
    return try square(session, image, goal, epsilon: options.epsilon, steps: Int(options.steps), share: options.share)
  }
}

@_cdecl("cnnlens_nes") @implementation
public func cnnlens_nes(
  _ out: UnsafeMutablePointer<cnnlens_array>!, _ handle: OpaquePointer!, _ image: UnsafePointer<cnnlens_array>!,
  _ goal: UnsafePointer<cnnlens_attack_goal>!, _ given: UnsafePointer<cnnlens_nes_options>!
) -> cnnlens_status {
  attack(out, handle, image, goal) { session, image, goal in
    let defaults = cnnlens_nes_options(
      struct_size: size(cnnlens_nes_options.self), reserved: 0, epsilon: 8.0 / 255, step: 1.0 / 255, deviation: 0.001, steps: 50,
      samples: 50)
    let options = try options(given, over: defaults, "options")
    try zero(options.reserved)
    return try nes(
      session, image, goal, epsilon: options.epsilon, step: options.step, steps: Int(options.steps), samples: Int(options.samples),
      deviation: options.deviation)
  }
}

@_cdecl("cnnlens_boundary") @implementation
public func cnnlens_boundary(
  _ out: UnsafeMutablePointer<cnnlens_array>!, _ handle: OpaquePointer!, _ image: UnsafePointer<cnnlens_array>!,
  _ goal: UnsafePointer<cnnlens_attack_goal>!, _ given: UnsafePointer<cnnlens_boundary_options>!
) -> cnnlens_status {
  attack(out, handle, image, goal) { session, image, goal in
    let defaults = cnnlens_boundary_options(
      struct_size: size(cnnlens_boundary_options.self), reserved: 0, start: nil, orthogonal: 0.01, towards: 0.01, steps: 1000)
    let options = try options(given, over: defaults, "options")
    try zero(options.reserved)
    return try boundary(
      session, image, goal, start: try start(options.start), steps: Int(options.steps), orthogonal: options.orthogonal,
      towards: options.towards)
  }
}

@_cdecl("cnnlens_hop_skip_jump") @implementation
public func cnnlens_hop_skip_jump(
  _ out: UnsafeMutablePointer<cnnlens_array>!, _ handle: OpaquePointer!, _ image: UnsafePointer<cnnlens_array>!,
  _ goal: UnsafePointer<cnnlens_attack_goal>!, _ given: UnsafePointer<cnnlens_hop_skip_jump_options>!
) -> cnnlens_status {
  attack(out, handle, image, goal) { session, image, goal in
    let defaults = cnnlens_hop_skip_jump_options(
      struct_size: size(cnnlens_hop_skip_jump_options.self), norm: Int32(CNNLENS_NORM_EUCLIDEAN), start: nil, steps: 20, samples: 100,
      most_samples: 1000)
    let options = try options(given, over: defaults, "options")
    return try hopSkipJump(
      session, image, goal, norm: try norm(options.norm), start: try start(options.start), steps: Int(options.steps),
      samples: Int(options.samples), mostSamples: Int(options.most_samples))
  }
}
