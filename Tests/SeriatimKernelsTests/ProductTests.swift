// Matrix products against float64, below, at, above and at multiples of every tile.
import XCTest

@testable import SeriatimKernels

final class ProductTests: XCTestCase {
  private func exact(_ a: [Float], _ b: [Float], rows: Int, depth: Int, columns: Int) -> [Double] {
    var c = [Double](repeating: 0, count: rows * columns)
    for row in 0..<rows {
      for step in 0..<depth {
        let value = Double(a[row * depth + step])
        for column in 0..<columns { c[row * columns + column] += value * Double(b[step * columns + column]) }
      }
    }
    return c
  }

  func testProduct() {
    var random = Seeded(1)
    for rows in sizes(around: tileRows) + [67] {
      for columns in sizes(around: panelWidth) + [laneCount, laneCount + 1] {
        for depth in [1, 13, 64] {
          let (a, b) = (random.floats(rows * depth), random.floats(depth * columns))
          let bias = random.floats(columns)
          let biasMemory = Guarded(bias)
          let want = exact(a, b, rows: rows, depth: depth, columns: columns)
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

  func testPackingATranspose() {
    var random = Seeded(2)
    for (depth, columns) in [(1, 1), (5, panelWidth + 1), (130, laneCount), (64, 2 * panelWidth)] {
      let b = random.floats(depth * columns)
      var transposed = b
      for step in 0..<depth {
        for column in 0..<columns { transposed[column * depth + step] = b[step * columns + column] }
      }
      let (first, second) = (
        Guarded(packedSize(depth: depth, columns: columns)), Guarded(packedSize(depth: depth, columns: columns))
      )
      packPanels(first.pointer, b, depthStride: columns, columnStride: 1, depth: depth, columns: columns)
      packPanels(second.pointer, transposed, depthStride: 1, columnStride: depth, depth: depth, columns: columns)
      second.check()
      XCTAssertEqual(first.values, second.values)
    }
  }

  func testWeightGradient() {
    var random = Seeded(3)
    for rows in sizes(around: tileRows) + [rowBlock + 3] {
      for columns in [1, laneCount, laneCount + 1, panelWidth, panelWidth + 5] {
        for depth in [1, depthBlock - 1, depthBlock, 2 * depthBlock + 7] {
          let (a, b) = (random.floats(depth * rows), random.floats(depth * columns))
          var transposed = a
          for step in 0..<depth { for row in 0..<rows { transposed[row * depth + step] = a[step * rows + row] } }
          let want = exact(transposed, b, rows: rows, depth: depth, columns: columns)
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
