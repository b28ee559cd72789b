// Activations, dropout, losses and optimisers: flat loops whose only danger is their tail, and their equations.
import Foundation
import XCTest

@testable import SeriatimKernels

final class ElementwiseTests: XCTestCase {
  private let counts = [1, laneCount - 1, laneCount, laneCount + 1, 4 * laneCount, 1000, 40_003].filter { $0 > 0 }

  func testRelu() {
    var random = Seeded(1)
    for count in counts {
      let (x, grad) = (random.floats(count), random.floats(count))
      let results = withOneAndTwoThreads("relu \(count)") {
        let (y, gradX) = (Guarded(count), Guarded(count))
        activationForward(y: y.pointer, x: x, count: count, activation: Activation(.relu))
        activationBackward(
          gradX: gradX.pointer, gradY: grad, x: y.pointer, y: y.pointer, count: count, activation: Activation(.relu))
        y.check()
        gradX.check()
        return [y.values, gradX.values]
      }
      XCTAssertEqual(results[0], x.map { max($0, 0) })
      XCTAssertEqual(results[1], zip(x, grad).map { $0 > 0 ? $1 : 0 })
    }
    let y = Guarded([Float.nan, -1])
    activationForward(y: y.pointer, x: y.pointer, count: 2, activation: Activation(.relu))
    XCTAssertTrue(y.values[0].isNaN, "in place, NaN passes")
    XCTAssertEqual(y.values[1], 0)
  }

  func testSoftmaxAndItsLogarithm() {
    var random = Seeded(2)
    for columns in [1, 2, laneCount - 1, laneCount, laneCount + 1, 3 * laneCount + 2] {
      for logarithm in [false, true] {
        let rows = 5
        let x = random.floats(rows * columns).map { $0 * 20 }
        let grad = random.floats(rows * columns)
        let (y, gradX) = (Guarded(rows * columns), Guarded(rows * columns))
        softmaxForward(y: y.pointer, x: x, rows: rows, columns: columns, logarithm: logarithm)
        softmaxBackward(
          gradX: gradX.pointer, gradY: grad, y: y.pointer, rows: rows, columns: columns, logarithm: logarithm)
        y.check()
        gradX.check()
        var (want, wantGrad) = ([Double](), [Double]())
        for row in 0..<rows {
          let part = x[row * columns..<(row + 1) * columns].map(Double.init)
          let peak = part.max() ?? 0
          let total = part.reduce(0) { $0 + exp($1 - peak) }
          let share = part.map { exp($0 - peak) / total }
          let own = grad[row * columns..<(row + 1) * columns].map(Double.init)
          let inner = zip(own, share).reduce(0) { $0 + $1.0 * $1.1 }
          want += logarithm ? part.map { $0 - peak - log(total) } : share
          wantGrad += zip(own, share).map { logarithm ? $0 - $1 * own.reduce(0, +) : $1 * ($0 - inner) }
        }
        assertClose(y.values, want, 2e-6, "y, \(columns) columns, logarithm \(logarithm)")
        assertClose(gradX.values, wantGrad, 5e-6, "grad, \(columns) columns, logarithm \(logarithm)")
      }
    }
  }

  func testPhiloxKnownAnswers() {
    // Random123's kat_vectors, philox4x32 10.
    func words(_ counter: [UInt32], _ key: (UInt32, UInt32)) -> [UInt32] {
      let lanes = counter.map { WordLanes(repeating: $0) }
      let block = philox(counter: (lanes[0], lanes[1], lanes[2], lanes[3]), key: key)
      return [block.0[0], block.1[0], block.2[0], block.3[laneCount - 1]]
    }
    XCTAssertEqual(words([0, 0, 0, 0], (0, 0)), [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8])
    let ones = UInt32.max
    XCTAssertEqual(
      words([ones, ones, ones, ones], (ones, ones)), [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd])
    XCTAssertEqual(
      words([0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344], (0xa409_3822, 0x299f_31d0)),
      [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1])
  }

