// SPDX-License-Identifier: Apache-2.0
import CCNNLens

private let version = constantString("\(CNNLENS_VERSION_MAJOR).\(CNNLENS_VERSION_MINOR).\(CNNLENS_VERSION_PATCH)")

@_cdecl("cnnlens_version") @implementation
public func cnnlens_version() -> UnsafePointer<CChar>! { version.pointer }
