// SPDX-License-Identifier: Apache-2.0
import CLensCPU
import Glibc
import Synchronization

/// How many threads `parallel` uses.
public enum Threads {
  /// The CPUs that this process may use: its affinity, or its cgroup's quota where that is lower.
  public static let available: Int = min(max(Int(lens_cpu_count()), 1), cgroupQuota() ?? .max, 256)

  private static let chosen = Atomic<Int>(0)

  /// For kernels that are made within: they are to run on so many threads at most.
  @TaskLocal public static var most = 256

  /// 1...256; more than there are cores is allowed. Kernels made before an increase keep the scratch they asked for,
  /// and so the number of threads that goes with it.
  public static var count: Int {
    get {
      let count = chosen.load(ordering: .relaxed)
      return min(count == 0 ? available : count, most)
    }
    set { chosen.store(min(max(newValue, 1), 256), ordering: .relaxed) }
  }

  private static func cgroupQuota() -> Int? {
    func words(_ path: String) -> [Double?]? {
      guard let file = fopen(path, "r") else { return nil }
      defer { fclose(file) }
      var line = [CChar](repeating: 0, count: 128)
      guard fgets(&line, Int32(line.count), file) != nil else { return nil }
      let text = line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
      return String(decoding: text, as: UTF8.self).split { $0 == " " || $0 == "\n" }.map { Double(String($0)) }
    }
    var quota: Double?
    if let v2 = words("/sys/fs/cgroup/cpu.max"), v2.count == 2, let time = v2[0], let period = v2[1], period > 0 {
      quota = time / period
    } else if let time = words("/sys/fs/cgroup/cpu/cpu.cfs_quota_us")?.first ?? nil, time > 0,
      let period = words("/sys/fs/cgroup/cpu/cpu.cfs_period_us")?.first ?? nil, period > 0
    {
      quota = time / period
    }
    return quota.map { max(1, Int($0.rounded(.up))) }
  }
}

/// Runs `body` over `0..<count` in contiguous pieces of at least `grain`, the caller's thread taking part.
///
/// Every thread begins with a share of its own; one that is done helps another with what that has not begun, so that a
/// core that others slow down is not waited for longer than one piece. Who computes a piece therefore changes from run
/// to run: no number may depend on it. Inside `body`, and while another thread is in here, the whole range runs on the
/// calling thread.
public func parallel(_ count: Int, grain: Int = 1, _ body: (Range<Int>) -> Void) {
  parallelParts(count, Threads.count, grain: grain) { _, range in body(range) }
}

/// The same for at most `parts` threads; `body` learns which of them it runs on. It is called once for each piece.
public func parallelParts(_ count: Int, _ parts: Int, grain: Int = 1, _ body: (Int, Range<Int>) -> Void) {
  guard count > 0 else { return }
  let parts = min(parts, count / max(grain, 1), Threads.count)
  if parts > 1, ThreadPool.current.run(Shares.Cut(count: count, parts: parts, grain: grain), body) { return }
  body(0, 0..<count)
}

extension Range<Int> {
  /// One of so many parts, as even as can be.
  func part(_ index: Int, of parts: Int) -> Range { lowerBound + count * index / parts..<lowerBound + count * (index + 1) / parts }
}

/// What each part has not begun of its share of a range.
private struct Shares: ~Copyable {
  /// A range of at most 2^30 units between parts.
  struct Cut {
    let count, parts, unit, units: Int

    init(count: Int, parts: Int, grain: Int) {
      (self.count, self.parts) = (count, parts)
      unit = max(grain, count >> 30, 1)
      units = max(parts, count / unit)
    }

    /// The pieces of a range of units, as even as can be.
    func range(_ units: Range<Int>) -> Range<Int> {
      (count * units.lowerBound / self.units)..<(count * units.upperBound / self.units)
    }
  }

  /// (first unit << 32 | end), each in a pair of cache lines of its own.
  private let left: UnsafeMutablePointer<Atomic<Int>>
  private static let step = 16

  init() {
    left = .allocate(capacity: 256 * Shares.step)
    for i in 0..<(256 * Shares.step) { (left + i).initialize(to: Atomic(0)) }
  }