  func testDropout() {
    var random = Seeded(3)
    for count in counts {
      let x = random.floats(count).map { $0 + 2 }
      func run(_ offset: UInt64) -> [Float] {
        withOneAndTwoThreads("dropout \(count)") {
          let y = Guarded(count)
          dropout(
            y: y.pointer, x: x, count: count, threshold: UInt32(0.25 * 4_294_967_296), scale: 1 / 0.75, seed: 42,
            offset: offset)
          y.check()
          return [y.values]
        }[0]
      }
      let y = run(7)
      XCTAssertEqual(y, run(7))
      for (value, input) in zip(y, x) where value != 0 { XCTAssertEqual(value, input / 0.75, accuracy: 1e-6) }
      if count > 10_000 {
        XCTAssertNotEqual(y, run(8), "another call, another mask")
        XCTAssertEqual(Double(y.filter { $0 == 0 }.count) / Double(count), 0.25, accuracy: 0.01)
      }
      if count > 1 { XCTAssertEqual(y[0] == 0, run(7)[0] == 0) }
    }
  }

  func testNegativeLogLikelihood() {
    let logs: [Float] = [-1, -2, -3, -0.5, -1.5, -2.5]
    let (targets, classWeight, sampleWeight): ([Int64], [Float], [Float]) = ([2, 0], [1, 10, 2], [0.5, 3])
    let (losses, weights, grad) = (Guarded(2), Guarded(2), Guarded(6))
    let sums = negativeLogLikelihood(
      losses: losses.pointer, weights: weights.pointer, logProbabilities: logs, targets: targets,
      classWeight: classWeight, sampleWeight: sampleWeight, smoothing: 0, rows: 2, classes: 3)
    XCTAssertEqual(losses.values, [3, 1.5])
    XCTAssertEqual(weights.values, [1, 3])
    XCTAssertEqual(sums.loss, 4.5)
    XCTAssertEqual(sums.weight, 4)
    negativeLogLikelihoodBackward(
      grad: grad.pointer, weights: weights.pointer, targets: targets, classWeight: classWeight,
      sampleWeight: sampleWeight, smoothing: 0, scale: [0.25], scalePerRow: false, rows: 2, classes: 3)
    XCTAssertEqual(grad.values, [0, 0, -0.25, -0.75, 0, 0])
    for buffer in [losses, weights, grad] { buffer.check() }
  }

  func testBatchNorm() {
    var random = Seeded(4)
    for (rows, columns) in [(2, 1), (7, laneCount - 1), (64, laneCount), (33, 2 * laneCount + 3)] {
      let (x, grad) = (random.floats(rows * columns), random.floats(rows * columns))
      let (weight, bias) = (random.floats(columns), random.floats(columns))
      let results = withOneAndTwoThreads("batch norm") {
        let (y, mean, inverse) = (Guarded(rows * columns), Guarded(columns), Guarded(columns))
        let running = (Guarded([Float](repeating: 0, count: columns)), Guarded([Float](repeating: 1, count: columns)))
        batchNormForward(
          y: y.pointer, mean: mean.pointer, inverse: inverse.pointer, runningMean: running.0.pointer,
          runningVariance: running.1.pointer, x: x, weight: weight, bias: bias, rows: rows, columns: columns,
          training: true, momentum: 0.1, epsilon: 1e-5)
        let gradX = Guarded(rows * columns)
        let (gradWeight, gradBias) = (Guarded(columns), Guarded(columns))
        batchNormBackward(
          gradX: gradX.pointer, gradWeight: gradWeight.pointer, gradBias: gradBias.pointer, accumulate: false,
          gradY: grad, x: x, mean: mean.pointer, inverse: inverse.pointer, weight: weight, rows: rows,
          columns: columns, training: true)
        for buffer in [y, mean, inverse, running.0, running.1, gradX, gradWeight, gradBias] { buffer.check() }
        return [y.values, running.0.values, running.1.values, gradX.values, gradWeight.values, gradBias.values]
      }
      var want = [rows * columns, columns, columns, rows * columns, columns, columns].map {
        [Double](repeating: 0, count: $0)
      }
      for column in 0..<columns {
        let values = (0..<rows).map { Double(x[$0 * columns + column]) }
        let grads = (0..<rows).map { Double(grad[$0 * columns + column]) }
        let count = Double(rows)
        let mean = values.reduce(0, +) / count
        let variance = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / count
        let inverse = 1 / (variance + 1e-5).squareRoot()
        let normal = values.map { ($0 - mean) * inverse }
        let (total, weighted) = (grads.reduce(0, +), zip(grads, normal).reduce(0) { $0 + $1.0 * $1.1 })
        want[1][column] = 0.1 * mean
        want[2][column] = 0.9 + 0.1 * variance * count / (count - 1)
        want[4][column] = weighted
        want[5][column] = total
        for row in 0..<rows {
          want[0][row * columns + column] = normal[row] * Double(weight[column]) + Double(bias[column])
          want[3][row * columns + column] =
            Double(weight[column]) * inverse * (grads[row] - (total + normal[row] * weighted) / count)
        }
      }
      // Two rows nearly alike divide by little: the tolerance is that of the inverse deviation.
      for index in want.indices { assertClose(results[index], want[index], rows == 2 ? 1e-3 : 2e-5, "output \(index)") }
    }
  }

