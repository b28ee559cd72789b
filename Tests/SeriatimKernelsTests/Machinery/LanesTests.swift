// Registers in part: the ends of rows.
import XCTest

@testable import SeriatimKernels

final class LanesTests: XCTestCase {
  func testPartialLoadsAndStoresTouchNothingElse() {
    for count in 0...laneCount {
      let source = Guarded((0..<count).map { Float($0 + 1) })
      let value = load(source.pointer, first: count)
      for lane in 0..<laneCount { XCTAssertEqual(value[lane], lane < count ? Float(lane + 1) : 0) }
      let target = Guarded(count)
      store(value, target.pointer, first: count)
      target.check()
      XCTAssertEqual(target.values, source.values)
    }
  }
}
