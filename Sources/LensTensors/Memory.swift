// SPDX-License-Identifier: Apache-2.0
import Glibc

/// What the machine has left. Linux grants more than it has and kills who uses it, so large requests ask here first.
public enum Memory {
  /// Bytes that may still be taken: the machine's available memory, or what the cgroup leaves if that is less.
  /// Nil where neither is known.
  public static var available: Int? {
    let machine = number(in: "/proc/meminfo", after: "MemAvailable:").map { $0 * 1024 }
    let limit = number(in: "/sys/fs/cgroup/memory.max"), used = number(in: "/sys/fs/cgroup/memory.current")
    let group = limit.flatMap { limit in used.map { max(0, limit - $0) } }
    return [machine, group].compactMap { $0 }.min()
  }

  /// The first whole number of a file, or the one after a word at the beginning of a line.
  private static func number(in path: String, after word: String = "") -> Int? {
    guard let file = fopen(path, "r") else { return nil }
    defer { fclose(file) }
    var line = [CChar](repeating: 0, count: 256)
    while fgets(&line, Int32(line.count), file) != nil {
      let text = String(decoding: line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
      guard text.hasPrefix(word) else { continue }
      return Int(text.dropFirst(word.count).drop { $0 == " " }.prefix { $0.isNumber })
    }
    return nil
  }
}
