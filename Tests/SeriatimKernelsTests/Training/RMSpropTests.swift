// RMSprop over a flat buffer: some steps against the same in doubles, in guarded memory.
import XCTest

@testable import SeriatimKernels

final class RMSpropTests: XCTestCase {
  func testRMSprop() {
    var random = Seeded(11)
    for count in flatCounts {
      let start = random.floats(count)
      let grads = (0..<3).map { _ in random.floats(count) }
      for (momentum, centred) in [(0, false), (0.9, false), (0, true), (0.9, true)] as [(Float, Bool)] {
        let what = "rmsprop \(count), momentum \(momentum), centred \(centred)"
        let results = withOneAndTwoThreads(what) {
          let p = Guarded(start)
          let (v, b, m) = (Guarded(count, filledWith: 0), Guarded(count, filledWith: 0), Guarded(count, filledWith: 0))
          for gradient in grads {
            rmspropStep(
              RMSpropStep(learningRate: 0.01, weight: 0.1, epsilon: 1e-3, decay: 0.1, momentum: momentum),
              parameters: p.pointer, square: v.pointer, momentum: momentum > 0 ? b.pointer : nil,
              mean: centred ? m.pointer : nil, gradients: gradient, count: count)
          }
          for guarded in [p, v, b, m] { guarded.check() }
          return [p.values, v.values, b.values, m.values]
        }
        let wanted = rmsprop(start, grads, momentum: Double(momentum), centred: centred)
        for index in wanted.indices { assertClose(results[index], wanted[index], 1e-5, "\(what), output \(index)") }
      }
    }
  }

  /// The same steps in doubles: parameters, mean squares, momentum and means.
  private func rmsprop(_ start: [Float], _ grads: [[Float]], momentum: Double, centred: Bool) -> [[Double]] {
    var p = start.map(Double.init)
    var (v, b, m) = (p.map { _ in 0.0 }, p.map { _ in 0.0 }, p.map { _ in 0.0 })
    for gradient in grads {
      for index in p.indices {
        let g = Double(gradient[index]) + 0.1 * p[index]
        v[index] = 0.9 * v[index] + 0.1 * g * g
        if centred { m[index] = 0.9 * m[index] + 0.1 * g }
        let direction = g / ((v[index] - m[index] * m[index]).squareRoot() + 1e-3)
        if momentum > 0 { b[index] = momentum * b[index] + direction }
        p[index] -= 0.01 * (momentum > 0 ? b[index] : direction)
      }
    }
    return [p, v, b, m]
  }

  func testCentredRMSpropOfAGradientThatNoLongerChanges() {
    // After a large first gradient both means come down to their limits, where rounding stops them a little above: the
    // variance then is below 0, and no NaN may come of that.
    var random = Seeded(12)
    let count = 16 * laneCount + 3
    let gradient = random.floats(count).map { 100 * $0 + 200 }
    let p = Guarded(count, filledWith: 0)
    let (v, m) = (Guarded(count, filledWith: 0), Guarded(count, filledWith: 0))
    for step in 0..<500 {
      let gradient = step == 0 ? gradient.map { 100 * $0 } : gradient
      rmspropStep(
        RMSpropStep(learningRate: 1e-9, weight: 0.1, epsilon: 1e-8, decay: 0, momentum: 0), parameters: p.pointer,
        square: v.pointer, momentum: nil, mean: m.pointer, gradients: gradient, count: count)
    }
    XCTAssert(zip(v.values, m.values).contains { $0 < $1 * $1 }, "the case that this test is for")
    XCTAssert(p.values.allSatisfy(\.isFinite))
  }
}
