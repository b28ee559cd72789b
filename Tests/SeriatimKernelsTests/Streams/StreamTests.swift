// Networks frame by frame: the bits of whole sequences, however the frames are cut and in whatever order streams take them,
// with one thread and with two, in guarded memory.
import CSeriatim
import XCTest

@testable import SeriatimKernels

final class StreamTests: XCTestCase {
  /// Stages with weights of their own.
  private struct Network {
    var random = Seeded(5)
    var stages: [srt_stage] = []
    var columns: Int

    private mutating func weights(_ count: Int) -> UnsafePointer<Float> {
      UnsafePointer(Guarded(random.floats(count).map { $0 / 2 }).pointer)
    }

    private mutating func packed(_ cell: srt_cell) -> UnsafePointer<Float> {
      let sizes = recurrentSizes(cell, batch: 1, rows: 1, steps: 1, training: false)!
      let rows = sizes.gates * cell.hidden_size
      var given = srt_cell_weights()
      given.weight_ih = weights(rows * cell.input_size)
      given.weight_hh = weights(rows * sizes.state_columns)
      (given.bias_ih, given.bias_hh) = (weights(rows), weights(rows))
      let packed = Guarded(sizes.packed)
      packRecurrent(cell, packed.pointer, given, srt_cell_scales())
      return UnsafePointer(packed.pointer)
    }

    private mutating func packed(_ outputs: Int) -> UnsafePointer<Float> {
      let found = Guarded(packedSize(depth: columns, columns: outputs))
      packLinear(
        found.pointer, form: .float32, weight: weights(columns * outputs), scales: nil, inFeatures: columns,
        outFeatures: outputs)
      return UnsafePointer(found.pointer)
    }

    private mutating func add(_ kind: Int, out: Int? = nil, _ change: (inout srt_stage) -> Void = { _ in }) {
      var stage = srt_stage()
      (stage.kind, stage.in, stage.out) = (Int32(kind), columns, out ?? columns)
      change(&stage)
      stages.append(stage)
      columns = stage.out
    }

    mutating func window(_ count: Int) { add(Int(SRT_WINDOW), out: count * columns) { $0.count = count } }

    mutating func linear(_ outputs: Int) {
      let (matrix, bias) = (packed(outputs), weights(outputs))
      add(Int(SRT_LINEAR), out: outputs) { ($0.weights, $0.bias) = (matrix, bias) }
    }

    mutating func relu() { add(Int(SRT_ACTIVATION)) { $0.option = Activation.Kind.relu.rawValue } }

    mutating func softmax() { add(Int(SRT_SOFTMAX)) { $0.option = 1 } }

    mutating func batchNorm() {
      let (mean, scale, shift) = (weights(columns), weights(columns), weights(columns))
      let variance = UnsafePointer(Guarded(random.floats(columns).map { 1 + abs($0) }).pointer)
      add(Int(SRT_BATCH_NORM)) {
        ($0.mean, $0.variance, $0.scale, $0.shift, $0.number) = (mean, variance, scale, shift, 1e-5)
      }
    }

    mutating func layer(_ kind: Int, _ size: Int) {
      let cell = srt_cell(
        kind: Int32(kind), options: 0, input_size: columns, hidden_size: size, projection_size: 0)
      let memory = packed(cell)
      add(Int(SRT_RECURRENT), out: size) { ($0.cell, $0.weights) = (cell, memory) }
    }

    mutating func last(at column: Int) { add(Int(SRT_LAST)) { $0.column = column } }

    mutating func pool(at column: Int) {
      add(Int(SRT_POOL)) { ($0.option, $0.column) = (7, column) }
    }

    mutating func attention(at column: Int) {
      let cell = srt_cell(
        kind: Int32(SRT_GRU), options: 0, input_size: columns, hidden_size: columns, projection_size: 0)
      let (query, memory) = (packed(columns), packed(cell))
      add(Int(SRT_ATTENTION)) { ($0.cell, $0.weights, $0.second, $0.column) = (cell, query, memory, column) }
    }

    mutating func gathered(_ features: Int) { add(Int(SRT_GATHERED), out: features) }
  }

  private func classifier() -> Network {
    var network = Network(columns: 3)
    network.layer(Int(SRT_GRU), 9)
    network.layer(Int(SRT_LSTM), 5)
    network.last(at: 0)
    network.pool(at: 5)
    network.gathered(20)
    network.linear(4)
    network.softmax()
    return network
  }

  private func withAttention() -> Network {
    var network = Network(columns: 3)
    network.layer(Int(SRT_GRU), 6)
    network.pool(at: 2 * 7)
    network.layer(Int(SRT_GRU), 7)
    network.attention(at: 0)
    network.gathered(2 * 7 + 3 * 6)
    network.batchNorm()
    network.linear(5)
    network.relu()
    network.linear(4)
    return network
  }

  private func frames() -> Network {
    var network = Network(columns: 3)
    network.window(4)
    network.linear(6)
    network.relu()
    network.layer(Int(SRT_GRU), 8)
    network.linear(4)
    network.softmax()
    return network
  }

  private let lengths = [11, 7, 7, 2]

  /// Rows of sequences, packed.
  private func packed(_ sequences: [[[Float]]]) -> [Float] {
    (0..<sequences[0].count).flatMap { step in sequences.filter { $0.count > step }.flatMap { $0[step] } }
  }