  deinit { left.deallocate() }

  func deal(_ cut: Cut) {
    for part in 0..<cut.parts {
      let first = cut.units * part / cut.parts, end = cut.units * (part + 1) / cut.parts
      left[part * Shares.step].store(first << 32 | end, ordering: .relaxed)
    }
  }

  /// The next piece for a part: a quarter of what is left to it, or of what is left to the next that has something.
  func take(_ part: Int, _ cut: Cut) -> Range<Int>? {
    for distance in 0..<cut.parts {
      let owner = (part + distance) % cut.parts
      var now = left[owner * Shares.step].load(ordering: .relaxed)
      while true {
        let first = now >> 32, end = now & 0xFFFF_FFFF
        guard first < end else { break }
        let taken = (end - first + 3) / 4
        let (units, rest) = distance == 0 ? (first..<(first + taken), first + taken..<end) : (end - taken..<end, first..<(end - taken))
        let (exchanged, original) = left[owner * Shares.step].compareExchange(
          expected: now, desired: rest.lowerBound << 32 | rest.upperBound, ordering: .relaxed)
        if exchanged { return cut.range(units) }
        now = original
      }
    }
    return nil
  }
}

/// Threads that spin briefly for the next region, then sleep.
final class ThreadPool: @unchecked Sendable {
  private static let shared = Atomic<UInt>(0)

  /// The process's pool. A child of fork has none of its parent's threads, so it starts its own.
  static var current: ThreadPool {
    if let pool = UnsafeRawPointer(bitPattern: shared.load(ordering: .acquiring)) {
      return Unmanaged<ThreadPool>.fromOpaque(pool).takeUnretainedValue()
    }
    _ = forkHandler
    let made = Unmanaged.passRetained(ThreadPool())
    let (exchanged, original) = shared.compareExchange(
      expected: 0, desired: UInt(bitPattern: made.toOpaque()), ordering: .acquiringAndReleasing)
    if exchanged { return made.takeUnretainedValue() }
    made.release()
    return Unmanaged<ThreadPool>.fromOpaque(UnsafeRawPointer(bitPattern: original)!).takeUnretainedValue()
  }
  private static let forkHandler = pthread_atfork(nil, nil, { ThreadPool.shared.store(0, ordering: .releasing) })

  private static let spins = 15000  // some 300 µs of pause instructions: longer than a caller takes between two calls

  /// A region of parallel work in one word, so that a thread that joins cannot mix it up with the next.
  private struct Region {
    var bits: Int
    init(_ bits: Int) { self.bits = bits }
    init(number: Int, parts: Int) { bits = number << 32 | Region.open | parts << 16 }

