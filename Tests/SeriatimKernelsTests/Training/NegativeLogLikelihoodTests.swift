// The loss of labels against float64, with and without weights and smoothing, and its gradient against differences.
import XCTest

@testable import SeriatimKernels

final class NegativeLogLikelihoodTests: XCTestCase {
  private struct Weights {
    let classes, samples: [Double]
    let smoothing: Double
  }

  /// The losses and their weights by the equations.
  private func exact(_ logs: [Double], _ targets: [Int64], _ w: Weights) -> (losses: [Double], weights: [Double]) {
    let count = logs.count / targets.count
    var (losses, weights) = ([Double](), [Double]())
    for (row, target) in targets.enumerated() {
      let sample = w.samples.isEmpty ? 1 : w.samples[row]
      let factor = sample * (w.classes.isEmpty ? 1 : w.classes[Int(target)])
      var loss = -(1 - w.smoothing) * factor * logs[row * count + Int(target)]
      for index in 0..<count {
        loss -=
          w.smoothing / Double(count) * sample * (w.classes.isEmpty ? 1 : w.classes[index])
          * logs[row * count + index]
      }
      losses.append(loss)
      weights.append(factor)
    }
    return (losses, weights)
  }

  func testWeightsSmoothingAndSizes() {
    var random = Seeded(7)
    for (rows, classes) in [(1, 1), (1, 7), (5, laneCount), (33, laneCount + 1), (700, 60)] {
      for (weighted, smoothing) in [(false, 0), (true, 0), (false, 0.1), (true, 0.25)] as [(Bool, Float)] {
        let logs = random.floats(rows * classes).map { $0 - 2 }
        let targets = (0..<rows).map { Int64($0 * 5 % classes) }
        let classWeight = weighted ? random.floats(classes).map { $0 + 1.5 } : []
        // Some samples weigh nothing.
        let sampleWeight = weighted ? (0..<rows).map { $0 % 3 == 2 ? Float(0) : 0.5 + Float($0 % 7) } : []
        let scale = weighted ? random.floats(rows) : [0.25]
        let name = "\(rows) x \(classes), weighted \(weighted), smoothing \(smoothing)"
        let results = withOneAndTwoThreads(name) {
          let (losses, weights, grad) = (Guarded(rows), Guarded(rows), Guarded(rows * classes))
          let sums = negativeLogLikelihood(
            losses: losses.pointer, weights: weights.pointer, logProbabilities: Guarded(logs).pointer,
            targets: targets, classWeight: optional(classWeight), sampleWeight: optional(sampleWeight),
            smoothing: smoothing, rows: rows, classes: classes)
          negativeLogLikelihoodBackward(
            grad: grad.pointer, weights: weights.pointer, targets: targets, classWeight: optional(classWeight),
            sampleWeight: optional(sampleWeight), smoothing: smoothing, scale: Guarded(scale).pointer,
            scalePerRow: weighted, rows: rows, classes: classes)
          for buffer in [losses, weights, grad] { buffer.check() }
          XCTAssertEqual(sums.loss, losses.values.reduce(0.0) { $0 + Double($1) }, name)
          XCTAssertEqual(sums.weight, weights.values.reduce(0.0) { $0 + Double($1) }, name)
          return [losses.values, weights.values, grad.values]
        }
        let given = Weights(
          classes: classWeight.map(Double.init), samples: sampleWeight.map(Double.init), smoothing: Double(smoothing))
        let want = exact(logs.map(Double.init), targets, given)
        assertClose(results[0], want.losses, 2e-6, "losses, \(name)")
        assertClose(results[1], want.weights, 1e-6, "weights, \(name)")
        assertGradient(results[2], at: logs, 2e-6, "grad, \(name)") { moved in
          let losses = exact(moved, targets, given).losses
          return inner(losses, weighted ? scale : [Float](repeating: 0.25, count: rows))
        }
      }
    }
  }

  func testASampleOfNoWeightAddsNothing() {
    let (losses, weights) = (Guarded(2), Guarded(2))
    let sums = negativeLogLikelihood(
      losses: losses.pointer, weights: weights.pointer, logProbabilities: [-.infinity, 0, -1, -2], targets: [0, 1],
      classWeight: nil, sampleWeight: [0, 1], smoothing: 0, rows: 2, classes: 2)
    XCTAssertEqual(losses.values, [0, 2])
    XCTAssertEqual(sums.loss, 2)
    XCTAssertEqual(sums.weight, 1)
  }
}
