// Preprocessing of ragged data writes what it must and nothing else, with the same bits for 1 and 2 threads. The numbers
// are held against float64 twins in Tests/python/functional/test_ragged.py.
import XCTest

@testable import SeriatimKernels

final class RaggedTests: XCTestCase {
  /// Sequences of these lengths, one of them empty, and long enough for two tasks.
  private static let lengths = [3, 0, 1, 700, 64, 65]
  private let total = RaggedTests.lengths.reduce(0, +)
  private let offsets: UnsafeMutablePointer<Int64> = {
    let memory = UnsafeMutablePointer<Int64>.allocate(capacity: RaggedTests.lengths.count + 1)
    memory[0] = 0
    for (index, length) in RaggedTests.lengths.enumerated() { memory[index + 1] = memory[index] + Int64(length) }
    return memory
  }()

  private func sequences(_ features: Int) -> ConcatenatedSequences {
    ConcatenatedSequences(offsets: offsets, count: RaggedTests.lengths.count, features: features)
  }

  func testEverythingStaysInItsMemory() {
    var random = Seeded(1)
    for features in sizes(around: laneCount) {
      let count = RaggedTests.lengths.count
      let x = Guarded(random.floats(total * features))
      let (shift, scale) = (Guarded(random.floats(count * features)), Guarded(random.floats(count * features)))
      let all = sequences(features)
      _ = withOneAndTwoThreads("ragged, \(features) features") {
        let statistics = (0..<4).map { _ in Guarded(count * features) }
        let rows = (0..<5).map { _ in Guarded(total * features) }
        raggedMoments(mean: statistics[0].pointer, spread: statistics[1].pointer, x: x.pointer, sequences: all)
        raggedExtrema(least: statistics[2].pointer, greatest: statistics[3].pointer, x: x.pointer, sequences: all)
        raggedScale(y: rows[0].pointer, x: x.pointer, sequences: all, shift: shift.pointer, scale: scale.pointer)
        for (row, kind) in [(1, WindowKind.mean), (2, .median)] {
          let scratch = Guarded(raggedFilterScratchSize(width: 4, kind: kind))
          raggedFilter(
            y: rows[row].pointer, x: x.pointer, sequences: all, width: 4, kind: kind, scratch: scratch.pointer)
          scratch.check()
        }
        raggedDeltas(y: rows[3].pointer, stride: features, x: x.pointer, sequences: all, reach: 3)
        interpolateHalf(rows[4], x, features)
        (statistics + rows).forEach { $0.check() }
        (statistics + rows).forEach { XCTAssertFalse($0.values.contains { $0.isNaN }) }
        return (statistics + rows).map(\.values)
      }
    }
  }

  private func interpolateHalf(_ y: Guarded, _ x: Guarded, _ features: Int) {
    let index = (0..<total).map { Int64(max(0, min($0, total - 2))) }
    let weight = [Float](repeating: 0.5, count: total)
    interpolateRows(y: y.pointer, x: x.pointer, features: features, index: index, weight: weight, rows: total)
  }

  func testPointsAndColumns() {
    var random = Seeded(2)
    for points in [1, 5, 11] {
      let (features, count) = (3 * points, RaggedTests.lengths.count)
      let x = Guarded(random.floats(total * features))
      let matrices = random.floats(9 * count)
      let index = (0..<count * features).map { Int64($0 % features == features - 1 ? features - 1 : $0 % features) }
      let weight = (0..<count * features).map { $0 % features == features - 1 ? Float(0) : 0.25 }
      let results = withOneAndTwoThreads("\(points) points") {
        let (turned, warped) = (Guarded(total * features), Guarded(total * features))
        rotatePoints(y: turned.pointer, x: x.pointer, sequences: sequences(features), matrices: matrices)
        interpolateColumns(
          y: warped.pointer, x: x.pointer, sequences: sequences(features), columns: features, index: index,
          weight: weight)
        turned.check()
        warped.check()
        return [turned.values, warped.values]
      }
      let wanted = (0..<total * features).map { place in
        let (here, last) = (Double(x.values[place]), place % features == features - 1)
        return last ? here : here + 0.25 * (Double(x.values[place + 1]) - here)
      }
      assertClose(results[1], wanted, 1e-6, "warped")
    }
  }
}
