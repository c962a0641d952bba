// SPDX-License-Identifier: Apache-2.0
import Glibc

/// What the machine has that kernels divide their work by. No result depends on it.
enum Processor {
  /// Bytes of a core's second cache; half a megabyte where the system does not say.
  static let secondCache: Int = {
    let size = sysconf(Int32(_SC_LEVEL2_CACHE_SIZE))
    return size > 0 ? size : 512 << 10
  }()
}
