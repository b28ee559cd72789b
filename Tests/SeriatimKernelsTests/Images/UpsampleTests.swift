// Upsampling against its definition in doubles: memory, borders, rows around a register, and the same bits for 1 and 2
// threads.
import XCTest

@testable import SeriatimKernels

final class UpsampleTests: XCTestCase {
  func testValuesAndTheirGradient() {
    var random = Seeded(3)
    for (planes, height, width, outHeight, outWidth) in [
      (1, 1, 1, 1, 1), (2, 5, 7, 9, 3), (1, 3, laneCount, 2, laneCount + 1),
      (3, 4, 2 * laneCount + 1, 8, laneCount - 1),
      // Enough for two workers.
      (5, 60, 67, 120, 131),
    ] {
      for weighted in [false, true] {
        let name = "\(planes) of \(height) x \(width) to \(outHeight) x \(outWidth), \(weighted)"
        let x = Guarded(random.floats(planes * height * width))
        let gradY = Guarded(random.floats(planes * outHeight * outWidth))
        let rows = (0..<outHeight).map { Int32($0 * height / outHeight) }
        let columns = (0..<outWidth).map { Int32($0 * width / outWidth) }
        // 0 is among them.
        let p = Guarded((0..<outHeight).map { Float($0 % 4) / 4 })
        let q = Guarded((0..<outWidth).map { Float($0 % 5) / 5 })
        let results = withOneAndTwoThreads(name) {
          let (y, gradX) = (Guarded(gradY.count), Guarded(x.count))
          rows.withUnsafeBufferPointer { rows in
            columns.withUnsafeBufferPointer { columns in
              let shape = UpsampleShape(
                planes: planes, height: height, width: width, outHeight: outHeight, outWidth: outWidth,
                rows: rows.baseAddress!, columns: columns.baseAddress!,
                rowWeights: weighted ? UnsafePointer(p.pointer) : nil,
                columnWeights: weighted ? UnsafePointer(q.pointer) : nil)
              upsample(y: y.pointer, x: x.pointer, shape: shape)
              upsampleBackward(gradX: gradX.pointer, gradY: gradY.pointer, shape: shape)
            }
          }
          for buffer in [x, gradY, y, gradX, p, q] { buffer.check() }
          return [y.values, gradX.values]
        }
        let (values, grads) = (x.values, gradY.values)
        var (want, wantGrad) = ([Double](), [Double](repeating: 0, count: x.count))
        for plane in 0..<planes {
          for i in 0..<outHeight {
            for j in 0..<outWidth {
              var total = 0.0
              let grad = Double(grads[want.count])
              let (down, right) = weighted ? (Double(p.values[i]), Double(q.values[j])) : (0, 0)
              for (row, a) in [(Int(rows[i]), 1 - down), (min(Int(rows[i]) + 1, height - 1), down)] {
                for (column, b) in [(Int(columns[j]), 1 - right), (min(Int(columns[j]) + 1, width - 1), right)] {
                  let place = (plane * height + row) * width + column
                  total += a * b * Double(values[place])
                  wantGrad[place] += a * b * grad
                }
              }
              want.append(total)
            }
          }
        }
        assertClose(results[0], want, 1e-6, name)
        assertClose(results[1], wantGrad, 1e-6, "grad, \(name)")
      }
    }
  }
}