  func testOptimisers() {
    var random = Seeded(5)
    for count in counts {
      let (start, grads) = (random.floats(count), random.floats(count))
      let results = withOneAndTwoThreads("optimisers \(count)") {
        let (p, m, v) = (
          Guarded(start), Guarded([Float](repeating: 0, count: count)), Guarded([Float](repeating: 0, count: count))
        )
        adamStep(
          AdamStep(
            stepSize: 0.01 / 0.1, secondScale: Float(1 / (0.001).squareRoot()), beta1: 0.9, beta2: 0.999,
            epsilon: 1e-8, decay: 0.1, shrink: 1),
          parameters: p.pointer, first: m.pointer, second: v.pointer, gradients: grads, count: count)
        let (q, buffer) = (Guarded(start), Guarded([Float](repeating: 1, count: count)))
        sgdStep(
          SGDStep(learningRate: 0.1, momentum: 0.9, dampening: 0, decay: 0, nesterov: true, first: false),
          parameters: q.pointer, momentum: buffer.pointer, gradients: grads, count: count)
        for guarded in [p, m, v, q, buffer] { guarded.check() }
        return [p.values, q.values]
      }
      let adam = zip(start, grads).map { (p: Float, g: Float) -> Double in
        let gradient: Double = Double(g) + 0.1 * Double(p)
        let second: Double = 0.001 * gradient * gradient
        let denominator: Double = (second / 0.001).squareRoot() + 1e-8
        return Double(p) - 0.1 * 0.1 * gradient / denominator
      }
      let sgd = zip(start, grads).map { (p: Float, g: Float) -> Double in
        let moved: Double = 0.9 + Double(g)
        return Double(p) - 0.1 * (Double(g) + 0.9 * moved)
      }
      assertClose(results[0], adam, 1e-5, "adam \(count)")
      assertClose(results[1], sgd, 1e-6, "sgd \(count)")
    }
  }

  func testSumOfSquaresAndScale() {
    var random = Seeded(6)
    for count in counts + [4_096, 4_097, 100_001] {
      let x = random.floats(count)
      let results = withOneAndTwoThreads("norm \(count)") {
        let scratch = Guarded(sumOfSquaresScratchSize(count: count))
        let total = sumOfSquares(x, count: count, scratch: scratch.pointer)
        let scaled = Guarded(x)
        scale(scaled.pointer, by: 0.5, count: count)
        scratch.check()
        scaled.check()
        return [[Float(total)], scaled.values]
      }
      let want = x.reduce(0.0) { $0 + Double($1) * Double($1) }
      XCTAssertEqual(Double(results[0][0]), want, accuracy: 1e-5 * want + 1e-9)
      XCTAssertEqual(results[1], x.map { 0.5 * $0 })
    }
  }
}
