// Products over a long depth against float64, below, at, above and at multiples of every tile and block.
import XCTest

@testable import SeriatimKernels

final class WeightGradientTests: XCTestCase {
  func testWeightGradient() {
    var random = Seeded(3)
    for rows in sizes(around: tileRows) + [rowBlock + 3] {
      for columns in [1, laneCount, laneCount + 1, panelWidth, panelWidth + 5] {
        for depth in [1, depthBlock - 1, depthBlock, 2 * depthBlock + 7] {
          let (a, b) = (random.floats(depth * rows), random.floats(depth * columns))
          var transposed = a
          for step in 0..<depth { for row in 0..<rows { transposed[row * depth + step] = a[step * rows + row] } }
          let want = exactProduct(transposed, b, rows: rows, depth: depth, columns: columns)
          let name = "\(rows)x\(depth)x\(columns)"
          let results = withOneAndTwoThreads(name) {
            let scratch = Guarded(weightGradientScratchSize())
            let c = Guarded(rows * columns)
            for accumulate in [false, true] {
              weightGradient(
                c.pointer, outputStride: columns, accumulate: accumulate, RowSource(Guarded(a).pointer, stride: rows),
                RowSource(Guarded(b).pointer, stride: columns), rows: rows, columns: columns, depth: depth,
                scratch: scratch.pointer)
            }
            c.check()
            scratch.check()
            return [c.values]
          }
          assertClose(results[0], want.map { 2 * $0 }, 1e-5, name)
        }
      }
    }
  }

  func testRowsThroughAnIndex() {
    var random = Seeded(4)
    let (rows, columns, depth) = (5, 7, 11)
    let (a, b) = (random.floats(depth * rows), random.floats(depth * columns))
    let index: [Int32] = (0..<Int32(depth)).map { $0 % 3 == 0 ? -1 : (Int32(depth) - 1 - $0) }
    let rowIndex = UnsafeMutablePointer<Int32>.allocate(capacity: depth)
    rowIndex.initialize(from: index, count: depth)
    var want = [Double](repeating: 0, count: rows * columns)
    for step in 0..<depth where index[step] >= 0 {
      for row in 0..<rows {
        for column in 0..<columns {
          want[row * columns + column] += Double(a[step * rows + row]) * Double(b[Int(index[step]) * columns + column])
        }
      }
    }
    let c = Guarded(rows * columns)
    weightGradient(
      c.pointer, outputStride: columns, accumulate: false, RowSource(Guarded(a).pointer, stride: rows),
      RowSource(Guarded(b).pointer, stride: columns, index: rowIndex), rows: rows, columns: columns, depth: depth,
      scratch: Guarded(weightGradientScratchSize()).pointer)
    assertClose(c.values, want, 1e-6, "indexed")
  }

  func testColumnSums() {
    var random = Seeded(5)
    for columns in [1, laneCount - 1, laneCount, 3 * laneCount + 2] {
      let depth = 9
      let a = random.floats(depth * columns)
      let sums = Guarded([Float](repeating: 1, count: columns))
      columnSums(sums.pointer, accumulate: true, a, stride: columns, depth: depth, columns: columns)
      sums.check()
      let want = (0..<columns).map { column in
        1 + (0..<depth).reduce(0.0) { $0 + Double(a[$1 * columns + column]) }
      }
      assertClose(sums.values, want, 1e-6, "sums")
    }
  }
}