    static let open = 1 << 31
    var number: Int { bits >> 32 }
    /// Cleared once all work is taken: who comes later is not waited for.
    var isOpen: Bool { bits & Region.open != 0 }
    var parts: Int { bits >> 16 & 0x7FFF }
    /// Workers that have joined and not left.
    var running: Int { bits & 0xFFFF }
  }
  private let region = Atomic<Int>(0)
  private let sleepers = Atomic<Int>(0)
  private let ownerSleeps = Atomic<Bool>(false)
  private let busy = Atomic<Bool>(false)
  private var body: ((Int) -> Void)?
  private let shares = Shares()
  private var workers = 0
  private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
  private let work = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
  private let done = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)

  private init() {
    pthread_mutex_init(mutex, nil)
    pthread_cond_init(work, nil)
    pthread_cond_init(done, nil)
  }

  deinit {
    mutex.deallocate()
    work.deallocate()
    done.deallocate()
  }

  /// False, and nothing done, if a region is running already or threads are not to be had.
  fileprivate func run(_ cut: Shares.Cut, _ piece: (Int, Range<Int>) -> Void) -> Bool {
    guard busy.compareExchange(expected: false, desired: true, ordering: .acquiring).exchanged else { return false }
    defer { busy.store(false, ordering: .releasing) }
    guard grow(to: cut.parts - 1) else { return false }
    shares.deal(cut)
    withoutActuallyEscaping(piece) { piece in
      func task(_ part: Int) { while let range = shares.take(part, cut) { piece(part, range) } }
      body = task
      let number = Region(region.load(ordering: .relaxed)).number
      region.store(Region(number: (number + 1) & 0x7FFF_FFFF, parts: cut.parts).bits, ordering: .sequentiallyConsistent)
      if sleepers.load(ordering: .sequentiallyConsistent) > 0 {
        pthread_mutex_lock(mutex)
        pthread_cond_broadcast(work)
        pthread_mutex_unlock(mutex)
      }
      task(0)
      waitForWorkers()
      body = nil
    }
    return true
  }

  private func waitForWorkers() {
    var spun = 0
    var now = Region(region.bitwiseAnd(~Region.open, ordering: .sequentiallyConsistent).newValue)
    while now.running > 0 {
      spun += 1
      if spun < ThreadPool.spins {
        lens_cpu_pause()
      } else {
        pthread_mutex_lock(mutex)
        ownerSleeps.store(true, ordering: .sequentiallyConsistent)
        while Region(region.load(ordering: .sequentiallyConsistent)).running > 0 { pthread_cond_wait(done, mutex) }
        ownerSleeps.store(false, ordering: .sequentiallyConsistent)
        pthread_mutex_unlock(mutex)
      }
      now = Region(region.load(ordering: .acquiring))
    }
  }

  private func serve(_ part: Int, since start: Int) {
    var seen = start
    while true {
      var spun = 0, now = Region(region.load(ordering: .acquiring))
      while now.number == seen {
        spun += 1
        if spun < ThreadPool.spins {
          lens_cpu_pause()
        } else {
          pthread_mutex_lock(mutex)
          sleepers.add(1, ordering: .sequentiallyConsistent)
          while Region(region.load(ordering: .sequentiallyConsistent)).number == seen { pthread_cond_wait(work, mutex) }
          sleepers.subtract(1, ordering: .sequentiallyConsistent)
          pthread_mutex_unlock(mutex)
        }
        now = Region(region.load(ordering: .acquiring))
      }
      seen = now.number
      guard join(now, part) else { continue }
      body!(part)
      let left = Region(region.subtract(1, ordering: .sequentiallyConsistent).newValue)
      if left.running == 0, !left.isOpen, ownerSleeps.load(ordering: .sequentiallyConsistent) {
        pthread_mutex_lock(mutex)
        pthread_cond_signal(done)
        pthread_mutex_unlock(mutex)
      }
    }
  }

  /// Whether the thread now counts as running: there is a part for it and the region is still open.
  private func join(_ seen: Region, _ part: Int) -> Bool {
    var now = seen
    while now.number == seen.number, now.isOpen, part < now.parts {
      let (exchanged, original) = region.compareExchange(expected: now.bits, desired: now.bits + 1, ordering: .sequentiallyConsistent)
      if exchanged { return true }
      now = Region(original)
    }
    return false
  }

  private final class Start {
    let pool: ThreadPool, part: Int, region: Int
    init(_ pool: ThreadPool, _ part: Int, _ region: Int) { (self.pool, self.part, self.region) = (pool, part, region) }
  }

  /// Called by the owner of `busy` only.
  private func grow(to count: Int) -> Bool {
    guard workers < count else { return true }
    // Signals are for the host's threads.
    var all = sigset_t(), old = sigset_t()
    sigfillset(&all)
    pthread_sigmask(SIG_SETMASK, &all, &old)
    defer { pthread_sigmask(SIG_SETMASK, &old, nil) }
    while workers < count {
      let start = Unmanaged.passRetained(Start(self, workers + 1, Region(region.load(ordering: .relaxed)).number))
      var thread = pthread_t()
      let status = pthread_create(
        &thread, nil,
        { raw in
          let start = Unmanaged<Start>.fromOpaque(raw!).takeRetainedValue()
          start.pool.serve(start.part, since: start.region)
          return nil
        }, start.toOpaque())
      guard status == 0 else {
        start.release()
        return false
      }
      pthread_detach(thread)
      workers += 1
    }
    return true
  }
}
