// SPDX-License-Identifier: Apache-2.0
import CCNNLens
import LensKernels
import LensTensors

@_cdecl("cnnlens_set_precision") @implementation
public func cnnlens_set_precision(_ precision: Int32) -> cnnlens_status {
  status {
    guard let precision = Precision(rawValue: Int(precision)) else {
      throw invalid("precision is \(precision); it must be CNNLENS_PRECISION_HIGHEST (0) or CNNLENS_PRECISION_HIGH (1)")
    }
    Kernels.precision = precision
  }
}

@_cdecl("cnnlens_precision") @implementation
public func cnnlens_precision() -> Int32 { Int32(Kernels.precision.rawValue) }
