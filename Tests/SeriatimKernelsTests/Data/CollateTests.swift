// Collation of float32 and float64 sequences, packed and padded, and back: memory, tails, and the same bits for 1 and 2
// threads.
import XCTest

@testable import SeriatimKernels

final class CollateTests: XCTestCase {
  func testPackedPaddedAndBack() {
    for features in sizes(around: laneCount) { check(lengths: [9, 4, 4, 1], features: features) }
    // Enough for two workers.
    check(lengths: [500, 200, 130, 1], features: 83)
  }

  private func check(lengths: [Int], features: Int) {
    var random = Seeded(UInt64(features))
    let sequences = lengths.map { random.floats($0 * features) }
    let ragged = raggedBatch(lengths)
    let (rows, batch, longest) = (lengths.reduce(0, +), lengths.count, lengths[0] + 2)
    let order = UnsafeMutablePointer<Int64>.allocate(capacity: batch)
    for (index, value) in [2, 0, 3, 1].enumerated() { order[index] = Int64(value) }
    for isDouble in [false, true] {
      let pointers = UnsafeMutablePointer<UnsafeRawPointer>.allocate(capacity: batch)
      for (index, sequence) in sequences.enumerated() {
        if isDouble {
          let memory = UnsafeMutablePointer<Double>.allocate(capacity: sequence.count)
          for (place, value) in sequence.enumerated() { memory[place] = Double(value) }
          pointers[index] = UnsafeRawPointer(memory)
        } else {
          pointers[index] = UnsafeRawPointer(Guarded(sequence).pointer)
        }
      }
      let sources = SequenceSources(pointers, rowStride: features, isDouble: isDouble, features: features)
      let results = withOneAndTwoThreads("collate \(features)") {
        let packed = Guarded(rows * features)
        collatePacked(packed.pointer, sources, ragged: ragged)
        packed.check()
        let padded = Guarded(batch * longest * features)
        let target = PaddedBatch(
          padded.pointer, batchStride: longest * features, stepStride: features, length: longest, padding: -7)
        collatePadded(target, sources, lengths: lengths.map(Int64.init), batch: batch)
        padded.check()
        // Time-major, and the sequences in another order.
        let unpacked = Guarded(batch * longest * features)
        let timeMajor = PaddedBatch(
          unpacked.pointer, batchStride: features, stepStride: batch * features, length: longest, padding: -7)
        unpack(timeMajor, packed: packed.pointer, ragged: ragged, order: order, features: features)
        unpacked.check()
        return [packed.values, padded.values, unpacked.values]
      }
      var row = 0
      for step in 0..<lengths[0] {
        for sequence in 0..<batch where lengths[sequence] > step {
          XCTAssertEqual(
            Array(results[0][row * features..<(row + 1) * features]),
            Array(sequences[sequence][step * features..<(step + 1) * features]))
          row += 1
        }
      }
      for sequence in 0..<batch {
        for step in 0..<longest {
          let want =
            step < lengths[sequence]
            ? Array(sequences[sequence][step * features..<(step + 1) * features])
            : [Float](repeating: -7, count: features)
          let place = (sequence * longest + step) * features
          XCTAssertEqual(Array(results[1][place..<place + features]), want)
          let other = (step * batch + Int(order[sequence])) * features
          XCTAssertEqual(Array(results[2][other..<other + features]), want)
        }
      }
    }
  }
}
