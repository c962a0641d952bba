// SPDX-License-Identifier: Apache-2.0
import CLensCPU
import Glibc
@_exported public import LensKernelTable
import LensKernelsPortable
import Synchronization
#if CNNLENS_CPU_VARIANTS && arch(x86_64)
  import LensKernelsAMX
  import LensKernelsAVX2
  import LensKernelsAVX512
#endif

/// The sets of instructions compiled in, and the one that runs.
public enum Kernels {
  /// Every set that this CPU can run, the fastest last.
  public static let available: [KernelTable] = vectors + (tiles.map { [$0] } ?? [])

  private static let vectors: [KernelTable] = {
    var tables = [LensKernelsPortable.kernelTable()]
    #if CNNLENS_CPU_VARIANTS && arch(x86_64)
      let level = lens_cpu_level()
      if level >= 1 { tables.append(LensKernelsAVX2.kernelTable()) }
      if level >= 2 { tables.append(LensKernelsAVX512.kernelTable()) }
    #endif
    return tables
  }()

  /// Made when it is first asked for: from then on the system keeps room for AMX's registers.
  private static let tiles: KernelTable? = {
    #if CNNLENS_CPU_VARIANTS && arch(x86_64)
      if lens_cpu_level() >= 2, lens_cpu_allows_tiles() {
        return LensKernelsAVX512.kernelTable().with(LensKernelsAMX.amxLoops(), name: "amx")
      }
    #endif
    return nil
  }()

  private static let chosen = Atomic<Int>(Precision.automatic.rawValue)

  /// Of calls that begin from now on.
  public static var precision: Precision {
    get { Precision(rawValue: chosen.load(ordering: .relaxed))! }
    set { chosen.store(newValue.rawValue, ordering: .relaxed) }
  }

  private static let named: KernelTable? = getenv("CNNLENS_KERNELS").flatMap { name in
    let name = String(cString: name)
    return vectors.first { $0.name == name } ?? (tiles?.name == name ? tiles : nil)
  }

  /// For kernels that are made within.
  @TaskLocal public static var precisionWithin: Precision?

  /// The fastest of the precision, or the one that the environment variable CNNLENS_KERNELS names if this CPU can run it.
  public static var selected: KernelTable {
    named ?? ((precisionWithin ?? precision) == .high ? tiles : nil) ?? vectors[vectors.count - 1]
  }

  /// "portable", "avx2", "avx512" or "amx".
  public static var variant: String { selected.name }
}
