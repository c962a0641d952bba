// SPDX-License-Identifier: Apache-2.0
import CLensCPU
import Glibc
import Synchronization

/// How many threads `parallel` uses.
public enum Threads {
  /// The CPUs that this process may use: its affinity, or its cgroup's quota where that is lower.
  public static let available: Int = min(max(Int(lens_cpu_count()), 1), cgroupQuota() ?? .max, 256)

  private static let chosen = Atomic<Int>(0)

  /// 1...256; more than there are cores is allowed. Kernels made before an increase keep the scratch they asked for,
  /// and so the number of threads that goes with it.
  public static var count: Int {
    get {
      let count = chosen.load(ordering: .relaxed)
      return count == 0 ? available : count
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
/// Which piece runs where is fixed by `count`, `grain` and `Threads.count` alone. Inside `body`, and while another
/// thread is in here, the whole range runs on the calling thread.
public func parallel(_ count: Int, grain: Int = 1, _ body: (Range<Int>) -> Void) {
  let parts = min(Threads.count, count / max(grain, 1))
  parallelParts(count, parts) { _, range in body(range) }
}

/// The same with the number of pieces given; `body` learns which of them it has (0 when everything runs in one).
func parallelParts(_ count: Int, _ parts: Int, _ body: (Int, Range<Int>) -> Void) {
  guard count > 0 else { return }
  let parts = min(parts, count, Threads.count)
  if parts > 1, ThreadPool.current.run(parts, { part in body(part, (count * part / parts)..<(count * (part + 1) / parts)) }) { return }
  body(0, 0..<count)
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
  /// (region << 16 | parts): one word, so that a thread that has no part in a region cannot mix it up with the next.
  private let region = Atomic<Int>(0)
  private let running = Atomic<Int>(0)
  private let sleepers = Atomic<Int>(0)
  private let ownerSleeps = Atomic<Bool>(false)
  private let busy = Atomic<Bool>(false)
  private var body: ((Int) -> Void)?
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
  func run(_ parts: Int, _ task: (Int) -> Void) -> Bool {
    guard busy.compareExchange(expected: false, desired: true, ordering: .acquiring).exchanged else { return false }
    defer { busy.store(false, ordering: .releasing) }
    guard grow(to: parts - 1) else { return false }
    withoutActuallyEscaping(task) { task in
      body = task
      running.store(parts - 1, ordering: .relaxed)
      let number = region.load(ordering: .relaxed) >> 16
      region.store((number &+ 1) << 16 | parts, ordering: .sequentiallyConsistent)
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
    while running.load(ordering: .acquiring) > 0 {
      spun += 1
      if spun < ThreadPool.spins {
        lens_cpu_pause()
        continue
      }
      pthread_mutex_lock(mutex)
      ownerSleeps.store(true, ordering: .sequentiallyConsistent)
      while running.load(ordering: .sequentiallyConsistent) > 0 { pthread_cond_wait(done, mutex) }
      ownerSleeps.store(false, ordering: .sequentiallyConsistent)
      pthread_mutex_unlock(mutex)
    }
  }

  private func serve(_ part: Int, since start: Int) {
    var seen = start
    while true {
      var spun = 0, now = region.load(ordering: .acquiring)
      while now == seen {
        spun += 1
        if spun < ThreadPool.spins {
          lens_cpu_pause()
        } else {
          pthread_mutex_lock(mutex)
          sleepers.add(1, ordering: .sequentiallyConsistent)
          while region.load(ordering: .sequentiallyConsistent) == seen { pthread_cond_wait(work, mutex) }
          sleepers.subtract(1, ordering: .sequentiallyConsistent)
          pthread_mutex_unlock(mutex)
        }
        now = region.load(ordering: .acquiring)
      }
      seen = now
      guard part < now & 0xFFFF else { continue }
      body!(part)
      if running.subtract(1, ordering: .sequentiallyConsistent).newValue == 0, ownerSleeps.load(ordering: .sequentiallyConsistent) {
        pthread_mutex_lock(mutex)
        pthread_cond_signal(done)
        pthread_mutex_unlock(mutex)
      }
    }
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
      let start = Unmanaged.passRetained(Start(self, workers + 1, region.load(ordering: .relaxed)))
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
