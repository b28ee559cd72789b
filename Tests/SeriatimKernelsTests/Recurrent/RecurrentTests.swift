// Every recurrent cell within its memory, with the same bits for any number of threads and in any batch; the numbers are
// checked against float64 twins by Tests/python/functional, at every level. A new cell is one line in `kinds`.
import CSeriatim
import XCTest

@testable import SeriatimKernels

final class RecurrentTests: XCTestCase {
  /// Kind, options, and whether it may have a projection.
  private let kinds: [(name: String, kind: Int, options: Int, projects: Bool)] = [
    ("gru", Int(SRT_GRU), 0, false),
    ("gru, reset before", Int(SRT_GRU), Int(SRT_RESET_BEFORE), false),
    ("gru, layer norm", Int(SRT_GRU), Int(SRT_LAYER_NORM), false),
    ("lstm", Int(SRT_LSTM), 0, true),
    ("lstm, peephole", Int(SRT_LSTM), Int(SRT_PEEPHOLE), true),
    ("lstm, layer norm", Int(SRT_LSTM), Int(SRT_LAYER_NORM), false),
    ("rnn", Int(SRT_RNN), 0, false),
    ("rnn, relu", Int(SRT_RNN), Int(SRT_RELU), false),
    ("minimal gru", Int(SRT_MIN_GRU), 0, false),
    ("minimal lstm", Int(SRT_MIN_LSTM), 0, false),
    ("independent rnn", Int(SRT_IND_RNN), 0, false),
    ("independent rnn, relu", Int(SRT_IND_RNN), Int(SRT_RELU), false),
  ]

  private func forEachCell(
    inputSize: Int, hiddenSize: Int, projections: [Int] = [0], _ body: (_ name: String, _ cell: srt_cell) -> Void
  ) {
    for kind in kinds {
      for projection in projections where projection == 0 || (kind.projects && projection < hiddenSize) {
        let cell = srt_cell(
          kind: Int32(kind.kind), options: Int32(kind.options), input_size: inputSize, hidden_size: hiddenSize,
          projection_size: projection)
        body("\(kind.name) I\(inputSize) H\(hiddenSize) P\(projection)", cell)
      }
    }
  }

  /// A layer's parameters, in guarded memory; those that the cell has not are empty.
  private struct Parameters {
    let buffers: [Guarded]
    init(_ cell: srt_cell, _ sizes: srt_recurrent_sizes, _ make: (_ count: Int) -> [Float]) {
      let rows = sizes.gates * cell.hidden_size
      let has = Int(sizes.parameters)
      func size(_ bit: Int, _ size: Int) -> Int { has & bit != 0 ? size : 0 }
      buffers = [
        rows * cell.input_size, size(Int(SRT_HAS_WEIGHT_HH), rows * sizes.state_columns), rows,
        size(Int(SRT_HAS_BIAS_HH), rows), size(Int(SRT_HAS_WEIGHT_HR), cell.projection_size * cell.hidden_size),
        size(Int(SRT_HAS_WEIGHT_CH), 3 * cell.hidden_size), size(Int(SRT_HAS_NORM), rows),
        size(Int(SRT_HAS_NORM), rows), size(Int(SRT_HAS_NORM_C), cell.hidden_size),
        size(Int(SRT_HAS_NORM_C), cell.hidden_size),
      ].map { Guarded(make($0)) }
    }
    private func pointer(_ place: Int) -> UnsafeMutablePointer<Float>? {
      buffers[place].values.isEmpty ? nil : buffers[place].pointer
    }
    var weights: srt_cell_weights {
      srt_cell_weights(
        weight_ih: pointer(0), weight_hh: pointer(1), bias_ih: pointer(2), bias_hh: pointer(3), weight_hr: pointer(4),
        weight_ch: pointer(5), norm_ih: pointer(6), norm_hh: pointer(7), norm_c: pointer(8), bias_c: pointer(9))
    }
    var gradients: srt_cell_gradients {
      srt_cell_gradients(
        weight_ih: pointer(0), weight_hh: pointer(1), bias_ih: pointer(2), bias_hh: pointer(3), weight_hr: pointer(4),
        weight_ch: pointer(5), norm_ih: pointer(6), norm_hh: pointer(7), norm_c: pointer(8), bias_c: pointer(9))
    }
  }

