// Products with narrow weights, below, at, above and at multiples of every tile: bfloat16 has the bits of float32 weights
// that were rounded, int8 those of whole numbers whose sums are then scaled.
import XCTest

@testable import SeriatimKernels

final class NarrowWeightsTests: XCTestCase {
  private func forward(
    _ form: WeightForm, _ x: [Float], _ weight: [Float], _ scales: [Float]?, _ bias: [Float]?, rows: Int, depth: Int
  ) -> [Float] {
    let columns = weight.count / depth
    let packed = Guarded(form.packedSize(depth: depth, columns: columns))
    packLinear(
      packed.pointer, form: form, weight: Guarded(weight).pointer, scales: scales.map { Guarded($0) }?.pointer,
      inFeatures: depth, outFeatures: columns)
    packed.check()
    let y = Guarded(rows * columns)
    let start = bias.map { Guarded($0) }
    linearForward(
      y: y.pointer, x: Guarded(x).pointer, packed: packed.pointer, form: form, bias: start.map { $0.pointer },
      rows: rows, inFeatures: depth, outFeatures: columns)
    y.check()
    return y.values
  }

  func testProducts() {
    var random = Seeded(3)
    for rows in sizes(around: tileRows) {
      for columns in sizes(around: panelWidth) + [3 * panelWidth, laneCount + 1] {
        for depth in [1, 2, 13, 64] {
          let (x, bias) = (random.floats(rows * depth), random.floats(columns))
          let weight = random.floats(columns * depth)
          let name = "\(rows)x\(depth)x\(columns)"
          let rounded = weight.map {
            Float(bitPattern: ($0.bitPattern + 0x7fff + (($0.bitPattern >> 16) & 1)) & 0xffff_0000)
          }
          let half = withOneAndTwoThreads(name) {
            [forward(.bfloat16, x, weight, nil, bias, rows: rows, depth: depth)]
          }
          XCTAssertEqual(half[0], forward(.float32, x, rounded, nil, bias, rows: rows, depth: depth), name)

          let whole = weight.map { (127 * max(-1, min(1, $0))).rounded() }
          let scales = random.floats(columns)
          let byte = withOneAndTwoThreads(name) {
            [forward(.int8, x, whole, scales, bias, rows: rows, depth: depth)]
          }
          let sums = forward(.float32, x, whole, nil, nil, rows: rows, depth: depth)
          let want = sums.enumerated().map { at, sum in
            let (scale, start) = (Lanes(repeating: scales[at % columns]), Lanes(repeating: bias[at % columns]))
            return multiplyAdd(start, Lanes(repeating: sum), scale)[0]
          }
          XCTAssertEqual(byte[0], want, name)
        }
      }
    }
  }

  func testARowHasTheSameBitsAloneAndInABatch() {
    var random = Seeded(6)
    let (rows, depth, columns) = (2 * tileRows + 3, 37, panelWidth + 9)
    let (x, scales) = (random.floats(rows * depth), random.floats(columns))
    let weight = random.floats(columns * depth).map { (40 * $0).rounded() }
    for form in [WeightForm.bfloat16, .int8] {
      let whole = forward(form, x, weight, scales, nil, rows: rows, depth: depth)
      for row in 0..<rows {
        let alone = forward(
          form, Array(x[row * depth..<(row + 1) * depth]), weight, scales, nil, rows: 1, depth: depth)
        XCTAssertEqual(alone, Array(whole[row * columns..<(row + 1) * columns]), "row \(row)")
      }
    }
  }
}