  private func run(
    _ stages: [srt_stage], _ sequences: [[[Float]]], batch: Int, order: [Int64]?, every: Bool, state: Guarded?,
    frames: [Int64]?, history: Guarded?, capacity: Int
  ) -> [Float] {
    let sizes = batchSizes(sequences.map(\.count))
    let rows = Int(sizes.reduce(0, +))
    let hasRows = !stages.contains { $0.kind == Int32(SRT_GATHERED) }
    return stages.withUnsafeBufferPointer { buffer in
      let read = StreamStages(buffer.baseAddress!, count: stages.count)
      XCTAssert(read.areValid)
      let measured = read.sizes(batch: batch, rows: rows, steps: sizes.count, capacity: capacity, every: every)
      let y = Guarded((hasRows || every ? rows : sequences.count) * measured.outputs)
      let (x, scratch) = (Guarded(packed(sequences)), Guarded(measured.scratch))
      sizes.withUnsafeBufferPointer { sizes in
        func call(_ order: UnsafePointer<Int64>?, _ frames: UnsafePointer<Int64>?) {
          streamRun(
            read,
            srt_stream_call(
              y: y.pointer, x: x.pointer, batch_sizes: sizes.baseAddress!, steps: sizes.count, batch: batch,
              order: order,
              every: every ? 1 : 0, state: state?.pointer, frames: frames, history: history?.pointer,
              capacity: capacity,
              scratch: scratch.pointer))
        }
        guard let frames else { return call(nil, nil) }
        frames.withUnsafeBufferPointer { frames in
          guard let order else { return call(nil, frames.baseAddress) }
          order.withUnsafeBufferPointer { call($0.baseAddress, frames.baseAddress) }
        }
      }
      for memory in [y, scratch, state, history] { memory?.check() }
      return y.values
    }
  }

  /// What a network gives behind every frame of each sequence, by the beginnings of whole sequences.
  private func beginnings(_ network: Network, _ sequences: [[[Float]]]) -> [[[Float]]] {
    sequences.map { sequence in
      sequence.indices.map { step in
        let found = run(
          network.stages, [Array(sequence[...step])], batch: 1, order: nil, every: false, state: nil, frames: nil,
          history: nil, capacity: 0)
        return Array(found.suffix(4))
      }
    }
  }

  private func check(_ name: String, _ network: Network) {
    var random = Seeded(7)
    let sequences = lengths.map { length in (0..<length).map { _ in random.floats(3) } }
    let wanted = beginnings(network, sequences)
    _ = withOneAndTwoThreads(name) {
      for pieces in [[1], [3], [2, 5], [11]] {
        for reversed in [false, true] { check("\(name) in \(pieces)", network, sequences, pieces, reversed, wanted) }
      }
      return []
    }
  }

  /// Streams in another order than the sequences of a call, some pieces of frames at a time.
  private func check(
    _ name: String, _ network: Network, _ sequences: [[[Float]]], _ pieces: [Int], _ reversed: Bool,
    _ wanted: [[[Float]]]
  ) {
    let streams = network.stages.withUnsafeBufferPointer {
      StreamStages($0.baseAddress!, count: $0.count).sizes(batch: 4, rows: 1, steps: 1, capacity: 16, every: true)
    }
    let (state, history) = (Guarded(streams.state, filledWith: 0), Guarded(4 * 16 * streams.history))
    func place(_ sequence: Int) -> Int { reversed ? 3 - sequence : sequence }
    var frames = [Int64](repeating: 0, count: 4)
    var (first, turn) = (0, 0)
    while first < lengths[0] {
      let end = first + pieces[turn % pieces.count]
      let alive = sequences.indices.filter { lengths[$0] > first }
      let parts = alive.map { Array(sequences[$0][first..<min(end, lengths[$0])]) }
      // Attention keeps frames in a ring, and all of a call's are there at once.
      let found = run(
        network.stages, parts, batch: 4, order: alive.map { Int64(place($0)) }, every: true, state: state,
        frames: frames,
        history: streams.history > 0 ? history : nil, capacity: 16)
      var row = 0
      for step in 0..<parts[0].count {
        for (index, sequence) in alive.enumerated() where parts[index].count > step {
          XCTAssertEqual(
            Array(found[4 * row..<4 * row + 4]), wanted[sequence][first + step],
            "\(name), \(sequence) at \(first + step)")
          row += 1
        }
      }
      for (index, sequence) in alive.enumerated() { frames[place(sequence)] += Int64(parts[index].count) }
      (first, turn) = (end, turn + 1)
    }
  }

  func testStatesAndPools() { check("classifier", classifier()) }
  func testAttention() { check("attention", withAttention()) }
  func testRows() { check("frames", frames()) }

  func testWhatDoesNotFitIsSaid() {
    func isValid(_ change: (inout [srt_stage]) -> Void) -> Bool {
      var stages = classifier().stages
      change(&stages)
      return stages.withUnsafeBufferPointer { StreamStages($0.baseAddress!, count: $0.count).areValid }
    }
    XCTAssert(isValid { _ in })
    XCTAssertFalse(isValid { $0[1].in += 1 })
    XCTAssertFalse(isValid { $0[4].out += 1 })
    XCTAssertFalse(isValid { $0[3].option = 0 })
    XCTAssertFalse(isValid { $0.swapAt(4, 5) })
    XCTAssertFalse(isValid { $0[0].kind = 99 })
  }
}
