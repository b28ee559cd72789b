// Stochastic gradient descent over flat buffers: some steps against the same in doubles, in guarded memory.
import XCTest

@testable import SeriatimKernels

final class SGDTests: XCTestCase {
  func testSomeSteps() {
    var random = Seeded(5)
    for count in flatCounts {
      let start = random.floats(count)
      let grads = (0..<3).map { _ in random.floats(count) }
      for (momentum, dampening, nesterov) in [(0, 0, false), (0.9, 0.2, false), (0.9, 0, true)]
        as [(Float, Float, Bool)]
      {
        let what = "\(count), momentum \(momentum), nesterov \(nesterov)"
        let results = withOneAndTwoThreads(what) {
          // The buffer holds nothing before the first step: what is in it must not matter.
          let (p, buffer) = (Guarded(start), Guarded(count))
          for (index, gradient) in grads.enumerated() {
            sgdStep(
              SGDStep(
                learningRate: 0.1, momentum: momentum, dampening: dampening, decay: 0.05, nesterov: nesterov,
                first: index == 0),
              parameters: p.pointer, momentum: momentum > 0 ? buffer.pointer : nil,
              gradients: Guarded(gradient).pointer, count: count)
          }
          p.check()
          buffer.check()
          return momentum > 0 ? [p.values, buffer.values] : [p.values]
        }
        var p = start.map(Double.init)
        var buffer = p
        for (index, gradient) in grads.enumerated() {
          for place in p.indices {
            let g = Double(gradient[place]) + 0.05 * p[place]
            buffer[place] = index == 0 ? g : Double(momentum) * buffer[place] + (1 - Double(dampening)) * g
            let moved = nesterov ? g + Double(momentum) * buffer[place] : buffer[place]
            p[place] -= 0.1 * (momentum > 0 ? moved : g)
          }
        }
        assertClose(results[0], p, 2e-6, what)
        if momentum > 0 { assertClose(results[1], buffer, 2e-6, "momentum, \(what)") }
      }
    }
  }
}
