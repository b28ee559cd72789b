// LSTM within its memory and with the same bits for any number of threads; the numbers are checked against float64 twins
// by Tests/python/functional/test_lstm.py, at every level.
import XCTest

@testable import SeriatimKernels

final class LSTMTests: XCTestCase {
  private func check(
    lengths: [Int], inputSize: Int, hiddenSize: Int, projectionSize: Int, reverse: Bool, givenState: Bool
  ) {
    var random = Seeded(UInt64(lengths.count * 1000 + hiddenSize))
    let (rows, batch) = (lengths.reduce(0, +), lengths.count)
    let shape = LSTMShape(inputSize: inputSize, hiddenSize: hiddenSize, projectionSize: projectionSize)
    let state = shape.stateSize
    let sizes = [
      4 * hiddenSize * inputSize, 4 * hiddenSize * state, 4 * hiddenSize, 4 * hiddenSize, projectionSize * hiddenSize,
    ]
    let weights = sizes.map { Guarded(random.floats($0).map { 0.3 * $0 }) }
    let x = Guarded(random.floats(rows * inputSize))
    let (h0, c0) = (Guarded(random.floats(batch * state)), Guarded(random.floats(batch * hiddenSize)))
    let (gradY, gradH) = (Guarded(random.floats(rows * state)), Guarded(random.floats(batch * state)))
    let gradC = Guarded(random.floats(batch * hiddenSize))
    let name = "\(lengths) H\(hiddenSize) P\(projectionSize) reverse \(reverse) state \(givenState)"
    let steps = lengths[0]

    let results = withOneAndTwoThreads(name) {
      let packed = Guarded(shape.packedSize)
      packLSTM(
        packed.pointer, shape, weightIH: weights[0].pointer, weightHH: weights[1].pointer, biasIH: weights[2].pointer,
        biasHH: weights[3].pointer, weightHR: weights[4].pointer)
      let back = Guarded(shape.packedBackwardSize)
      packLSTMBackward(
        back.pointer, shape, weightIH: weights[0].pointer, weightHH: weights[1].pointer, weightHR: weights[4].pointer)
      // A wider output than the state, as for one half of a bidirectional layer.
      let stride = state + 3
      let (y, cache) = (Guarded(rows * stride), Guarded(rows * shape.gateStride))
      let (final, finalCell) = (Guarded(batch * state), Guarded(batch * hiddenSize))
      let ragged = raggedBatch(lengths)
      for training in [false, true] {
        let scratch = Guarded(
          shape.forwardScratchSize(batch: batch, rows: rows, steps: steps, training: training))
        lstmForward(
          shape, y: y.pointer, outputStride: stride, finalState: final.pointer, finalCell: finalCell.pointer,
          cache: training ? cache.pointer : nil, x: x.pointer, ragged: ragged,
          initialState: givenState ? h0.pointer : nil, initialCell: givenState ? c0.pointer : nil,
          packed: packed.pointer, reverse: reverse, scratch: scratch.pointer)
        scratch.check()
      }
      let outputs = y.values
      let (gradX, gradH0) = (Guarded(rows * inputSize), Guarded(batch * state))
      let gradC0 = Guarded(batch * hiddenSize)
      let grads = sizes.map { Guarded([Float](repeating: 1, count: $0)) }
      let scratch = Guarded(shape.backwardScratchSize(batch: batch, rows: rows))
      lstmBackward(
        shape,
        LSTMGradients(
          RecurrentGradients(
            x: gradX.pointer, initialState: gradH0.pointer, weightIH: grads[0].pointer, weightHH: grads[1].pointer,
            biasIH: grads[2].pointer, biasHH: grads[3].pointer, accumulate: true), initialCell: gradC0.pointer,
          weightHR: projectionSize > 0 ? grads[4].pointer : nil), gradY: gradY.pointer, gradOutputStride: state,
        gradFinalState: gradH.pointer, gradFinalCell: gradC.pointer, cache: cache.pointer, x: x.pointer, y: y.pointer,
        outputStride: stride, ragged: ragged, initialState: givenState ? h0.pointer : nil,
        initialCell: givenState ? c0.pointer : nil, packed: back.pointer, reverse: reverse, scratch: scratch.pointer)
      for buffer in [packed, back, y, cache, final, finalCell, gradX, gradH0, gradC0, scratch] + grads {
        buffer.check()
      }
      let written = (0..<rows).flatMap { row in (0..<state).map { outputs[row * stride + $0] } }
      return [written, final.values, finalCell.values, gradX.values, gradH0.values, gradC0.values] + grads.map(\.values)
    }
    for part in results { XCTAssert(part.allSatisfy(\.isFinite), name) }
  }

  func testSizesAroundTheRegister() {
    for hiddenSize in [1, 7, laneCount - 1, laneCount, laneCount + 1, panelWidth, panelWidth + 1] {
      for projectionSize in Set([0, 1, hiddenSize - 1]).sorted() where projectionSize < hiddenSize {
        check(
          lengths: [5, 5, 3, 1], inputSize: 3, hiddenSize: hiddenSize, projectionSize: projectionSize, reverse: false,
          givenState: true)
      }
    }
  }

  func testBatchesAroundTheTile() {
    for batch in [1, 2, 3, wideTileRows, wideTileRows + 1, 2 * wideTileRows, 3 * wideTileRows + 2] {
      check(
        lengths: [Int](repeating: 4, count: batch), inputSize: 5, hiddenSize: 9, projectionSize: 0, reverse: false,
        givenState: batch % 2 == 0)
    }
  }

  func testRaggedBothWaysByRowsAndByUnits() {
    let ragged = [40, 17, 17, 9] + [Int](repeating: 3, count: 2 * tileRows) + [1, 1, 1]
    for reverse in [false, true] {
      for projectionSize in [0, 40] {
        for hiddenSize in [18, 117] where projectionSize < hiddenSize {
          check(
            lengths: ragged, inputSize: 4, hiddenSize: hiddenSize, projectionSize: projectionSize, reverse: reverse,
            givenState: reverse)
        }
      }
    }
  }

  func testASequenceHasTheSameBitsAloneAndInABatch() {
    var random = Seeded(77)
    let (inputSize, hiddenSize) = (6, 117)
    let shape = LSTMShape(inputSize: inputSize, hiddenSize: hiddenSize, projectionSize: 0)
    let packed = Guarded(shape.packedSize)
    packLSTM(
      packed.pointer, shape, weightIH: random.floats(4 * hiddenSize * inputSize).map { 0.3 * $0 },
      weightHH: random.floats(4 * hiddenSize * hiddenSize).map { 0.3 * $0 }, biasIH: nil, biasHH: nil, weightHR: nil)
    func run(_ lengths: [Int], _ x: [Float]) -> [Float] {
      let rows = lengths.reduce(0, +)
      let (y, final) = (Guarded(rows * hiddenSize), Guarded(lengths.count * hiddenSize))
      let space = shape.forwardScratchSize(batch: lengths.count, rows: rows, steps: lengths[0], training: false)
      lstmForward(
        shape, y: y.pointer, outputStride: hiddenSize, finalState: final.pointer,
        finalCell: Guarded(lengths.count * hiddenSize).pointer, cache: nil, x: x, ragged: raggedBatch(lengths),
        initialState: nil, initialCell: nil, packed: packed.pointer, reverse: false, scratch: Guarded(space).pointer)
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
