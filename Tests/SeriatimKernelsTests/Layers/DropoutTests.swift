// Dropout: memory, tails, the same bits for 1 and 2 threads, and a mask that depends on seed, call and place alone.
import XCTest

@testable import SeriatimKernels

final class DropoutTests: XCTestCase {
  private func run(_ x: [Float], p: Double = 0.25, seed: UInt64 = 42, offset: UInt64 = 7) -> [Float] {
    withOneAndTwoThreads("dropout \(x.count)") {
      let (input, y, same) = (Guarded(x), Guarded(x.count), Guarded(x))
      let threshold = UInt32(p * 4_294_967_296)
      let scale = Float(1 / (1 - p))
      dropout(
        y: y.pointer, x: input.pointer, count: x.count, threshold: threshold, scale: scale, seed: seed,
        offset: offset)
      dropout(
        y: same.pointer, x: same.pointer, count: x.count, threshold: threshold, scale: scale, seed: seed,
        offset: offset)
      XCTAssertEqual(same.values, y.values, "in place")
      for buffer in [input, y, same] { buffer.check() }
      return [y.values]
    }[0]
  }

  func testSizesAroundTheStripe() {
    var random = Seeded(3)
    // Above 0, so that an output of 0 is one that was dropped.
    let x = random.floats(70_003).map { $0 + 2 }
    let whole = run(x)
    for count in sizes(around: laneCount) + sizes(around: 4 * laneCount) {
      // The mask of an element does not depend on how many follow.
      XCTAssertEqual(run(Array(x.prefix(count))), Array(whole.prefix(count)), "\(count)")
    }
    for (value, input) in zip(whole, x) where value != 0 { XCTAssertEqual(value, input / 0.75, accuracy: 1e-6) }
  }

  func testTheMask() {
    let x = [Float](repeating: 1, count: 70_003)
    for p in [0.1, 0.25, 0.9] {
      let dropped = Double(run(x, p: p).filter { $0 == 0 }.count) / Double(x.count)
      XCTAssertEqual(dropped, p, accuracy: 0.006)
    }
    // A half of the mask differs for another seed or another call, whichever half of the number differs.
    let own = run(x, p: 0.5)
    for (seed, offset) in [(43, 7), (42, 8), (42 + 1 << 32, 7), (42, 7 + 1 << 32)] as [(UInt64, UInt64)] {
      let other = run(x, p: 0.5, seed: seed, offset: offset)
      let differing = Double(zip(own, other).filter { $0 != $1 }.count) / Double(x.count)
      XCTAssertEqual(differing, 0.5, accuracy: 0.01, "seed \(seed), offset \(offset)")
    }
    XCTAssertEqual(run(x, p: 0), x, "nothing is dropped")
  }
}
