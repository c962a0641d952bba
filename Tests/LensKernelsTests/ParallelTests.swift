// SPDX-License-Identifier: Apache-2.0
import Glibc
import LensTensors
import Synchronization
import Testing

@testable import LensKernels

/// One after the other, because the number of threads belongs to the process.
@Suite(.serialized) enum ThreadTests {}

extension ThreadTests {
  @Suite struct ParallelTests {
    /// How often each index was visited.
    private func visits(_ count: Int, grain: Int = 1) -> [Int] {
      let seen = UnsafeMutablePointer<Int>.allocate(capacity: max(count, 1))
      seen.initialize(repeating: 0, count: max(count, 1))
      defer { seen.deallocate() }
      parallel(count, grain: grain) { for i in $0 { seen[i] += 1 } }
      return Array(UnsafeBufferPointer(start: seen, count: count))
    }

    @Test func everyIndexIsVisitedOnce() {
      defer { Threads.count = Threads.available }
      for threads in [1, 2, 3, 7, 64] {
        Threads.count = threads
        for count in [0, 1, 2, 3, 10, 100, 1001] {
          for grain in [1, 3, 50] { #expect(visits(count, grain: grain) == [Int](repeating: 1, count: count)) }
        }
      }
    }

    @Test func piecesAreNoSmallerThanAsked() {
      defer { Threads.count = Threads.available }
      for threads in 1...5 {
        Threads.count = threads
        for count in [1, 7, 50, 99, 1000, 65_537] {
          for grain in [1, 2, 10, 50, 1000] {
            let least = Atomic<Int>(.max)
            parallel(count, grain: grain) { least.min($0.count, ordering: .relaxed) }
            #expect(least.load(ordering: .relaxed) >= min(grain, count))
          }
        }
      }
    }

    /// The first piece ends only when everything else has been done, which its thread's share is most of.
    @Test func othersTakeOverWhatASlowThreadHasNotBegun() {
      defer { Threads.count = Threads.available }
      let deadline = time(nil) + 60
      for threads in 2...4 {
        Threads.count = threads
        var pieces = 0
        // While another test is in here, everything is one piece.
        while pieces < 2 && time(nil) < deadline {
          let done = Atomic<Int>(0), count = Atomic<Int>(0)
          parallel(64) { range in
            count.add(1, ordering: .relaxed)
            if range.contains(0) {
              while done.load(ordering: .acquiring) < 64 - range.count, time(nil) < deadline { sched_yield() }
            }
            done.add(range.count, ordering: .releasing)
          }
          #expect(done.load(ordering: .relaxed) == 64)
          pieces = count.load(ordering: .relaxed)
        }
        #expect(pieces > threads && time(nil) < deadline)
      }
    }

    @Test func aSlotIsUsedByOneThreadAtATime() {
      defer { Threads.count = Threads.available }
      Threads.count = 4
      final class Slots: Sendable { let a = Atomic<Int>(0), b = Atomic<Int>(0), c = Atomic<Int>(0), d = Atomic<Int>(0) }
      let slots = Slots(), clashes = Atomic<Int>(0)
      for _ in 0..<40 {
        parallelParts(40, 4) { slot, _ in
          func enter(_ users: borrowing Atomic<Int>) {
            if users.add(1, ordering: .sequentiallyConsistent).newValue != 1 { clashes.add(1, ordering: .relaxed) }
            sched_yield()
            users.subtract(1, ordering: .sequentiallyConsistent)
          }
          switch slot {
          case 0: enter(slots.a)
          case 1: enter(slots.b)
          case 2: enter(slots.c)
          case 3: enter(slots.d)
          default: clashes.add(1, ordering: .relaxed)
          }
        }
      }
      #expect(clashes.load(ordering: .relaxed) == 0)
    }

    @Test func nestedRegionsRun() {
      defer { Threads.count = Threads.available }
      Threads.count = 3
      let sum = Atomic<Int>(0)
      parallel(10) { outer in for _ in outer { parallel(10) { sum.add($0.count, ordering: .relaxed) } } }
      #expect(sum.load(ordering: .relaxed) == 100)
    }

    @Test func severalThreadsMayCallAtOnce() {
      defer { Threads.count = Threads.available }
      Threads.count = 4
      final class Sum: Sendable { let value = Atomic<Int>(0) }
      let sum = Sum()
      let threads = (0..<6).map { _ in
        var thread = pthread_t()
        pthread_create(
          &thread, nil,
          { raw in
            let sum = Unmanaged<Sum>.fromOpaque(raw!).takeRetainedValue()
            for _ in 0..<500 { parallel(17) { sum.value.add($0.count, ordering: .relaxed) } }
            return nil
          }, Unmanaged.passRetained(sum).toOpaque())
        return thread
      }
      for thread in threads { pthread_join(thread, nil) }
      #expect(sum.value.load(ordering: .relaxed) == 6 * 500 * 17)
    }

    @Test func regionsAfterSleepRun() {
      defer { Threads.count = Threads.available }
      Threads.count = 2
      for _ in 0..<20 {
        usleep(2000)
        #expect(visits(100) == [Int](repeating: 1, count: 100))
      }
    }

    @Test func aForkedChildStartsItsOwnThreads() throws {
      defer { Threads.count = Threads.available }
      Threads.count = 3
      _ = visits(10)
      typealias Fork = @convention(c) () -> pid_t
      let symbol = try #require(dlsym(nil, "fork"))
      let child = unsafeBitCast(symbol, to: Fork.self)()
      if child == 0 { _exit(visits(1000) == [Int](repeating: 1, count: 1000) ? 0 : 1) }
      var status: Int32 = -1
      for _ in 0..<1000 {
        if waitpid(child, &status, WNOHANG) == child { break }
        usleep(10000)
      }
      if status == -1 { kill(child, SIGKILL) }
      #expect(status == 0)
      #expect(visits(10) == [Int](repeating: 1, count: 10))
    }

    @Test func theCountIsHeldBetween1And256() {
      defer { Threads.count = Threads.available }
      Threads.count = 0
      #expect(Threads.count == 1)
      Threads.count = 1000
      #expect(Threads.count == 256)
      #expect(Threads.available >= 1)
    }
  }
}
