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
