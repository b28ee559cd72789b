// The moving median of few values, whatever their order; RaggedTests has the memory and the threads of all filters.
import XCTest

@testable import SeriatimKernels

final class RaggedFilterTests: XCTestCase {
  func testMedianOfAnyOrder() {
    // All orders of up to five values.
    for count in 1...5 {
      let values = (0..<count).map { Float($0 * $0) }
      for order in orders(Array(0..<count)) {
        let x = order.map { values[$0] }
        let y = Guarded(count)
        let scratch = Guarded(raggedFilterScratchSize(width: 9, kind: .median))
        let ends = UnsafeMutablePointer<Int64>.allocate(capacity: 2)
        ends.initialize(from: [0, Int64(count)], count: 2)
        raggedFilter(
          y: y.pointer, x: x, sequences: ConcatenatedSequences(offsets: ends, count: 1, features: 1), width: 9,
          kind: .median, scratch: scratch.pointer)
        let median = (values[count / 2] + values[(count - 1) / 2]) / 2
        XCTAssertEqual(y.values, [Float](repeating: median, count: count))
      }
    }
  }

  private func orders(_ items: [Int]) -> [[Int]] {
    if items.count <= 1 { return [items] }
    return items.flatMap { first in orders(items.filter { $0 != first }).map { [first] + $0 } }
  }
}
