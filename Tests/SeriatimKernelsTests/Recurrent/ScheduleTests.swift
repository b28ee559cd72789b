// The order of a recurrent layer's steps against its definition.
import XCTest

@testable import SeriatimKernels

final class ScheduleTests: XCTestCase {
  private let batches = [[1], [1, 1, 1], [5], [9, 4, 4, 1], [3, 3, 3]]

  func testEveryStepIsVisitedOnceInItsOrder() {
    for lengths in batches {
      let ragged = raggedBatch(lengths)
      let counts = batchSizes(lengths).map(Int.init)
      let firsts = counts.indices.map { counts[..<$0].reduce(0, +) }
      for reverse in [false, true] {
        for backward in [false, true] {
          let scratch = Guarded(Schedule.scratchSize(rows: ragged.rows))
          let schedule = Schedule(ragged, reverse: reverse, backward: backward, scratch: scratch.pointer)
          scratch.check()
          let steps = reverse == backward ? Array(counts.indices) : counts.indices.reversed()
          for (position, wanted) in steps.enumerated() {
            let step = schedule.step(at: position)
            let name = "\(lengths), reverse \(reverse), backward \(backward), position \(position)"
            XCTAssertEqual(step.row, firsts[wanted], name)
            XCTAssertEqual(step.count, counts[wanted], name)
            XCTAssertEqual(step.descending, position % 2 == 1, name)
            // The state before is the next step's in the reverse direction, which fewer sequences have.
            let before = reverse ? wanted + 1 : wanted - 1
            let exists = counts.indices.contains(before)
            XCTAssertEqual(step.continuing, exists ? min(counts[before], counts[wanted]) : 0, name)
            if exists { XCTAssertEqual(step.previousRow, firsts[before], name) }
            let last = steps[min(position + 2, steps.count - 1)]
            let rows =
              min(firsts[wanted], firsts[last])..<max(firsts[wanted] + counts[wanted], firsts[last] + counts[last])
            XCTAssertEqual(schedule.rows(at: position..<min(position + 3, steps.count)), rows, name)
          }
        }
      }
    }
  }
}
