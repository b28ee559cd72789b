// Adam and AdamW over flat buffers: some steps against the same in doubles, in guarded memory.
import Foundation
import XCTest

@testable import SeriatimKernels

final class AdamTests: XCTestCase {
  func testSomeSteps() {
    var random = Seeded(5)
    for count in flatCounts {
      let start = random.floats(count)
      let grads = (0..<3).map { _ in random.floats(count) }
      for decoupled in [false, true] {
        let what = "\(count), decoupled \(decoupled)"
        let results = withOneAndTwoThreads(what) {
          let (p, m, v) = (Guarded(start), Guarded(count, filledWith: 0), Guarded(count, filledWith: 0))
          for (index, gradient) in grads.enumerated() {
            let step = Double(index + 1)
            adamStep(
              AdamStep(
                stepSize: Float(0.01 / (1 - pow(0.9, step))),
                secondScale: Float(1 / (1 - pow(0.99, step)).squareRoot()), beta1: 0.9, beta2: 0.99, epsilon: 1e-3,
                decay: decoupled ? 0 : 0.1, shrink: decoupled ? 0.95 : 1),
              parameters: p.pointer, first: m.pointer, second: v.pointer, gradients: Guarded(gradient).pointer,
              count: count)
          }
          for guarded in [p, m, v] { guarded.check() }
          return [p.values, m.values, v.values]
        }
        var p = start.map(Double.init)
        var (m, v) = (p.map { _ in 0.0 }, p.map { _ in 0.0 })
        for (index, gradient) in grads.enumerated() {
          let step = Double(index + 1)
          let (first, second) = (1 - pow(0.9, step), 1 - pow(0.99, step))
          for place in p.indices {
            let g = Double(gradient[place]) + (decoupled ? 0 : 0.1 * p[place])
            m[place] = 0.9 * m[place] + 0.1 * g
            v[place] = 0.99 * v[place] + 0.01 * g * g
            let direction = m[place] / first / ((v[place] / second).squareRoot() + 1e-3)
            p[place] = p[place] * (decoupled ? 0.95 : 1) - 0.01 * direction
          }
        }
        for (index, want) in [p, m, v].enumerated() {
          assertClose(results[index], want, 2e-6, "output \(index), \(what)")
        }
      }
    }
  }
}
