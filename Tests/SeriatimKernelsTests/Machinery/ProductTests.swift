// Matrix products against float64, below, at, above and at multiples of every tile.
import XCTest

@testable import SeriatimKernels

final class ProductTests: XCTestCase {
  func testProduct() {
    var random = Seeded(1)
    for rows in sizes(around: tileRows) + [67] {
      for columns in sizes(around: panelWidth) + [laneCount, laneCount + 1] {
        for depth in [1, 13, 64] {
          let (a, b) = (random.floats(rows * depth), random.floats(depth * columns))
          let bias = random.floats(columns)
          let biasMemory = Guarded(bias)
          let want = exactProduct(a, b, rows: rows, depth: depth, columns: columns)
          let name = "\(rows)x\(depth)x\(columns)"
          let results = withOneAndTwoThreads(name) {
            let packed = Guarded(packedSize(depth: depth, columns: columns))
            packPanels(packed.pointer, b, depthStride: columns, columnStride: 1, depth: depth, columns: columns)
            packed.check()
            let c = Guarded(rows * columns)
            product(
              c.pointer, outputStride: columns, start: .bias(biasMemory.pointer), a, inputStride: depth,
              packed: packed.pointer,
              rows: rows, depth: depth, columns: columns)
            c.check()
            let twice = Guarded(c.values)
            product(
              twice.pointer, outputStride: columns, start: .output, a, inputStride: depth, packed: packed.pointer,
              rows: rows, depth: depth, columns: columns)
            twice.check()
            return [c.values, twice.values]
          }
          let biased = want.enumerated().map { $1 + Double(bias[$0 % columns]) }
          assertClose(results[0], biased, 2e-6, name)
          assertClose(results[1], zip(biased, want).map(+), 4e-6, name + " added")
        }
      }
    }
  }

  func testARowHasTheSameBitsAloneAndInABatch() {
    var random = Seeded(6)
    let (rows, depth, columns) = (2 * tileRows + 3, 37, panelWidth + 9)
    let (a, b) = (random.floats(rows * depth), random.floats(depth * columns))
    let packed = Guarded(packedSize(depth: depth, columns: columns))
    packPanels(packed.pointer, b, depthStride: columns, columnStride: 1, depth: depth, columns: columns)
    let whole = Guarded(rows * columns)
    product(
      whole.pointer, outputStride: columns, start: .zero, a, inputStride: depth, packed: packed.pointer, rows: rows,
      depth: depth, columns: columns)
    for row in 0..<rows {
      let alone = Guarded(columns)
      a.withUnsafeBufferPointer { a in
        product(
          alone.pointer, outputStride: columns, start: .zero, a.baseAddress! + row * depth, inputStride: depth,
          packed: packed.pointer, rows: 1, depth: depth, columns: columns)
      }
      XCTAssertEqual(alone.values, Array(whole.values[row * columns..<(row + 1) * columns]), "row \(row)")
    }
  }
}
