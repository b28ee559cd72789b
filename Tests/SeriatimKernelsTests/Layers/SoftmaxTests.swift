// Softmax and its logarithm against float64: memory, tails, NaN, and the same bits for 1 and 2 threads and for a row
// alone and among others.
import Foundation
import XCTest

@testable import SeriatimKernels

final class SoftmaxTests: XCTestCase {
  private func check(rows: Int, columns: Int, logarithm: Bool) {
    var random = Seeded(UInt64(rows * 100 + columns))
    let x = Guarded(random.floats(rows * columns).map { $0 * 20 })
    let grad = Guarded(random.floats(rows * columns))
    let name = "\(rows) x \(columns), logarithm \(logarithm)"
    let results = withOneAndTwoThreads(name) {
      let (y, gradX) = (Guarded(x.count), Guarded(x.count))
      softmaxForward(y: y.pointer, x: x.pointer, rows: rows, columns: columns, logarithm: logarithm)
      softmaxBackward(
        gradX: gradX.pointer, gradY: grad.pointer, y: y.pointer, rows: rows, columns: columns, logarithm: logarithm)
      let same = Guarded(x.values)
      softmaxForward(y: same.pointer, x: same.pointer, rows: rows, columns: columns, logarithm: logarithm)
      XCTAssertEqual(same.values, y.values, "in place, \(name)")
      for buffer in [x, grad, y, gradX, same] { buffer.check() }
      return [y.values, gradX.values]
    }
    var (want, wantGrad) = ([Double](), [Double]())
    for row in 0..<rows {
      let part = x.values[row * columns..<(row + 1) * columns].map(Double.init)
      let peak = part.max() ?? 0
      let total = part.reduce(0) { $0 + exp($1 - peak) }
      let share = part.map { exp($0 - peak) / total }
      let own = grad.values[row * columns..<(row + 1) * columns].map(Double.init)
      let inner = zip(own, share).reduce(0) { $0 + $1.0 * $1.1 }
      want += logarithm ? part.map { $0 - peak - log(total) } : share
      wantGrad += zip(own, share).map { logarithm ? $0 - $1 * own.reduce(0, +) : $1 * ($0 - inner) }
    }
    assertClose(results[0], want, 2e-6, "y, \(name)")
    assertClose(results[1], wantGrad, 5e-6, "grad, \(name)")
  }

  func testSizesAroundTheRegister() {
    for logarithm in [false, true] {
      for columns in sizes(around: laneCount) { check(rows: 5, columns: columns, logarithm: logarithm) }
      check(rows: 1, columns: 3 * laneCount + 2, logarithm: logarithm)
      check(rows: 301, columns: 67, logarithm: logarithm)
    }
  }

  func testARowHasTheSameBitsAloneAndAmongOthers() {
    var random = Seeded(2)
    let (rows, columns) = (7, laneCount + 3)
    let x = random.floats(rows * columns)
    for logarithm in [false, true] {
      let all = Guarded(x)
      softmaxForward(y: all.pointer, x: all.pointer, rows: rows, columns: columns, logarithm: logarithm)
      for row in 0..<rows {
        let alone = Guarded(Array(x[row * columns..<(row + 1) * columns]))
        softmaxForward(y: alone.pointer, x: alone.pointer, rows: 1, columns: columns, logarithm: logarithm)
        XCTAssertEqual(alone.values, Array(all.values[row * columns..<(row + 1) * columns]), "row \(row)")
      }
    }
  }

  func testNaNStaysInItsRow() {
    for (place, logarithm) in (0..<laneCount + 2).flatMap({ [($0, false), ($0, true)] }) {
      let columns = laneCount + 2
      let y = Guarded((0..<3 * columns).map { $0 == columns + place ? Float.nan : 1 })
      softmaxForward(y: y.pointer, x: y.pointer, rows: 3, columns: columns, logarithm: logarithm)
      for (index, value) in y.values.enumerated() {
        XCTAssertEqual(value.isNaN, (columns..<2 * columns).contains(index), "NaN at \(place), output \(index)")
      }
    }
  }
}
