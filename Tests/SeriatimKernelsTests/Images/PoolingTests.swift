// Pooling of planes against its definitions in doubles: memory, borders, tails, ties, NaN, and the same bits for 1 and 2
// threads.
import XCTest

@testable import SeriatimKernels

final class PoolingTests: XCTestCase {
  /// A pooling of `size` with torch's number of outputs, floor.
  private func shape(
    _ planes: Int, _ size: (Int, Int), kernel: (Int, Int), stride: (Int, Int), padding: Int = 0, dilation: Int = 1
  ) -> PoolingShape {
    func outputs(_ size: Int, _ kernel: Int, _ stride: Int) -> Int {
      (size + 2 * padding - dilation * (kernel - 1) - 1) / stride + 1
    }
    return PoolingShape([
      planes, size.0, size.1, outputs(size.0, kernel.0, stride.0), outputs(size.1, kernel.1, stride.1), kernel.0,
      kernel.1, stride.0, stride.1, padding, padding, dilation, dilation,
    ])
  }

  /// Windows with and without borders, side by side and not, and rows that end around a register.
  private var shapes: [PoolingShape] {
    var shapes = [
      shape(1, (1, 1), kernel: (1, 1), stride: (1, 1)),
      shape(2, (6, 7), kernel: (3, 2), stride: (1, 2), padding: 1),
      shape(3, (9, 11), kernel: (3, 3), stride: (2, 1), padding: 1, dilation: 2),
      shape(2, (5, 2 * laneCount + 3), kernel: (2, laneCount + 1), stride: (1, 1)),
      // Enough for two workers.
      shape(7, (70, 67), kernel: (3, 3), stride: (1, 1), padding: 1),
      shape(9, (66, 131), kernel: (2, 2), stride: (2, 2)),
    ]
    for width in sizes(around: laneCount) {
      shapes.append(shape(2, (5, 2 * width + 1), kernel: (2, 2), stride: (2, 2)))
    }
    // The last window reaches over the border, as with torch's ceil_mode.
    shapes.append(PoolingShape([2, 5, 5, 3, 3, 2, 2, 2, 2, 0, 0, 1, 1]))
    return shapes
  }

  private func input(_ s: PoolingShape) -> Guarded {
    var random = Seeded(UInt64(s.planes * 1000 + s.width))
    // Few values, so that there are ties.
    return Guarded(random.floats(s.planes * s.height * s.width).map { ($0 * 8).rounded() / 8 })
  }

  private func gradient(_ s: PoolingShape) -> [Float] {
    var random = Seeded(9)
    return random.floats(s.planes * s.outHeight * s.outWidth)
  }

  /// `body(output, the window's places that are inside)`, row by row.
  private func forEachWindow(_ s: PoolingShape, _ body: (_ output: Int, _ row: Int, _ column: Int, [Int]) -> Void) {
    for plane in 0..<s.planes {
      for row in 0..<s.outHeight {
        for column in 0..<s.outWidth {
          var places = [Int]()
          for i in 0..<s.kernelHeight {
            for j in 0..<s.kernelWidth {
              let y = row * s.strideY - s.paddingY + i * s.dilationY
              let x = column * s.strideX - s.paddingX + j * s.dilationX
              if y >= 0, y < s.height, x >= 0, x < s.width { places.append((plane * s.height + y) * s.width + x) }
            }
          }
          body((plane * s.outHeight + row) * s.outWidth + column, row, column, places)
        }
      }
    }
  }

  func testMaximaAndTheirGradient() {
    for s in shapes {
      XCTAssert(s.isSound, "\(s)")
      let (x, gradY) = (input(s), gradient(s))
      let results = withOneAndTwoThreads("\(s)") {
        let (y, again, gradX) = (Guarded(gradY.count), Guarded(gradY.count), Guarded(x.count))
        // Places, with guards behind.
        var places = [Int32](repeating: -7, count: gradY.count + 8)
        maxPool(y: y.pointer, index: &places, x: x.pointer, shape: s)
        maxPool(y: again.pointer, index: nil, x: x.pointer, shape: s)
        XCTAssertEqual(y.values, again.values, "with and without places, \(s)")
        XCTAssertEqual(Array(places.suffix(8)), [Int32](repeating: -7, count: 8))
        maxPoolBackward(gradX: gradX.pointer, gradY: Guarded(gradY).pointer, index: places, shape: s)
        for buffer in [x, y, again, gradX] { buffer.check() }
        return [y.values, gradX.values, places.prefix(gradY.count).map(Float.init)]
      }
      let values = x.values
      var (y, gradX) = ([Float](repeating: 0, count: gradY.count), [Double](repeating: 0, count: x.count))
      var places = y
      forEachWindow(s) { output, _, _, window in
        let best = window.map { values[$0] }.max() ?? 0
        let first = window.first { values[$0] == best } ?? 0
        y[output] = best
        places[output] = Float(first % (s.height * s.width))
        gradX[first] += Double(gradY[output])
      }
      XCTAssertEqual(results[0], y, "\(s)")
      XCTAssertEqual(results[2], places, "the first of equals, \(s)")
      assertClose(results[1], gradX, 1e-6, "grad, \(s)")
    }
  }

