// Activations and their derivatives against float64: memory, tails, NaN and the same bits for 1 and 2 threads.
import Foundation
import XCTest

@testable import SeriatimKernels

final class ActivationTests: XCTestCase {
  private func exact(_ kind: Activation.Kind, _ x: Double) -> (y: Double, slope: Double) {
    switch kind {
    case .identity: return (x, 1)
    case .relu: return x > 0 ? (x, 1) : (0, 0)
    case .leakyRelu: return x > 0 ? (x, 1) : (0.3 * x, 0.3)
    case .elu: return x > 0 ? (x, 1) : (0.3 * expm1(x), 0.3 * exp(x))
    case .sigmoid:
      let y = 1 / (1 + exp(-x))
      return (y, y * (1 - y))
    case .tanh: return (tanh(x), 1 - tanh(x) * tanh(x))
    }
  }

  func testEveryKindAtEverySize() {
    var random = Seeded(1)
    for kind in [Activation.Kind.identity, .relu, .leakyRelu, .elu, .sigmoid, .tanh] {
      let activation = Activation(kind, slope: 0.3)
      for count in flatCounts {
        let (x, grad) = (Guarded(random.floats(count).map { 4 * $0 }), Guarded(random.floats(count)))
        let name = "\(kind) \(count)"
        let results = withOneAndTwoThreads(name) {
          let (y, gradX) = (Guarded(count), Guarded(count))
          activationForward(y: y.pointer, x: x.pointer, count: count, activation: activation)
          activationBackward(
            gradX: gradX.pointer, gradY: grad.pointer, x: x.pointer, y: y.pointer, count: count,
            activation: activation)
          // In place, too.
          let (same, sameGrad) = (Guarded(x.values), Guarded(grad.values))
          activationForward(y: same.pointer, x: same.pointer, count: count, activation: activation)
          activationBackward(
            gradX: sameGrad.pointer, gradY: sameGrad.pointer, x: x.pointer, y: y.pointer, count: count,
            activation: activation)
          XCTAssertEqual(same.values, y.values, name)
          XCTAssertEqual(sameGrad.values, gradX.values, name)
          for buffer in [x, grad, y, gradX, same, sameGrad] { buffer.check() }
          return [y.values, gradX.values]
        }
        let want = x.values.map { exact(kind, Double($0)) }
        assertClose(results[0], want.map(\.y), 5e-7, name)
        assertClose(results[1], zip(want, grad.values).map { $0.slope * Double($1) }, 5e-7, "grad, \(name)")
      }
      let y = Guarded([Float.nan, 1])
      activationForward(y: y.pointer, x: y.pointer, count: 2, activation: activation)
      XCTAssertTrue(y.values[0].isNaN, "\(kind): NaN stays")
      XCTAssertTrue(y.values[1].isFinite)
    }
  }
}
