// CTC against the sum over all paths, in float64: ragged batches of several lengths, repeated labels, empty targets, paths
// that cannot be, memory, and the same bits for 1 and 2 threads.
import Foundation
import XCTest

@testable import SeriatimKernels

final class CTCTests: XCTestCase {
  /// A batch whose sequences have these labels; lengths of frames sorted.
  private struct Case {
    let lengths: [Int]
    let labels: [[Int64]]
    let classes, blank: Int

    var rows: Int { lengths.reduce(0, +) }

    /// The row of a step of a sequence.
    func row(_ sequence: Int, _ step: Int) -> Int {
      lengths.reduce(0) { $0 + min($1, step) } + sequence
    }

    func run(_ logs: [Float]) -> [[Float]] {
      let (losses, grad) = (Guarded(lengths.count), Guarded(rows * classes))
      let targets = Array(labels.joined()) + [0]
      let counts = labels.map { Int64($0.count) }
      let starts = counts.indices.map { counts[..<$0].reduce(0, +) }
      let most = Int(counts.max() ?? 0)
      let size = ctcScratchSize(steps: lengths[0], batch: lengths.count, mostLabels: most)
      let scratch = Guarded(size)
      let frames = CTCBatch(
        logProbabilities: Guarded(logs).pointer, batchSizes: kept(batchSizes(lengths)),
        lengths: kept(lengths.map(Int64.init)), targets: kept(targets), starts: kept(starts), counts: kept(counts),
        steps: lengths[0], batch: lengths.count, classes: classes, blank: blank)
      ctcLoss(
        losses: losses.pointer, grad: grad.pointer, frames, mostLabels: most, scratch: scratch.pointer,
        scratchSize: size)
      for buffer in [losses, grad, scratch] { buffer.check() }
      return [losses.values, grad.values]
    }

    private func kept(_ values: [Int64]) -> UnsafePointer<Int64> {
      let memory = UnsafeMutablePointer<Int64>.allocate(capacity: values.count)
      memory.initialize(from: values, count: values.count)
      return UnsafePointer(memory)
    }

    /// The loss of one sequence by the recurrence on probabilities, without logarithms.
    func exact(_ logs: [Double], _ sequence: Int) -> Double {
      let own = labels[sequence].map(Int.init)
      let path = [blank] + own.flatMap { [$0, blank] }
      var before = [Double](repeating: 0, count: path.count)
      for step in 0..<lengths[sequence] {
        let row = row(sequence, step) * classes
        before = path.indices.map { state in
          var sum = step == 0 ? (state < 2 ? 1 : 0) : before[state]
          if step > 0, state > 0 { sum += before[state - 1] }
          if step > 0, state > 1, path[state] != blank, path[state] != path[state - 2] { sum += before[state - 2] }
          return sum * exp(logs[row + path[state]])
        }
      }
      return -log(before.suffix(2).reduce(0, +))
    }
  }

  private func logSoftmax(_ x: [Double], _ classes: Int) -> [Double] {
    stride(from: 0, to: x.count, by: classes).flatMap { first in
      let row = x[first..<first + classes]
      let total = log(row.map(exp).reduce(0, +))
      return row.map { $0 - total }
    }
  }

  func testAgainstTheSumOverPaths() {
    var random = Seeded(3)
    let long = (0..<laneCount).map { Int64(1 + $0 * $0 % 3) }
    let cases = [
      Case(lengths: [1], labels: [[1]], classes: 2, blank: 0),
      Case(lengths: [5, 4, 4, 1], labels: [[1, 1, 2], [], [2, 1], [3]], classes: 4, blank: 0),
      Case(lengths: [40, 33], labels: [long, [1, 2]], classes: 2 * laneCount + 1, blank: 7),
      Case(lengths: [9, 9, 9], labels: [[0, 1, 0, 1], [1], [0, 0, 0]], classes: 3, blank: 2),
    ]
    for one in cases {
      let name = "\(one.lengths), \(one.classes) classes"
      let x = random.floats(one.rows * one.classes).map { 3 * $0 }
      let logs = logSoftmax(x.map(Double.init), one.classes)
      let results = withOneAndTwoThreads(name) { one.run(logs.map(Float.init)) }
      assertClose(results[0], one.lengths.indices.map { one.exact(logs, $0) }, 2e-6 * slack, name)
      // By what the log-probabilities are the log-softmax of.
      assertGradient(results[1], at: x, 4e-6 * slack, "grad, \(name)") { moved in
        let logs = logSoftmax(moved, one.classes)
        return one.lengths.indices.reduce(0) { $0 + one.exact(logs, $1) }
      }
    }
  }

  func testWhatNoPathSpells() {
    // Two like labels want a blank between them, so three frames. What is behind is not touched by it.
    let one = Case(lengths: [2, 2], labels: [[1, 1], [1, 2]], classes: 3, blank: 0)
    let results = one.run([Float](repeating: -1.1, count: 12))
    XCTAssertEqual(results[0][0], .infinity)
    XCTAssertEqual(results[0][1], 2.2, accuracy: 1e-6)
    for row in 0..<4 {
      for value in results[1][3 * row..<3 * row + 3] { XCTAssertEqual(value.isNaN, row % 2 == 0) }
    }
  }

  func testWhatIsNotANumberStaysInItsSequence() {
    let one = Case(lengths: [3, 3], labels: [[1], [1]], classes: 2, blank: 0)
    var logs = [Float](repeating: -0.7, count: 12)
    logs[4] = .nan
    logs[6] = -.infinity
    let results = one.run(logs)
    XCTAssertTrue(results[0][0].isNaN)
    XCTAssertTrue(results[0][1].isFinite)
    XCTAssertTrue(results[1][2..<4].allSatisfy(\.isFinite))
  }
}
