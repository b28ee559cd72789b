// Packed weights are the same whichever way they lay, with zeros behind.
import XCTest

@testable import SeriatimKernels

final class PackingTests: XCTestCase {
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
}
