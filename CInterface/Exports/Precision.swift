// SPDX-License-Identifier: Apache-2.0
import CCNNLens
import LensKernels
import LensTensors

@_cdecl("cnnlens_set_precision") @implementation
public func cnnlens_set_precision(_ precision: Int32) -> cnnlens_status {
  status {
    guard let precision = Precision(rawValue: Int(precision)) else {
      throw invalid("precision is \(precision); it must be CNNLENS_PRECISION_AUTOMATIC (0), ..._HIGHEST (1) or ..._HIGH (2)")
    }
    Kernels.precision = precision
  }
}

@_cdecl("cnnlens_precision") @implementation
public func cnnlens_precision() -> Int32 { Int32(Kernels.precision.rawValue) }
