// Statistics and scaling in double: of any offset and any magnitude, at widths below, at and above a block of columns, within
// their memory, with the same bits for 1 and 2 threads. More values are held against twins in Tests/python/functional.
import XCTest

@testable import SeriatimKernels

final class RaggedDoubleTests: XCTestCase {
  private static let lengths = [3, 0, 1, 700, 64, 65]
  private let offsets: [Int64] = RaggedDoubleTests.lengths.reduce(into: [0]) { $0.append($0.last! + Int64($1)) }
  private let guardian = -77.5

  /// Runs `body` on memory with a guard behind it, and gives what it wrote.
  private func guarded(_ count: Int, _ body: (UnsafeMutablePointer<Double>) -> Void) -> [Double] {
    let memory = UnsafeMutablePointer<Double>.allocate(capacity: count + 8)
    defer { memory.deallocate() }
    for place in 0..<count + 8 { memory[place] = guardian }
    body(memory)
    for place in count..<count + 8 { XCTAssertEqual(memory[place], guardian, "behind the end") }
    return (0..<count).map { memory[$0] }
  }

  private func statistics(_ x: [Double], _ features: Int) -> (mean: [Double], spread: [Double]) {
    let count = RaggedDoubleTests.lengths.count
    let sequences = ConcatenatedSequences(offsets: offsets, count: count, features: features)
    var spread: [Double] = []
    let mean = guarded(count * features) { mean in
      spread = guarded(count * features) { raggedMomentsDouble(mean: mean, spread: $0, x: x, sequences: sequences) }
    }
    return (mean, spread)
  }

  func testMomentsOfAnyOffsetAndMagnitude() {
    var random = Seeded(3)
    let rows = RaggedDoubleTests.lengths.reduce(0, +)
    for features in [1, 7, 8, 9, 17] {
      let noise = random.floats(rows * features).map(Double.init)
      for (offset, unit) in [(0, 1), (1.7e9, 1e-3), (0, 1e-25), (0, 1e20), (0, 1e200), (-3e-200, 1e-200)] {
        let x = noise.map { offset + unit * $0 }
        let found = statistics(x, features)
        setThreadLimit(2)
        let again = statistics(x, features)
        setThreadLimit(1)
        XCTAssertEqual(found.mean, again.mean)
        XCTAssertEqual(found.spread, again.spread)
        for (sequence, length) in RaggedDoubleTests.lengths.enumerated() {
          for column in 0..<features {
            // The twin, in the noise's own unit: what offset and rounding of x leave of it.
            let values = (0..<length).map { (x[(Int(offsets[sequence]) + $0) * features + column] - offset) / unit }
            let mean = values.reduce(0, +) / Double(max(length, 1))
            let squares = values.map { ($0 - mean) * ($0 - mean) }.reduce(0, +)
            let place = sequence * features + column
            let wanted = length == 0 ? 0 : offset + unit * mean
            XCTAssertEqual(found.mean[place], wanted, accuracy: 1e-15 * offset.magnitude + 1e-12 * unit)
            let spread = (squares / Double(max(length, 1))).squareRoot()
            XCTAssertEqual(found.spread[place] / unit, spread, accuracy: 1e-11)
          }
        }
      }
    }
  }

  func testWhatDoesNotVaryHasNoSpread() {
    let rows = RaggedDoubleTests.lengths.reduce(0, +)
    XCTAssertEqual(statistics([Double](repeating: 0.1, count: rows), 1).spread, [0, 0, 0, 0, 0, 0])
  }

  func testScale() {
    let (count, features) = (RaggedDoubleTests.lengths.count, 3)
    let rows = RaggedDoubleTests.lengths.reduce(0, +)
    let x = (0..<rows * features).map { 1.7e9 + Double($0) }
    let shift = (0..<count * features).map { 1.7e9 + 10 * Double($0) }
    let scale = (0..<count * features).map { 0.5 + Double($0) }
    let sequences = ConcatenatedSequences(offsets: offsets, count: count, features: features)
    let found = guarded(rows * features) {
      raggedScaleDouble(y: $0, x: x, sequences: sequences, shift: shift, scale: scale)
    }
    for place in 0..<rows * features {
      let statistic = sequences.sequence(of: place / features) * features + place % features
      XCTAssertEqual(found[place], (x[place] - shift[statistic]) * scale[statistic])
    }
  }
}
