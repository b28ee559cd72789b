// Pooling over time against float64 over ragged batches: memory, tails, ties, and the same bits for 1 and 2 threads.
import XCTest

@testable import SeriatimKernels

final class SequencePoolingTests: XCTestCase {
  private func check(lengths: [Int], size: Int) {
    var random = Seeded(UInt64(lengths.count + 100 * size))
    let (rows, batch, stride) = (lengths.reduce(0, +), lengths.count, 3 * size + 1)
    let sizes = batchSizes(lengths)
    let offsets = sizes.indices.map { Int(sizes[..<$0].reduce(0, +)) }
    // Few values, so that there are ties.
    let h = random.floats(rows * size).map { ($0 * 4).rounded() / 4 }
    let grad = random.floats(batch * stride)
    let name = "\(lengths.count) sequences to \(lengths[0]), size \(size)"
    let results = withOneAndTwoThreads(name) {
      let ragged = raggedBatch(lengths)
      // The last row ends where its last column does.
      let (pooled, gradH) = (Guarded(batch * stride - 1), Guarded(rows * size))
      let scratch = Guarded(2 * batch * size)
      for place in 0..<batch * stride - 1 { pooled.pointer[place] = 7 }
      sequencePoolForward(
        mean: pooled.pointer, greatest: pooled.pointer + size, positive: pooled.pointer + 2 * size, stride: stride,
        h: h,
        ragged: ragged, size: size)
      grad.withUnsafeBufferPointer { grad in
        guard let base = grad.baseAddress else { return }
        sequencePoolBackward(
          gradH: gradH.pointer, gradMean: base, gradGreatest: base + size, greatest: pooled.pointer + size,
          stride: stride, h: h, ragged: ragged, size: size, scratch: scratch.pointer)
      }
      for buffer in [pooled, gradH, scratch] { buffer.check() }
      return [pooled.values, gradH.values]
    }
    var want = [[Double](repeating: 7, count: batch * stride - 1), [Double](repeating: 0, count: rows * size)]
    for (sequence, length) in lengths.enumerated() {
      for u in 0..<size {
        let places = (0..<length).map { (offsets[$0] + sequence) * size + u }
        let values = places.map { Double(h[$0]) }
        let (row, greatest) = (sequence * stride + u, values.max() ?? 0)
        want[0][row] = values.reduce(0, +) / Double(length)
        want[0][row + size] = greatest
        want[0][row + 2 * size] = Double(values.filter { $0 > 0 }.count) / Double(length)
        for place in places { want[1][place] += Double(grad[row]) / Double(length) }
        if let first = values.firstIndex(of: greatest) { want[1][places[first]] += Double(grad[row + size]) }
      }
    }
    assertClose(results[0], want[0], 1e-6, "pooled, \(name)")
    assertClose(results[1], want[1], 1e-6, "grad h, \(name)")
  }

  func testSizesAndLengths() {
    for size in sizes(around: laneCount) { check(lengths: [9, 4, 4, 1], size: size) }
    check(lengths: [1], size: 3)
    check(lengths: [500] + [Int](repeating: 30, count: 20) + [1], size: 5 * laneCount + 1)
  }

  func testWhatIsNotWantedIsNotTouched() {
    let (lengths, size) = ([3, 2], laneCount + 1)
    let h = [Float](repeating: 0.5, count: 5 * size)
    let (pooled, gradH, scratch) = (Guarded(2 * size), Guarded(5 * size), Guarded(4 * size))
    sequencePoolForward(
      mean: nil, greatest: pooled.pointer, positive: nil, stride: size, h: h, ragged: raggedBatch(lengths), size: size)
    XCTAssertEqual(pooled.values, [Float](repeating: 0.5, count: 2 * size))
    let grad = [Float](repeating: 1, count: 2 * size)
    sequencePoolBackward(
      gradH: gradH.pointer, gradMean: nil, gradGreatest: grad, greatest: pooled.pointer, stride: size, h: h,
      ragged: raggedBatch(lengths), size: size, scratch: scratch.pointer)
    for buffer in [pooled, gradH, scratch] { buffer.check() }
    // All steps tie: the first has it all.
    XCTAssertEqual(gradH.values, (0..<5).flatMap { [Float](repeating: $0 < 2 ? 1 : 0, count: size) })
  }
}
