// SPDX-License-Identifier: Apache-2.0

/// Numbers made while staging and read while running: no bounds checks, no reference counts in the loop.
/// Whoever keeps `base` keeps the table too.
final class Table<Element: BitwiseCopyable>: @unchecked Sendable {
  let base: UnsafePointer<Element>
  let count: Int

  init(_ elements: [Element]) {
    let memory = UnsafeMutablePointer<Element>.allocate(capacity: max(elements.count, 1))
    for (i, element) in elements.enumerated() { memory[i] = element }
    (base, count) = (UnsafePointer(memory), elements.count)
  }

  deinit { base.deallocate() }
}

/// For every index a list of entries, one after the other: entries of i lie at starts[i] ..< starts[i + 1].
struct Lists<Entry> {
  var starts = [0]
  var entries: [Entry] = []
  var count: Int { starts.count - 1 }

  init() {}

  init(count: Int, _ pairs: [(index: Int, entry: Entry)]) {
    var sizes = [Int](repeating: 0, count: count)
    for pair in pairs { sizes[pair.index] += 1 }
    for size in sizes { starts.append(starts.last! + size) }
    guard let any = pairs.first?.entry else { return }
    entries = [Entry](repeating: any, count: pairs.count)
    var next = starts
    for pair in pairs {
      entries[next[pair.index]] = pair.entry
      next[pair.index] += 1
    }
  }

  subscript(index: Int) -> ArraySlice<Entry> { entries[starts[index]..<starts[index + 1]] }
}
