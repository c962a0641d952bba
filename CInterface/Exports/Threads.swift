// SPDX-License-Identifier: Apache-2.0
import CCNNLens
import LensKernels
import LensTensors

@_cdecl("cnnlens_set_thread_count") @implementation
public func cnnlens_set_thread_count(_ count: Int64) -> cnnlens_status {
  status {
    guard count >= 0, count <= 256 else { throw invalid("count is \(count); it must be 1...256, or 0 for the CPUs of this process") }
    // More threads than CPUs would only wait for each other.
    Threads.count = count == 0 ? Threads.available : min(Int(count), Threads.available)
  }
}

@_cdecl("cnnlens_thread_count") @implementation
public func cnnlens_thread_count() -> Int64 { count { Threads.count } }
