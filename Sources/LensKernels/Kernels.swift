// SPDX-License-Identifier: Apache-2.0
import CLensCPU
import Glibc
@_exported public import LensKernelTable
import LensKernelsPortable
#if CNNLENS_CPU_VARIANTS && arch(x86_64)
  import LensKernelsAVX2
  import LensKernelsAVX512
#endif

/// The sets of instructions compiled in, and the one that runs.
public enum Kernels {
  /// Every set that this CPU can run, the fastest last.
  public static let available: [KernelTable] = {
    var tables = [LensKernelsPortable.kernelTable()]
    #if CNNLENS_CPU_VARIANTS && arch(x86_64)
      let level = lens_cpu_level()
      if level >= 1 { tables.append(LensKernelsAVX2.kernelTable()) }
      if level >= 2 { tables.append(LensKernelsAVX512.kernelTable()) }
    #endif
    return tables
  }()

  /// The fastest, or the one that the environment variable CNNLENS_KERNELS names if this CPU can run it.
  public static let selected: KernelTable = {
    if let name = getenv("CNNLENS_KERNELS"), let table = available.first(where: { $0.name == String(cString: name) }) { return table }
    return available[available.count - 1]
  }()

  /// "portable", "avx2" or "avx512".
  public static var variant: String { selected.name }
}
