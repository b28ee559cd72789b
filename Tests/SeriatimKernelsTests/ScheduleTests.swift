// The order of a recurrent layer's steps against its definition, and the states that come last.
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
            XCTAssertEqual(schedule.positions(of: wanted..<wanted + 1), position..<position + 1, name)
          }
        }
      }
    }
  }

  func testFinalStates() {
    for lengths in batches {
      for size in sizes(around: laneCount) {
        let ragged = raggedBatch(lengths)
        let counts = batchSizes(lengths).map(Int.init)
        let stride = size + 3
        let y = Guarded((0..<ragged.rows * stride).map(Float.init))
        for reverse in [false, true] {
          let final = Guarded(lengths.count * size)
          copyFinalStates(
            final.pointer, y: y.pointer, outputStride: stride, size: size, ragged: ragged, reverse: reverse)
          final.check()
          let want = lengths.enumerated().flatMap { sequence, length -> [Float] in
            let row = counts[..<(reverse ? 0 : length - 1)].reduce(0, +) + sequence
            return (0..<size).map { Float(row * stride + $0) }
          }
          XCTAssertEqual(final.values, want, "\(lengths), size \(size), reverse \(reverse)")
        }
        let width = roundedUp(size, to: laneCount)
        let padded = Guarded(lengths.count * width)
        let states = (0..<lengths.count * size).map { Float($0 + 1) }
        for given in [states, []] {
          copyStates(padded.pointer, width: width, optional(given), size: size, batch: lengths.count)
          padded.check()
          let want = (0..<lengths.count * width).map { place -> Float in
            place % width < size && !given.isEmpty ? Float(place / width * size + place % width + 1) : 0
          }
          XCTAssertEqual(padded.values, want)
        }
      }
    }
  }
}