  func testNaNWinsAMaximum() {
    let s = shape(1, (2, 2 * laneCount + 4), kernel: (2, 2), stride: (2, 2))
    for place in 0..<2 * s.width {
      let x = Guarded((0..<2 * s.width).map { $0 == place ? .nan : Float($0) })
      let (y, same) = (Guarded(s.outWidth), Guarded(s.outWidth))
      var places = [Int32](repeating: -1, count: s.outWidth)
      maxPool(y: y.pointer, index: nil, x: x.pointer, shape: s)
      maxPool(y: same.pointer, index: &places, x: x.pointer, shape: s)
      for column in 0..<s.outWidth {
        XCTAssertEqual(y.values[column].isNaN, column == place % s.width / 2, "NaN at \(place)")
        XCTAssertEqual(same.values[column].isNaN, column == place % s.width / 2, "NaN at \(place), with places")
      }
      XCTAssertEqual(Int(places[place % s.width / 2]), place)
    }
  }

  func testAveragesAndTheirGradient() {
    for s in shapes where s.dilationY == 1 {
      let (x, gradY) = (input(s), gradient(s))
      for (name, divisor) in [
        ("padded", AverageDivisor.padded), ("inside", .inside), ("fixed", .fixed(3)),
      ] {
        let results = withOneAndTwoThreads("\(name), \(s)") {
          let (y, gradX) = (Guarded(gradY.count), Guarded(x.count))
          averagePool(y: y.pointer, x: x.pointer, shape: s, divisor: divisor)
          averagePoolBackward(gradX: gradX.pointer, gradY: Guarded(gradY).pointer, shape: s, divisor: divisor)
          for buffer in [x, y, gradX] { buffer.check() }
          return [y.values, gradX.values]
        }
        let values = x.values
        var y = [Double](repeating: 0, count: gradY.count)
        var gradX = [Double](repeating: 0, count: x.count)
        forEachWindow(s) { output, row, column, window in
          let (top, left) = (row * s.strideY - s.paddingY, column * s.strideX - s.paddingX)
          let tall = min(top + s.kernelHeight, s.height + s.paddingY) - top
          let wide = min(left + s.kernelWidth, s.width + s.paddingX) - left
          let count =
            switch divisor {
            case .padded: Double(tall * wide)
            case .inside: Double(window.count)
            case .fixed(let number): Double(number)
            }
          y[output] = window.reduce(0) { $0 + Double(values[$1]) } / count
          for place in window { gradX[place] += Double(gradY[output]) / count }
        }
        assertClose(results[0], y, 1e-6, "\(name), \(s)")
        assertClose(results[1], gradX, 1e-6, "grad, \(name), \(s)")
      }
    }
  }

  func testAdaptiveAveragesAndTheirGradient() {
    var random = Seeded(10)
    for (planes, height, width, outHeight, outWidth) in [
      (1, 1, 1, 1, 1), (2, 5, 7, 5, 7), (3, 4, 2 * laneCount + 1, 3, 2), (2, 7, laneCount - 1, 1, 1),
      (2, 3, laneCount, 5, laneCount + 3), (5, 150, 101, 7, 3),
    ] {
      let name = "\(planes) of \(height) x \(width) to \(outHeight) x \(outWidth)"
      let x = Guarded(random.floats(planes * height * width))
      let gradY = Guarded(random.floats(planes * outHeight * outWidth))
      let results = withOneAndTwoThreads(name) {
        let (y, gradX) = (Guarded(gradY.count), Guarded(x.count))
        adaptiveAveragePool(
          y: y.pointer, x: x.pointer, planes: planes, height: height, width: width, outHeight: outHeight,
          outWidth: outWidth)
        adaptiveAveragePoolBackward(
          gradX: gradX.pointer, gradY: gradY.pointer, planes: planes, height: height, width: width,
          outHeight: outHeight, outWidth: outWidth)
        for buffer in [x, gradY, y, gradX] { buffer.check() }
        return [y.values, gradX.values]
      }
      func window(_ index: Int, _ size: Int, _ parts: Int) -> Range<Int> {
        let (first, last) = (Double(index * size) / Double(parts), Double((index + 1) * size) / Double(parts))
        return Int(first.rounded(.down))..<Int(last.rounded(.up))
      }
      let (values, grads) = (x.values, gradY.values)
      var (want, wantGrad) = ([Double](), [Double](repeating: 0, count: x.count))
      for plane in 0..<planes {
        for row in 0..<outHeight {
          for column in 0..<outWidth {
            let lines = window(row, height, outHeight)
            let places = lines.flatMap { line in
              window(column, width, outWidth).map { (plane * height + line) * width + $0 }
            }
            let grad = Double(grads[want.count]) / Double(places.count)
            for place in places { wantGrad[place] += grad }
            want.append(places.reduce(0) { $0 + Double(values[$1]) } / Double(places.count))
          }
        }
      }
      assertClose(results[0], want, 1e-6, name)
      assertClose(results[1], wantGrad, 1e-6, "grad, \(name)")
    }
  }
}
