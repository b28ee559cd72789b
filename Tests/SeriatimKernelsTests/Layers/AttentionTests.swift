// Attention against float64 over ragged batches.
import Foundation
import XCTest

@testable import SeriatimKernels

final class AttentionTests: XCTestCase {
  private func check(lengths: [Int], size: Int) {
    var random = Seeded(UInt64(lengths.count + 100 * size))
    let (rows, batch) = (lengths.reduce(0, +), lengths.count)
    let sizes = batchSizes(lengths)
    let offsets = sizes.indices.map { Int(sizes[..<$0].reduce(0, +)) }
    let (query, h) = (random.floats(batch * size), random.floats(rows * size))
    let gradContext = random.floats(batch * size)
    let name = "\(lengths.count) sequences to \(lengths[0]), size \(size)"
    let results = withOneAndTwoThreads(name) {
      let ragged = raggedBatch(lengths)
      let (context, weights) = (Guarded(batch * size), Guarded(rows))
      attentionForward(
        context: context.pointer, weights: weights.pointer, query: query, h: h, ragged: ragged, size: size)
      let (gradQuery, gradH, scratch) = (Guarded(batch * size), Guarded(rows * size), Guarded(rows))
      attentionBackward(
        gradQuery: gradQuery.pointer, gradH: gradH.pointer, gradContext: gradContext, query: query, h: h,
        weights: weights.pointer, ragged: ragged, size: size, scratch: scratch.pointer)
      for buffer in [context, weights, gradQuery, gradH, scratch] { buffer.check() }
      return [context.values, weights.values, gradQuery.values, gradH.values]
    }
    var want = [batch * size, rows, batch * size, rows * size].map { [Double](repeating: 0, count: $0) }
    for (sequence, length) in lengths.enumerated() {
      let frames = (0..<length).map { offsets[$0] + sequence }
      func dot(_ a: [Float], _ i: Int, _ b: [Float], _ j: Int) -> Double {
        (0..<size).reduce(0) { $0 + Double(a[i * size + $1]) * Double(b[j * size + $1]) }
      }
      let scores = frames.map { dot(query, sequence, h, $0) }
      let peak = scores.max() ?? 0
      let total = scores.reduce(0) { $0 + exp($1 - peak) }
      let weights = scores.map { exp($0 - peak) / total }
      let gradWeights = frames.map { dot(gradContext, sequence, h, $0) }
      let mean = zip(weights, gradWeights).reduce(0) { $0 + $1.0 * $1.1 }
      for (step, frame) in frames.enumerated() {
        want[1][frame] = weights[step]
        let gradScore = weights[step] * (gradWeights[step] - mean)
        for u in 0..<size {
          let (value, asked) = (Double(h[frame * size + u]), Double(query[sequence * size + u]))
          want[0][sequence * size + u] += weights[step] * value
          want[2][sequence * size + u] += gradScore * value
          want[3][frame * size + u] = weights[step] * Double(gradContext[sequence * size + u]) + gradScore * asked
        }
      }
    }
    for (index, part) in ["context", "weights", "grad query", "grad h"].enumerated() {
      assertClose(results[index], want[index], 2e-5, "\(part), \(name)")
    }
  }

  func testSizesAndLengths() {
    for size in sizes(around: laneCount) { check(lengths: [9, 4, 4, 1], size: size) }
    check(lengths: [1], size: 3)
    check(lengths: [500] + [Int](repeating: 30, count: 20) + [1], size: 40)
  }

  func testNaNStaysInItsSequence() {
    let size = 4
    let lengths = [3, 2]
    var h = [Float](repeating: 0.5, count: 5 * size)
    h[1 * size] = .nan  // the second sequence's first frame
    let (context, weights) = (Guarded(2 * size), Guarded(5))
    attentionForward(
      context: context.pointer, weights: weights.pointer, query: [Float](repeating: 1, count: 2 * size), h: h,
      ragged: raggedBatch(lengths), size: size)
    XCTAssertEqual(context.values[0..<size].map(\.isNaN), [false, false, false, false])
    XCTAssertTrue(context.values[size].isNaN)
  }
}
