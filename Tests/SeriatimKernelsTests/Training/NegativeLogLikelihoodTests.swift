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
          let sums = targets.withUnsafeBufferPointer { labels in
            let wish = LabelTargets(
              labels: labels.baseAddress, probabilities: nil, classWeight: optional(classWeight),
              sampleWeight: optional(sampleWeight), smoothing: smoothing, ignored: -1, rows: rows, classes: classes)
            let sums = negativeLogLikelihood(
              losses: losses.pointer, weights: weights.pointer, logProbabilities: Guarded(logs).pointer, wish)
            negativeLogLikelihoodBackward(
              grad: grad.pointer, weights: weights.pointer, scale: Guarded(scale).pointer, scalePerRow: weighted, wish)
            return sums
          }
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

  /// What rows have of loss, weight and gradient.
  private func run(
    _ logs: [Float], labels: [Int64]? = nil, probabilities: [Float] = [], classWeight: [Float] = [],
    sampleWeight: [Float] = [], smoothing: Float = 0, rows: Int
  ) -> (losses: [Float], weights: [Float], grad: [Float]) {
    let (losses, weights, grad) = (Guarded(rows), Guarded(rows), Guarded(logs.count))
    let memory = UnsafeMutablePointer<Int64>.allocate(capacity: rows)
    for (row, label) in (labels ?? []).enumerated() { memory[row] = label }
    let wish = LabelTargets(
      labels: labels == nil ? nil : UnsafePointer(memory), probabilities: optional(probabilities),
      classWeight: optional(classWeight), sampleWeight: optional(sampleWeight), smoothing: smoothing, ignored: -7,
      rows: rows, classes: logs.count / rows)
    _ = negativeLogLikelihood(losses: losses.pointer, weights: weights.pointer, logProbabilities: logs, wish)
    negativeLogLikelihoodBackward(grad: grad.pointer, weights: weights.pointer, scale: [2], scalePerRow: false, wish)
    for buffer in [losses, weights, grad] { buffer.check() }
    return (losses.values, weights.values, grad.values)
  }

  func testASampleOfNoWeightAddsNothing() {
    let found = run([-.infinity, 0, -1, -2], labels: [0, 1], sampleWeight: [0, 1], rows: 2)
    XCTAssertEqual(found.losses, [0, 2])
    XCTAssertEqual(found.weights, [0, 1])
  }

  func testAnIgnoredLabelHasNothing() {
    let found = run([-.infinity, .nan, -1, -2], labels: [-7, 1], smoothing: 0.5, rows: 2)
    XCTAssertEqual(found.losses, [0, 0.5 * 2 + 0.25 * 3])
    XCTAssertEqual(found.weights, [0, 1])
    XCTAssertEqual(found.grad, [0, 0, -0.5, -1.5])
  }

  func testProbabilities() {
    let logs: [Float] = [-.infinity, -2, -4, -1, -2, -3]
    let found = run(
      logs, probabilities: [0, 0.25, 0.75, 1, 0, 0], classWeight: [1, 2, 4], sampleWeight: [1, 3], rows: 2)
    XCTAssertEqual(found.losses, [2 * 0.25 * 2 + 4 * 0.75 * 4, 3])
    XCTAssertEqual(found.weights, [1, 3])
    XCTAssertEqual(found.grad, [0, -1, -6, -6, 0, 0])
    let smooth = run([-1, -2], probabilities: [1, 0], smoothing: 0.5, rows: 1)
    XCTAssertEqual(smooth.losses, [0.75 + 0.5])
    XCTAssertEqual(smooth.grad, [-1.5, -0.5])
  }
}
