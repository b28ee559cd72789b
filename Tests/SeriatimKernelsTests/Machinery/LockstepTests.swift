// Teams in lockstep: every pass once and in order, whatever the members do.
import Foundation
import SeriatimSystem
import XCTest

@testable import SeriatimKernels

/// What a dissolved team leaves, and the first position that is left after `finish`.
private struct Finishing {
  let positions: Range<Int>
  let passes, size: Int
  let progress: UnsafeMutablePointer<UInt64>
  let count: UInt64
  var next = 0

  mutating func finish(_ body: LentBody) {
    var team = Team(
      body: body, positions: positions, passes: passes, together: size, patience: 0, pieces: 0, progress: progress)
    next = SeriatimKernels.finish(&team, count: count, size: size)
  }
}

final class LockstepTests: XCTestCase {
  override func tearDown() { setThreadLimit(2) }

  /// Runs a lockstep job of a sum that needs the last result of every member of a group, and checks it. `delay` runs in
  /// every pass.
  private func checkLockstep(
    positions: Range<Int>, passes: Int, tasks: Int, groups: Int = 1, pieces: Int = 0,
    waits: @escaping (Int) -> Bool = { _ in true },
    delay: @escaping (_ position: Int, _ task: Int) -> Void = { _, _ in }
  ) {
    let width = 24
    let count = positions.count * passes
    let memory = UnsafeMutablePointer<Float>.allocate(capacity: (count + 1) * width)
    memory.initialize(repeating: 1, count: (count + 1) * width)
    let runs = UnsafeMutablePointer<UInt64>.allocate(capacity: count * width + 1)
    runs.initialize(repeating: 0, count: count * width + 1)
    // Each group has a block of columns.
    let block = width / groups
    func neighbour(_ column: Int) -> Int { column / block * block + (column % block + block / 2) % block }
    lockstep(positions: positions, passes: passes, tasks: tasks, together: tasks / groups, pieces: pieces) {
      position, pass, seat in
      delay(position, seat.group * seat.members + seat.member)
      let stamp = (position - positions.lowerBound) * passes + pass
      let row = memory + stamp * width
      let shared = stamp == 0 || waits((stamp - 1) % passes)
      for group in share(of: groups, seat.group, seat.groups) {
        for place in share(of: block, seat.member, seat.members) {
          // Reads a neighbour's column after a pass that is waited for, its own otherwise.
          let column = group * block + place
          row[width + column] = row[shared ? neighbour(column) : column] + Float(column)
          _ = srt_atomic_add(runs + stamp * width + column, 1)
        }
      }
      return waits(pass)
    }
    var want = [Float](repeating: 1, count: width)
    for stamp in 0..<count {
      let shared = stamp == 0 || waits((stamp - 1) % passes)
      want = (0..<width).map { want[shared ? neighbour($0) : $0] + Float($0) }
    }
    XCTAssertEqual((0..<width).map { memory[count * width + $0] }, want)
    XCTAssert((0..<count * width).allSatisfy { runs[$0] == 1 }, "some column was not computed exactly once")
  }

  func testLockstepKeepsStep() {
    for threads in [1, 2, 3, 7] {
      setThreadLimit(threads)
      for _ in 0..<50 {
        checkLockstep(positions: 0..<200, passes: 1, tasks: threads)
        checkLockstep(positions: 7..<90, passes: 3, tasks: threads) { $0 < 2 }
        checkLockstep(positions: 0..<90, passes: 2, tasks: 2 * threads, groups: threads == 7 ? 1 : threads)
        checkLockstep(positions: 5..<90, passes: 2, tasks: threads, pieces: 5) { $0 < 1 }
        checkLockstep(positions: 0..<90, passes: 1, tasks: 2 * threads, groups: threads == 7 ? 1 : threads, pieces: 3)
      }
    }
    checkLockstep(positions: 3..<3, passes: 2, tasks: 2)
  }

  func testWhatADissolvedTeamHasLeftIsDoneOnce() {
    let (positions, size) = (10..<20, 3)
    for passes in 1...3 {
      for count in [1, 2, 5, 7] {
        // The others may be behind the caller, at its side, or beyond it.
        for (one, two) in [(0, 0), (-1, 0), (0, 2), (-1, 3), (1, 1), (4, -1)] where count + min(one, two) >= 0 {
          let done = [count, count + one, count + two]
          let progress = UnsafeMutablePointer<UInt64>.allocate(capacity: size * countersPerLine)
          for task in 0..<size { progress[task * countersPerLine] = UInt64(done[task]) }
          let runs = UnsafeMutablePointer<Int>.allocate(capacity: 6 * 30)
          runs.initialize(repeating: 0, count: 6 * 30)
          var last = 0
          func mark(_ position: Int, _ pass: Int, _ seat: Seat) -> Bool {
            let stamp = (position - 10) * passes + pass
            XCTAssertGreaterThanOrEqual(stamp, last, "a pass before another that is done")
            last = stamp
            for share in share(of: 6, seat.member, seat.members) { runs[stamp * 6 + share] += 1 }
            return true
          }
          for task in 0..<size {
            for stamp in 0..<done[task] { for share in share(of: 6, task, size) { runs[stamp * 6 + share] += 1 } }
          }
          var job = Finishing(
            positions: positions, passes: passes, size: size, progress: progress, count: UInt64(count))
          lend(mark, &job) { body, job in
            let job = job.assumingMemoryBound(to: Finishing.self)
            job.pointee.finish(LentBody(lent: body))
          }
          let most = done.max() ?? 0
          XCTAssertEqual(job.next, 10 + (most + passes - 1) / passes)
          for stamp in 0..<30 {
            let want = stamp < (job.next - 10) * passes ? 1 : 0
            XCTAssert((0..<6).allSatisfy { runs[stamp * 6 + $0] == want }, "pass \(stamp), done \(done)")
          }
        }
      }
    }
  }

  func testAMemberThatStaysAwayIsReplaced() {
    setThreadLimit(3)
    var givenUp = 0
    // On a busy machine the workers may not turn up in time to be members: then once more.
    for _ in 0..<50 where givenUp == 0 {
      for late in [5, 60, 199] {
        for task in [1, 2] {
          pool().pointee.restraint = 0
          pool().pointee.penalty = leastRestraint
          checkLockstep(positions: 0..<200, passes: 2, tasks: 3, waits: { $0 == 0 }) { position, own in
            // Time for the workers to be let in, then one that sleeps.
            if position < 5 { usleep(300) }
            if position == late, own == task { usleep(20_000) }
          }
          givenUp += pool().pointee.restraint > 0 || pool().pointee.penalty > leastRestraint ? 1 : 0
        }
      }
    }
    XCTAssertGreaterThan(givenUp, 0, "no team was given up")
    pool().pointee.restraint = 30
    checkLockstep(positions: 0..<20, passes: 1, tasks: 2)
    XCTAssertEqual(pool().pointee.restraint, 10, "passes that go alone are counted")
    checkLockstep(positions: 0..<20, passes: 1, tasks: 2)
    XCTAssertEqual(pool().pointee.restraint, 0, "then a team comes back in the same call")
  }
}