  /// Forward in inference and training, and backward, with one thread and with two, in guarded memory.
  private func check(
    _ name: String, _ cell: srt_cell, lengths: [Int], reverse: Bool, givenState: Bool, zoneout rate: Float = 0
  ) {
    let name = "\(name) \(lengths) reverse \(reverse) state \(givenState) zoneout \(rate)"
    let zoneout = srt_zoneout(rate: rate, seed: 5, offset: 7)
    let (rows, batch, steps) = (lengths.reduce(0, +), lengths.count, lengths[0])
    let (inputSize, hiddenSize) = (cell.input_size, cell.hidden_size)
    var random = Seeded(UInt64(lengths.count * 1000 + hiddenSize))
    func measure(training: Bool) -> srt_recurrent_sizes {
      recurrentSizes(cell, batch: batch, rows: rows, steps: steps, training: training)!
    }
    let known = measure(training: true)
    let state = known.state_size
    let scale = min(0.3, 1.5 / Float(hiddenSize).squareRoot())
    let parameters = Parameters(cell, known) { random.floats($0).map { scale * $0 } }
    let x = Guarded(random.floats(rows * inputSize))
    let (h0, c0) = (Guarded(random.floats(batch * state)), Guarded(random.floats(batch * hiddenSize)))
    let (gradY, gradH) = (Guarded(random.floats(rows * state)), Guarded(random.floats(batch * state)))
    let gradC = Guarded(random.floats(batch * hiddenSize))
    let sizes = batchSizes(lengths)
    let hasCell = known.cell_size > 0
    // A wider output than the state, as for one half of a bidirectional layer.
    let stride = state + 3

    let results = withOneAndTwoThreads(name) {
      sizes.withUnsafeBufferPointer { batchSizes in
        let (packed, back) = (Guarded(known.packed), Guarded(known.packed_backward))
        packRecurrent(cell, packed.pointer, parameters.weights, srt_cell_scales())
        packRecurrentBackward(cell, back.pointer, parameters.weights)
        let (y, cache) = (Guarded(rows * stride), Guarded(rows * known.cache_stride))
        let (final, finalCell) = (Guarded(batch * state), Guarded(batch * known.cell_size))
        let initial = srt_states(
          h: givenState ? UnsafePointer(h0.pointer) : nil,
          c: givenState && hasCell ? UnsafePointer(c0.pointer) : nil)
        for training in [false, true] {
          let scratch = Guarded(measure(training: training).forward_scratch)
          recurrentForward(
            cell,
            srt_recurrent_call(
              y: y.pointer, output_stride: stride,
              final_states: srt_new_states(h: final.pointer, c: hasCell ? finalCell.pointer : nil),
              cache: training && known.cache_stride > 0 ? cache.pointer : nil, x: x.pointer,
              batch_sizes: batchSizes.baseAddress!, steps: steps, initial_states: initial, packed: packed.pointer,
              reverse: reverse ? 1 : 0, training: training ? 1 : 0, zoneout: zoneout, scratch: scratch.pointer))
          scratch.check()
        }
        let outputs = y.values
        let (gradX, gradH0) = (Guarded(rows * inputSize), Guarded(batch * state))
        let gradC0 = Guarded(batch * known.cell_size)
        let gradients = Parameters(cell, known) { [Float](repeating: 1, count: $0) }
        let scratch = Guarded(known.backward_scratch)
        recurrentBackward(
          cell,
          srt_recurrent_gradient_call(
            grad_x: gradX.pointer,
            grad_initial_states: srt_new_states(h: gradH0.pointer, c: hasCell ? gradC0.pointer : nil),
            gradients: gradients.gradients, accumulate: 1, accumulate_x: 0, grad_y: gradY.pointer,
            grad_output_stride: state,
            grad_final_states: srt_states(h: gradH.pointer, c: hasCell ? UnsafePointer(gradC.pointer) : nil),
            cache: known.cache_stride > 0 ? cache.pointer : nil, x: x.pointer, y: y.pointer, output_stride: stride,
            batch_sizes: batchSizes.baseAddress!, steps: steps, initial_states: initial, packed: back.pointer,
            reverse: reverse ? 1 : 0, zoneout: zoneout, scratch: scratch.pointer))
        for buffer in [packed, back, y, cache, final, finalCell, gradX, gradH0, gradC0, scratch] { buffer.check() }
        for buffer in gradients.buffers { buffer.check() }
        let written = (0..<rows).flatMap { row in (0..<state).map { outputs[row * stride + $0] } }
        return [written, final.values, finalCell.values, gradX.values, gradH0.values, gradC0.values]
          + gradients.buffers.map(\.values)
      }
    }
    for part in results { XCTAssert(part.allSatisfy(\.isFinite), name) }
  }

