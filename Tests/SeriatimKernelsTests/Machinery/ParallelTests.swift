// The pool: every task runs once, whatever the threads do.
import XCTest

@testable import SeriatimKernels

final class ParallelTests: XCTestCase {
  override func tearDown() { setThreadLimit(2) }

  func testEveryTaskRunsOnce() {
    for threads in [1, 2, 5] {
      setThreadLimit(threads)
      for tasks in [0, 1, 2, 7, 100] {
        let counts = Guarded([Float](repeating: 0, count: max(tasks, 1)))
        let target = counts.pointer
        for _ in 0..<50 {
          parallel(tasks: tasks) { task, total in
            XCTAssertEqual(total, tasks)
            target[task] += 1
          }
        }
        XCTAssertEqual(counts.values, [Float](repeating: tasks == 0 ? 0 : 50, count: max(tasks, 1)))
      }
    }
  }

  func testAJobInsideAJobRuns() {
    setThreadLimit(2)
    let counts = Guarded([Float](repeating: 0, count: 16))
    let target = counts.pointer
    parallel(tasks: 4) { outer, _ in
      parallel(tasks: 4) { inner, _ in target[4 * outer + inner] += 1 }
    }
    XCTAssertEqual(counts.values, [Float](repeating: 1, count: 16))
  }

  func testSharesCoverEverythingOnce() {
    for count in 0...20 {
      for tasks in 1...7 {
        let parts = (0..<tasks).flatMap { Array(share(of: count, $0, tasks)) }
        XCTAssertEqual(parts, Array(0..<count))
      }
    }
  }
}
