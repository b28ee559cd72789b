// RNN within its memory and with the same bits for any number of threads; the numbers are checked against float64 twins
// by Tests/python/functional/test_rnn.py, at every level.
import XCTest

@testable import SeriatimKernels

final class RNNTests: XCTestCase {
  private func check(lengths: [Int], hiddenSize: Int, rectifies: Bool, reverse: Bool) {
    var random = Seeded(UInt64(lengths.count * 1000 + hiddenSize))
    let (rows, batch, inputSize) = (lengths.reduce(0, +), lengths.count, 5)
    let shape = RNNShape(inputSize: inputSize, hiddenSize: hiddenSize, rectifies: rectifies)
    let sizes = [hiddenSize * inputSize, hiddenSize * hiddenSize, hiddenSize, hiddenSize]
    let weights = sizes.map { Guarded(random.floats($0).map { 0.1 * $0 }) }
    let (x, h0) = (Guarded(random.floats(rows * inputSize)), Guarded(random.floats(batch * hiddenSize)))
    let (gradY, gradH) = (Guarded(random.floats(rows * hiddenSize)), Guarded(random.floats(batch * hiddenSize)))
    let name = "\(lengths) H\(hiddenSize) relu \(rectifies) reverse \(reverse)"
    let results = withOneAndTwoThreads(name) {
      let packed = Guarded(shape.packedSize)
      packRNN(
        packed.pointer, shape, weightIH: weights[0].pointer, weightHH: weights[1].pointer, biasIH: weights[2].pointer,
        biasHH: weights[3].pointer)
      let back = Guarded(shape.packedBackwardSize)
      packRNNBackward(back.pointer, shape, weightIH: weights[0].pointer, weightHH: weights[1].pointer)
      let stride = hiddenSize + 3
      let (y, final) = (Guarded(rows * stride), Guarded(batch * hiddenSize))
      let ragged = raggedBatch(lengths)
      let scratch = Guarded(shape.forwardScratchSize(rows: rows))
      rnnForward(
        shape, y: y.pointer, outputStride: stride, finalState: final.pointer, x: x.pointer, ragged: ragged,
        initialState: h0.pointer, packed: packed.pointer, reverse: reverse, scratch: scratch.pointer)
      let (gradX, gradH0) = (Guarded(rows * inputSize), Guarded(batch * hiddenSize))
      let grads = sizes.map { Guarded([Float](repeating: 1, count: $0)) }
      let space = Guarded(shape.backwardScratchSize(batch: batch, rows: rows))
      rnnBackward(
        shape,
        RecurrentGradients(
          x: gradX.pointer, initialState: gradH0.pointer, weightIH: grads[0].pointer, weightHH: grads[1].pointer,
          biasIH: grads[2].pointer, biasHH: grads[3].pointer, accumulate: true), gradY: gradY.pointer,
        gradOutputStride: hiddenSize, gradFinalState: gradH.pointer, x: x.pointer, y: y.pointer, outputStride: stride,
        ragged: ragged, initialState: h0.pointer, packed: back.pointer, reverse: reverse, scratch: space.pointer)
      for buffer in [packed, back, y, final, scratch, gradX, gradH0, space] + grads { buffer.check() }
      return [final.values, gradX.values, gradH0.values] + grads.map(\.values)
    }
    for part in results { XCTAssert(part.allSatisfy(\.isFinite), name) }
  }

  func testSizesBatchesAndDirections() {
    let ragged = [40, 17, 17, 9] + [Int](repeating: 3, count: 2 * tileRows) + [1, 1, 1]
    for hiddenSize in [1, laneCount - 1, laneCount, panelWidth + 1, 170] {
      for rectifies in [false, true] {
        for reverse in [false, true] {
          check(lengths: ragged, hiddenSize: hiddenSize, rectifies: rectifies, reverse: reverse)
        }
      }
    }
    for batch in [1, 2, tileRows, tileRows + 1] {
      check(lengths: [Int](repeating: 4, count: batch), hiddenSize: 33, rectifies: false, reverse: false)
    }
  }

  func testASequenceHasTheSameBitsAloneAndInABatch() {
    var random = Seeded(77)
    let (inputSize, hiddenSize) = (6, 117)
    let shape = RNNShape(inputSize: inputSize, hiddenSize: hiddenSize, rectifies: false)
    let packed = Guarded(shape.packedSize)
    packRNN(
      packed.pointer, shape, weightIH: random.floats(hiddenSize * inputSize).map { 0.1 * $0 },
      weightHH: random.floats(hiddenSize * hiddenSize).map { 0.1 * $0 }, biasIH: nil, biasHH: nil)
    func run(_ lengths: [Int], _ x: [Float]) -> [Float] {
      let rows = lengths.reduce(0, +)
      let (y, final) = (Guarded(rows * hiddenSize), Guarded(lengths.count * hiddenSize))
      rnnForward(
        shape, y: y.pointer, outputStride: hiddenSize, finalState: final.pointer, x: x, ragged: raggedBatch(lengths),
        initialState: nil, packed: packed.pointer, reverse: false,
        scratch: Guarded(shape.forwardScratchSize(rows: rows)).pointer)
      return final.values
    }
    let lengths = [Int](repeating: 9, count: 3 * tileRows) + [4, 2, 1]
    let sizes = batchSizes(lengths)
    let x = random.floats(lengths.reduce(0, +) * inputSize)
    let together = run(lengths, x)
    let offsets = sizes.indices.map { Int(sizes[..<$0].reduce(0, +)) }
    for (sequence, length) in lengths.enumerated() {
      let own = (0..<length).flatMap { step -> ArraySlice<Float> in
        let first = (offsets[step] + sequence) * inputSize
        return x[first..<first + inputSize]
      }
      XCTAssertEqual(
        run([length], own), Array(together[sequence * hiddenSize..<(sequence + 1) * hiddenSize]), "sequence \(sequence)"
      )
    }
  }
}
