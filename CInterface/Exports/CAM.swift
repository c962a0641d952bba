// SPDX-License-Identifier: Apache-2.0
import CCNNLens
import CNNLens

@_cdecl("cnnlens_cam") @implementation
public func cnnlens_cam(
  _ out: UnsafeMutablePointer<cnnlens_array>!, _ handle: OpaquePointer!, _ image: UnsafePointer<cnnlens_array>!,
  _ goal: OpaquePointer!
) -> cnnlens_status {
  attribution(out, handle, image, goal) { try cam($1, $2, $3) }
}

@_cdecl("cnnlens_grad_cam") @implementation
public func cnnlens_grad_cam(
  _ out: UnsafeMutablePointer<cnnlens_array>!, _ handle: OpaquePointer!, _ image: UnsafePointer<cnnlens_array>!,
  _ goal: OpaquePointer!, _ given: UnsafePointer<cnnlens_cam_options>!
) -> cnnlens_status {
  attribution(out, handle, image, goal) { owner, session, image, objective in
    let options = try CAMOptions(given, owner.model)
    return try gradCAM(
      session, image, objective, at: options.layer, variant: options.variant, keepsPositive: options.keepsPositive,
      enlargement: options.enlargement, progress: options.progress)
  }
}

@_cdecl("cnnlens_guided_grad_cam") @implementation
public func cnnlens_guided_grad_cam(
  _ out: UnsafeMutablePointer<cnnlens_array>!, _ handle: OpaquePointer!, _ image: UnsafePointer<cnnlens_array>!,
  _ goal: OpaquePointer!, _ given: UnsafePointer<cnnlens_cam_options>!
) -> cnnlens_status {
  attribution(out, handle, image, goal) { owner, session, image, objective in
    try guidedGradCAM(session, image, objective, at: try CAMOptions(given, owner.model).layer)
  }
}

@_cdecl("cnnlens_fullgrad") @implementation
public func cnnlens_fullgrad(
  _ out: UnsafeMutablePointer<cnnlens_array>!, _ handle: OpaquePointer!, _ image: UnsafePointer<cnnlens_array>!,
  _ goal: OpaquePointer!
) -> cnnlens_status {
  attribution(out, handle, image, goal) { try fullGrad($1, $2, $3) }
}

struct CAMOptions {
  let layer: Layer?
  let keepsPositive: Bool
  let enlargement: Enlargement
  let variant: CAMVariant
  let progress: Steps?

  init(_ given: UnsafePointer<cnnlens_cam_options>?, _ model: Model) throws {
    let defaults = cnnlens_cam_options(
      struct_size: UInt32(MemoryLayout<cnnlens_cam_options>.size), keeps_positive: 1, layer: nil,
      upsample: Int32(CNNLENS_UPSAMPLE_BILINEAR), variant: Int32(CNNLENS_CAM_GRADCAM), progress: nil, payload: nil)
    let options = try options(given, over: defaults, "options")
    layer = try CInterface.layer(options.layer, of: model)
    keepsPositive = try flag(options.keeps_positive, "options.keeps_positive")
    switch Int(options.upsample) {
    case Int(CNNLENS_UPSAMPLE_BILINEAR): enlargement = .bilinear
    case Int(CNNLENS_UPSAMPLE_NEAREST): enlargement = .nearest
    default: throw invalid("options.upsample is \(options.upsample); it must be a CNNLENS_UPSAMPLE_")
    }
    let variants: [Int: CAMVariant] = [
      Int(CNNLENS_CAM_GRADCAM): .gradCAM, Int(CNNLENS_CAM_GRADCAM_PLUS_PLUS): .gradCAMPlusPlus, Int(CNNLENS_CAM_HIRESCAM): .hiResCAM,
      Int(CNNLENS_CAM_XGRADCAM): .xGradCAM, Int(CNNLENS_CAM_LAYERCAM): .layerCAM, Int(CNNLENS_CAM_EIGENCAM): .eigenCAM,
      Int(CNNLENS_CAM_SCORECAM): .scoreCAM, Int(CNNLENS_CAM_ABLATIONCAM): .ablationCAM,
    ]
    guard let variant = variants[Int(options.variant)] else {
      throw invalid("options.variant is \(options.variant); it must be a CNNLENS_CAM_")
    }
    self.variant = variant
    progress = steps(options.progress, options.payload)
  }
}