  func testSizesAroundTheRegister() {
    for hiddenSize in [1, 7, laneCount - 1, laneCount, laneCount + 1, panelWidth, panelWidth + 1] {
      forEachCell(inputSize: 3, hiddenSize: hiddenSize, projections: Set([0, 1, hiddenSize - 1]).sorted()) {
        check($0, $1, lengths: [5, 5, 3, 1], reverse: false, givenState: true)
      }
    }
  }

  func testBatchesAroundTheTile() {
    for batch in Set(sizes(around: tileRows) + sizes(around: wideTileRows) + [3 * wideTileRows + 2]).sorted() {
      forEachCell(inputSize: 5, hiddenSize: 9) {
        check($0, $1, lengths: [Int](repeating: 4, count: batch), reverse: false, givenState: batch % 2 == 0)
      }
    }
  }

  func testRaggedBothWaysByRowsAndByUnits() {
    let ragged = [40, 17, 17, 9] + [Int](repeating: 3, count: 2 * tileRows) + [1, 1, 1]
    for reverse in [false, true] {
      for hiddenSize in [18, 117] {
        forEachCell(inputSize: 4, hiddenSize: hiddenSize, projections: [0, 40]) {
          check($0, $1, lengths: ragged, reverse: reverse, givenState: reverse)
        }
      }
    }
  }

  /// Caches in which the weights do not stay: by units over all steps, in groups, in pieces, inputs beforehand.
  func testPlansOfSmallCaches() {
    let before = machineCaches
    defer { machineCaches = before }
    for second in [64, 8 << 10] {
      machineCaches = Caches(first: 64, second: second, shared: 1 << 20)
      // The last are steps that are calls of their own.
      for lengths in [[Int](repeating: 14, count: 2 * tileRows + 1) + [9, 5, 1], [30, 4], [1], [1, 1, 1], [2, 1]] {
        forEachCell(inputSize: 33, hiddenSize: 117, projections: [0, 40]) {
          check($0, $1, lengths: lengths, reverse: second == 64, givenState: true, zoneout: lengths[0] == 30 ? 0.3 : 0)
        }
      }
    }
  }

  func testZoneout() {
    let ragged = [20, 9, 9] + [Int](repeating: 3, count: 2 * tileRows) + [1]
    for hiddenSize in [5, 117] {
      forEachCell(inputSize: 4, hiddenSize: hiddenSize, projections: [0, 3]) {
        check($0, $1, lengths: ragged, reverse: hiddenSize == 5, givenState: true, zoneout: 0.3)
      }
    }
  }

  func testASequenceHasTheSameBitsAloneAndInABatch() {
    forEachCell(inputSize: 6, hiddenSize: 117, projections: [0, 20]) { name, cell in
      var random = Seeded(77)
      let known = recurrentSizes(cell, batch: 1, rows: 1, steps: 1, training: false)!
      let parameters = Parameters(cell, known) { random.floats($0).map { 0.2 * $0 } }
      let packed = Guarded(known.packed)
      packRecurrent(cell, packed.pointer, parameters.weights, srt_cell_scales())
      func run(_ lengths: [Int], _ x: [Float]) -> [Float] {
        let rows = lengths.reduce(0, +)
        let found = recurrentSizes(cell, batch: lengths.count, rows: rows, steps: lengths[0], training: false)!
        let (y, final) = (Guarded(rows * known.state_size), Guarded(lengths.count * known.state_size))
        let scratch = Guarded(found.forward_scratch)
        let input = Guarded(x)
        batchSizes(lengths).withUnsafeBufferPointer {
          recurrentForward(
            cell,
            srt_recurrent_call(
              y: y.pointer, output_stride: known.state_size,
              final_states: srt_new_states(h: final.pointer, c: nil), cache: nil, x: input.pointer,
              batch_sizes: $0.baseAddress!, steps: lengths[0], initial_states: srt_states(h: nil, c: nil),
              packed: packed.pointer, reverse: 0, training: 0, zoneout: srt_zoneout(rate: 0, seed: 0, offset: 0),
              scratch: scratch.pointer))
        }
        return final.values
      }
      let lengths = [Int](repeating: 9, count: 3 * tileRows) + [4, 2, 1]
      let sizes = batchSizes(lengths)
      let x = random.floats(lengths.reduce(0, +) * 6)
      let together = run(lengths, x)
      let offsets = sizes.indices.map { Int(sizes[..<$0].reduce(0, +)) }
      for (sequence, length) in lengths.enumerated() {
        let own = (0..<length).flatMap { step in (0..<6).map { x[(offsets[step] + sequence) * 6 + $0] } }
        let rows = sequence * known.state_size..<(sequence + 1) * known.state_size
        XCTAssertEqual(run([length], own), Array(together[rows]), "\(name), sequence \(sequence)")
      }
    }
  }
}
