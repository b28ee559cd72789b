// Losses of single numbers and their derivatives against float64: memory, tails, far ends, and the same bits for 1 and 2
// threads.
import Foundation
import XCTest

@testable import SeriatimKernels

final class PointLossTests: XCTestCase {
  private func exact(_ kind: PointLoss, _ p: Double, _ t: Double, _ w: Double) -> (loss: Double, slope: Double) {
    switch kind {
    case .squared: return ((p - t) * (p - t), 2 * (p - t))
    case .binaryCrossEntropy:
      let weight = 1 + (w - 1) * t
      let soft = max(-p, 0) + log1p(exp(-abs(p)))
      return ((1 - t) * p + weight * soft, (1 - t) - weight / (1 + exp(p)))
    case .absolute: return (abs(p - t), p > t ? 1 : p < t ? -1 : 0)
    case .huber, .smoothAbsolute:
      let (size, scale) = (abs(p - t), kind == .huber ? 1 : 0.75)
      let value = size < 0.75 ? size * size / 2 : 0.75 * (size - 0.75 / 2)
      return (value / scale, max(-0.75, min(0.75, p - t)) / scale)
    case .probability:
      let value = -t * max(log(p), -100) - (1 - t) * max(log1p(-p), -100)
      return (value, (p - t) / max(p * (1 - p), 1e-12))
    case .divergence: return (t > 0 ? t * (log(t) - p) : 0, -t)
    case .logDivergence: return (exp(t) * (t - p), -exp(t))
    }
  }

  func testEveryKindAtEverySize() {
    var random = Seeded(8)
    for count in flatCounts {
      let prediction = random.floats(count).map { 6 * $0 }
      let target = random.floats(count).map { ($0 + 1) / 2 }
      for weight in [[], random.floats(count).map { $0 + 2 }] {
        for kind in (0..<8).compactMap(PointLoss.init(rawValue:)) {
          let prediction = kind == .probability ? prediction.map { ($0 + 6) / 12 } : prediction
          let name = "\(kind) \(count), weighted \(!weight.isEmpty)"
          let results = withOneAndTwoThreads(name) {
            let (losses, grad) = (Guarded(count), Guarded(count))
            pointLoss(
              kind, losses: losses.pointer, grad: grad.pointer, prediction: Guarded(prediction).pointer,
              target: Guarded(target).pointer, positive: optional(weight), bound: 0.75,
              count: count)
            losses.check()
            grad.check()
            return [losses.values, grad.values]
          }
          let want = (0..<count).map {
            exact(kind, Double(prediction[$0]), Double(target[$0]), weight.isEmpty ? 1 : Double(weight[$0]))
          }
          assertClose(results[0], want.map(\.loss), 1e-6, name)
          assertClose(results[1], want.map(\.slope), 1e-6, "grad, \(name)")
        }
      }
    }
  }

  func testFarFromZero() {
    let logits: [Float] = [-1e4, -100, 100, 1e4]
    for target in [0, 1] as [Float] {
      let (losses, grad) = (Guarded(4), Guarded(4))
      pointLoss(
        .binaryCrossEntropy, losses: losses.pointer, grad: grad.pointer, prediction: logits,
        target: [Float](repeating: target, count: 4), positive: nil, bound: 1, count: 4)
      let want = logits.map { target == 1 ? max(-$0, 0) : max($0, 0) }
      XCTAssertEqual(losses.values, want)
      assertClose(grad.values, logits.map { ($0 > 0 ? 1 : 0) - Double(target) }, 1e-30, "grad, target \(target)")
    }
  }

  func testProbabilitiesOfZeroAndOne() {
    let (losses, grad) = (Guarded(4), Guarded(4))
    pointLoss(
      .probability, losses: losses.pointer, grad: grad.pointer, prediction: [0, 0, 1, 1e-8], target: [0, 1, 0, 0],
      positive: nil, bound: 1, count: 4)
    XCTAssertEqual(losses.values, [0, 100, 100, 1e-8])
    pointLoss(
      .divergence, losses: losses.pointer, grad: grad.pointer, prediction: [-.infinity, -1, -1, .nan],
      target: [0, 0, 1, 1], positive: nil, bound: 1, count: 4)
    XCTAssertEqual(losses.values.prefix(3), [0, 0, 1])
    XCTAssertTrue(losses.values[3].isNaN)
  }
}
