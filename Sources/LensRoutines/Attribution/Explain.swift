// SPDX-License-Identifier: Apache-2.0
import LensEngine
import LensTensors

/// The methods that one look at a picture is enough for.
public enum Explanation: Sendable, CaseIterable {
  case saliency, gradientTimesInput, guidedBackprop, deconvNet, cam, gradCAM, guidedGradCAM
}

/// Several methods' maps from one forward pass: what each method alone gives.
///
/// The network runs forward once; then the objective goes back once for each rule that the methods need (the gradient,
/// guided backprop, deconvnet), layer by layer side by side.
/// - image: N×C×H×W.
/// - layer: for Grad-CAM; by default the last with maps before the class scores.
public func explain(
  _ session: Session, _ image: Tensor, _ objective: Objective = .top, methods: [Explanation] = Explanation.allCases,
  at layer: Layer? = nil
) throws -> [Attribution] {
  try session.check(image)
  let pool = methods.contains(.cam) ? try session.globalPool(inputs: [image.shape]) : nil
  let isLayered = methods.contains(.gradCAM) || methods.contains(.guidedGradCAM)
  let layer = try isLayered ? layer ?? session.lastSpatialLayer(inputs: [image.shape]) : nil
  if let layer { try CAMEvidence.check(session, image, layer) }

  var rules: [RuleMap] = []
  func lane(_ rule: RuleMap) -> Int {
    if let known = rules.firstIndex(where: { $0.name == rule.name }) { return known }
    rules.append(rule)
    return rules.count - 1
  }
  for method in methods {
    switch method {
    case .saliency, .gradientTimesInput, .cam, .gradCAM: _ = lane(.gradient)
    case .guidedBackprop: _ = lane(.guided)
    case .guidedGradCAM: (_, _) = (lane(.gradient), lane(.guided))
    case .deconvNet: _ = lane(.deconvnet)
    }
  }
  guard !rules.isEmpty else { return [] }

  let layers = [.input] + (layer.map { [$0] } ?? []) + (pool.map { [$0.pooled] } ?? [])
  let maps = (layer.map { [$0] } ?? []) + (pool.map { [$0.maps] } ?? [])
  let results = try session.gradients(
    of: rules.map { _ in objective }, at: [image], wrt: layers, activations: maps, rules: rules.count == 1 ? rules[0] : .lanes(rules))
  func atPicture(_ rule: RuleMap, _ reduction: ChannelReduction, _ change: (Tensor) -> Tensor = { $0 }) -> Attribution {
    let result = results[lane(rule)]
    return Attribution(reduction(change(result.gradients[0])), result)
  }
  func gradCAM(_ layer: Layer) throws -> Attribution {
    let result = results[lane(.gradient)]
    let native = result.activations[0].weightedOverChannels(result.gradients[1].spatialMean()).map { max($0, 0) }
    return Attribution(try native.enlarged(to: image.shape, .bilinear), result, layer: layer, native: native)
  }
  return try methods.map { method in
    switch method {
    case .saliency: return atPicture(.gradient, .maximum)
    case .gradientTimesInput: return atPicture(.gradient, .sum) { $0 * image }
    case .guidedBackprop: return atPicture(.guided, .sum)
    case .deconvNet: return atPicture(.deconvnet, .sum)
    case .cam:
      guard let pool else { preconditionFailure("the pool is found where CAM is asked for") }
      let result = results[lane(.gradient)]
      let native = result.activations[maps.count - 1].weightedOverChannels(result.gradients[layers.count - 1])
      return Attribution(try native.enlarged(to: image.shape, .bilinear), result, layer: pool.maps, native: native)
    case .gradCAM, .guidedGradCAM:
      guard let layer else { preconditionFailure("the layer is chosen where Grad-CAM is asked for") }
      let cam = try gradCAM(layer)
      guard method == .guidedGradCAM else { return cam }
      let guided = results[lane(.guided)].gradients[0].foldedOverChannels(0, +)
      return Attribution(guided * cam.map, results[0], layer: layer, native: cam.native)
    }
  }
}
