// The moving average of a flat buffer against float64.
import XCTest

@testable import SeriatimKernels

final class AverageTests: XCTestCase {
  func testAverage() {
    var random = Seeded(13)
    for count in flatCounts {
      let start = random.floats(count)
      let data = (0..<3).map { _ in random.floats(count) }
      let results = withOneAndTwoThreads("average \(count)") {
        let average = Guarded(start)
        for values in data { averageStep(average: average.pointer, data: values, weight: 0.25, count: count) }
        average.check()
        return [average.values]
      }
      let wanted = data.reduce(start.map(Double.init)) { average, values in
        zip(average, values).map { 0.75 * $0 + 0.25 * Double($1) }
      }
      assertClose(results[0], wanted, 1e-6, "average \(count)")
      let still = Guarded(start)
      averageStep(average: still.pointer, data: start, weight: 1e-3, count: count)
      XCTAssertEqual(still.values, start, "what does not change is its own average")
    }
  }
}
