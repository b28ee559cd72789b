// The squared norm and the scaling of flat buffers: memory, tails, bits and numbers.
import XCTest

@testable import SeriatimKernels

final class NormTests: XCTestCase {
  func testSumOfSquaresAndScale() {
    var random = Seeded(6)
    for count in flatCounts + [4_096, 4_097, 100_001] {
      let x = random.floats(count)
      let results = withOneAndTwoThreads("norm \(count)") {
        let scratch = Guarded(sumOfSquaresScratchSize(count: count))
        let total = sumOfSquares(x, count: count, scratch: scratch.pointer)
        let scaled = Guarded(x)
        scale(scaled.pointer, by: 0.5, count: count)
        scratch.check()
        scaled.check()
        return [[Float(total)], scaled.values]
      }
      let want = x.reduce(0.0) { $0 + Double($1) * Double($1) }
      XCTAssertEqual(Double(results[0][0]), want, accuracy: 1e-5 * want + 1e-9)
      XCTAssertEqual(results[1], x.map { 0.5 * $0 })
    }
  }
}
