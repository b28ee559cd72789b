// The dense layer against float64: memory, tails, what is not asked for, and the same bits for 1 and 2 threads and for a
// row alone and among others.
import XCTest

@testable import SeriatimKernels

final class LinearTests: XCTestCase {
  private func forward(_ x: [Float], _ weight: Guarded, _ bias: [Float], rows: Int, _ sizes: (Int, Int)) -> [Float] {
    let packed = Guarded(packedSize(depth: sizes.0, columns: sizes.1))
    packLinear(
      packed.pointer, form: .float32, weight: weight.pointer, scales: nil, inFeatures: sizes.0, outFeatures: sizes.1)
    let y = Guarded(rows * sizes.1)
    linearForward(
      y: y.pointer, x: Guarded(x).pointer, packed: packed.pointer, form: .float32, bias: optional(bias), rows: rows,
      inFeatures: sizes.0, outFeatures: sizes.1)
    packed.check()
    y.check()
    return y.values
  }

  private func check(rows: Int, inFeatures: Int, outFeatures: Int, accumulate: Bool) {
    var random = Seeded(UInt64(rows * 10_000 + inFeatures * 100 + outFeatures))
    let (x, gradY) = (random.floats(rows * inFeatures), random.floats(rows * outFeatures))
    let weight = Guarded(random.floats(outFeatures * inFeatures))
    let bias = accumulate ? random.floats(outFeatures) : []
    let name = "\(rows) x \(inFeatures) to \(outFeatures), accumulate \(accumulate)"
    let results = withOneAndTwoThreads(name) {
      let y = forward(x, weight, bias, rows: rows, (inFeatures, outFeatures))
      let packed = Guarded(packedSize(depth: outFeatures, columns: inFeatures))
      packLinearBackward(packed.pointer, weight: weight.pointer, inFeatures: inFeatures, outFeatures: outFeatures)
      let gradX = Guarded(rows * inFeatures)
      let gradWeight = Guarded(weight.count, filledWith: accumulate ? 1 : .nan)
      let gradBias = Guarded(outFeatures, filledWith: accumulate ? 1 : .nan)
      let scratch = Guarded(weightGradientScratchSize())
      linearBackward(
        gradX: gradX.pointer, gradWeight: gradWeight.pointer, gradBias: gradBias.pointer, accumulate: accumulate,
        gradY: Guarded(gradY).pointer, x: Guarded(x).pointer, packedBackward: packed.pointer, rows: rows,
        inFeatures: inFeatures, outFeatures: outFeatures, scratch: scratch.pointer)
      for buffer in [weight, packed, gradX, gradWeight, gradBias, scratch] { buffer.check() }
      return [y, gradX.values, gradWeight.values, gradBias.values]
    }
    let before = accumulate ? 1.0 : 0
    var y = (0..<rows * outFeatures).map { bias.isEmpty ? 0 : Double(bias[$0 % outFeatures]) }
    var gradX = [Double](repeating: 0, count: x.count)
    var gradWeight = [Double](repeating: before, count: weight.count)
    var gradBias = [Double](repeating: before, count: outFeatures)
    let weights = weight.values
    for row in 0..<rows {
      for out in 0..<outFeatures {
        let grad = Double(gradY[row * outFeatures + out])
        gradBias[out] += grad
        for place in 0..<inFeatures {
          let (value, factor) = (Double(x[row * inFeatures + place]), Double(weights[out * inFeatures + place]))
          y[row * outFeatures + out] += value * factor
          gradX[row * inFeatures + place] += grad * factor
          gradWeight[out * inFeatures + place] += grad * value
        }
      }
    }
    for (index, want) in [y, gradX, gradWeight, gradBias].enumerated() {
      assertClose(results[index], want, 3e-6, "output \(index), \(name)")
    }
  }

  func testSizesAroundTheTile() {
    for rows in [1, tileRows - 1, tileRows, 2 * tileRows + 3] {
      for inFeatures in [1, laneCount + 1, panelWidth] {
        for outFeatures in [1, laneCount - 1, laneCount, panelWidth + 1, 2 * panelWidth] {
          check(rows: rows, inFeatures: inFeatures, outFeatures: outFeatures, accumulate: outFeatures % 2 == 0)
        }
      }
    }
    for accumulate in [false, true] { check(rows: 131, inFeatures: 90, outFeatures: 53, accumulate: accumulate) }
  }

  func testWhatNobodyAsksForIsNotTouched() {
    let (rows, inFeatures, outFeatures) = (3, 5, 7)
    let gradY = Guarded([Float](repeating: 1, count: rows * outFeatures))
    let x = Guarded([Float](repeating: 1, count: rows * inFeatures))
    let gradBias = Guarded(outFeatures)
    // The scratch and the packed weights are read and written only for what needs them.
    let scratch = Guarded(1, filledWith: 3)
    linearBackward(
      gradX: nil, gradWeight: nil, gradBias: gradBias.pointer, accumulate: false, gradY: gradY.pointer, x: x.pointer,
      packedBackward: nil, rows: rows, inFeatures: inFeatures, outFeatures: outFeatures, scratch: scratch.pointer)
    XCTAssertEqual(gradBias.values, [Float](repeating: 3, count: outFeatures))
    XCTAssertEqual(scratch.values, [3])
    for buffer in [gradY, x, gradBias, scratch] { buffer.check() }
  }

  func testARowHasTheSameBitsAloneAndAmongOthers() {
    var random = Seeded(6)
    let (rows, sizes) = (2 * tileRows + 3, (19, panelWidth + 9))
    let (x, bias) = (random.floats(rows * sizes.0), random.floats(sizes.1))
    let weight = Guarded(random.floats(sizes.0 * sizes.1))
    let all = forward(x, weight, bias, rows: rows, sizes)
    for row in 0..<rows {
      let alone = forward(Array(x[row * sizes.0..<(row + 1) * sizes.0]), weight, bias, rows: 1, sizes)
      XCTAssertEqual(alone, Array(all[row * sizes.1..<(row + 1) * sizes.1]), "row \(row)")
    }
  }
}
