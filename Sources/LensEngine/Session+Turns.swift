// SPDX-License-Identifier: Apache-2.0
import LensKernels
import Synchronization

extension Prepared {
  /// Runs `body` for the steps of each stretch, in turns where it has some, with the addresses of its images.
  ///
  /// - interrupt: asked before any step on the calling thread
  /// - Returns: the position before which it was stopped.
  func run(_ stretches: [Stretch], _ interrupt: (() -> Bool)?, _ body: (Int, Addresses) -> Void) -> Int? {
    for stretch in stretches {
      if stretch.turns == 1 {
        for position in stretch.positions {
          if interrupt?() == true { return position }
          body(position, own)
        }
      } else if let stop = runTurns(stretch, interrupt, body) {
        return stop
      }
    }
    return nil
  }

  private func runTurns(_ stretch: Stretch, _ interrupt: (() -> Bool)?, _ body: (Int, Addresses) -> Void) -> Int? {
    let stop = Atomic(-1)
    parallelParts(stretch.turns, plan.turnThreads) { thread, turns in
      for turn in turns {
        let addresses = addresses(of: turn, in: stretch, on: thread)
        for position in stretch.positions where stop.load(ordering: .relaxed) < 0 {
          if thread == 0, interrupt?() == true {
            stop.store(position, ordering: .relaxed)
          } else {
            body(position, addresses)
          }
        }
      }
    }
    let position = stop.load(ordering: .relaxed)
    return position < 0 ? nil : position
  }

  private func addresses(of turn: Int, in stretch: Stretch, on thread: Int) -> Addresses {
    let all = own.count * plan.request.lanes, result = Addresses(first: own.first + (1 + thread) * all, count: own.count)
    result.first.update(from: own.first, count: all)
    for lane in 0..<plan.request.lanes {
      for (slot, floats) in stretch.moves { result[lane][slot] += turn * floats }
      for slot in stretch.own { result[lane][slot] += thread * plan.slots[stretch.memory].copyStep }
    }
    return result
  }
}
